#include "rtc/twcc_history.h"

#include <stdlib.h>

#include "rtc/rtp.h"

#define FIRST 0x10000
/* The receiver's clock is unwrapped within nine years of ticks: no honest one leaves them, and no lie can overflow. */
#define REMOTE_START ((int64_t)1 << 32)
#define REMOTE_END ((int64_t)1 << 40)
#define CAPACITY_FIRST 64

enum sent_state {
    SENT,
    REPORTED_LOST,
    REPORTED_RECEIVED,
};

struct twcc_sent {
    nanos at;
    uint32_t size;
    uint8_t state;
};

bool twcc_history_init(struct twcc_history *history, size_t capacity_max)
{
    *history = (struct twcc_history){
        .capacity = CAPACITY_FIRST, .capacity_max = capacity_max, .next = FIRST, .settled = FIRST, .first = FIRST};
    history->sent = calloc(CAPACITY_FIRST, sizeof *history->sent);
    return history->sent != NULL;
}

void twcc_history_clear(struct twcc_history *history)
{
    free(history->sent);
    *history = (struct twcc_history){0};
}

static struct twcc_sent *sent_at(const struct twcc_history *history, uint64_t sequence)
{
    return &history->sent[sequence & (history->capacity - 1)];
}

/* What is before `sequence` is no longer in flight. */
static void settle(struct twcc_history *history, uint64_t sequence)
{
    for (; history->settled < sequence; history->settled++)
        history->in_flight_bytes -= sent_at(history, history->settled)->size;
}

static uint64_t oldest(const struct twcc_history *history)
{
    uint64_t oldest = history->next - history->capacity;
    return oldest > history->first ? oldest : history->first;
}

/* Makes twice the room; without memory for it, packets are forgotten earlier. */
static void grow(struct twcc_history *history)
{
    struct twcc_history grown = *history;
    grown.capacity = 2 * history->capacity;
    grown.first = oldest(history);
    grown.sent = malloc(grown.capacity * sizeof *grown.sent);
    if (grown.sent == NULL)
        return;
    for (uint64_t sequence = grown.first; sequence < grown.next; sequence++)
        *sent_at(&grown, sequence) = *sent_at(history, sequence);
    free(history->sent);
    *history = grown;
}

uint64_t twcc_history_send(struct twcc_history *history, size_t size, nanos now)
{
    if (2 * (history->next - history->settled) >= history->capacity && history->capacity < history->capacity_max)
        grow(history);
    uint64_t sequence = history->next++;
    if (sequence - history->settled >= history->capacity)
        settle(history, sequence - history->capacity + 1);
    *sent_at(history, sequence) = (struct twcc_sent){.at = now, .size = (uint32_t)size, .state = SENT};
    history->in_flight_bytes += size;
    return sequence;
}

/* Cuts a run down to what is remembered, at once: a feedback of 40 bytes can name 65,535 packets. */
static void clip(const struct twcc_history *history, struct twcc_reader *reader)
{
    struct twcc_status *run = &reader->run;
    int64_t next = (int64_t)history->next;
    /* From the base, so that a message that claims most of the number space isn't taken to come round again. */
    int64_t first =
        rtp_unwrap_sequence(next - 1, reader->base_sequence) + (uint16_t)(run->sequence - reader->base_sequence);
    int64_t end = first + run->count < next ? first + run->count : next;
    first = first > (int64_t)oldest(history) ? first : (int64_t)oldest(history);
    run->sequence = (uint16_t)first;
    run->count = end > first ? (uint16_t)(end - first) : 0;
}

static int64_t unwrap_ticks(int64_t last, uint32_t ticks)
{
    int64_t unwrapped = last != 0 ? rtp_unwrap_timestamp(last, ticks) : 0;
    return unwrapped > 0 && unwrapped < REMOTE_END ? unwrapped : REMOTE_START + ticks;
}

/* False when the packet's result has been told before. */
static bool take_status(struct twcc_history *history, uint64_t sequence, bool received, struct twcc_result *result)
{
    settle(history, sequence + 1);
    struct twcc_sent *sent = sent_at(history, sequence);
    enum sent_state state = received ? REPORTED_RECEIVED : REPORTED_LOST;
    if (sent->state >= state)
        return false;
    sent->state = (uint8_t)state;
    *result = (struct twcc_result){
        .sequence = sequence,
        .sent = sent->at,
        .received = received ? history->remote_ticks * TWCC_TICK : NANOS_NEVER,
        .size = sent->size,
    };
    return true;
}

size_t twcc_history_results(struct twcc_history *history, struct twcc_reader *reader, struct twcc_result *results,
                            size_t cap)
{
    size_t count = 0;
    struct twcc_status *run = &reader->run;
    while (count < cap) {
        if (run->count > 0) {
            uint64_t sequence = (uint64_t)rtp_unwrap_sequence((int64_t)history->next - 1, run->sequence);
            if (take_status(history, sequence, run->received, &results[count]))
                count++;
            run->sequence++;
            run->count--;
            continue;
        }
        if (!twcc_next(reader, run))
            break;
        if (run->received)
            history->remote_ticks = unwrap_ticks(history->remote_ticks, run->ticks);
        clip(history, reader);
    }
    return count;
}
