/* What a probe cluster tells: the lesser of the rates at which its packets left and arrived, once at least 80 % of the
 * packets and bytes did. Where they arrived clearly slower than they left, that is the link's capacity, and 95 % of it
 * is the estimate. Like libwebrtc's ProbeBitrateEstimator. */
#ifndef CONFAB_RTC_PROBE_ESTIMATOR_H
#define CONFAB_RTC_PROBE_ESTIMATOR_H

#include <stddef.h>
#include <stdint.h>

#include "rtc/probe_controller.h"
#include "rtc/twcc_result.h"

#define PROBE_CLUSTERS 6

/* Starts as all zeros. A cluster's packets have consecutive sequence numbers. */
struct probe_estimator {
    struct probe_measurement {
        struct probe_cluster cluster; /* id 0: unused */
        uint64_t first_sequence;
        uint64_t last_sequence; /* of those sent so far */
        size_t sent;
        nanos first_sent;
        nanos last_sent;
        nanos first_received;
        nanos last_received;
        size_t size;
        size_t size_last_sent;
        size_t size_first_received;
        uint32_t packets;
    } clusters[PROBE_CLUSTERS];
};

/* A probe was handed out. */
void probe_estimator_expect(struct probe_estimator *estimator, const struct probe_cluster *cluster);

/* A packet of cluster `id` left. */
void probe_estimator_sent(struct probe_estimator *estimator, uint32_t id, uint64_t sequence);

/* A packet arrived; most are of no cluster. Returns the estimate in bits a second if it made or changed one, else 0. */
int64_t probe_estimator_received(struct probe_estimator *estimator, const struct twcc_result *result);

#endif
