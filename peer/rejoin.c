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

nanos rejoin_delay(struct rejoin *rejoin)
{
    nanos delay = backed_off(rejoin, NANOS_PER_S / 2, 8 * NANOS_PER_S);
    return delay / 2 + (nanos)rng_below(&rejoin->rng, (uint64_t)delay);
}

nanos rejoin_patience(const struct rejoin *rejoin) { return backed_off(rejoin, 3 * NANOS_PER_S, 24 * NANOS_PER_S); }

const struct address *rejoin_server(struct rejoin *rejoin)
{
    return &rejoin->servers[rejoin->attempts++ % rejoin->count];
}

void rejoin_done(struct rejoin *rejoin) { rejoin->attempts = 0; }
