/* A hostile peer behind DTLS: its SCTP packets, whole or chunk by chunk with the right tag and checksum, and messages
 * on streams that it may or may not use, DCEP among them. Also the reader of DCEP alone.
 *
 *     | what | length (2) | bytes … |   again and again; what: 0 a packet, 1 chunks, 2 a message: | stream | ppid | … */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <usrsctp.h>

#include "base/bytes.h"

#include "tests/support/data_pair.c"

enum { HEADER = 12, CHUNK_HEADER = 4, DATA_HEADER = 16, CHUNK_DATA = 0, RECORDS_MAX = 200 };

/* What the second end expects of the first. */
static struct {
    uint8_t header[HEADER];
    uint32_t tsn;
} known;

static bool watch(struct data_pair *pair, int from, const uint8_t *data, size_t len)
{
    (void)pair;
    if (from == 0 && len >= HEADER + DATA_HEADER && data[HEADER] == CHUNK_DATA) {
        memcpy(known.header, data, HEADER);
        known.tsn = bytes_get32(data + HEADER + CHUNK_HEADER) + 1;
    }
    return true;
}

static void deliver(struct data_pair *pair, uint8_t *packet, size_t len)
{
    memcpy(packet, known.header, HEADER);
    memset(packet + 8, 0, 4);
    uint32_t sum = usrsctp_crc32c(packet, len);
    memcpy(packet + 8, &sum, sizeof sum);
    data_channels_read(pair->ends[1].channels, packet, len, pair->now);
}

static void deliver_message(struct data_pair *pair, const uint8_t *data, size_t len)
{
    static uint16_t numbers[256]; /* of the messages of a stream */
    uint8_t packet[2048] = {0};
    if (data == NULL) {
        memset(numbers, 0, sizeof numbers);
        return;
    }
    if (len < 3 || len > 1200)
        return;
    uint8_t *chunk = packet + HEADER;
    chunk[1] = 0x03; /* a whole one */
    bytes_put16(chunk + 2, (uint16_t)(DATA_HEADER + len - 2));
    bytes_put32(chunk + 4, known.tsn++);
    bytes_put16(chunk + 8, data[0]);
    bytes_put16(chunk + 10, numbers[data[0]]++);
    bytes_put32(chunk + 12, data[1]);
    memcpy(chunk + DATA_HEADER, data + 2, len - 2);
    deliver(pair, packet, HEADER + (DATA_HEADER + len - 2 + 3) / 4 * 4);
}

static void answer(struct data_pair *pair, int end, const struct data_channel_event *event)
{
    if (end != 1)
        return;
    if (event->type == DATA_CHANNEL_INCOMING && strlen(data_channel_label(event->channel)) > DCEP_TEXT_MAX)
        abort();
    if (event->type == DATA_CHANNEL_MESSAGE) {
        if (event->len > SCTP_MESSAGE_MAX)
            abort();
        data_channel_send(event->channel, event->text, event->data, event->len, pair->now);
    }
}

static void read_dcep(const uint8_t *data, size_t size)
{
    struct dcep_open open;
    uint8_t again[DCEP_OPEN_MAX];
    struct dcep_open second;
    if (!dcep_read_open(&open, data, size, NULL))
        return;
    size_t len = dcep_write_open(&open, again);
    if (len != size || !dcep_read_open(&second, again, len, NULL) || second.label_len != open.label_len)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct data_channels *keeper; /* so that the stack needn't start each time */
    read_dcep(data, size);
    struct data_pair *pair = data_pair_create(&(struct data_pair_config){.seed = 1, .event = answer, .pass = watch});
    if (keeper == NULL) {
        keeper = data_channels_create(&(struct data_channels_config){0}, NULL);
        data_channels_start(keeper, true, DATA_PAIR_MTU, 0, NULL);
    }
    struct data_channel *channel = NULL;
    for (int end = 0; end < 2; end++)
        channel =
            data_channel_open(pair->ends[end].channels, &(struct data_channel_config){.negotiated = true}, 0, NULL);
    struct data_channel *ours = data_channel_open(pair->ends[0].channels, &(struct data_channel_config){0}, 0, NULL);
    if (channel == NULL || ours == NULL)
        abort();
    data_pair_run(pair, NANOS_PER_S);
    deliver_message(pair, NULL, 0);
    struct reader reader = reader_of(data, size);
    for (int i = 0; i < RECORDS_MAX && reader.left >= 3; i++) {
        uint8_t what = reader_u8(&reader) % 3;
        size_t len = reader_u16(&reader);
        len = len < reader.left ? len : reader.left;
        const uint8_t *bytes = reader_take(&reader, len);
        uint8_t packet[2048] = {0};
        if (what == 0) {
            data_channels_read(pair->ends[1].channels, bytes, len, pair->now);
        } else if (what == 1 && len <= 1200) {
            memcpy(packet + HEADER, bytes, len);
            deliver(pair, packet, HEADER + len);
        } else if (what == 2) {
            deliver_message(pair, bytes, len);
        }
        data_pair_run(pair, pair->now + 20 * NANOS_PER_MS);
    }
    data_pair_run(pair, pair->now + 5 * NANOS_PER_S);
    data_pair_destroy(pair);
    return 0;
}
