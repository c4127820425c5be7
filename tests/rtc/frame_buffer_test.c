#include "rtc/frame_buffer.h"

#include <string.h>

#include "base/rng.h"
#include "rtc/frame_trailer.h"
#include "rtc/vp8.h"
#include "tests/support/suite.h"

#define MS NANOS_PER_MS
#define PACKET_LEN 100

static struct frame_buffer buffer;
static struct received_frame out;

static struct frame_packet packet_of(uint16_t sequence, uint32_t frame, bool start, bool marker, bool key)
{
    return (struct frame_packet){.sequence = sequence,
                                 .timestamp = frame * 3000,
                                 .start = start,
                                 .marker = marker,
                                 .key = start && key,
                                 .payload_len = PACKET_LEN};
}

static bool insert(struct frame_packet packet, nanos now) { return frame_buffer_insert(&buffer, &packet, now); }

static void gives_out_complete_frames(void)
{
    frame_buffer_clear(&buffer);
    frame_buffer_init(&buffer, &(struct frame_buffer_config){0});
    insert(packet_of(65534, 1, true, false, true), 1 * MS);
    insert(packet_of(0, 1, false, true, true), 2 * MS);
    CU_ASSERT_FALSE(frame_buffer_next(&buffer, &out, 2 * MS));
    insert(packet_of(1, 2, true, true, false), 3 * MS); /* complete, but needs the one before */
    CU_ASSERT_FALSE(frame_buffer_next(&buffer, &out, 3 * MS));
    struct frame_packet last = packet_of(65535, 1, false, false, false);
    last.recovered = true;
    CU_ASSERT_TRUE(insert(last, 50 * MS));
    CU_ASSERT_FALSE(insert(last, 51 * MS));
    CU_ASSERT_EQUAL(buffer.duplicate_packets, 1);

    CU_ASSERT_TRUE_FATAL(frame_buffer_next(&buffer, &out, 50 * MS));
    CU_ASSERT_TRUE(out.timestamp == 3000 && out.key && !out.has_trailer);
    CU_ASSERT_TRUE(out.first_arrival == 1 * MS && out.completed == 50 * MS && out.decodable == 50 * MS);
    CU_ASSERT_TRUE(out.packets == 3 && out.recovered == 1 && out.size == 3 * PACKET_LEN);
    CU_ASSERT_TRUE(out.first_sequence == 65534 && out.last_sequence == 0);
    CU_ASSERT_TRUE_FATAL(frame_buffer_next(&buffer, &out, 50 * MS));
    CU_ASSERT_TRUE(out.timestamp == 6000 && !out.key && out.completed == 3 * MS && out.decodable == 50 * MS);
    CU_ASSERT_FALSE(frame_buffer_next(&buffer, &out, 50 * MS));
    CU_ASSERT_FALSE(insert(packet_of(65533, 1, false, false, false), 60 * MS)); /* done with */
    CU_ASSERT_EQUAL(buffer.late_packets, 1);
    CU_ASSERT_EQUAL(frame_buffer_deadline(&buffer), NANOS_NEVER);
}

static void reads_vp8_and_trailers(void)
{
    uint8_t data[200];
    size_t len = rtp_write_header(
        data, sizeof data, &(struct rtp_header){.payload_type = 96, .marker = true, .sequence = 7, .timestamp = 90},
        NULL, 0);
    len += vp8_write(data + len, 10,
                     &(struct vp8_descriptor){.start = true,
                                              .picture_id_bits = 15,
                                              .picture_id = 5,
                                              .has_tl0 = true,
                                              .tl0_picture_index = 9,
                                              .has_temporal = true});
    memset(data + len, 0, 40); /* P = 0: a key frame */
    len += 40;
    const struct frame_trailer trailer = {.captured = -123456789012345, .frame_number = 77};
    frame_trailer_write(data + len, &trailer);
    len += FRAME_TRAILER_LEN;
    struct rtp_packet rtp;
    struct frame_packet packet;
    CU_ASSERT_TRUE_FATAL(rtp_parse(&rtp, data, len, RTP_CLEAR));
    CU_ASSERT_TRUE_FATAL(frame_packet_from_vp8(&packet, &rtp, false));
    frame_buffer_clear(&buffer);
    frame_buffer_init(&buffer, &(struct frame_buffer_config){0});
    CU_ASSERT_TRUE(frame_buffer_insert(&buffer, &packet, 0));
    CU_ASSERT_TRUE_FATAL(frame_buffer_next(&buffer, &out, 0));
    CU_ASSERT_TRUE(out.key && out.has_trailer && out.captured == trailer.captured && out.frame_number == 77);
    CU_ASSERT_EQUAL(out.size, 40 + FRAME_TRAILER_LEN);

    struct frame_trailer read;
    for (size_t bit = 0; bit < FRAME_TRAILER_LEN * 8; bit++) { /* no flipped bit goes unnoticed */
        uint8_t *byte = data + len - FRAME_TRAILER_LEN + bit / 8;
        *byte ^= (uint8_t)(1 << bit % 8);
        CU_ASSERT_FALSE(frame_trailer_read(&read, data, len));
        *byte ^= (uint8_t)(1 << bit % 8);
    }
    CU_ASSERT_TRUE(frame_trailer_read(&read, data, len));
    CU_ASSERT_FALSE(frame_trailer_read(&read, data, FRAME_TRAILER_LEN - 1));
    rtp.payload_len = 1;
    CU_ASSERT_FALSE(frame_packet_from_vp8(&packet, &rtp, false));
}

