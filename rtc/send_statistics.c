#include "rtc/send_statistics.h"

#include "rtc/ntp.h"

void send_statistics_init(struct send_statistics *statistics, uint32_t ssrc, uint32_t clock_rate, uint64_t ntp_origin)
{
    *statistics = (struct send_statistics){.ssrc = ssrc, .clock_rate = clock_rate, .ntp_origin = ntp_origin};
}

void send_statistics_sent(struct send_statistics *statistics, uint32_t timestamp, nanos captured, size_t payload_len)
{
    statistics->packets++;
    statistics->octets += payload_len;
    statistics->timestamp = timestamp;
    statistics->captured = captured;
}

bool send_statistics_report(const struct send_statistics *statistics, struct rtcp_sender_info *info, nanos now)
{
    if (statistics->packets == 0)
        return false;
    nanos since = now - statistics->captured;
    int64_t rate = statistics->clock_rate;
    int64_t elapsed = since / NANOS_PER_S * rate + since % NANOS_PER_S * rate / NANOS_PER_S;
    *info = (struct rtcp_sender_info){
        .ssrc = statistics->ssrc,
        .ntp = ntp_from_nanos(now, statistics->ntp_origin),
        .rtp_timestamp = statistics->timestamp + (uint32_t)elapsed,
        .packet_count = (uint32_t)statistics->packets,
        .octet_count = (uint32_t)statistics->octets,
    };
    return true;
}

struct send_loss send_statistics_block(struct send_statistics *statistics, const struct rtcp_report_block *block,
                                       nanos now)
{
    struct send_loss loss = {0};
    nanos rtt;
    if (ntp_round_trip(ntp_from_nanos(now, statistics->ntp_origin), block->last_sr, block->delay_since_last_sr, &rtt))
        statistics->rtt = rtt;
    if (statistics->has_block) {
        int32_t expected = (int32_t)(block->extended_highest - statistics->block.extended_highest);
        if (expected < 0)
            return loss;
        loss.expected = expected;
        loss.lost = (int64_t)block->cumulative_lost - statistics->block.cumulative_lost;
    }
    statistics->has_block = true;
    statistics->block = *block;
    return loss;
}
