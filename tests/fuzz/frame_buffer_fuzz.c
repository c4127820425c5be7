/* The frame buffer and, in front of it, the forwarder's rewriter: eight bytes of input make a packet. Whatever comes, an
 * owner that follows the deadlines never spins, and the numbers that go out are the right ones. */
#include <stdlib.h>

#include "base/bytes.h"
#include "rtc/frame_buffer.h"
#include "rtc/nack.h"
#include "rtc/sequence_rewriter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(bool good)
{
    if (!good)
        abort();
}

static void drain(struct frame_buffer *buffer, nanos now)
{
    struct received_frame frame;
    size_t frames = 0;
    while (frame_buffer_next(buffer, &frame, now)) {
        check(frame.packets > 0 && frame.completed >= frame.first_arrival && frame.decodable >= frame.completed);
        check(++frames <= FRAME_BUFFER_FRAMES);
    }
    frame_buffer_wants_key_frame(buffer, now);
    check(frame_buffer_deadline(buffer) > now);
}

static bool rewrite(struct sequence_rewriter *rewriter, const uint8_t *in, struct frame_packet *packet, nanos now)
{
    struct rtp_packet rtp = {.sequence = packet->sequence, .timestamp = packet->timestamp};
    struct vp8_descriptor vp8 = {.picture_id_bits = packet->picture_id_bits,
                                 .picture_id = packet->picture_id,
                                 .tl0_picture_index = packet->tl0_picture_index};
    struct rewritten rewritten;
    int32_t source = in[7] >> 6;
    if (packet->start && packet->key && (in[7] & 4) != 0)
        sequence_rewriter_switch(rewriter, source, NULL, NULL);
    enum rewriter_verdict verdict = (in[7] & 8) != 0
                                        ? sequence_rewriter_drop(rewriter, source, &rtp, &vp8, &rewritten)
                                        : sequence_rewriter_forward(rewriter, source, &rtp, &vp8, now, &rewritten);
    if (verdict == REWRITER_NOTHING)
        return false;
    int32_t found_source;
    uint16_t found;
    check(sequence_rewriter_find(rewriter, rewritten.sequence, &found_source, &found));
    check(found_source == source && found == packet->sequence);
    packet->sequence = rewritten.sequence;
    packet->timestamp = rewritten.timestamp;
    packet->picture_id = rewritten.vp8.picture_id;
    packet->tl0_picture_index = rewritten.vp8.tl0_picture_index;
    return verdict == REWRITER_PACKET;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct frame_buffer buffer, rewritten_buffer;
    static struct sequence_rewriter rewriter;
    struct nack_generator nack;
    nack_generator_init(&nack, &(struct nack_config){.missing_max = 100, .reorder_packets = 2});
    frame_buffer_init(&buffer, &(struct frame_buffer_config){.wait = 300 * NANOS_PER_MS});
    frame_buffer_init(&rewritten_buffer, &(struct frame_buffer_config){.patience = 50 * NANOS_PER_MS});
    sequence_rewriter_init(&rewriter, &(struct sequence_rewriter_config){.clock_rate = 90000});
    nanos now = NANOS_PER_S;
    uint16_t sequence = 0;
    uint32_t timestamp = 0;
    for (size_t i = 0; i + 8 <= len; i += 8) {
        const uint8_t *in = data + i;
        sequence = (uint16_t)(sequence + (in[0] == 0x80 ? bytes_get16(in) : (uint16_t)(int8_t)in[0]));
        timestamp += (uint32_t)(int8_t)in[1] * 1500u;
        now += (nanos)(in[2] & 0x3f) * NANOS_PER_MS;
        struct frame_packet packet = {
            .sequence = sequence,
            .timestamp = timestamp,
            .marker = (in[3] & 1) != 0,
            .start = (in[3] & 2) != 0,
            .key = (in[3] & 4) != 0,
            .recovered = (in[3] & 8) != 0,
            .non_reference = (in[3] & 16) != 0,
            .has_layers = (in[3] & 32) != 0,
            .layer_sync = (in[3] & 64) != 0,
            .picture_id_bits = (in[3] & 128) != 0  ? 15
                               : (in[2] & 64) != 0 ? 7
                                                   : 0,
            .picture_id = in[4],
            .tl0_picture_index = in[5],
            .temporal = in[6] & 3,
            .payload = in,
            .payload_len = 8,
        };
        uint16_t wanted[16];
        nack_generator_received(&nack, sequence, now);
        while (nack_generator_write(&nack, wanted, 16, now) > 0)
            ;
        check(nack.count <= 100);
        if ((in[7] & 1) != 0)
            frame_buffer_skip(&buffer, sequence);
        else
            frame_buffer_insert(&buffer, &packet, now);
        drain(&buffer, now);
        if (rewrite(&rewriter, in, &packet, now))
            frame_buffer_insert(&rewritten_buffer, &packet, now);
        drain(&rewritten_buffer, now);
    }
    nack_generator_clear(&nack);
    frame_buffer_clear(&buffer);
    frame_buffer_clear(&rewritten_buffer);
    return 0;
}
