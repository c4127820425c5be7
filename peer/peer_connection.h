/* A connection (rtc/connection.h) with its feet in a world: a UDP socket for each of the host's addresses, TCP
 * connections to TURN servers, a timer. What a browser's RTCPeerConnection is below its SDP. */
#ifndef CONFAB_PEER_PEER_CONNECTION_H
#define CONFAB_PEER_PEER_CONNECTION_H

#include "base/error.h"
#include "base/nanos.h"
#include "rtc/connection.h"
#include "world/world.h"

struct peer_connection;

struct peer_connection_config {
    struct world_host *host;
    struct connection_config connection;
    /* Told each event of the transport but those about streams, which it handles itself. It may not destroy the
     * connection. */
    void (*event)(void *user, struct peer_connection *peer_connection, const struct transport_event *event, nanos now);
    void *user;
};

/* NULL and `error` when no socket could be opened. */
struct peer_connection *peer_connection_create(const struct peer_connection_config *config, struct error *error);

/* Closes its sockets without a word: see peer_connection_close. */
void peer_connection_destroy(struct peer_connection *peer_connection);

struct connection *peer_connection_connection(struct peer_connection *peer_connection);

/* Sends what there is to send and sets the timer: to be called after whatever was done to the connection. */
void peer_connection_flush(struct peer_connection *peer_connection, nanos now);

/* Says goodbye. */
void peer_connection_close(struct peer_connection *peer_connection, nanos now);

#endif
