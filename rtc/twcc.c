#include "rtc/twcc.h"

#include "rtc/rtp.h"

/*   0                   1                   2                   3
 *   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *  |V=2|P|  FMT=15 |    PT=205     |           length              |
 *  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *  |                     SSRC of packet sender                     |
 *  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *  |                      SSRC of media source                     |
 *  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *  |      base sequence number     |      packet status count      |
 *  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *  |                 reference time                | fb pkt. count |
 *  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *  |  chunks of 16 bits …, receive deltas of 8 or 16 bits …, zeros |
 *  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *
 *  Chunks:  |0| S |      run length     |   13 bits of length
 *           |1|0|  14 symbols of 1 bit  |   0: not received, 1: received, small delta
 *           |1|1|   7 symbols of 2 bits |
 *  Symbols: 0 not received, 1 received with a delta of 0 to 255 ticks in 8 bits, 2 with one of 16 bits, signed;
 *           3 is reserved. */
#define HEADER_LEN 20 /* with RTCP's own four */
#define FIXED_LEN 8   /* behind the two SSRCs */
#define CHUNK_LEN 2
#define RUN_MAX 0x1fff
#define ONE_BIT_SYMBOLS 14
#define TWO_BIT_SYMBOLS 7

enum symbol {
    NOT_RECEIVED = 0,
    SMALL_DELTA = 1, /* as many bytes as the number says */
    LARGE_DELTA = 2,
    RESERVED = 3,
};

/* --- recorder --- */

void twcc_recorder_init(struct twcc_recorder *recorder, nanos interval)
{
    *recorder = (struct twcc_recorder){.interval = interval, .due = NANOS_NEVER};
}

void twcc_recorder_add(struct twcc_recorder *recorder, uint32_t media_ssrc, uint16_t sequence, nanos now)
{
    if (recorder->highest == 0) {
        recorder->highest = (int64_t)sequence + 0x10000; /* leaves room for earlier ones */
        recorder->next = recorder->highest;
    }
    int64_t at = rtp_unwrap_sequence(recorder->highest, sequence);
    if (at > recorder->highest) {
        bit_ring_clear(recorder->received, TWCC_WINDOW, recorder->highest + 1, at + 1);
        recorder->highest = at;
        if (recorder->next <= at - TWCC_WINDOW)
            recorder->next = at - TWCC_WINDOW + 1;
    } else if (at <= recorder->highest - TWCC_WINDOW || bit_ring_get(recorder->received, TWCC_WINDOW, at)) {
        return;
    }
    bit_ring_set(recorder->received, TWCC_WINDOW, at);
    recorder->ticks[at & (TWCC_WINDOW - 1)] = (uint32_t)(now / TWCC_TICK);
    recorder->media_ssrc = media_ssrc;
    if (at < recorder->next)
        recorder->next = at;
    if (recorder->due == NANOS_NEVER)
        recorder->due = now + recorder->interval;
}

/* The chunk that covers most of symbols[0..count); returns how many. That is at least seven, or all: the bound on a
 * feedback's size rests on it. */
static size_t encode_chunk(const uint8_t *symbols, size_t count, uint16_t *chunk)
{
    size_t run = 1;
    while (run < count && run < RUN_MAX && symbols[run] == symbols[0])
        run++;
    size_t ones = 0;
    while (ones < count && ones < ONE_BIT_SYMBOLS && symbols[ones] <= SMALL_DELTA)
        ones++;
    bool one_bit = ones == count || ones == ONE_BIT_SYMBOLS;
    size_t capacity = one_bit ? ONE_BIT_SYMBOLS : TWO_BIT_SYMBOLS;
    size_t width = one_bit ? 1 : 2;
    size_t covered = count < capacity ? count : capacity;
    if (run >= covered) {
        *chunk = (uint16_t)(symbols[0] << 13 | run);
        return run;
    }
    uint16_t bits = one_bit ? 0x8000 : 0xc000;
    for (size_t i = 0; i < covered; i++)
        bits |= (uint16_t)(symbols[i] << (width * (capacity - 1 - i)));
    *chunk = bits;
    return covered;
}

