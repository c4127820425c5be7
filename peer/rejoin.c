#include "peer/rejoin.h"

#include <string.h>

void rejoin_init(struct rejoin *rejoin, const struct address *servers, size_t count, uint64_t seed)
{
    memset(rejoin, 0, sizeof *rejoin);
    rejoin->rng = rng_of(seed, "rejoin", 0);
    rejoin->count = count < REJOIN_SERVERS_MAX ? count : REJOIN_SERVERS_MAX;
    for (size_t i = 0; i < rejoin->count; i++)
        rejoin->servers[i] = servers[i];
}

/* Doubled for each time that all servers have been tried. */
static nanos backed_off(const struct rejoin *rejoin, nanos first, nanos most)
{
    nanos time = first;
    for (size_t round = rejoin->attempts / rejoin->count; round > 0 && time < most; round--)
        time *= 2;
    return nanos_min(time, most);
}

/* By up to a half more or less. */
static nanos spread(struct rejoin *rejoin, nanos delay)
{
    return delay / 2 + (nanos)rng_below(&rejoin->rng, (uint64_t)delay);
}

nanos rejoin_delay(struct rejoin *rejoin)
{
    return spread(rejoin, backed_off(rejoin, NANOS_PER_S / 2, 8 * NANOS_PER_S));
}

nanos rejoin_patience(const struct rejoin *rejoin) { return backed_off(rejoin, 3 * NANOS_PER_S, 24 * NANOS_PER_S); }

const struct address *rejoin_server(struct rejoin *rejoin)
{
    rejoin->at = rejoin->attempts++ % rejoin->count;
    return &rejoin->servers[rejoin->at];
}

void rejoin_done(struct rejoin *rejoin) { rejoin->attempts = 0; }

bool rejoin_is_away(const struct rejoin *rejoin) { return rejoin->at > 0; }

nanos rejoin_scout_delay(struct rejoin *rejoin) { return spread(rejoin, 10 * NANOS_PER_S); }

const struct address *rejoin_scout(struct rejoin *rejoin)
{
    rejoin->scouted = (rejoin->scouted + 1) % rejoin->at;
    return &rejoin->servers[rejoin->scouted];
}

void rejoin_return(struct rejoin *rejoin)
{
    rejoin->at = rejoin->scouted;
    rejoin->attempts = (uint32_t)rejoin->at + 1;
}
