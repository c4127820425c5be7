#include "rtc/sequence_rewriter.h"

#include <string.h>

#include "base/rng.h"
#include "rtc/frame_buffer.h"
#include "rtc/key_frame_request.h"
#include "rtc/ntp.h"
#include "tests/support/suite.h"

#define MS NANOS_PER_MS

static struct sequence_rewriter rewriter;
static struct rewritten out;

static struct rtp_packet packet_of(uint16_t sequence, uint32_t timestamp)
{
    return (struct rtp_packet){.sequence = sequence, .timestamp = timestamp};
}

static bool forward(int32_t source, uint16_t sequence, uint32_t timestamp, nanos now)
{
    struct rtp_packet packet = packet_of(sequence, timestamp);
    return sequence_rewriter_forward(&rewriter, source, &packet, NULL, now, &out) == REWRITER_PACKET;
}

static bool drop(int32_t source, uint16_t sequence)
{
    struct rtp_packet packet = packet_of(sequence, 0);
    return sequence_rewriter_drop(&rewriter, source, &packet, NULL, &out) == REWRITER_FILLER;
}

static void start(uint16_t first_sequence)
{
    sequence_rewriter_init(&rewriter, &(struct sequence_rewriter_config){.clock_rate = 90000,
                                                                         .first_sequence = first_sequence,
                                                                         .first_timestamp = 1000000});
    CU_ASSERT_FALSE(forward(1, 5, 5, 0)); /* nothing is forwarded before the first switch */
    sequence_rewriter_switch(&rewriter, 1, NULL, NULL);
}

static void continues_over_a_switch(void)
{
    int32_t source;
    uint16_t sequence;
    start(65534);
    CU_ASSERT_TRUE(forward(1, 10, 500, 0) && out.sequence == 65534 && out.timestamp == 1000000);
    CU_ASSERT_TRUE(forward(1, 11, 3500, 33 * MS) && out.sequence == 65535 && out.timestamp == 1003000);
    CU_ASSERT_FALSE(drop(1, 12)); /* a packet of padding leaves no trace (mediasoup #1431) */
    CU_ASSERT_TRUE(forward(1, 15, 6500, 66 * MS) && out.sequence == 2); /* 13 and 14 are lost: 0 and 1 */

    sequence_rewriter_switch(&rewriter, 2, NULL, NULL);
    CU_ASSERT_TRUE(forward(1, 16, 9500, 100 * MS) && out.sequence == 3); /* still the old one */
    CU_ASSERT_TRUE(forward(2, 60000, 77, 140 * MS) && out.sequence == 4);
    CU_ASSERT_EQUAL(out.timestamp, 1009000 + 40 * 90);                   /* without reports, by the time that passed */
    CU_ASSERT_FALSE(forward(1, 17, 12500, 141 * MS));                    /* the old one is over … */
    CU_ASSERT_TRUE(forward(1, 13, 6500, 142 * MS) && out.sequence == 0); /* … but its lost packets may come */
    CU_ASSERT_EQUAL(out.timestamp, 1006000);
    CU_ASSERT_FALSE(forward(2, 59999, 77, 143 * MS)); /* from before the key frame */
    CU_ASSERT_FALSE(drop(2, 59999));
    CU_ASSERT_TRUE(forward(2, 60001, 77, 144 * MS) && out.sequence == 5);

    const struct {
        uint16_t asked;
        int32_t source;
        uint16_t sequence;
    } requests[] = {{65534, 1, 10}, {65535, 1, 11}, {0, 1, 13}, {1, 1, 14}, {3, 1, 16}, {4, 2, 60000}, {5, 2, 60001}};
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        CU_ASSERT_TRUE_FATAL(sequence_rewriter_find(&rewriter, requests[i].asked, &source, &sequence));
        CU_ASSERT_TRUE(source == requests[i].source && sequence == requests[i].sequence);
    }
    CU_ASSERT_FALSE(sequence_rewriter_find(&rewriter, 6, &source, &sequence));
    CU_ASSERT_FALSE(sequence_rewriter_find(&rewriter, 65533, &source, &sequence));

    /* An unwanted packet that comes too late to leave no gap: its number has to be filled. */
    CU_ASSERT_TRUE(drop(1, 14) && out.sequence == 1);
    uint32_t timestamp;
    CU_ASSERT_TRUE(sequence_rewriter_timestamp(&rewriter, 2, 78, &timestamp) && timestamp == 1009000 + 40 * 90 + 1);
    CU_ASSERT_FALSE(sequence_rewriter_timestamp(&rewriter, 1, 78, &timestamp));
}

