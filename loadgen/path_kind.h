/* A connection's path, named by its less direct end. */
#ifndef CONFAB_LOADGEN_PATH_KIND_H
#define CONFAB_LOADGEN_PATH_KIND_H

#include "report/result.h"
#include "rtc/transport.h"

enum path_kind { PATH_NONE, PATH_HOST, PATH_SRFLX, PATH_PRFLX, PATH_RELAY_UDP, PATH_RELAY_TCP, PATH_RELAY_TLS };

/* As one end sees it; `other`: as the other end does, NULL when nobody knows. */
enum path_kind path_kind_of(const struct transport_path_info *path, const struct transport_path_info *other);

/* "none", "host", "relay-tcp", … */
const char *path_kind_name(enum path_kind kind);

static inline bool path_kind_relays(enum path_kind kind) { return kind >= PATH_RELAY_UDP; }

/* Adds `change` (1, −1) to the count of this kind. */
void path_kind_count(struct result_connections *connections, enum path_kind kind, int change);

#endif
