/* Rooms, and the messages between who is in them (rtc/room_message.h). In a mesh room offers, answers and candidates
 * pass from one participant to another; in an SFU room they are the SFU's. */
#ifndef CONFAB_SFU_SIGNALLING_SERVER_H
#define CONFAB_SFU_SIGNALLING_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/nanos.h"
#include "rtc/room_message.h"
#include "world/world.h"

struct sfu;
struct signalling_server;

struct signalling_server_config {
    struct world_host *host;
    struct address address; /* where channels are accepted; NONE: they are brought by signalling_server_accept */
    struct sfu *sfu;        /* of SFU rooms; NULL: such are refused */
    /* What every participant is told to use; copied. */
    struct room_ice_server ice_servers[ROOM_ICE_SERVERS_MAX];
    size_t ice_server_count;
    uint32_t room_limit;   /* participants in a room at most; 0: ROOM_PEERS_MAX */
    uint32_t server_limit; /* participants in all; 0: SIGNALLING_SERVER_LIMIT */
    /* What happens, for a log: "join" or "leave"; `detail` is the topology. NULL: nobody is told. */
    void (*note)(void *user, const char *event, const char *room, const char *peer, const char *detail, nanos now);
    /* After each message by which a participant joins or leaves a room: is it in one now? NULL: nobody is told. */
    void (*seated)(void *user, struct world_channel *channel, bool is_in_a_room);
    void *user; /* of both */
};

enum { SIGNALLING_SERVER_LIMIT = 100000 };

/* NULL and `error` when it can't listen. */
struct signalling_server *signalling_server_create(const struct signalling_server_config *config, struct error *error);

/* Closes all channels. NULL is allowed. */
void signalling_server_destroy(struct signalling_server *server);

/* A channel was opened; it is the server's from now on. */
void signalling_server_accept(struct signalling_server *server, struct world_channel *channel, nanos now);

/* What those who join from now on are told to use; copied. */
bool signalling_server_set_ice_servers(struct signalling_server *server, const struct room_ice_server *ice_servers,
                                       size_t count);

/* Tells everyone why, by an `error` message, lets them go and takes nobody any more. */
void signalling_server_dismiss(struct signalling_server *server, const char *reason);

/* How many are in a room, and whether it is an SFU room; 0 when there is none of that name. */
size_t signalling_server_room(const struct signalling_server *server, const char *name, bool *sfu);

struct signalling_statistics {
    uint64_t rooms, members;  /* now; members are open channels, joined or not */
    uint64_t joins, refusals; /* in all */
};
struct signalling_statistics signalling_server_statistics(const struct signalling_server *server);

#endif