/* mediasoup #1098, #1459: the clocks of simulcast layers are apart, and their sender reports say by how much. */
static void another_goes_on_where_one_ends(void)
{
    start(65534);
    CU_ASSERT_TRUE(forward(1, 10, 500, 0) && forward(1, 11, 3500, 33 * MS));
    CU_ASSERT_EQUAL(out.sequence, 65535);
    struct sequence_rewriter_config next = sequence_rewriter_continuation(&rewriter, 133 * MS);
    sequence_rewriter_init(&rewriter, &next);
    sequence_rewriter_switch(&rewriter, 1, NULL, NULL);
    CU_ASSERT_TRUE(forward(1, 777, 12345, 133 * MS));
    CU_ASSERT_EQUAL(out.sequence, 0);
    CU_ASSERT_EQUAL(out.timestamp, 1003000 + 100 * 90);
    /* Of one that never sent anything there is nothing to continue. */
    start(42);
    next = sequence_rewriter_continuation(&rewriter, 0);
    CU_ASSERT_EQUAL(next.first_sequence, 42);
    CU_ASSERT_EQUAL(next.first_timestamp, 1000000);
}

static void keeps_time_by_sender_reports(void)
{
    uint64_t origin = (uint64_t)NTP_UNIX_EPOCH_S << 32;
    const struct rtp_clock clock[] = {{ntp_from_nanos(0, origin), 5000},
                                      {ntp_from_nanos(1500 * MS, origin), 0xfffff000}};
    start(0);
    CU_ASSERT_TRUE(forward(1, 0, 5000 + 2000 * 90, 2050 * MS)); /* captured at 2 s */
    CU_ASSERT_EQUAL(out.timestamp, 1000000);
    sequence_rewriter_switch(&rewriter, 2, &clock[0], &clock[1]);
    CU_ASSERT_TRUE(forward(2, 0, (uint32_t)(0xfffff000 + 600 * 90), 2300 * MS)); /* captured at 2.1 s, though late */
    CU_ASSERT_DOUBLE_EQUAL((double)out.timestamp, 1000000 + 100 * 90, 1);
    /* The same picture in both layers: the receiver needs a later timestamp (mediasoup #615) … */
    sequence_rewriter_switch(&rewriter, 1, &clock[1], &clock[0]);
    CU_ASSERT_TRUE(forward(1, 9, 5000 + 2100 * 90, 2300 * MS));
    CU_ASSERT_DOUBLE_EQUAL((double)out.timestamp, 1000000 + 100 * 90 + 3000, 1);
    /* … but that doesn't add up from switch to switch. */
    sequence_rewriter_switch(&rewriter, 2, &clock[0], &clock[1]);
    CU_ASSERT_TRUE(forward(2, 9, (uint32_t)(0xfffff000 + 700 * 90), 2350 * MS)); /* captured at 2.2 s */
    CU_ASSERT_DOUBLE_EQUAL((double)out.timestamp, 1000000 + 200 * 90, 1);
    /* A report that is a minute off isn't believed. */
    const struct rtp_clock nonsense = {ntp_from_nanos(60 * NANOS_PER_S, origin), 5000};
    sequence_rewriter_switch(&rewriter, 1, &clock[1], &nonsense);
    CU_ASSERT_TRUE(forward(1, 20, 5000 + 2300 * 90, 2450 * MS));
    CU_ASSERT_DOUBLE_EQUAL((double)out.timestamp, 1000000 + 300 * 90, 1);
    /* A pause of ten seconds: the clock of the same source just goes on. */
    sequence_rewriter_switch(&rewriter, 1, NULL, NULL);
    CU_ASSERT_TRUE(forward(1, 500, 5000 + 12300 * 90, 12490 * MS));
    CU_ASSERT_DOUBLE_EQUAL((double)out.timestamp, 1000000 + 10300 * 90, 1);
    CU_ASSERT_EQUAL(out.sequence, 5);
}

