/* What the files of the TURN server share among themselves: nobody else includes this. */
#ifndef CONFAB_SFU_TURN_SERVER_STATE_H
#define CONFAB_SFU_TURN_SERVER_STATE_H

#include "sfu/reply_limit.h"
#include "sfu/turn_allocation.h"
#include "sfu/turn_peer_rules.h"

/* A listening UDP socket. With RFC 5780 four of them know one another: A1:P1, A1:P2, A2:P1, A2:P2. */
struct turn_listener {
    struct turn_server *server;
    struct world_udp *udp;
    struct address local;
    struct turn_listener *other_ip;
    struct turn_listener *other_port;
    struct turn_listener *other_both; /* all three or none */
};

/* A listening TCP socket, for TCP or TLS. */
struct turn_stream_listener {
    struct turn_server *server;
    struct world_tcp_listener *tcp;
    enum turn_transport transport;
};

/* The way a message came and its answer goes. */
struct turn_path {
    struct turn_tuple tuple;
    struct turn_listener *listener;     /* UDP */
    struct turn_connection *connection; /* TCP, TLS */
};

/* Datagrams on their way out of one socket, gathered so that they leave together. */
enum { TURN_EGRESS_BATCH = 64, TURN_EGRESS_SCRATCH = 160 * 1024 };
struct turn_egress {
    struct world_udp *udp;
    size_t count;
    size_t scratch_len;
    struct datagram batch[TURN_EGRESS_BATCH];
    uint8_t scratch[TURN_EGRESS_SCRATCH]; /* for what isn't sent as it came in */
};

struct turn_server {
    struct turn_server_statistics statistics;
    struct world_host *host;
    struct tls_context *tls_context;
    struct turn_credentials *credentials;
    struct turn_peer_rules rules;
    struct turn_table table;
    struct reply_limit reply_limit;
    struct address external_ipv4;
    struct address redirect;
    uint16_t channel_max;
    uint32_t lifetime_default_s;
    uint32_t lifetime_max_s;
    uint32_t connection_limit;
    uint32_t idle_connections; /* without an allocation */
    size_t backlog_bytes;
    struct world_timer *timer;
    nanos timer_at;
    struct turn_listener *listeners;
    size_t listener_count;
    struct turn_stream_listener *stream_listeners;
    size_t stream_listener_count;
    struct turn_connection *connections;  /* the first of a list */
    struct deadline_heap connection_heap; /* when idle ones are closed */
    struct turn_egress egress;
};

/* --- turn_server.c: the way in and out --- */

/* A message from a client, whole: STUN or ChannelData. `data` stays until turn_egress_flush. */
void turn_server_take(struct turn_server *server, struct turn_path *path, const uint8_t *data, size_t len, nanos now);

/* Answers along the path. */
void turn_server_answer(struct turn_server *server, const struct turn_path *path, const uint8_t *data, size_t len);

/* Sees to it that the timer goes off for what expires next. */
void turn_server_set_timer(struct turn_server *server);

/* --- turn_egress.c --- */

/* Adds a datagram whose bytes stay where they are until the flush. */
void turn_egress_add(struct turn_egress *egress, struct world_udp *udp, const struct address *remote,
                     const uint8_t *data, size_t len);
/* Room for the bytes of a datagram of at most `len` bytes, to be added next; NULL when it is longer than any. */
uint8_t *turn_egress_room(struct turn_egress *egress, size_t len);
void turn_egress_flush(struct turn_egress *egress);

/* --- turn_request.c: requests and their answers --- */

void turn_request_take(struct turn_server *server, const struct turn_path *path, const struct stun_message *request,
                       nanos now);
/* An error response to a request that nobody has authenticated: small, and limited for each source. */
void turn_request_refuse(struct turn_server *server, const struct turn_path *path, const struct stun_message *request,
                         unsigned code, nanos now);
/* 420 with the attributes among those of the request that are not in `known`; false when there are none. */
bool turn_request_refuse_unknown(struct turn_server *server, const struct turn_path *path,
                                 const struct stun_message *request, const uint16_t *known, size_t known_count,
                                 const struct turn_identity *identity, nanos now);

/* --- turn_relaying.c: data --- */

/* Is this a socket of the relays' own machine with no relay behind it? Nothing is sent there, or taken from there. */
bool turn_relaying_is_astray(const struct turn_server *server, const struct address *peer);
void turn_relaying_send(struct turn_server *server, const struct turn_path *path,
                        const struct stun_message *indication);
void turn_relaying_channel_data(struct turn_server *server, const struct turn_path *path, const uint8_t *data,
                                size_t len);
/* A relay's world_udp_received; `user` is the struct turn_relay. */
void turn_relaying_from_peers(void *user, struct world_udp *udp, struct datagram *batch, size_t count, nanos now);

/* --- stun_behavior.c: Binding, with RFC 5780 --- */

void stun_behavior_take(struct turn_server *server, const struct turn_path *path, const struct stun_message *request,
                        nanos now);

/* --- turn_connection.c: TCP and TLS --- */

/* A stream listener's world_tcp_accepted; `user` is the struct turn_stream_listener. */
void turn_connection_accept(void *user, struct world_tcp *tcp, const struct address *remote, nanos now);
/* Sends whole messages, padded; `media` is dropped, and false returned, while too much waits. */
bool turn_connection_send(struct turn_connection *connection, const uint8_t *data, size_t len, bool media);
/* The allocation that was made on it; and none any more. */
void turn_connection_hold(struct turn_connection *connection, struct turn_allocation *allocation, nanos now);
/* Closes those that have been idle too long. */
void turn_connections_expire(struct turn_server *server, nanos now);
void turn_connections_close(struct turn_server *server);

#endif
