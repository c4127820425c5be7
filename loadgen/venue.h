/* Where a scenario takes place: the emulated network of a sim world or of a live one, with its clock and captures. */
#ifndef CONFAB_LOADGEN_VENUE_H
#define CONFAB_LOADGEN_VENUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/nanos.h"
#include "loadgen/scenario.h"
#include "world/internet.h"

struct venue;

struct venue_config {
    enum scenario_world world;
    uint64_t seed;
    nanos core_delay; /* as the worlds' */
    /* The live world's clock is at minus this when it is made, so that everything is built before time 0. */
    nanos lead;
};

/* NULL and `error`. */
struct venue *venue_open(const struct venue_config *config, struct error *error);

/* Frees the world with every handle that is still open in it. NULL is allowed. */
void venue_close(struct venue *venue);

struct internet *venue_internet(struct venue *venue);

/* The world's time 0 in Unix seconds, and as a timestamp of NTP. */
int64_t venue_unix_origin_s(const struct venue *venue);
uint64_t venue_ntp_origin(const struct venue *venue);

/* Captures what these hosts send and receive, media cut after `media_snap` bytes (0: whole), until the venue is closed or
 * captures are finished. Only the sim can: false and `error` in the live world. */
bool venue_capture(struct venue *venue, const char *path, struct world_host *const *hosts, size_t count,
                   size_t media_snap, struct error *error);
bool venue_finish_captures(struct venue *venue, struct error *error);

/* How well this machine kept up. In the sim there is nothing to keep up with: all 0. */
struct venue_health {
    double cpu;     /* of all cores since venue_open, 0 to 1 */
    nanos lag_max;  /* how much later than they were due things happened */
    uint64_t drops; /* datagrams that this machine lost, its socket buffers being full, and sockets it had no more of */
};
struct venue_health venue_health(const struct venue *venue);

#endif
