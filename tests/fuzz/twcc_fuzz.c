/* Transport-wide feedback: the input is read as one message's body, and also, in triples of bytes, as arrivals whose
 * recording has to say exactly what came. */
#include <stdlib.h>
#include <string.h>

#include "rtc/twcc_history.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(bool good)
{
    if (!good)
        abort();
}

static void read_message(const uint8_t *data, size_t len)
{
    struct twcc_history history;
    struct twcc_result results[32];
    struct rtcp_packet packet = {
        .type = RTCP_TRANSPORT_FEEDBACK, .count = RTCP_FORMAT_TRANSPORT_WIDE, .body = data, .body_len = len};
    struct twcc_reader reader;
    struct twcc_status status;
    if (!twcc_read(&reader, &packet))
        return;
    size_t total = 0;
    while (twcc_next(&reader, &status)) {
        check(status.count > 0 && (status.count == 1 || !status.received));
        total += status.count;
    }
    check(total == reader.status_count);

    check(twcc_history_init(&history, 64));
    for (uint16_t i = 0; i < 100; i++)
        twcc_history_send(&history, 100, i);
    check(twcc_read(&reader, &packet));
    total = 0;
    for (size_t count; (count = twcc_history_results(&history, &reader, results, 32)) > 0;)
        total += count;
    check(total <= 64 && history.in_flight_bytes <= 6400);
    twcc_history_clear(&history);
}

static void record(const uint8_t *data, size_t len)
{
    static struct twcc_recorder recorder;
    static bool came[1 << 16];
    uint8_t buf[200];
    nanos now = 0;
    memset(came, 0, sizeof came);
    twcc_recorder_init(&recorder, 0);
    uint16_t highest = 0;
    for (size_t i = 0; i + 3 <= len; i += 3) {
        uint16_t sequence = (uint16_t)(highest + (int8_t)data[i]);
        highest = sequence;
        now += (nanos)bytes_get16(data + i + 1) * NANOS_PER_MS;
        twcc_recorder_add(&recorder, 1, sequence, now);
        came[sequence] = true;
        for (size_t written;
             data[i + 1] % 4 == 0 && (written = twcc_recorder_write(&recorder, 1, buf, 200, now)) > 0;) {
            struct rtcp_cursor cursor = rtcp_walk(buf, written);
            struct rtcp_packet packet;
            struct twcc_reader reader;
            struct twcc_status status;
            check(rtcp_next(&cursor, &packet) && twcc_read(&reader, &packet));
            while (twcc_next(&reader, &status))
                check(!status.received || came[status.sequence]);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);
    check(copy != NULL);
    memcpy(copy, data, len);
    read_message(copy, len);
    record(copy, len);
    free(copy);
    return 0;
}