static void asks_for_key_frames(void)
{
    frame_buffer_clear(&buffer);
    frame_buffer_init(&buffer, &(struct frame_buffer_config){.wait = 500 * MS, .key_frame_wait = 100 * MS});
    CU_ASSERT_FALSE(frame_buffer_wants_key_frame(&buffer, 0));
    /* Joining in the middle: at once, as soon as it is plain that there is none. */
    insert(packet_of(1, 1, true, true, false), 10 * MS);
    CU_ASSERT_FALSE(frame_buffer_next(&buffer, &out, 10 * MS));
    CU_ASSERT_TRUE(frame_buffer_wants_key_frame(&buffer, 10 * MS));
    CU_ASSERT_FALSE(frame_buffer_wants_key_frame(&buffer, 10 * MS));
    CU_ASSERT_EQUAL(frame_buffer_deadline(&buffer), 110 * MS);
    insert(packet_of(2, 2, true, true, false), 50 * MS);
    CU_ASSERT_FALSE(frame_buffer_next(&buffer, &out, 50 * MS));
    CU_ASSERT_FALSE(frame_buffer_wants_key_frame(&buffer, 50 * MS));
    CU_ASSERT_TRUE(frame_buffer_wants_key_frame(&buffer, 110 * MS));
    /* While one comes in, it isn't asked for again. */
    insert(packet_of(3, 3, true, false, true), 200 * MS);
    CU_ASSERT_FALSE(frame_buffer_next(&buffer, &out, 210 * MS));
    CU_ASSERT_FALSE(frame_buffer_wants_key_frame(&buffer, 210 * MS));
    CU_ASSERT_EQUAL(frame_buffer_deadline(&buffer), 300 * MS);
    insert(packet_of(4, 3, false, true, false), 290 * MS);
    CU_ASSERT_TRUE(frame_buffer_next(&buffer, &out, 290 * MS));
    CU_ASSERT_EQUAL(frame_buffer_deadline(&buffer), NANOS_NEVER);
    CU_ASSERT_EQUAL(buffer.dropped, 2);

    /* A packet (6) never comes: after `wait` the chain is broken; what follows is dropped until a key frame. */
    insert(packet_of(5, 4, true, false, false), 300 * MS);
    insert(packet_of(7, 5, true, true, false), 330 * MS);
    CU_ASSERT_FALSE(frame_buffer_next(&buffer, &out, 799 * MS));
    CU_ASSERT_FALSE(frame_buffer_wants_key_frame(&buffer, 799 * MS));
    CU_ASSERT_EQUAL(frame_buffer_deadline(&buffer), 800 * MS);
    CU_ASSERT_FALSE(frame_buffer_next(&buffer, &out, 800 * MS));
    CU_ASSERT_TRUE(frame_buffer_wants_key_frame(&buffer, 800 * MS));
    CU_ASSERT_EQUAL(buffer.count, 0);
    insert(packet_of(8, 6, true, true, true), 850 * MS);
    CU_ASSERT_TRUE(frame_buffer_next(&buffer, &out, 850 * MS));
    CU_ASSERT_EQUAL(out.timestamp, 6 * 3000);

    /* The stream stops while a key frame is missing: asked for, but not for ever. */
    insert(packet_of(20, 9, true, true, false), 900 * MS);
    nanos now = 900 * MS;
    int requests = 0;
    while (frame_buffer_deadline(&buffer) != NANOS_NEVER) {
        now = frame_buffer_deadline(&buffer);
        CU_ASSERT_FALSE(frame_buffer_next(&buffer, &out, now));
        requests += frame_buffer_wants_key_frame(&buffer, now);
        CU_ASSERT_TRUE_FATAL(requests < 100);
    }
    CU_ASSERT_EQUAL(requests, 46); /* from 1.4 to 5.9 s */
}

