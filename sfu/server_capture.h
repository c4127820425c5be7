/* A server's own UDP traffic as a pcapng file: what its sockets send and receive, in the order of time whichever threads
 * they belong to, with IP and UDP headers as on the wire.
 * `confab analyze` and Wireshark read it; with the server's key log they can decrypt it. */
#ifndef CONFAB_SFU_SERVER_CAPTURE_H
#define CONFAB_SFU_SERVER_CAPTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "world/world.h"

struct server_capture;

/* Begins, replacing a file that is there; `origin_unix_ns` is the world's time 0. NULL and `error`. */
struct server_capture *server_capture_open(const char *path, int64_t origin_unix_ns, struct error *error);

enum { SERVER_CAPTURE_HOSTS_MAX = 80 };

/* With the traffic of this host, before it is run; all hosts' worlds have the same clock. */
void server_capture_add(struct server_capture *capture, struct world_host *host);

/* Before the hosts go, while none of them is run. False and `error` when something could not be written. NULL is allowed. */
bool server_capture_close(struct server_capture *capture, struct error *error);

#endif
