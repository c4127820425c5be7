/* Senders under congestion control that share one bottleneck, in virtual time: encoder -> pacer -> link -> receiver,
 * and feedback back over another link. Beside them, a simple TCP. Deterministic. */
#ifndef CONFAB_TESTS_BOTTLENECK_H
#define CONFAB_TESTS_BOTTLENECK_H

#include "rtc/congestion_control.h"
#include "rtc/pacer.h"
#include "world/link.h"

#define BOTTLENECK_FLOWS 10
#define BOTTLENECK_SECONDS 200

struct media_config {
    struct congestion_control_config control;
    int64_t encoder_max_bps; /* 0: the controller's maximum */
    nanos start;
    nanos stop;              /* 0: never */
    nanos feedback_interval; /* 0: 50 ms */
};

struct flow_figures {
    uint64_t sent_packets;
    uint64_t lost_packets;
    uint64_t sent_bytes;
    uint64_t received_bytes;
    uint64_t received_in_second[BOTTLENECK_SECONDS]; /* bytes */
    nanos pacer_delay_max;                           /* of a media packet */
    nanos path_delay_max;
};

struct bottleneck;

/* The configurations are checked by asserts of the test framework. */
struct bottleneck *bottleneck_create(const struct link_config *forward, const struct link_config *backward,
                                     uint64_t seed);
void bottleneck_destroy(struct bottleneck *bottleneck);
void bottleneck_configure(struct bottleneck *bottleneck, const struct link_config *forward,
                          const struct link_config *backward);

/* Both return the flow's number. */
int bottleneck_add_media(struct bottleneck *bottleneck, const struct media_config *config);
int bottleneck_add_tcp(struct bottleneck *bottleneck, nanos start, nanos stop);

void bottleneck_run(struct bottleneck *bottleneck, nanos until);

struct congestion_control *bottleneck_control(struct bottleneck *bottleneck, int flow);
int64_t bottleneck_target_kbps(const struct bottleneck *bottleneck, int flow);
const struct flow_figures *bottleneck_figures(const struct bottleneck *bottleneck, int flow);

/* Mean received rate between two seconds. */
double bottleneck_received_kbps(const struct bottleneck *bottleneck, int flow, int from_s, int to_s);
const struct link *bottleneck_link(const struct bottleneck *bottleneck);

#endif
