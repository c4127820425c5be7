/* A server's own UDP traffic as a pcapng file: what its sockets send and receive, with IP and UDP headers as on the wire.
 * `confab analyze` and Wireshark read it; with the server's key log they can decrypt it. */
#ifndef CONFAB_SFU_SERVER_CAPTURE_H
#define CONFAB_SFU_SERVER_CAPTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "world/world.h"

struct server_capture;

/* Begins, replacing a file that is there; `origin_unix_ns` is the world's time 0. NULL and `error`. */
struct server_capture *server_capture_open(const char *path, struct world_host *host, int64_t origin_unix_ns,
                                           struct error *error);

/* Before the host goes. False and `error` when something could not be written. NULL is allowed. */
bool server_capture_close(struct server_capture *capture, struct error *error);

#endif
