#include "rtc/media_receiver.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/suite.h"

enum { MID = 3, RID = 5, REPAIRED_RID = 6, VP8 = 96, RTX = 97 };

static struct receive_stream_config layer(const char *rid)
{
    struct receive_stream_config config = {
        .payload_type = VP8, .rtx_payload_type = RTX, .clock_rate = 90000, .nack = true, .mid = "1"};
    snprintf(config.rid, sizeof config.rid, "%s", rid);
    return config;
}

/* A packet with a payload of two bytes, the first two of which are what RTX takes for the original's number. `rid` may
 * be NULL, and then there is no MID either. */
static struct receive_stream *arrive(struct media_receiver *receiver, uint8_t payload_type, uint32_t ssrc,
                                     uint16_t sequence, const char *rid)
{
    uint8_t data[100];
    const struct rtp_extension elements[] = {
        {.id = MID, .len = 1, .value = (const uint8_t *)"1"},
        {.id = payload_type == RTX ? REPAIRED_RID : RID,
         .len = rid != NULL ? (uint8_t)strlen(rid) : 0,
         .value = (const uint8_t *)rid},
    };
    const struct rtp_header header = {.payload_type = payload_type, .sequence = sequence, .ssrc = ssrc};
    struct media_arrival arrival;
    size_t len = rtp_write_header(data, sizeof data, &header, elements, rid != NULL ? 2 : 0);
    CU_ASSERT_FATAL(len > 0 && len + 4 <= sizeof data);
    memcpy(data + len, (const uint8_t[]){(uint8_t)(sequence >> 8), (uint8_t)sequence, 1, 2}, 4);
    CU_ASSERT_TRUE(media_receiver_read(receiver, data, len + 4, 0, &arrival));
    return arrival.stream;
}

static void init(struct media_receiver *receiver)
{
    const struct rtp_extension_map map = {
        .id = {[RTP_EXTENSION_MID] = MID, [RTP_EXTENSION_RID] = RID, [RTP_EXTENSION_REPAIRED_RID] = REPAIRED_RID}};
    media_receiver_init(receiver, &map, 0);
}

static void layers_are_told_by_their_rids(void)
{
    struct media_receiver receiver;
    const struct receive_stream_config configs[] = {layer("q"), layer("h")};
    init(&receiver);
    struct receive_stream *low = media_receiver_add(&receiver, &configs[0]);
    struct receive_stream *high = media_receiver_add(&receiver, &configs[1]);
    CU_ASSERT_PTR_NULL(arrive(&receiver, VP8, 20, 1, NULL));
    CU_ASSERT_PTR_EQUAL(arrive(&receiver, VP8, 20, 2, "h"), high);
    CU_ASSERT_PTR_EQUAL(arrive(&receiver, VP8, 20, 3, NULL), high);
    CU_ASSERT_PTR_EQUAL(arrive(&receiver, VP8, 10, 4, "q"), low);
    CU_ASSERT_PTR_NULL(arrive(&receiver, VP8, 11, 4, "q")); /* it has its SSRC */
    CU_ASSERT_EQUAL(high->packets, 2);
    media_receiver_clear(&receiver);
}

/* A camera that was switched off and on again: its SSRCs are the same, and their RIDs aren't told a second time. */
static void a_layer_that_returns_is_known_by_its_ssrcs(void)
{
    struct media_receiver receiver;
    const struct receive_stream_config low = layer("q"), high = layer("h");
    init(&receiver);
    struct receive_stream *streams[] = {media_receiver_add(&receiver, &low), media_receiver_add(&receiver, &high)};
    arrive(&receiver, VP8, 10, 1, "q");
    arrive(&receiver, VP8, 20, 1, "h");
    arrive(&receiver, RTX, 21, 9, "h");
    CU_ASSERT_EQUAL(streams[1]->config.rtx_ssrc, 21);
    for (int round = 0; round < 20; round++) {
        media_receiver_remove(&receiver, streams[0]);
        media_receiver_remove(&receiver, streams[1]);
        CU_ASSERT_PTR_NULL(arrive(&receiver, VP8, 20, 2, NULL));
        streams[0] = media_receiver_add(&receiver, &low);
        streams[1] = media_receiver_add(&receiver, &high);
        CU_ASSERT_PTR_EQUAL(arrive(&receiver, VP8, 20, 3, NULL), streams[1]);
        CU_ASSERT_PTR_EQUAL(arrive(&receiver, VP8, 10, 3, NULL), streams[0]);
        CU_ASSERT_PTR_EQUAL(arrive(&receiver, RTX, 21, 4, NULL), streams[1]);
    }
    media_receiver_clear(&receiver);
}

static void who_returns_by_another_ssrc_is_believed(void)
{
    struct media_receiver receiver;
    const struct receive_stream_config high = layer("h");
    init(&receiver);
    struct receive_stream *stream = media_receiver_add(&receiver, &high);
    arrive(&receiver, VP8, 20, 1, "h");
    media_receiver_remove(&receiver, stream);
    stream = media_receiver_add(&receiver, &high);
    CU_ASSERT_EQUAL(stream->config.ssrc, 20);
    CU_ASSERT_PTR_EQUAL(arrive(&receiver, VP8, 30, 1, "h"), stream);
    CU_ASSERT_EQUAL(stream->config.ssrc, 30);
    CU_ASSERT_PTR_NULL(arrive(&receiver, VP8, 20, 2, NULL));
    CU_ASSERT_PTR_EQUAL(arrive(&receiver, VP8, 30, 2, NULL), stream);
    CU_ASSERT_EQUAL(stream->packets, 2);
    media_receiver_clear(&receiver);
}

void media_receiver_test(void)
{
    SUITE("media_receiver", {"layers are told by their RIDs", layers_are_told_by_their_rids},
          {"a layer that returns is known by its SSRCs", a_layer_that_returns_is_known_by_its_ssrcs},
          {"who returns by another SSRC is believed", who_returns_by_another_ssrc_is_believed});
}