static void closes_the_gap_of_a_restart(void)
{
    start(0);
    CU_ASSERT_TRUE(forward(1, 0, 0, 0));
    CU_ASSERT_TRUE(forward(1, 1000, 3000, 33 * MS) && out.sequence == 1000);
    CU_ASSERT_TRUE(forward(1, 2001, 0x80000000, 83 * MS) && out.sequence == 1001);
    CU_ASSERT_EQUAL(out.timestamp, 1003000 + 50 * 90);
    CU_ASSERT_FALSE(drop(1, 30000)); /* isn't taken for one */
    CU_ASSERT_TRUE(forward(1, 2002, 0x80000000, 66 * MS) && out.sequence == 1002);
}

/* Three simulcast layers with three temporal layers each, random switches at key frames, pauses, filters of temporal
 * layers, padding, losses that are repaired later: a subscriber with a frame buffer sees one flawless stream. */

enum { LAYERS = 3, SENT_MAX = 60000, KEPT = 8192 };

struct source {
    uint16_t sequence;
    uint32_t clock; /* timestamp at time 0 */
    uint16_t picture_id;
    uint8_t tl0;
};

struct sent { /* a packet of a source, as the forwarder's buffer keeps it */
    uint16_t sequence;
    uint32_t timestamp;
    uint8_t temporal;
    bool padding, marker, start, key;
    uint8_t payload[8];
    size_t descriptor_len;
};
static struct sent kept[LAYERS][KEPT];

static const uint8_t temporal_of[4] = {0, 2, 1, 2};

struct call {
    struct rng rng;
    struct frame_buffer buffer;
    nanos now;
    int64_t highest;           /* of what came out, unwrapped */
    uint8_t arrived[SENT_MAX]; /* by outgoing number: how often */
    struct {
        int source;
        uint16_t sequence;
    } origin[SENT_MAX];
    uint32_t last_timestamp;
    uint16_t last_picture;
    size_t frames;
    int max_temporal;
};
static struct call call;

static void subscriber_receives(int source, const struct sent *sent, const struct rewritten *rewritten, bool filler)
{
    int64_t number = rtp_unwrap_sequence(call.highest, rewritten->sequence);
    call.highest = number > call.highest ? number : call.highest;
    size_t at = (size_t)(number - 0x10000);
    CU_ASSERT_TRUE_FATAL(at < SENT_MAX);
    CU_ASSERT_TRUE(call.arrived[at] == 0 ||
                   (call.origin[at].source == source && call.origin[at].sequence == sent->sequence));
    call.arrived[at] = 1;
    call.origin[at].source = source;
    call.origin[at].sequence = sent->sequence;
    if (filler) {
        frame_buffer_skip(&call.buffer, rewritten->sequence);
        return;
    }
    uint8_t payload[8];
    memcpy(payload, sent->payload, sizeof payload);
    struct vp8_descriptor vp8;
    CU_ASSERT_TRUE_FATAL(vp8_parse(&vp8, payload, sizeof payload));
    vp8_rewrite(payload, &vp8, &rewritten->vp8);
    struct rtp_packet rtp = {.sequence = rewritten->sequence,
                             .timestamp = rewritten->timestamp,
                             .marker = sent->marker,
                             .payload = payload,
                             .payload_len = sizeof payload};
    struct frame_packet packet;
    CU_ASSERT_TRUE_FATAL(frame_packet_from_vp8(&packet, &rtp, false));
    frame_buffer_insert(&call.buffer, &packet, call.now);
    struct received_frame frame;
    while (frame_buffer_next(&call.buffer, &frame, call.now)) {
        if (call.frames > 0)
            CU_ASSERT_TRUE(rtp_timestamp_after(frame.timestamp, call.last_timestamp));
        call.last_timestamp = frame.timestamp;
        call.frames++;
    }
}

