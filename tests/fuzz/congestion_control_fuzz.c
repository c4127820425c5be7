/* A receiver that says anything at all about what it received, to a sender that believes it. Records:
 *
 *     | packets sent, in the next 20 ms | time until the feedback, ms | length | the feedback's body |
 *
 * whose sum is told again so many times as a byte behind it says, with the clock in it going on. */
#include <stdlib.h>
#include <string.h>

#include "rtc/congestion_control.h"
#include "rtc/twcc_history.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { BODY_CAP = 256, RESULTS_MAX = 32 };

static const struct congestion_control_config config = {
    .start_bps = 300000, .min_bps = 30000, .max_padding_bps = 100000, .alr_probing = true};

static void check(bool good)
{
    if (!good)
        abort();
}

struct sender {
    struct congestion_control *control;
    struct twcc_history history;
    uint32_t probe;
    nanos now;
};

static void pass(struct sender *sender, nanos time)
{
    struct probe_cluster cluster;
    nanos until = sender->now + time;
    for (nanos due; (due = congestion_control_deadline(sender->control)) <= until;) {
        sender->now = nanos_max(sender->now, due);
        congestion_control_process(sender->control, sender->now);
        check(congestion_control_deadline(sender->control) > sender->now);
        while (congestion_control_probe(sender->control, &cluster))
            sender->probe = cluster.id;
    }
    sender->now = until;
}

static void transmit(struct sender *sender, uint8_t count)
{
    for (uint8_t i = 0; i < count; i++) {
        uint64_t sequence = twcc_history_send(&sender->history, 1200, sender->now);
        congestion_control_sent(sender->control, sequence, 1200, i % 2 == 0 ? sender->probe : 0, sender->now);
    }
    pass(sender, 20 * NANOS_PER_MS);
}

static void hear(struct sender *sender, const uint8_t *body, size_t len)
{
    struct rtcp_packet packet = {
        .type = RTCP_TRANSPORT_FEEDBACK, .count = RTCP_FORMAT_TRANSPORT_WIDE, .body = body, .body_len = len};
    struct twcc_result results[RESULTS_MAX];
    struct twcc_reader reader;
    size_t count;
    if (!twcc_read(&reader, &packet))
        return;
    while ((count = twcc_history_results(&sender->history, &reader, results, RESULTS_MAX)) > 0)
        congestion_control_feedback(sender->control, results, count, sender->now);
    struct congestion_rates rates = congestion_control_rates(sender->control);
    check(rates.target_bps >= config.min_bps && rates.pacing_bps >= 0 && rates.padding_bps >= 0);
}

/* A body's first eight bytes are SSRCs; the base sequence number becomes that of what was just sent. */
static void hear_again(struct sender *sender, uint8_t *body, size_t len, uint8_t times)
{
    uint32_t step = len >= 20 ? bytes_get32(body + 16) : 0;
    for (uint32_t i = 0; i <= times && len >= 16; i++) {
        bytes_put16(body + 8, (uint16_t)(sender->history.next - (i > 0 ? 1 : body[9])));
        if (i > 0)
            bytes_put32(body + 12, bytes_get32(body + 12) + step);
        hear(sender, body, len);
        transmit(sender, 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct sender sender = {.control = congestion_control_create(&config, NULL)};
    check(sender.control != NULL && twcc_history_init(&sender.history, 1024));
    for (size_t at = 0; at + 4 <= len;) {
        uint8_t copy[BODY_CAP];
        size_t left = len - at - 4;
        size_t body = data[at + 2] < left ? data[at + 2] : left;
        memcpy(copy, data + at + 4, body);
        transmit(&sender, data[at] % 64);
        pass(&sender, (nanos)data[at + 1] * 4 * NANOS_PER_MS);
        hear_again(&sender, copy, body, data[at + 3]);
        at += 4 + body;
    }
    congestion_control_destroy(sender.control);
    twcc_history_clear(&sender.history);
    return 0;
}