static void starts_anew_with_another_stream(void)
{
    frame_buffer_clear(&buffer);
    frame_buffer_init(&buffer, &(struct frame_buffer_config){0});
    insert(packet_of(1, 100000, true, true, true), 0);
    CU_ASSERT_TRUE(frame_buffer_next(&buffer, &out, 0));
    CU_ASSERT_TRUE(insert(packet_of(2, 50, true, true, true), 0));
    CU_ASSERT_TRUE(frame_buffer_next(&buffer, &out, 0));
    CU_ASSERT_EQUAL(out.timestamp, 150000);
    CU_ASSERT_TRUE(insert(packet_of(30000, 20, true, true, false), 0));
    CU_ASSERT_FALSE(frame_buffer_next(&buffer, &out, 0));
    CU_ASSERT_TRUE(frame_buffer_wants_key_frame(&buffer, 0));
}

/* Without flags for the start of a frame (H.264), it is where the frame before ended; padding may lie between. */
static void infers_where_frames_start(void)
{
    frame_buffer_clear(&buffer);
    frame_buffer_init(&buffer, &(struct frame_buffer_config){0});
    insert(packet_of(1, 1, true, true, true), 0);
    insert(packet_of(4, 2, false, true, false), 0);
    CU_ASSERT_TRUE(frame_buffer_next(&buffer, &out, 0));
    CU_ASSERT_FALSE(frame_buffer_next(&buffer, &out, 0)); /* 2 and 3: padding, or its beginning? */
    frame_buffer_skip(&buffer, 2);
    CU_ASSERT_FALSE(frame_buffer_next(&buffer, &out, 0));
    frame_buffer_skip(&buffer, 3);
    CU_ASSERT_TRUE(frame_buffer_next(&buffer, &out, 0));
    CU_ASSERT_TRUE(out.packets == 1 && out.first_sequence == 4);
    insert(packet_of(5, 3, false, false, false), 0);
    insert(packet_of(7, 4, false, true, false), 0); /* the end of frame 3 is missing, so where 4 starts isn't known */
    CU_ASSERT_FALSE(frame_buffer_next(&buffer, &out, 0));
    insert(packet_of(6, 3, false, true, false), 0);
    CU_ASSERT_TRUE(frame_buffer_next(&buffer, &out, 0));
    CU_ASSERT_TRUE(frame_buffer_next(&buffer, &out, 0));
    CU_ASSERT_EQUAL(out.timestamp, 4 * 3000);
}

