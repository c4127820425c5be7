#include "rtc/pacer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/message_queue.h"

#define LIMIT_BYTES_DEFAULT ((size_t)1 << 20)
#define BURST_DEFAULT (5 * NANOS_PER_MS)
#define PROBES_CAP 5
#define PROBE_TIMEOUT (5 * NANOS_PER_S)      /* for one that waits for something to send */
#define PROBE_DURATION_MAX (1 * NANOS_PER_S) /* of one that began: nothing can be learnt from so slow a burst */
#define PADDING_DURATION (20 * NANOS_PER_MS) /* worth of padding asked for at once … */
#define PADDING_MIN 200                      /* … within these */
#define PADDING_MAX 1100
#define TIME_LEFT_MIN (1 * NANOS_PER_MS)
#define TOLERANCE_BYTES 0.01 /* of rounding, so that what is due at the deadline is due */

/* In front of each packet in its queue. */
struct entry {
    nanos queued;
    uint32_t tag;
    uint32_t zero;
};

struct pending_probe {
    struct probe_cluster cluster;
    nanos queued;
    bool begun;
    nanos begin;
    size_t sent_bytes;
    uint32_t sent_packets;
};

struct pacer {
    struct pacer_config config;
    int64_t pacing_bps;
    int64_t padding_bps;
    nanos now;
    double rate;         /* bytes a second: the pacing rate, or more to keep the queue short */
    double debt;         /* bytes sent that the rate has not yet covered */
    double padding_debt; /* the same for padding's rate */
    bool no_padding;     /* there is none to be had until media was sent again */
    struct message_queue queues[PACER_PRIORITIES];
    size_t packets;
    size_t bytes;
    double waited; /* nanoseconds, by all packets in the queues together */
    nanos last_delay;
    size_t probe_count;
    struct pending_probe probes[PROBES_CAP];
    enum pacer_action asked;
    enum pacer_priority asked_priority;
};

struct pacer *pacer_create(const struct pacer_config *config, struct error *error)
{
    if (config->pacing_bps <= 0) {
        error_set(error, ERROR_USAGE, "pacer: the pacing rate must be positive");
        return NULL;
    }
    struct pacer *pacer = calloc(1, sizeof *pacer);
    if (pacer == NULL) {
        error_set(error, ERROR_SYSTEM, "pacer: out of memory");
        return NULL;
    }
    pacer->config = *config;
    if (pacer->config.burst == 0)
        pacer->config.burst = BURST_DEFAULT;
    if (pacer->config.queue_limit == 0)
        pacer->config.queue_limit = PACER_QUEUE_TIME_LIMIT;
    pacer->pacing_bps = config->pacing_bps;
    pacer->rate = (double)config->pacing_bps / 8;
    pacer->no_padding = true;
    for (int i = 0; i < PACER_PRIORITIES; i++)
        pacer->queues[i].limit = config->limit_bytes > 0 ? config->limit_bytes : LIMIT_BYTES_DEFAULT;
    return pacer;
}

void pacer_destroy(struct pacer *pacer)
{
    if (pacer == NULL)
        return;
    for (int i = 0; i < PACER_PRIORITIES; i++)
        message_queue_clear(&pacer->queues[i]);
    free(pacer);
}

/* The pacing rate, raised if the queue would take too long at it. */
static double needed_rate(const struct pacer *pacer)
{
    double rate = (double)pacer->pacing_bps / 8;
    if (pacer->packets == 0)
        return rate;
    double mean_wait = pacer->waited / (double)pacer->packets;
    double left = fmax((double)pacer->config.queue_limit - mean_wait, (double)TIME_LEFT_MIN);
    return fmax(rate, (double)pacer->bytes / (left / NANOS_PER_S));
}

static void advance(struct pacer *pacer, nanos now)
{
    if (now <= pacer->now)
        return;
    double elapsed = nanos_to_s(now - pacer->now);
    pacer->waited += (double)pacer->packets * (double)(now - pacer->now);
    pacer->now = now;
    pacer->rate = needed_rate(pacer);
    pacer->debt = fmax(pacer->debt - pacer->rate * elapsed, 0);
    pacer->padding_debt = fmax(pacer->padding_debt - (double)pacer->padding_bps / 8 * elapsed, 0);
}