static void forward_or_drop(int source, const struct sent *sent)
{
    struct vp8_descriptor vp8;
    struct rewritten rewritten, again;
    struct rtp_packet rtp = packet_of(sent->sequence, sent->timestamp);
    if (!sent->padding)
        CU_ASSERT_TRUE_FATAL(vp8_parse(&vp8, sent->payload, sizeof sent->payload));
    enum rewriter_verdict verdict;
    if (sent->padding || sent->temporal > call.max_temporal) {
        verdict = sequence_rewriter_drop(&rewriter, source, &rtp, sent->padding ? NULL : &vp8, &rewritten);
    } else {
        verdict = sequence_rewriter_forward(&rewriter, source, &rtp, &vp8, call.now, &rewritten);
        CU_ASSERT_EQUAL(sequence_rewriter_forward(&rewriter, source, &rtp, &vp8, call.now, &again), verdict);
        if (verdict == REWRITER_PACKET)
            CU_ASSERT_EQUAL(memcmp(&rewritten, &again, sizeof again), 0);
    }
    if (verdict != REWRITER_NOTHING)
        subscriber_receives(source, sent, &rewritten, verdict == REWRITER_FILLER);
}

/* The subscriber asks for what is missing among the last few hundred. */
static void repair(void)
{
    int64_t from = call.highest - 0x10000 > 300 ? call.highest - 0x10000 - 300 : 0;
    for (int64_t at = from; at < call.highest - 0x10000; at++) {
        if (call.arrived[at])
            continue;
        int32_t source;
        uint16_t sequence;
        CU_ASSERT_TRUE_FATAL(sequence_rewriter_find(&rewriter, (uint16_t)(at + 0x10000), &source, &sequence));
        const struct sent *sent = &kept[source][sequence % KEPT];
        CU_ASSERT_EQUAL_FATAL(sent->sequence, sequence);
        forward_or_drop(source, sent);
        CU_ASSERT_EQUAL(call.arrived[at], 1);
    }
}