/* Frames without layers, lost packets coming again later, in any order: against a list of all that came. */
static void agrees_with_a_list(void)
{
    enum { FRAMES = 3000 };
    static struct {
        int first, count, missing;
        bool key;
    } frames[FRAMES];
    static struct {
        int sequence, frame;
    } lost[FRAMES * 8];
    for (int variant = 0; variant < 4; variant++) {
        bool has_ids = variant % 2 != 0, has_starts = variant < 2;
        struct rng rng = rng_of(1, "frames", (uint64_t)variant);
        frame_buffer_clear(&buffer);
        frame_buffer_init(&buffer, &(struct frame_buffer_config){.wait = 3600 * NANOS_PER_S});
        size_t lost_count = 0;
        int sequence = 65000, given_out = -1, received = 0;
        nanos now = 0;
        for (int i = 0; i < FRAMES; i++) {
            frames[i].key = i == 0 || rng_below(&rng, 60) == 0;
            frames[i].count = 1 + (int)rng_below(&rng, frames[i].key ? 20 : 5);
            sequence += 1;
            if (rng_below(&rng, 8) == 0) { /* padding between two frames, never lost in this test */
                frame_buffer_skip(&buffer, (uint16_t)sequence++);
            }
            frames[i].first = sequence;
            frames[i].missing = frames[i].count;
            for (int k = 0; k < frames[i].count; k++, sequence++) {
                lost[lost_count].sequence = sequence;
                lost[lost_count++].frame = i;
            }
            sequence--;
            /* Each packet that was sent, or lost before, comes with a good chance; all of it when much is missing. */
            double chance = lost_count > 60 ? 1 : i % 200 < 100 ? 0.95 : 0.6;
            for (size_t k = 0; k < lost_count;) {
                size_t pick = k + rng_below(&rng, lost_count - k);
                int s = lost[pick].sequence, f = lost[pick].frame;
                if (rng_unit(&rng) >= chance) {
                    lost[pick].sequence = lost[k].sequence;
                    lost[pick].frame = lost[k].frame;
                    lost[k].sequence = s;
                    lost[k++].frame = f;
                    continue;
                }
                lost[pick] = lost[--lost_count];
                now += MS;
                frames[f].missing--;
                struct frame_packet packet = packet_of((uint16_t)s, (uint32_t)f + 1, has_starts && s == frames[f].first,
                                                       s == frames[f].first + frames[f].count - 1, frames[f].key);
                if (!has_starts && frames[f].key && s == frames[f].first)
                    packet.start = packet.key = true; /* parameter sets */
                packet.picture_id_bits = has_ids ? 7 : 0;
                packet.picture_id = f & 0x7f;
                insert(packet, now);
                /* What comes out now: the next one if it is there, or the first key frame that is. */
                for (;;) {
                    int expected = -1;
                    for (int n = given_out + 1; n <= i && expected < 0; n++) {
                        if (frames[n].missing == 0 && (frames[n].key || n == given_out + 1))
                            expected = n;
                    }
                    bool any = frame_buffer_next(&buffer, &out, now);
                    CU_ASSERT_EQUAL_FATAL(any, expected >= 0);
                    if (!any)
                        break;
                    CU_ASSERT_EQUAL_FATAL(out.timestamp, ((uint32_t)expected + 1) * 3000);
                    CU_ASSERT_EQUAL(out.packets, frames[expected].count);
                    CU_ASSERT_EQUAL(out.size, (uint32_t)frames[expected].count * PACKET_LEN);
                    CU_ASSERT_EQUAL(out.key, frames[expected].key);
                    given_out = expected;
                    received++;
                }
            }
        }
        CU_ASSERT_TRUE(received > FRAMES * 2 / 3);
        CU_ASSERT_FALSE(frame_buffer_wants_key_frame(&buffer, now));
    }
}

/* The frames of one cycle of three temporal layers: 0 2 1 2 0 2 1 2, and which earlier ones each refers to. */
static const struct {
    uint8_t temporal;
    bool layer_sync;
    int needs[3]; /* how many frames back, 0: none */
} cycle[8] = {{0, false, {8 - 4, 0, 0}}, {2, true, {1, 0, 0}},  {1, true, {2, 0, 0}},  {2, false, {1, 2, 3}},
              {0, false, {4, 0, 0}},     {2, false, {1, 2, 3}}, {1, false, {2, 4, 0}}, {2, false, {1, 2, 3}}};

static struct frame_packet layered(int i, uint16_t sequence, bool start, bool marker)
{
    struct frame_packet packet = packet_of(sequence, (uint32_t)i + 1, start, marker, i == 0);
    packet.picture_id_bits = 15;
    packet.picture_id = (uint16_t)((i + 32700) & 0x7fff);
    packet.has_layers = true;
    packet.temporal = cycle[i % 8].temporal;
    packet.layer_sync = cycle[i % 8].layer_sync;
    packet.tl0_picture_index = (uint8_t)(i / 4 + 250);
    return packet;
}

/* Losses in the upper layers only: nothing comes out whose references didn't, the lowest layer all comes out, nobody
 * asks for a key frame; and with patience, what a retransmission brings in time comes out as well. */