void pacer_set_rates(struct pacer *pacer, int64_t pacing_bps, int64_t padding_bps, nanos now)
{
    advance(pacer, now);
    if (pacing_bps > 0)
        pacer->pacing_bps = pacing_bps;
    pacer->padding_bps = padding_bps;
    pacer->rate = needed_rate(pacer);
}

bool pacer_probe(struct pacer *pacer, const struct probe_cluster *cluster, nanos now)
{
    if (pacer->probe_count == PROBES_CAP || cluster->bps <= 0)
        return false;
    pacer->probes[pacer->probe_count++] = (struct pending_probe){.cluster = *cluster, .queued = now};
    return true;
}

bool pacer_push(struct pacer *pacer, enum pacer_priority priority, uint32_t tag, const void *data, size_t len,
                nanos now)
{
    advance(pacer, now);
    const struct entry entry = {.queued = now, .tag = tag};
    const struct message_tag no_tag = {0};
    uint8_t *room = message_queue_room(&pacer->queues[priority], &no_tag, sizeof entry + len);
    if (room == NULL)
        return false;
    memcpy(room, &entry, sizeof entry);
    memcpy(room + sizeof entry, data, len);
    pacer->packets++;
    pacer->bytes += len;
    pacer->rate = needed_rate(pacer);
    return true;
}

static void drop_probe(struct pacer *pacer)
{
    memmove(pacer->probes, pacer->probes + 1, --pacer->probe_count * sizeof pacer->probes[0]);
}

static void drop_old_probes(struct pacer *pacer)
{
    while (pacer->probe_count > 0) {
        const struct pending_probe *probe = &pacer->probes[0];
        nanos age = pacer->now - (probe->begun ? probe->begin : probe->queued);
        if (age <= (probe->begun ? PROBE_DURATION_MAX : PROBE_TIMEOUT))
            return;
        drop_probe(pacer);
    }
}

/* The highest priority, from `from` on, that has a packet; PACER_PRIORITIES when none has. */
static int first_queue(const struct pacer *pacer, int from)
{
    int priority = from;
    while (priority < PACER_PRIORITIES && pacer->queues[priority].count == 0)
        priority++;
    return priority;
}

static enum pacer_action offer(struct pacer *pacer, int priority, struct pacer_packet *packet)
{
    size_t len;
    const uint8_t *stored = message_queue_first(&pacer->queues[priority], NULL, &len);
    struct entry entry;
    memcpy(&entry, stored, sizeof entry);
    packet->data = stored + sizeof entry;
    packet->len = len - sizeof entry;
    packet->tag = entry.tag;
    packet->queued = entry.queued;
    packet->priority = (enum pacer_priority)priority;
    return PACER_SEND;
}

static enum pacer_action offer_padding(struct pacer_packet *packet, double len)
{
    packet->len = (size_t)fmin(fmax(len, PADDING_MIN), PADDING_MAX);
    packet->priority = PACER_PADDING;
    return PACER_PAD;
}

static nanos probe_due(const struct pending_probe *probe)
{
    return probe->begin + (nanos)(8e9 * (double)probe->sent_bytes / (double)probe->cluster.bps);
}

static enum pacer_action next_of_probe(struct pacer *pacer, struct pacer_packet *packet)
{
    struct pending_probe *probe = &pacer->probes[0];
    int priority = first_queue(pacer, PACER_RETRANSMISSION);
    if (priority == PACER_PRIORITIES && pacer->no_padding)
        return PACER_WAIT;
    if (!probe->begun) {
        probe->begun = true;
        probe->begin = pacer->now;
    }
    if (pacer->now < probe_due(probe))
        return PACER_WAIT;
    if (priority < PACER_PRIORITIES)
        return offer(pacer, priority, packet);
    return offer_padding(packet, (double)probe->cluster.min_bytes / probe->cluster.min_packets);
}

static bool may_pad(const struct pacer *pacer)
{
    return pacer->padding_bps > 0 && pacer->packets == 0 && !pacer->no_padding;
}

