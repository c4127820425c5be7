/* Where and when somebody goes who has lost the server: one after the other of a list that everyone in the room has in
 * the same order, its own server first, which may only have been out of reach. So whoever is left of a room meets again
 * at the first server that answers. Whoever is at a later one looks now and then whether one before it is back, lest the
 * room stays split. */
#ifndef CONFAB_PEER_REJOIN_H
#define CONFAB_PEER_REJOIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/nanos.h"
#include "base/rng.h"

enum { REJOIN_SERVERS_MAX = 16 };

struct rejoin {
    struct address servers[REJOIN_SERVERS_MAX];
    size_t count; /* 0: nowhere to go */
    uint32_t attempts;
    size_t at;      /* the server tried last */
    size_t scouted; /* the server looked for last */
    struct rng rng;
};

/* Of more than REJOIN_SERVERS_MAX servers, the first ones. */
void rejoin_init(struct rejoin *rejoin, const struct address *servers, size_t count, uint64_t seed);

/* How long to wait before the next attempt: 0.5 s, and twice that each time all servers have been tried, up to 8 s; by up
 * to a half more or less, so that a thousand don't come at once. */
nanos rejoin_delay(struct rejoin *rejoin);

/* A server that hasn't let us in after so long is taken for gone: 3 s, as TCP, TLS and WebSocket take three round trips,
 * 1.8 s by satellite; twice that each time all have been tried, up to 24 s, as there may be a crowd. */
nanos rejoin_patience(const struct rejoin *rejoin);

/* The server to try now. */
const struct address *rejoin_server(struct rejoin *rejoin);

/* It let us in: the next time begins with the first server again. */
void rejoin_done(struct rejoin *rejoin);

/* Whether there are servers before the one where we are. */
bool rejoin_is_away(const struct rejoin *rejoin);
/* How long to wait before looking for one of them: 10 s, by up to a half more or less. */
nanos rejoin_scout_delay(struct rejoin *rejoin);
/* The one to look for now, each in turn. */
const struct address *rejoin_scout(struct rejoin *rejoin);
/* It is there: the next time begins with it, and it is where we are. */
void rejoin_return(struct rejoin *rejoin);

#endif
