#include "world/link.h"

#include <math.h>
#include <stdlib.h>

/* RFC 8289, section 4.1 to 4.3. */
#define CODEL_TARGET (5 * NANOS_PER_MS)
#define CODEL_INTERVAL (100 * NANOS_PER_MS)
#define CODEL_MAXPACKET 1514 /* less than this waiting is no standing queue */

#define JITTER_CUT 3.0 /* N_STD of RFC 8868, section 4.5.3 */

/* A packet that waits. With drop-tail everything about it is foreseen. */
struct link_slot {
    void *packet;
    nanos offered;
    nanos start;  /* drop-tail: of its transmission */
    nanos before; /* drop-tail: when what left before it arrives */
    uint32_t len;
    uint32_t bytes; /* with the overhead */
};

bool link_config_check(const struct link_config *config, struct error *error)
{
    if (config->rate_bps < 0 || config->rate_bps > 10000000000000)
        return error_set(error, ERROR_USAGE, "link: rate_bps must be 0 (infinite) to 10 Tbit/s");
    if (config->delay < 0 || config->delay > 3600 * NANOS_PER_S)
        return error_set(error, ERROR_USAGE, "link: delay must be 0 to 1 hour");
    if (config->jitter < 0 || config->jitter > 3600 * NANOS_PER_S)
        return error_set(error, ERROR_USAGE, "link: jitter must be 0 to 1 hour");
    if (!(config->loss >= 0 && config->loss <= 1))
        return error_set(error, ERROR_USAGE, "link: loss must be 0 to 1");
    if (!(config->loss_burst >= 0 && config->loss_burst <= 1e6))
        return error_set(error, ERROR_USAGE, "link: loss_burst must be 0 to 1000000 packets");
    if (config->loss_burst > 1 && config->loss < 1 && config->loss > config->loss_burst / (1 + config->loss_burst))
        return error_set(error, ERROR_USAGE,
                         "link: a loss of %g can't come in bursts of only %g packets: loss must be below burst / "
                         "(1 + burst)",
                         config->loss, config->loss_burst);
    if (config->rate_bps > 0 && (config->queue_bytes <= 0 || config->queue_bytes > INT64_C(1) << 40))
        return error_set(error, ERROR_USAGE, "link: queue_bytes must be 1 to 2^40 when there is a rate");
    if (config->discipline != LINK_DROP_TAIL && config->discipline != LINK_CODEL)
        return error_set(error, ERROR_USAGE, "link: discipline must be drop-tail or CoDel");
    if (config->overhead_bytes > 65535)
        return error_set(error, ERROR_USAGE, "link: overhead_bytes must be 0 to 65535");
    return true;
}

bool link_init(struct link *link, const struct link_config *config, uint64_t seed, uint64_t index, struct error *error)
{
    if (!link_config_check(config, error))
        return false;
    *link = (struct link){.config = *config, .rng = rng_of(seed, "link", index)};
    return true;
}

void link_clear(struct link *link)
{
    free(link->slots);
    link->slots = NULL;
    link->head = link->count = link->cap = 0;
    link->waiting_bytes = 0;
}

nanos link_serialization(int64_t rate_bps, uint64_t bytes)
{
    if (rate_bps == 0)
        return 0;
    /* Seconds in 64.64 fixed point, rounded down; then nanoseconds of that, rounded to the nearest. Doing it in one step
     * would differ where the exact result ends in .5. */
    __uint128_t seconds = ((__uint128_t)(bytes * 8) << 64) / (uint64_t)rate_bps;
    uint64_t whole = (uint64_t)(seconds >> 64);
    __uint128_t part = (__uint128_t)(uint64_t)seconds * 1000000000u;
    return (nanos)(whole * 1000000000u + (uint64_t)((part + ((__uint128_t)1 << 63)) >> 64));
}

nanos link_idle_delay(const struct link_config *config, uint64_t bytes)
{
    return config->delay + link_serialization(config->rate_bps, bytes);
}

/* --- the queue: a ring that grows to what waits at most ---------------------------------------------------------- */