static enum pacer_action choose(struct pacer *pacer, struct pacer_packet *packet)
{
    if (pacer->queues[PACER_AUDIO].count > 0 && !pacer->config.pace_audio)
        return offer(pacer, PACER_AUDIO, packet);
    if (pacer->probe_count > 0) {
        enum pacer_action action = next_of_probe(pacer, packet);
        if (action != PACER_WAIT || pacer->probes[0].begun)
            return action;
    }
    double allowed = pacer->rate * nanos_to_s(pacer->config.burst) + TOLERANCE_BYTES;
    int priority = first_queue(pacer, PACER_AUDIO);
    if (priority < PACER_PRIORITIES)
        return pacer->debt <= allowed ? offer(pacer, priority, packet) : PACER_WAIT;
    if (may_pad(pacer) && pacer->padding_debt <= TOLERANCE_BYTES)
        return offer_padding(packet, (double)pacer->padding_bps / 8 * nanos_to_s(PADDING_DURATION));
    return PACER_WAIT;
}

enum pacer_action pacer_next(struct pacer *pacer, struct pacer_packet *packet, nanos now)
{
    advance(pacer, now);
    drop_old_probes(pacer);
    *packet = (struct pacer_packet){.queued = now};
    pacer->asked = choose(pacer, packet);
    pacer->asked_priority = packet->priority;
    if (pacer->asked != PACER_WAIT && pacer->probe_count > 0 && pacer->probes[0].begun)
        packet->probe = pacer->probes[0].cluster.id;
    return pacer->asked;
}

static void remove_first(struct pacer *pacer, enum pacer_priority priority)
{
    struct message_queue *queue = &pacer->queues[priority];
    size_t len;
    const uint8_t *stored = message_queue_first(queue, NULL, &len);
    struct entry entry;
    memcpy(&entry, stored, sizeof entry);
    message_queue_drop_first(queue);
    pacer->last_delay = pacer->now - entry.queued;
    pacer->packets--;
    pacer->bytes -= len - sizeof entry;
    pacer->waited = pacer->packets > 0 ? fmax(pacer->waited - (double)pacer->last_delay, 0) : 0;
}

void pacer_done(struct pacer *pacer, size_t size, nanos now)
{
    advance(pacer, now);
    enum pacer_action asked = pacer->asked;
    pacer->asked = PACER_WAIT;
    if (asked == PACER_WAIT)
        return;
    if (asked == PACER_SEND)
        remove_first(pacer, pacer->asked_priority);
    pacer->no_padding = asked == PACER_PAD ? size == 0 : pacer->no_padding && size == 0;
    if (size == 0)
        return;
    pacer->debt += (double)size;
    pacer->padding_debt += (double)size;
    if (pacer->probe_count > 0 && pacer->probes[0].begun) {
        struct pending_probe *probe = &pacer->probes[0];
        probe->sent_bytes += size;
        probe->sent_packets++;
        if (probe->sent_bytes >= probe->cluster.min_bytes && probe->sent_packets >= probe->cluster.min_packets)
            drop_probe(pacer);
    }
}

static nanos after(const struct pacer *pacer, double bytes, double rate)
{
    return bytes <= 0 ? pacer->now : pacer->now + (nanos)ceil(1e9 * bytes / rate);
}

nanos pacer_deadline(const struct pacer *pacer)
{
    if (pacer->queues[PACER_AUDIO].count > 0 && !pacer->config.pace_audio)
        return pacer->now;
    if (pacer->probe_count > 0) {
        const struct pending_probe *probe = &pacer->probes[0];
        bool something = first_queue(pacer, PACER_RETRANSMISSION) < PACER_PRIORITIES || !pacer->no_padding;
        if (something)
            return probe->begun ? nanos_max(probe_due(probe), pacer->now) : pacer->now;
        if (probe->begun)
            return probe->begin + PROBE_DURATION_MAX + 1;
    }
    if (pacer->packets > 0)
        return after(pacer, pacer->debt - pacer->rate * nanos_to_s(pacer->config.burst), pacer->rate);
    if (may_pad(pacer))
        return after(pacer, pacer->padding_debt, (double)pacer->padding_bps / 8);
    return NANOS_NEVER;
}

struct pacer_stats pacer_stats(const struct pacer *pacer)
{
    double bytes = pacer->debt + (double)pacer->bytes;
    return (struct pacer_stats){.queued_packets = pacer->packets,
                                .queued_bytes = pacer->bytes,
                                .queue_time = (nanos)(1e9 * bytes / pacer->rate),
                                .last_delay = pacer->last_delay};
}