static void makes_one_stream_of_many(void)
{
    frame_buffer_clear(&call.buffer);
    memset(&call, 0, sizeof call);
    call.rng = rng_of(1, "rewriter", 0);
    frame_buffer_init(&call.buffer, &(struct frame_buffer_config){.wait = 3600 * NANOS_PER_S, .patience = 400 * MS});
    sequence_rewriter_init(&rewriter, &(struct sequence_rewriter_config){.clock_rate = 90000,
                                                                         .first_picture_id = 32760,
                                                                         .first_tl0_picture_index = 250});
    call.highest = 0x10000 - 1;
    uint64_t origin = (uint64_t)NTP_UNIX_EPOCH_S << 32;
    struct source sources[LAYERS];
    for (int i = 0; i < LAYERS; i++)
        sources[i] = (struct source){.sequence = (uint16_t)rng_u32(&call.rng),
                                     .clock = rng_u32(&call.rng),
                                     .picture_id = (uint16_t)rng_below(&call.rng, 1 << 15),
                                     .tl0 = (uint8_t)rng_u32(&call.rng)};
    int current = -1, target = 0, switches = 0;
    for (int f = 0; f < 6000 && call.highest < 0x10000 + SENT_MAX - 100; f++) {
        nanos captured = f * 33333333LL;
        bool key = f % 100 == 0;
        for (int layer = 0; layer < LAYERS; layer++) {
            struct source *source = &sources[layer];
            uint8_t temporal = key ? 0 : temporal_of[f % 4];
            source->picture_id = (source->picture_id + 1) & 0x7fff;
            source->tl0 = (uint8_t)(source->tl0 + (temporal == 0));
            int count = (1 + layer) * (key ? 4 : 1);
            for (int k = 0; k < count + (rng_below(&call.rng, 10) == 0); k++) {
                struct sent sent = {.sequence = source->sequence++,
                                    .timestamp = source->clock + (uint32_t)(captured / MS * 90),
                                    .temporal = temporal,
                                    .padding = k == count,
                                    .marker = k == count - 1,
                                    .start = k == 0,
                                    .key = key};
                const struct vp8_descriptor vp8 = {.start = k == 0,
                                                   .picture_id_bits = 15,
                                                   .picture_id = source->picture_id,
                                                   .has_tl0 = true,
                                                   .tl0_picture_index = source->tl0,
                                                   .has_temporal = true,
                                                   .temporal = temporal,
                                                   .layer_sync = temporal > 0};
                sent.descriptor_len = vp8_write(sent.payload, sizeof sent.payload, &vp8);
                sent.payload[sent.descriptor_len] = key ? 0 : 1; /* the P bit */
                kept[layer][sent.sequence % KEPT] = sent;
                call.now = captured + 20 * MS + (nanos)rng_below(&call.rng, 10 * MS);

                if (layer == target && key && k == 0 && (current != target || rng_below(&call.rng, 4) == 0)) {
                    struct rtp_clock from = {ntp_from_nanos(captured / MS * MS, origin), 0};
                    struct rtp_clock to = {from.ntp, sent.timestamp};
                    if (current >= 0)
                        from.timestamp = sources[current].clock + (uint32_t)(captured / MS * 90);
                    sequence_rewriter_switch(&rewriter, layer, current >= 0 ? &from : NULL, &to);
                    current = layer;
                    switches++;
                }
                if (layer != current && rng_below(&call.rng, 3) > 0)
                    continue; /* the forwarder may ask about packets of other layers, or not */
                if (layer == current && rng_below(&call.rng, 12) == 0 && !(key && k == 0))
                    continue; /* lost on the way in: comes when somebody asks */
                forward_or_drop(layer, &sent);
            }
        }
        if (f % 5 == 0)
            repair();
        if (f % 150 == 149)
            target = (int)rng_below(&call.rng, LAYERS);
        if (f % 70 == 69)
            call.max_temporal = (int)rng_below(&call.rng, 3);
    }
    repair();
    CU_ASSERT_TRUE(switches > 20);
    CU_ASSERT_TRUE(call.frames > 1500);
    CU_ASSERT_EQUAL(call.buffer.late_packets, 0);
    CU_ASSERT_FALSE(call.buffer.waits_for_key_frame);
    for (int64_t at = 0; at <= call.highest - 0x10000; at++)
        CU_ASSERT_EQUAL(call.arrived[at], 1); /* no gap stays */
    double seconds = (double)rewriter.last_timestamp / 90000;
    CU_ASSERT_DOUBLE_EQUAL(seconds, 6000 * 0.033333333, 0.2);
}

/* Attack 23: five hundred subscribers ask for a key frame twenty times a second. */
static void asks_the_source_once_in_an_interval(void)
{
    struct key_frame_request request;
    key_frame_request_init(&request, KEY_FRAME_REQUEST_INTERVAL);
    CU_ASSERT_EQUAL(key_frame_request_deadline(&request), NANOS_NEVER);
    int sent = 0;
    for (nanos now = 0; now < 10 * NANOS_PER_S; now += 50 * MS) {
        for (int subscriber = 0; subscriber < 500; subscriber++) {
            key_frame_request_ask(&request);
            sent += key_frame_request_take(&request, now);
        }
        if (now % NANOS_PER_S == 100 * MS)
            key_frame_request_arrived(&request);
    }
    CU_ASSERT_EQUAL(sent, 20);
    /* Nobody asks any more, but none has come either: a few more tries, then peace. */
    sent = 0;
    while (key_frame_request_deadline(&request) != NANOS_NEVER)
        sent += key_frame_request_take(&request, key_frame_request_deadline(&request));
    CU_ASSERT_EQUAL(sent, KEY_FRAME_REQUEST_TRIES_MAX);
    key_frame_request_ask(&request);
    key_frame_request_arrived(&request);
    CU_ASSERT_FALSE(key_frame_request_take(&request, NANOS_NEVER - 1));
}

void sequence_rewriter_test(void)
{
    SUITE("sequence_rewriter", {"continues over a switch", continues_over_a_switch},
          {"another goes on where one ends", another_goes_on_where_one_ends},
          {"keeps time by sender reports", keeps_time_by_sender_reports},
          {"closes the gap of a restart", closes_the_gap_of_a_restart},
          {"makes one stream of many", makes_one_stream_of_many},
          {"asks the source once in an interval", asks_the_source_once_in_an_interval});
}