static void respects_temporal_layers(void)
{
    enum { FRAMES = 4000 };
    static bool came_out[FRAMES];
    for (int patient = 0; patient < 2; patient++) {
        struct rng rng = rng_of(2, "layers", (uint64_t)patient);
        frame_buffer_clear(&buffer);
        frame_buffer_init(&buffer, &(struct frame_buffer_config){.wait = 300 * MS, .patience = patient * 120 * MS});
        memset(came_out, 0, sizeof came_out);
        int count[3] = {0}, of[3] = {0}, previous = -1;
        int late_frame = -1;
        for (int i = 0; i < FRAMES; i++) {
            nanos now = i * 33 * MS;
            bool is_lost = cycle[i % 8].temporal > 0 && rng_below(&rng, 6) == 0;
            of[cycle[i % 8].temporal]++;
            insert(layered(i, (uint16_t)(2 * i), true, false), now);
            if (!is_lost)
                insert(layered(i, (uint16_t)(2 * i + 1), false, true), now);
            if (late_frame >= 0 && late_frame == i - 3) /* 99 ms later */
                insert(layered(late_frame, (uint16_t)(2 * late_frame + 1), false, true), now);
            late_frame = is_lost && late_frame < i - 3 ? i : late_frame;
            while (frame_buffer_next(&buffer, &out, now)) {
                int n = (int)(out.timestamp / 3000) - 1;
                CU_ASSERT_TRUE_FATAL(n > previous && n <= i);
                CU_ASSERT_EQUAL(out.temporal, cycle[n % 8].temporal);
                for (size_t k = 0; n > 0 && k < 3; k++) {
                    int needed = cycle[n % 8].needs[k];
                    CU_ASSERT_TRUE(needed == 0 || n < needed || came_out[n - needed]);
                }
                came_out[n] = true;
                count[out.temporal]++;
                previous = n;
            }
            CU_ASSERT_FALSE(frame_buffer_wants_key_frame(&buffer, now));
        }
        CU_ASSERT_TRUE(count[0] >= of[0] - 1 - patient * 3);
        CU_ASSERT_TRUE(count[1] < of[1] && count[1] > of[1] / 3);
        CU_ASSERT_TRUE(count[2] < of[2] && count[2] > of[2] / 4);
        /* A lost frame of the lowest layer does need a key frame. */
        nanos now = FRAMES * 33 * MS;
        for (int i = FRAMES + 1; i < FRAMES + 12; i++, now += 33 * MS) {
            insert(layered(i, (uint16_t)(2 * i), true, false), now);
            insert(layered(i, (uint16_t)(2 * i + 1), false, true), now);
            while (frame_buffer_next(&buffer, &out, now))
                CU_ASSERT_TRUE(out.timestamp / 3000 - 1 < FRAMES);
        }
        CU_ASSERT_TRUE(frame_buffer_wants_key_frame(&buffer, now));
    }
}

/* Whatever comes, the memory is what it is, and the work for a packet is small: random packets, many frames at once. */
static void survives_nonsense(void)
{
    struct rng rng = rng_of(3, "nonsense", 0);
    frame_buffer_clear(&buffer);
    frame_buffer_init(&buffer, &(struct frame_buffer_config){0});
    nanos now = 0;
    for (int i = 0; i < 100000; i++) {
        struct frame_packet packet =
            packet_of((uint16_t)(rng_u32(&rng) >> rng_below(&rng, 32)), rng_u32(&rng) % 200, rng_below(&rng, 2) != 0,
                      rng_below(&rng, 2) != 0, rng_below(&rng, 4) == 0);
        packet.has_layers = rng_below(&rng, 2) != 0;
        packet.temporal = (uint8_t)rng_u32(&rng);
        packet.picture_id_bits = rng_below(&rng, 2) != 0 ? 15 : 0;
        packet.picture_id = (uint16_t)rng_below(&rng, 8);
        now += (nanos)rng_below(&rng, 10 * MS);
        insert(packet, now);
        while (frame_buffer_next(&buffer, &out, now))
            CU_ASSERT_TRUE(out.packets > 0);
        frame_buffer_wants_key_frame(&buffer, now);
        CU_ASSERT_TRUE(buffer.count <= FRAME_BUFFER_FRAMES);
        CU_ASSERT_TRUE(frame_buffer_deadline(&buffer) > now); /* or an owner would spin */
    }
    CU_ASSERT_TRUE(sizeof buffer <= 8192);
}

void frame_buffer_test(void)
{
    SUITE("frame_buffer", {"gives out complete frames", gives_out_complete_frames},
          {"reads VP8 and trailers", reads_vp8_and_trailers}, {"asks for key frames", asks_for_key_frames},
          {"starts anew with another stream", starts_anew_with_another_stream},
          {"infers where frames start", infers_where_frames_start}, {"agrees with a list", agrees_with_a_list},
          {"respects temporal layers", respects_temporal_layers}, {"survives nonsense", survives_nonsense});
}