/* What one feedback will say: as many statuses from `next` on as fit. */
struct plan {
    uint8_t symbols[TWCC_WINDOW];
    size_t count;
    size_t delta_bytes;
    uint32_t base; /* ticks, a multiple of 256 */
};

static void make_plan(const struct twcc_recorder *recorder, size_t cap, struct plan *plan)
{
    int64_t first = recorder->next;
    while (!bit_ring_get(recorder->received, TWCC_WINDOW, first)) /* the highest has been received */
        first++;
    plan->base = recorder->ticks[first & (TWCC_WINDOW - 1)] & ~(uint32_t)0xff;
    plan->count = 0;
    plan->delta_bytes = 0;
    uint32_t previous = plan->base;
    for (int64_t at = recorder->next; at <= recorder->highest; at++) {
        enum symbol symbol = NOT_RECEIVED;
        if (bit_ring_get(recorder->received, TWCC_WINDOW, at)) {
            uint32_t ticks = recorder->ticks[at & (TWCC_WINDOW - 1)];
            int32_t delta = (int32_t)(ticks - previous);
            if (delta < INT16_MIN || delta > INT16_MAX)
                break;
            symbol = delta >= 0 && delta <= UINT8_MAX ? SMALL_DELTA : LARGE_DELTA;
            previous = ticks;
        }
        size_t chunks = plan->count / TWO_BIT_SYMBOLS + 1;
        if (HEADER_LEN + chunks * CHUNK_LEN + plan->delta_bytes + symbol > (cap & ~(size_t)3))
            break;
        plan->symbols[plan->count++] = (uint8_t)symbol;
        plan->delta_bytes += symbol;
    }
}

static void write_deltas(const struct twcc_recorder *recorder, const struct plan *plan, struct writer *w)
{
    uint32_t previous = plan->base;
    for (size_t i = 0; i < plan->count; i++) {
        if (plan->symbols[i] == NOT_RECEIVED)
            continue;
        uint32_t ticks = recorder->ticks[(recorder->next + (int64_t)i) & (TWCC_WINDOW - 1)];
        if (plan->symbols[i] == SMALL_DELTA)
            writer_u8(w, (uint8_t)(ticks - previous));
        else
            writer_u16(w, (uint16_t)(ticks - previous));
        previous = ticks;
    }
    while (w->len % 4 != 0)
        writer_u8(w, 0);
}

size_t twcc_recorder_write(struct twcc_recorder *recorder, uint32_t sender_ssrc, uint8_t *buf, size_t cap, nanos now)
{
    if (now < recorder->due || cap < TWCC_FEEDBACK_CAP_MIN)
        return 0;
    struct plan plan;
    make_plan(recorder, cap, &plan);

    struct writer w = writer_of(buf, cap);
    writer_u8(&w, 0x80 | RTCP_FORMAT_TRANSPORT_WIDE);
    writer_u8(&w, RTCP_TRANSPORT_FEEDBACK);
    writer_u16(&w, 0); /* the length, below */
    writer_u32(&w, sender_ssrc);
    writer_u32(&w, recorder->media_ssrc);
    writer_u16(&w, (uint16_t)recorder->next);
    writer_u16(&w, (uint16_t)plan.count);
    writer_u24(&w, plan.base >> 8);
    writer_u8(&w, recorder->feedback_count++);
    for (size_t at = 0; at < plan.count;) {
        uint16_t chunk;
        at += encode_chunk(plan.symbols + at, plan.count - at, &chunk);
        writer_u16(&w, chunk);
    }
    write_deltas(recorder, &plan, &w);
    bytes_put16(buf + 2, (uint16_t)(w.len / 4 - 1));

    recorder->next += (int64_t)plan.count;
    if (recorder->next > recorder->highest)
        recorder->due = NANOS_NEVER;
    return w.len;
}

/* --- reader --- */

static uint16_t chunk_capacity(uint16_t chunk)
{
    return (chunk & 0x8000) == 0 ? chunk & RUN_MAX : (chunk & 0x4000) == 0 ? ONE_BIT_SYMBOLS : TWO_BIT_SYMBOLS;
}

