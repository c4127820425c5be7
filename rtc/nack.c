#include "rtc/nack.h"

#include <stdlib.h>
#include <string.h>

#include "rtc/rtp.h"

#define FIRST_CAP 16

struct nack_missing {
    nanos at;          /* when to ask (again) */
    uint32_t sequence; /* the low bits of the unwrapped number */
    uint8_t tries;
};

void nack_generator_init(struct nack_generator *generator, const struct nack_config *config)
{
    *generator = (struct nack_generator){.config = *config, .rtt = NACK_RTT_DEFAULT, .due = NANOS_NEVER};
    if (generator->config.missing_max == 0)
        generator->config.missing_max = NACK_MISSING_MAX;
}

void nack_generator_clear(struct nack_generator *generator)
{
    free(generator->missing);
    *generator = (struct nack_generator){.due = NANOS_NEVER};
}

void nack_generator_set_rtt(struct nack_generator *generator, nanos rtt) { generator->rtt = rtt; }

static void drop_first(struct nack_generator *generator, size_t count)
{
    if (count == 0)
        return;
    generator->count -= count;
    memmove(generator->missing, generator->missing + count, generator->count * sizeof *generator->missing);
    if (generator->count == 0)
        generator->due = NANOS_NEVER;
}

/* The index of the first entry that isn't before `sequence`. */
static size_t find(const struct nack_generator *generator, uint32_t sequence)
{
    size_t low = 0;
    size_t high = generator->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if ((int32_t)(generator->missing[middle].sequence - sequence) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Room for `more` entries at the end. The list grows to what was ever missing at once, and then no more. */
static bool make_room(struct nack_generator *generator, size_t more)
{
    size_t wanted = generator->count + more;
    if (wanted <= generator->cap)
        return true;
    size_t cap = generator->cap > 0 ? generator->cap : FIRST_CAP;
    while (cap < wanted)
        cap *= 2;
    struct nack_missing *missing = realloc(generator->missing, cap * sizeof *missing);
    if (missing == NULL)
        return false;
    generator->missing = missing;
    generator->cap = cap;
    return true;
}

/* [first, end) were passed over. */
static void add_missing(struct nack_generator *generator, int64_t first, int64_t end, nanos now)
{
    size_t more = (size_t)(end - first);
    if (generator->count + more > generator->config.missing_max || !make_room(generator, more)) {
        generator->given_up += generator->count + more;
        drop_first(generator, generator->count);
        generator->wants_key_frame = true;
        return;
    }
    bool wait = generator->config.reorder_delay > 0 || generator->config.reorder_packets > 0;
    nanos at = !wait ? now : generator->config.reorder_delay > 0 ? now + generator->config.reorder_delay : NANOS_NEVER;
    for (int64_t sequence = first; sequence < end; sequence++)
        generator->missing[generator->count++] = (struct nack_missing){.at = at, .sequence = (uint32_t)sequence};
    generator->due = nanos_min(generator->due, at);
}

/* Enough later packets have come for those up to `end` not to be merely reordered. */
static void stop_waiting(struct nack_generator *generator, int64_t first, int64_t end, nanos now)
{
    for (size_t i = find(generator, (uint32_t)first); i < generator->count; i++) {
        struct nack_missing *missing = &generator->missing[i];
        if ((int32_t)(missing->sequence - (uint32_t)end) >= 0)
            break;
        if (missing->at > now && missing->tries == 0) {
            missing->at = now;
            generator->due = nanos_min(generator->due, now);
        }
    }
}

enum nack_arrival nack_generator_received(struct nack_generator *generator, uint16_t sequence, nanos now)
{
    if (generator->highest == 0) {
        generator->highest = (int64_t)sequence + 0x10000;
        return NACK_IN_ORDER;
    }
    int64_t at = rtp_unwrap_sequence(generator->highest, sequence);
    if (at > generator->highest) {
        int64_t previous = generator->highest;
        generator->highest = at;
        if (at > previous + 1)
            add_missing(generator, previous + 1, at, now);
        int64_t tolerance = generator->config.reorder_packets;
        if (tolerance > 0 && generator->count > 0)
            stop_waiting(generator, previous - tolerance, at - tolerance + 1, now);
        return NACK_IN_ORDER;
    }
    size_t i = find(generator, (uint32_t)at);
    if (i == generator->count || generator->missing[i].sequence != (uint32_t)at)
        return NACK_UNKNOWN;
    bool asked = generator->missing[i].tries > 0;
    generator->recovered += asked;
    generator->count--;
    memmove(generator->missing + i, generator->missing + i + 1, (generator->count - i) * sizeof *generator->missing);
    if (generator->count == 0)
        generator->due = NANOS_NEVER;
    return asked ? NACK_RECOVERED : NACK_REORDERED;
}

void nack_generator_forget_before(struct nack_generator *generator, uint16_t sequence)
{
    if (generator->count > 0)
        drop_first(generator, find(generator, (uint32_t)rtp_unwrap_sequence(generator->highest, sequence)));
}

size_t nack_generator_write(struct nack_generator *generator, uint16_t *sequences, size_t cap, nanos now)
{
    if (now < generator->due)
        return 0;
    /* A quarter more than a round trip, so that an answer on its way isn't asked for again. */
    nanos again = now + nanos_max(generator->rtt + generator->rtt / 4, NACK_INTERVAL_MIN);
    size_t written = 0;
    size_t kept = 0;
    generator->due = NANOS_NEVER;
    for (size_t i = 0; i < generator->count; i++) {
        struct nack_missing missing = generator->missing[i];
        if (missing.at <= now && missing.tries == NACK_TRIES_MAX) {
            generator->given_up++;
            continue;
        }
        if (missing.at <= now && written < cap) {
            sequences[written++] = (uint16_t)missing.sequence;
            missing.tries++;
            missing.at = again;
        }
        generator->due = nanos_min(generator->due, missing.at);
        generator->missing[kept++] = missing;
    }
    generator->count = kept;
    generator->requested += written;
    return written;
}

bool nack_generator_take_key_frame_wish(struct nack_generator *generator)
{
    bool wished = generator->wants_key_frame;
    generator->wants_key_frame = false;
    return wished;
}
