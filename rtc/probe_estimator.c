#include "rtc/probe_estimator.h"

#define RECEIVED_RATIO 0.80
#define VALID_RATIO_MAX 2.0 /* received faster than sent: the network bunched the packets */
#define UNSATURATED_RATIO 0.9
#define UTILIZATION 0.95
#define INTERVAL_MAX (1 * NANOS_PER_S)

void probe_estimator_expect(struct probe_estimator *estimator, const struct probe_cluster *cluster)
{
    /* Ids rise, so this slot held the oldest. */
    estimator->clusters[cluster->id % PROBE_CLUSTERS] = (struct probe_measurement){.cluster = *cluster};
}

void probe_estimator_sent(struct probe_estimator *estimator, uint32_t id, uint64_t sequence)
{
    struct probe_measurement *probe = &estimator->clusters[id % PROBE_CLUSTERS];
    if (id == 0 || probe->cluster.id != id)
        return;
    if (probe->sent++ == 0)
        probe->first_sequence = sequence;
    probe->last_sequence = sequence;
}

static void record(struct probe_measurement *probe, const struct twcc_result *result)
{
    if (probe->packets == 0) {
        probe->first_sent = probe->last_sent = result->sent;
        probe->first_received = probe->last_received = result->received;
        probe->size_last_sent = probe->size_first_received = result->size;
    }
    probe->first_sent = nanos_min(probe->first_sent, result->sent);
    if (result->sent >= probe->last_sent) {
        probe->last_sent = result->sent;
        probe->size_last_sent = result->size;
    }
    if (result->received < probe->first_received) {
        probe->first_received = result->received;
        probe->size_first_received = result->size;
    }
    probe->last_received = nanos_max(probe->last_received, result->received);
    probe->size += result->size;
    probe->packets++;
}

/* The last packet sent and the first received don't count: they lie outside the intervals. */
static int64_t measure(const struct probe_measurement *probe)
{
    nanos send_interval = probe->last_sent - probe->first_sent;
    nanos receive_interval = probe->last_received - probe->first_received;
    if (probe->packets < (uint32_t)(RECEIVED_RATIO * probe->cluster.min_packets) ||
        (double)probe->size < RECEIVED_RATIO * (double)probe->cluster.min_bytes)
        return 0;
    if (send_interval <= 0 || send_interval > INTERVAL_MAX || receive_interval <= 0 || receive_interval > INTERVAL_MAX)
        return 0;
    double sent_bps = 8.0 * (double)(probe->size - probe->size_last_sent) / nanos_to_s(send_interval);
    double received_bps = 8.0 * (double)(probe->size - probe->size_first_received) / nanos_to_s(receive_interval);
    if (received_bps > VALID_RATIO_MAX * sent_bps)
        return 0;
    if (received_bps < UNSATURATED_RATIO * sent_bps)
        return (int64_t)(UTILIZATION * received_bps);
    return (int64_t)(sent_bps < received_bps ? sent_bps : received_bps);
}

int64_t probe_estimator_received(struct probe_estimator *estimator, const struct twcc_result *result)
{
    for (int i = 0; i < PROBE_CLUSTERS; i++) {
        struct probe_measurement *probe = &estimator->clusters[i];
        if (probe->sent > 0 && result->sequence >= probe->first_sequence && result->sequence <= probe->last_sequence) {
            record(probe, result);
            return measure(probe);
        }
    }
    return 0;
}
