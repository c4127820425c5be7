#include "rtc/receive_statistics.h"

#include "rtc/ntp.h"

#define NO_BAD_SEQUENCE 0x10000u

void receive_statistics_init(struct receive_statistics *statistics, uint32_t ssrc, uint32_t clock_rate,
                             uint8_t probation)
{
    *statistics = (struct receive_statistics){.ssrc = ssrc, .clock_rate = clock_rate, .probation = probation};
}

static void start_at(struct receive_statistics *statistics, uint16_t sequence)
{
    statistics->started = true;
    statistics->base_sequence = sequence;
    statistics->highest_sequence = sequence;
    statistics->bad_sequence = NO_BAD_SEQUENCE;
    statistics->cycles = 0;
    statistics->received = 0;
    statistics->received_prior = 0;
    statistics->expected_prior = 0;
    statistics->has_transit = false;
}

/* RFC 3550, A.1. */
static bool is_valid(struct receive_statistics *statistics, uint16_t sequence)
{
    uint16_t ahead = (uint16_t)(sequence - statistics->highest_sequence);
    if (!statistics->started) {
        start_at(statistics, sequence);
        statistics->probation -= statistics->probation > 0;
        return statistics->probation == 0;
    }
    if (statistics->probation > 0) {
        if (ahead != 1)
            statistics->probation = RECEIVE_MIN_SEQUENTIAL;
        statistics->probation--;
        start_at(statistics, sequence);
        return statistics->probation == 0;
    }
    if (ahead < RECEIVE_MAX_DROPOUT) {
        statistics->cycles += sequence < statistics->highest_sequence ? 0x10000 : 0;
        statistics->highest_sequence = sequence;
    } else if (ahead <= 0x10000 - RECEIVE_MAX_MISORDER) {
        if (sequence != statistics->bad_sequence) {
            statistics->bad_sequence = (uint16_t)(sequence + 1);
            return false;
        }
        start_at(statistics, sequence); /* two in a row: the other side has started anew without telling */
    }                                   /* else: a duplicate, or reordered */
    return true;
}

/* RFC 3550, A.8. */
static void measure_jitter(struct receive_statistics *statistics, uint32_t timestamp, nanos now)
{
    int64_t rate = statistics->clock_rate;
    uint32_t arrival = (uint32_t)(now / NANOS_PER_S * rate + now % NANOS_PER_S * rate / NANOS_PER_S);
    uint32_t transit = arrival - timestamp;
    int32_t difference = (int32_t)(transit - statistics->transit);
    if (statistics->has_transit) {
        uint64_t magnitude = (uint64_t)(difference < 0 ? -(int64_t)difference : difference);
        statistics->jitter_16 += magnitude - ((statistics->jitter_16 + 8) >> 4);
    }
    statistics->has_transit = true;
    statistics->transit = transit;
}

bool receive_statistics_packet(struct receive_statistics *statistics, uint16_t sequence, uint32_t timestamp,
                               size_t payload_len, nanos now)
{
    if (!is_valid(statistics, sequence))
        return false;
    statistics->received++;
    statistics->octets += payload_len;
    measure_jitter(statistics, timestamp, now);
    return true;
}

void receive_statistics_sender_report(struct receive_statistics *statistics, uint64_t ntp, nanos now)
{
    statistics->last_sr = ntp_middle(ntp);
    statistics->last_sr_at = now;
}

uint32_t receive_statistics_extended_highest(const struct receive_statistics *statistics)
{
    return statistics->cycles + statistics->highest_sequence;
}

uint64_t receive_statistics_expected(const struct receive_statistics *statistics)
{
    return statistics->received == 0
               ? 0
               : (uint64_t)receive_statistics_extended_highest(statistics) - statistics->base_sequence + 1;
}

int64_t receive_statistics_lost(const struct receive_statistics *statistics)
{
    return (int64_t)receive_statistics_expected(statistics) - (int64_t)statistics->received;
}

nanos receive_statistics_jitter(const struct receive_statistics *statistics)
{
    return statistics->clock_rate == 0
               ? 0
               : (nanos)((double)statistics->jitter_16 / 16 / statistics->clock_rate * (double)NANOS_PER_S);
}

bool receive_statistics_report(struct receive_statistics *statistics, struct rtcp_report_block *block, nanos now)
{
    if (statistics->received == 0)
        return false;
    uint64_t expected = receive_statistics_expected(statistics);
    int64_t expected_now = (int64_t)(expected - statistics->expected_prior);
    int64_t lost_now = expected_now - (int64_t)(statistics->received - statistics->received_prior);
    statistics->expected_prior = expected;
    statistics->received_prior = statistics->received;
    int64_t fraction = expected_now <= 0 || lost_now <= 0 ? 0 : lost_now * 256 / expected_now;
    int64_t lost = receive_statistics_lost(statistics);
    uint64_t jitter = statistics->jitter_16 >> 4;
    bool has_sr = statistics->last_sr_at > 0 || statistics->last_sr > 0;
    *block = (struct rtcp_report_block){
        .ssrc = statistics->ssrc,
        .fraction_lost = (uint8_t)(fraction > UINT8_MAX ? UINT8_MAX : fraction),
        .cumulative_lost = (int32_t)(lost > INT32_MAX ? INT32_MAX : lost),
        .extended_highest = receive_statistics_extended_highest(statistics),
        .jitter = jitter > UINT32_MAX ? UINT32_MAX : (uint32_t)jitter,
        .last_sr = statistics->last_sr,
        .delay_since_last_sr = has_sr ? ntp_middle_from_nanos(now - statistics->last_sr_at) : 0,
    };
    return true;
}