static enum symbol chunk_symbol(uint16_t chunk, uint16_t index)
{
    if ((chunk & 0x8000) == 0)
        return (enum symbol)(chunk >> 13 & 3);
    if ((chunk & 0x4000) == 0)
        return (enum symbol)(chunk >> (ONE_BIT_SYMBOLS - 1 - index) & 1);
    return (enum symbol)(chunk >> 2 * (TWO_BIT_SYMBOLS - 1 - index) & 3);
}

/* How many bytes of deltas belong to the first `count` symbols; SIZE_MAX when one is reserved. */
static size_t chunk_delta_bytes(uint16_t chunk, uint16_t count)
{
    bool is_run = (chunk & 0x8000) == 0;
    size_t bytes = 0;
    for (int i = 0; i < (is_run ? 1 : count); i++) {
        enum symbol symbol = chunk_symbol(chunk, (uint16_t)i);
        if (symbol == RESERVED)
            return SIZE_MAX;
        bytes += is_run ? (size_t)symbol * count : (size_t)symbol;
    }
    return bytes;
}

bool twcc_read(struct twcc_reader *reader, const struct rtcp_packet *packet)
{
    struct rtcp_feedback feedback;
    if (packet->type != RTCP_TRANSPORT_FEEDBACK || packet->count != RTCP_FORMAT_TRANSPORT_WIDE ||
        !rtcp_read_feedback(packet, &feedback) || feedback.control_len < FIXED_LEN)
        return false;
    const uint8_t *control = feedback.control;
    *reader = (struct twcc_reader){
        .sender_ssrc = feedback.sender_ssrc,
        .media_ssrc = feedback.media_ssrc,
        .base_sequence = bytes_get16(control),
        .status_count = bytes_get16(control + 2),
        .reference_time = bytes_get24(control + 4),
        .feedback_count = control[7],
        .chunk = control + FIXED_LEN,
    };
    reader->sequence = reader->base_sequence;
    reader->left = reader->status_count;
    reader->ticks = reader->reference_time << 8;

    struct reader chunks = reader_of(control + FIXED_LEN, feedback.control_len - FIXED_LEN);
    size_t delta_bytes = 0;
    for (uint16_t left = reader->status_count; left > 0;) {
        uint16_t chunk = reader_u16(&chunks);
        uint16_t count = chunk_capacity(chunk) < left ? chunk_capacity(chunk) : left;
        size_t bytes = chunk_delta_bytes(chunk, count);
        if (chunks.failed || count == 0 || bytes == SIZE_MAX) /* a run of none could go on for ever */
            return false;
        delta_bytes += bytes;
        left -= count;
    }
    reader->delta = chunks.at;
    return reader->status_count > 0 && delta_bytes <= chunks.left;
}

bool twcc_next(struct twcc_reader *reader, struct twcc_status *status)
{
    if (reader->left == 0)
        return false;
    if (reader->chunk_left == 0) {
        reader->chunk_bits = bytes_get16(reader->chunk);
        reader->chunk += CHUNK_LEN;
        reader->chunk_left = chunk_capacity(reader->chunk_bits);
    }
    bool is_run = (reader->chunk_bits & 0x8000) == 0;
    uint16_t index = is_run ? 0 : (uint16_t)(chunk_capacity(reader->chunk_bits) - reader->chunk_left);
    enum symbol symbol = chunk_symbol(reader->chunk_bits, index);
    uint16_t count = 1;
    if (symbol == NOT_RECEIVED && is_run)
        count = reader->chunk_left < reader->left ? reader->chunk_left : reader->left;
    if (symbol == SMALL_DELTA)
        reader->ticks += reader->delta[0];
    else if (symbol == LARGE_DELTA)
        reader->ticks += (uint32_t)(int32_t)(int16_t)bytes_get16(reader->delta);
    reader->delta += symbol;
    *status = (struct twcc_status){
        .sequence = reader->sequence,
        .count = count,
        .received = symbol != NOT_RECEIVED,
        .ticks = reader->ticks,
    };
    reader->sequence += count;
    reader->left -= count;
    reader->chunk_left -= count;
    return true;
}
