/* What a media packet costs on its way through the parts that see every one, and what they keep for each stream. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "rtc/frame_buffer.h"
#include "rtc/nack.h"
#include "rtc/receive_statistics.h"
#include "rtc/retransmission.h"
#include "rtc/rtp_extensions.h"
#include "rtc/send_statistics.h"
#include "rtc/sequence_rewriter.h"
#include "rtc/twcc_history.h"

enum { PACKETS = 2000000, PAYLOAD = 1100, PER_FRAME = 5 };

static double cpu_ns(void)
{
    struct timespec at;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at);
    return (double)at.tv_sec * 1e9 + (double)at.tv_nsec;
}

static double since;

static void report(const char *what)
{
    double now = cpu_ns();
    printf("%-44s %7.1f ns a packet\n", what, (now - since) / PACKETS);
    since = cpu_ns();
}

static struct frame_buffer frames;
static struct sequence_rewriter rewriter;
static struct twcc_recorder recorder;
static struct retransmission_buffer buffer;
static struct nack_generator nack;
static struct receive_statistics statistics;
static uint8_t data[1500];

/* The packet number `i` of a VP8 stream, 500 packets a second. */
static size_t make(uint32_t i)
{
    uint32_t frame = i / PER_FRAME;
    const struct rtp_extension extensions[] = {{.id = 3, .len = 2}, {.id = 4, .len = 1, .value = (const uint8_t *)"0"}};
    const struct rtp_header header = {.payload_type = 96,
                                      .marker = i % PER_FRAME == PER_FRAME - 1,
                                      .sequence = (uint16_t)i,
                                      .timestamp = frame * 900,
                                      .ssrc = 1};
    const struct vp8_descriptor vp8 = {.start = i % PER_FRAME == 0,
                                       .picture_id_bits = 15,
                                       .picture_id = frame & 0x7fff,
                                       .has_tl0 = true,
                                       .tl0_picture_index = (uint8_t)frame,
                                       .has_temporal = true};
    size_t len = rtp_write_header(data, sizeof data, &header, extensions, 2);
    len += vp8_write(data + len, sizeof data - len, &vp8);
    data[len] = i < PER_FRAME ? 0 : 1;
    return len + PAYLOAD;
}

int main(void)
{
    printf("bytes for each stream: frame buffer %zu, rewriter %zu, guard %zu, NACK %zu + 16 for each missing,\n"
           "  receive statistics %zu, send statistics %zu; for each transport: recorder %zu\n",
           sizeof frames, sizeof rewriter, sizeof(struct retransmission_guard), sizeof nack, sizeof statistics,
           sizeof(struct send_statistics), sizeof recorder);
    struct rtp_packet rtp;
    struct vp8_descriptor vp8;
    const struct rtp_extension_map map = {.id = {[RTP_EXTENSION_TRANSPORT_SEQUENCE] = 3, [RTP_EXTENSION_MID] = 4}};
    struct rtp_extensions extensions;
    nanos step = 2 * NANOS_PER_MS;
    size_t lens = 0;

    since = cpu_ns();
    for (uint32_t i = 0; i < PACKETS; i++)
        lens += make(i);
    report("write header, extensions, descriptor");
    for (uint32_t i = 0; i < PACKETS; i++) {
        data[2] = (uint8_t)i;
        rtp_parse(&rtp, data, lens / PACKETS, RTP_CLEAR);
        rtp_extensions_read(&rtp, &map, &extensions);
        vp8_parse(&vp8, rtp.payload, rtp.payload_len);
    }
    report("parse them");

    twcc_recorder_init(&recorder, TWCC_FEEDBACK_INTERVAL);
    receive_statistics_init(&statistics, 1, 90000, 0);
    nack_generator_init(&nack, &(struct nack_config){0});
    uint8_t feedback[1200];
    for (uint32_t i = 0; i < PACKETS; i++) {
        twcc_recorder_add(&recorder, 1, (uint16_t)i, i * step);
        twcc_recorder_write(&recorder, 2, feedback, sizeof feedback, i * step);
    }
    report("record arrivals, write feedback");
    for (uint32_t i = 0; i < PACKETS; i++) {
        receive_statistics_packet(&statistics, (uint16_t)i, i / PER_FRAME * 900, PAYLOAD, i * step);
        nack_generator_received(&nack, (uint16_t)i, i * step);
    }
    report("statistics, NACK generator");

    frame_buffer_init(&frames, &(struct frame_buffer_config){0});
    struct received_frame frame;
    for (uint32_t i = 0; i < PACKETS; i++) {
        struct frame_packet packet = {.sequence = (uint16_t)i,
                                      .timestamp = i / PER_FRAME * 900,
                                      .marker = i % PER_FRAME == PER_FRAME - 1,
                                      .start = i % PER_FRAME == 0,
                                      .key = i == 0,
                                      .payload_len = PAYLOAD};
        frame_buffer_insert(&frames, &packet, i * step);
        while (frame_buffer_next(&frames, &frame, i * step))
            ;
    }
    report("frame buffer");

    sequence_rewriter_init(&rewriter, &(struct sequence_rewriter_config){.clock_rate = 90000});
    sequence_rewriter_switch(&rewriter, 1, NULL, NULL);
    struct rewritten rewritten;
    for (uint32_t i = 0; i < PACKETS; i++) {
        rtp.sequence = (uint16_t)i;
        rtp.timestamp = i / PER_FRAME * 900;
        vp8.picture_id = i / PER_FRAME & 0x7fff;
        if (i / PER_FRAME % 4 == 3)
            sequence_rewriter_drop(&rewriter, 1, &rtp, &vp8, &rewritten);
        else
            sequence_rewriter_forward(&rewriter, 1, &rtp, &vp8, i * step, &rewritten);
    }
    report("rewriter");

    retransmission_buffer_init(&buffer, 500 * NANOS_PER_MS, 1 << 20);
    for (uint32_t i = 0; i < PACKETS; i++) {
        rtp_set_sequence(data, (uint16_t)i);
        retransmission_buffer_store(&buffer, data, lens / PACKETS, i * step);
    }
    report("retransmission buffer");
    retransmission_buffer_clear(&buffer);
    nack_generator_clear(&nack);
    return frames.given_out == PACKETS / PER_FRAME ? 0 : 1;
}