static bool push(struct link *link, struct link_slot slot)
{
    if (link->count == link->cap) {
        uint32_t cap = link->cap > 0 ? link->cap * 2 : 8;
        struct link_slot *slots = cap > link->cap ? malloc(cap * sizeof *slots) : NULL;
        if (slots == NULL)
            return false;
        for (uint32_t i = 0; i < link->count; i++)
            slots[i] = link->slots[(link->head + i) & (link->cap - 1)];
        free(link->slots);
        link->slots = slots;
        link->head = 0;
        link->cap = cap;
    }
    link->slots[(link->head + link->count++) & (link->cap - 1)] = slot;
    link->waiting_bytes += slot.bytes;
    return true;
}

static struct link_slot pop(struct link *link)
{
    struct link_slot slot = link->slots[link->head];
    link->head = (link->head + 1) & (link->cap - 1);
    link->count--;
    link->waiting_bytes -= slot.bytes;
    return slot;
}

static struct link_slot *slot_at(const struct link *link, uint32_t index)
{
    return &link->slots[(link->head + index) & (link->cap - 1)];
}

/* Drop-tail: those whose transmission has started wait no more. */
static void settle(struct link *link, nanos now)
{
    while (link->count > 0 && link->slots[link->head].start <= now)
        pop(link);
}

/* --- transmitter and wire ---------------------------------------------------------------------------------------- */

static bool is_lost(struct link *link)
{
    const struct link_config *config = &link->config;
    if (config->loss <= 0)
        return false;
    if (config->loss_burst <= 1 || config->loss >= 1)
        return rng_unit(&link->rng) < config->loss;
    double leave = 1 / config->loss_burst;
    double enter = config->loss / (config->loss_burst * (1 - config->loss));
    link->bad = rng_unit(&link->rng) < (link->bad ? 1 - leave : enter);
    return link->bad;
}

/* The transmission of `len` bytes starts at `start`. Returns when they arrive, if they do. */
static nanos cross(struct link *link, uint32_t len, nanos start)
{
    const struct link_config *config = &link->config;
    nanos serialization = link_serialization(config->rate_bps, (uint64_t)len + config->overhead_bytes);
    link->free_at = start + serialization;
    nanos arrival = link->free_at + config->delay;
    if (config->jitter > 0)
        arrival += llround(fmin(fabs(rng_normal(&link->rng)), JITTER_CUT) * (double)config->jitter);
    link->last_arrival = nanos_max(arrival, link->last_arrival + serialization);
    return link->last_arrival;
}

/* As cross, of a packet offered at `offered`. */
static enum link_fate transmit(struct link *link, uint32_t len, nanos offered, nanos start, nanos *arrives_at)
{
    link->counters.queue_delay_sum += start - offered;
    link->counters.queue_delay_max = nanos_max(link->counters.queue_delay_max, start - offered);
    nanos arrival = cross(link, len, start);
    if (is_lost(link)) {
        link->counters.lost++;
        return LINK_LOST;
    }
    link->counters.delivered++;
    link->counters.delivered_bytes += len;
    *arrives_at = arrival;
    return LINK_ARRIVES;
}

enum link_fate link_transit(struct link *link, void *packet, size_t len, nanos now, nanos *arrives_at)
{
    uint32_t bytes = (uint32_t)len + link->config.overhead_bytes;
    bool drop_tail = link->config.discipline == LINK_DROP_TAIL;
    link->counters.offered++;
    link->counters.offered_bytes += len;
    if (drop_tail)
        settle(link, now);
    /* As in ns-3, even a packet that finds the transmitter free has to fit into the queue. */
    if (link->config.rate_bps > 0 && link->waiting_bytes + bytes > link->config.queue_bytes) {
        link->counters.overflowed++;
        return LINK_OVERFLOWED;
    }
    if (link->count == 0 && link->free_at <= now) {
        link->codel.first_above = 0;
        link->codel.dropping = false;
        return transmit(link, (uint32_t)len, now, now, arrives_at);
    }
    nanos start = link->free_at;
    if (!push(link, (struct link_slot){packet, now, start, link->last_arrival, (uint32_t)len, bytes})) {
        link->counters.overflowed++;
        return LINK_OVERFLOWED;
    }
    if (!drop_tail)
        return LINK_QUEUED;
    enum link_fate fate = transmit(link, (uint32_t)len, now, start, arrives_at);
    if (fate == LINK_LOST)
        link_forget(link);
    return fate;
}

void link_forget(struct link *link)
{
    /* One that didn't have to wait is in no slot, and then nobody is. */
    if (link->config.discipline == LINK_DROP_TAIL && link->count > 0)
        slot_at(link, link->count - 1)->packet = NULL;
}

