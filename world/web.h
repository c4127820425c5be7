/* HTTP and WebSocket on a libuv loop, by libwebsockets: what servers (world/http_server.h) and channels
 * (world/web_channel.h) stand on. A live world has one. Everything runs in the loop's thread. */
#ifndef CONFAB_WORLD_WEB_H
#define CONFAB_WORLD_WEB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "base/error.h"

struct uv_loop_s;
struct web;
struct world;

/* `world` tells the time. NULL and `error` when libwebsockets or its libuv part can't start. */
struct web *web_create(struct uv_loop_s *loop, struct world *world, struct error *error);

/* Ends all servers and channels; nothing is called back any more. The loop has then to run until it is empty, before
 * web_destroy. NULL is allowed. */
void web_close(struct web *web);
void web_destroy(struct web *web);

/* A host's address, IPv4 before IPv6: a literal, or a name that is looked up once (and that waits). False and `error`
 * (ERROR_SYSTEM). */
bool web_resolve(struct web *web, const char *host, uint16_t port, struct address *address, struct error *error);

#endif
