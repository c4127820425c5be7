/* The model of one direction of a link: a queue in front of a transmitter with a rate, then a wire with delay, jitter
 * and loss. Sans-IO: it is told of a packet and the time, and says when the packet's last bit arrives at the other end,
 * or why it never does. Packets never overtake each other. The same seed and the same calls give the same answers.
 *
 *     packet -> [ queue: drop-tail or CoDel ] -> [ transmitter: rate ] -> [ wire: delay, jitter, loss ] -> arrival
 *
 * A drop-tail queue is decided on the spot, to the nanosecond as ns-3's PointToPointNetDevice with a DropTailQueue in
 * bytes would (overhead_bytes = 2 stands for its PPP header): one call, one answer, no timer. CoDel decides when a packet
 * leaves the queue, so there the link keeps the packet and asks to be called again at its deadline. */
#ifndef CONFAB_WORLD_LINK_H
#define CONFAB_WORLD_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/nanos.h"
#include "base/rng.h"

enum link_discipline {
    LINK_DROP_TAIL,
    LINK_CODEL, /* RFC 8289, target 5 ms, interval 100 ms */
};

struct link_config {
    int64_t rate_bps; /* 0: infinite, then nothing ever queues */
    nanos delay;
    /* Standard deviation of RFC 8868's NR-BPDV, section 4.5.2: each packet is late by |N(0, jitter)|, cut off at three
     * deviations, and pushes those behind it rather than letting them pass. */
    nanos jitter;
    /* Share of packets lost on the wire, after they took their time in the queue and the transmitter; 0 to 1. */
    double loss;
    /* Mean number of packets lost in a row (Gilbert's model: a good state that loses nothing and a bad one that loses
     * all); at most 1: each packet is lost or not on its own. Needs loss < loss_burst / (1 + loss_burst). */
    double loss_burst;
    int64_t queue_bytes; /* at most this much waits, the packet in transmission not counted; > 0 unless rate_bps is 0 */
    enum link_discipline discipline;
    uint32_t overhead_bytes; /* added to each packet, below IP */
};

enum link_fate {
    LINK_ARRIVES,    /* at *arrives_at */
    LINK_QUEUED,     /* the link keeps the packet; CoDel only */
    LINK_OVERFLOWED, /* the queue was full */
    LINK_SHED,       /* CoDel dropped it */
    LINK_LOST,       /* on the wire */
};

struct link_counters {
    uint64_t offered; /* packets */
    uint64_t offered_bytes;
    uint64_t delivered; /* sent on the wire and not lost */
    uint64_t delivered_bytes;
    nanos queue_delay_max; /* between being offered and the first bit leaving, as foreseen at any time */
    nanos queue_delay_sum; /* of the packets that left the queue, lost ones included */
    uint64_t overflowed;
    uint64_t shed;
    uint64_t lost;
};

/* One direction of a link. Its fields are its own; read `config` and `counters` freely. */
struct link {
    struct link_config config;
    nanos free_at;      /* the transmitter is done with what it has */
    nanos last_arrival; /* nothing arrives before that which left earlier */
    struct link_slot *slots;
    uint32_t head;
    uint32_t count;
    uint32_t cap; /* 0 or a power of two */
    bool bad;     /* the state of Gilbert's model */
    int64_t waiting_bytes;
    struct link_counters counters;
    struct rng rng;
    struct {
        nanos first_above; /* when the sojourn time will have been above target for an interval; 0: it is not */
        nanos drop_next;
        uint32_t count;
        uint32_t last_count;
        bool dropping;
        bool after_drop; /* the packet before this one was dropped, and drop_next is yet to move on */
    } codel;
};

/* What came out of a CoDel queue: `packet` as it was given, its fate (LINK_ARRIVES, LINK_SHED or LINK_LOST). */
struct link_departure {
    void *packet;
    enum link_fate fate;
    nanos arrives_at; /* LINK_ARRIVES only */
};

/* False, with the field at fault in `error`, for a config that can't be. */
bool link_config_check(const struct link_config *config, struct error *error);

/* `seed` and `index` (which link it is) determine its random numbers. False and `error` for a bad config. */
bool link_init(struct link *link, const struct link_config *config, uint64_t seed, uint64_t index, struct error *error);

/* Gives back its memory. Packets that a CoDel queue still holds are the caller's: take them with link_abandon first. */
void link_clear(struct link *link);

/* Changes the config at `now`, while packets are on their way. It holds from the next packet whose transmission starts. What
 * waits in a drop-tail queue gets another time of arrival, jitter drawn anew, which link_waiting tells; what was to be lost
 * still is. The discipline can't change. False and `error`, and nothing changed, for a bad config. */
bool link_configure(struct link *link, const struct link_config *config, nanos now, struct error *error);

/* Right after link_configure: where the link keeps the `index`-th packet, the oldest first, that waits in its drop-tail queue,
 * and its new time of arrival; NULL past the last. The packet is as it was given to link_transit, or NULL when nobody waits for
 * it: it will be lost, or was forgotten. The caller may put another in its place. */
void **link_waiting(struct link *link, uint32_t index, nanos *arrives_at);

/* The packet for which link_transit has just told an arrival is gone all the same: link_waiting will not name it. */
void link_forget(struct link *link);

/* A packet of `len` bytes, IP header included, is offered at `now` (which never decreases from call to call).
 * LINK_ARRIVES fills `arrives_at`; LINK_QUEUED means that `packet` is kept. It is otherwise only handed back by
 * link_waiting. Out of memory counts as LINK_OVERFLOWED. */
enum link_fate link_transit(struct link *link, void *packet, size_t len, nanos now, nanos *arrives_at);

/* When to call link_depart; NANOS_NEVER when nothing waits in a CoDel queue. */
nanos link_deadline(const struct link *link);

/* The next packet that has left the CoDel queue by `now`; false when there is none yet. */
bool link_depart(struct link *link, nanos now, struct link_departure *departure);

/* Takes a packet out of the CoDel queue unsent, NULL when there is none. */
void *link_abandon(struct link *link);

/* How long `bytes` take at `rate_bps`, rounded to a nanosecond as ns-3's DataRate::CalculateBytesTxTime does. */
nanos link_serialization(int64_t rate_bps, uint64_t bytes);

/* From one end to the other for `bytes` that nothing is before. */
nanos link_idle_delay(const struct link_config *config, uint64_t bytes);

#endif