/* --- another config ------------------------------------------------------------------------------------------------ */

/* Drop-tail: foresees anew what waits at `now`. */
static void foresee(struct link *link, nanos now)
{
    settle(link, now);
    for (uint32_t i = 0; i < link->count; i++) {
        struct link_slot *slot = slot_at(link, i);
        if (i == 0) {
            link->free_at = slot->start;
            link->last_arrival = slot->before;
        }
        link->counters.queue_delay_sum += link->free_at - slot->start;
        link->counters.queue_delay_max = nanos_max(link->counters.queue_delay_max, link->free_at - slot->offered);
        slot->start = link->free_at;
        slot->before = link->last_arrival;
        cross(link, slot->len, slot->start);
    }
}

bool link_configure(struct link *link, const struct link_config *config, nanos now, struct error *error)
{
    if (!link_config_check(config, error))
        return false;
    if (config->discipline != link->config.discipline)
        return error_set(error, ERROR_USAGE, "link: the queue discipline can't change while the link is in use");
    link->config = *config;
    if (config->discipline == LINK_DROP_TAIL)
        foresee(link, now);
    return true;
}

void **link_waiting(struct link *link, uint32_t index, nanos *arrives_at)
{
    if (link->config.discipline != LINK_DROP_TAIL || index >= link->count)
        return NULL;
    *arrives_at = index + 1 < link->count ? slot_at(link, index + 1)->before : link->last_arrival;
    return &slot_at(link, index)->packet;
}

/* --- CoDel (RFC 8289, section 5) ----------------------------------------------------------------------------------- */

nanos link_deadline(const struct link *link)
{
    return link->config.discipline == LINK_CODEL && link->count > 0 ? link->free_at : NANOS_NEVER;
}

static nanos control_law(nanos t, uint32_t count) { return t + llround((double)CODEL_INTERVAL / sqrt(count)); }

/* Whether the packet just taken, offered at `offered`, may be dropped at `now`: the queue has been above target for an
 * interval. */
static bool ok_to_drop(struct link *link, nanos offered, nanos now)
{
    if (now - offered < CODEL_TARGET || link->waiting_bytes <= CODEL_MAXPACKET) {
        link->codel.first_above = 0;
        return false;
    }
    if (link->codel.first_above == 0) {
        link->codel.first_above = now + CODEL_INTERVAL;
        return false;
    }
    return now >= link->codel.first_above;
}

/* Whether CoDel drops the packet that would leave at `now`. Called for one packet after the other, all at the same
 * `now`, until it lets one pass: the loop of the RFC's deque, turned inside out. */
static bool codel_drops(struct link *link, nanos offered, nanos now)
{
    bool may_drop = ok_to_drop(link, offered, now);
    bool after_drop = link->codel.after_drop;
    link->codel.after_drop = false;
    if (!link->codel.dropping) {
        if (!may_drop)
            return false;
        /* Start dropping; soon after the last time, at about the rate that controlled the queue then. */
        uint32_t recent = link->codel.count - link->codel.last_count;
        bool again = recent > 1 && now - link->codel.drop_next < 16 * CODEL_INTERVAL;
        link->codel.dropping = true;
        link->codel.count = again ? recent : 1;
        link->codel.drop_next = control_law(now, link->codel.count);
        link->codel.last_count = link->codel.count;
        return true;
    }
    if (!may_drop) {
        link->codel.dropping = false;
        return false;
    }
    if (after_drop)
        link->codel.drop_next = control_law(link->codel.drop_next, link->codel.count);
    if (now < link->codel.drop_next)
        return false;
    link->codel.count++;
    link->codel.after_drop = true;
    return true;
}

bool link_depart(struct link *link, nanos now, struct link_departure *departure)
{
    if (link_deadline(link) > now)
        return false;
    nanos start = link->free_at;
    struct link_slot slot = pop(link);
    departure->packet = slot.packet;
    departure->arrives_at = 0;
    if (codel_drops(link, slot.offered, start)) {
        link->counters.shed++;
        departure->fate = LINK_SHED;
    } else {
        departure->fate = transmit(link, slot.len, slot.offered, start, &departure->arrives_at);
    }
    return true;
}

void *link_abandon(struct link *link)
{
    if (link->config.discipline != LINK_CODEL || link->count == 0)
        return NULL;
    return pop(link).packet;
}
