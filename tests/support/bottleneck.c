#include "tests/support/bottleneck.h"

#include <math.h>
#include <stdlib.h>

#include "tests/support/suite.h"

#define HISTORY 16384
#define RING 65536
#define PACKET_BYTES 1200
#define FPS 30
#define FRAME_INTERVAL (NANOS_PER_S / FPS)
#define FRAME_NOISE 0.15 /* RFC 8593's scale */
#define TCP_TIMEOUT (1 * NANOS_PER_S)
#define TCP_TICK (20 * NANOS_PER_MS)
#define CLOCK_OFFSET (777 * NANOS_PER_S) /* between the receiver's clock and the sender's */

struct sent_packet {
    nanos sent;
    nanos received; /* NANOS_NEVER until it is */
    size_t size;
};

struct flow {
    bool media;
    bool active;
    nanos start;
    nanos stop;
    uint64_t next_sequence;
    uint64_t reported;     /* all below were in feedback */
    uint64_t received_end; /* all below were sent before the newest that arrived */
    struct sent_packet *history;
    struct flow_figures figures;

    struct congestion_control *control;
    struct pacer *pacer;
    struct rng rng;
    int64_t encoder_max_bps;
    nanos next_frame;
    nanos feedback_interval;
    nanos next_feedback;

    double window; /* TCP: packets */
    double threshold;
    uint64_t acknowledged; /* all below were acknowledged or lost */
    nanos reduced;
    nanos rtt;
    nanos next_tick;
};

struct in_flight {
    int flow;
    uint64_t from; /* feedback: the sequences it covers, from … */
    uint64_t to;   /* … up to, not including; otherwise the packet is from */
    nanos arrives;
};

struct ring {
    uint32_t head;
    uint32_t tail;
    struct in_flight *entries;
};

struct bottleneck {
    nanos now;
    struct link forward;
    struct link backward;
    struct ring packets;
    struct ring answers;
    uint64_t seed;
    int count;
    struct flow flows[BOTTLENECK_FLOWS];
};

/* Sends it over the link; false when it is lost. */
static bool ring_send(struct ring *ring, struct link *link, size_t size, nanos now, struct in_flight entry)
{
    struct in_flight *place = &ring->entries[ring->tail % RING];
    CU_ASSERT_FATAL(ring->tail - ring->head < RING);
    if (link_transit(link, place, size, now, &entry.arrives) != LINK_ARRIVES)
        return false;
    *place = entry;
    ring->tail++;
    return true;
}

static void reconfigure(struct link *link, const struct link_config *config, nanos now)
{
    nanos at;
    void **waiting;
    CU_ASSERT_TRUE_FATAL(link_configure(link, config, now, NULL));
    for (uint32_t i = 0; (waiting = link_waiting(link, i, &at)) != NULL; i++)
        if (*waiting != NULL)
            ((struct in_flight *)*waiting)->arrives = at;
}

static struct in_flight *ring_first(const struct ring *ring)
{
    return ring->head == ring->tail ? NULL : &ring->entries[ring->head % RING];
}

static nanos ring_deadline(const struct ring *ring)
{
    const struct in_flight *first = ring_first(ring);
    return first != NULL ? first->arrives : NANOS_NEVER;
}

struct bottleneck *bottleneck_create(const struct link_config *forward, const struct link_config *backward,
                                     uint64_t seed)
{
    struct bottleneck *bottleneck = calloc(1, sizeof *bottleneck);
    CU_ASSERT_PTR_NOT_NULL_FATAL(bottleneck);
    bottleneck->seed = seed;
    bottleneck->packets.entries = calloc(RING, sizeof(struct in_flight));
    bottleneck->answers.entries = calloc(RING, sizeof(struct in_flight));
    CU_ASSERT_TRUE_FATAL(link_init(&bottleneck->forward, forward, seed, 0, NULL));
    CU_ASSERT_TRUE_FATAL(link_init(&bottleneck->backward, backward, seed, 1, NULL));
    return bottleneck;
}

void bottleneck_destroy(struct bottleneck *bottleneck)
{
    for (int i = 0; i < bottleneck->count; i++) {
        congestion_control_destroy(bottleneck->flows[i].control);
        pacer_destroy(bottleneck->flows[i].pacer);
        free(bottleneck->flows[i].history);
    }
    link_clear(&bottleneck->forward);
    link_clear(&bottleneck->backward);
    free(bottleneck->packets.entries);
    free(bottleneck->answers.entries);
    free(bottleneck);
}

void bottleneck_configure(struct bottleneck *bottleneck, const struct link_config *forward,
                          const struct link_config *backward)
{
    reconfigure(&bottleneck->forward, forward, bottleneck->now);
    reconfigure(&bottleneck->backward, backward, bottleneck->now);
}

static struct flow *add_flow(struct bottleneck *bottleneck, nanos start, nanos stop)
{
    CU_ASSERT_FATAL(bottleneck->count < BOTTLENECK_FLOWS);
    struct flow *flow = &bottleneck->flows[bottleneck->count];
    *flow = (struct flow){.start = start, .stop = stop > 0 ? stop : NANOS_NEVER};
    flow->history = calloc(HISTORY, sizeof *flow->history);
    flow->rng = rng_of(bottleneck->seed, "flow", (uint64_t)bottleneck->count);
    flow->next_frame = flow->next_feedback = flow->next_tick = start;
    CU_ASSERT_PTR_NOT_NULL_FATAL(flow->history);
    return flow;
}

int bottleneck_add_media(struct bottleneck *bottleneck, const struct media_config *config)
{
    struct flow *flow = add_flow(bottleneck, config->start, config->stop);
    flow->media = true;
    flow->encoder_max_bps = config->encoder_max_bps > 0 ? config->encoder_max_bps : config->control.max_bps;
    flow->feedback_interval = config->feedback_interval > 0 ? config->feedback_interval : 50 * NANOS_PER_MS;
    flow->control = congestion_control_create(&config->control, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(flow->control);
    struct congestion_rates rates = congestion_control_rates(flow->control);
    flow->pacer = pacer_create(&(struct pacer_config){.pacing_bps = rates.pacing_bps}, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(flow->pacer);
    return bottleneck->count++;
}

int bottleneck_add_tcp(struct bottleneck *bottleneck, nanos start, nanos stop)
{
    struct flow *flow = add_flow(bottleneck, start, stop);
    flow->window = 10;
    flow->threshold = 1e9;
    flow->rtt = 200 * NANOS_PER_MS;
    return bottleneck->count++;
}

static uint64_t transmit(struct bottleneck *bottleneck, struct flow *flow, size_t size)
{
    uint64_t sequence = flow->next_sequence++;
    flow->history[sequence % HISTORY] =
        (struct sent_packet){.sent = bottleneck->now, .received = NANOS_NEVER, .size = size};
    flow->figures.sent_packets++;
    flow->figures.sent_bytes += size;
    if (!ring_send(&bottleneck->packets, &bottleneck->forward, size, bottleneck->now,
                   (struct in_flight){.flow = (int)(flow - bottleneck->flows), .from = sequence}))
        flow->figures.lost_packets++;
    return sequence;
}

/* --- media ------------------------------------------------------------------------------------------------------ */

static void encode_frame(struct bottleneck *bottleneck, struct flow *flow)
{
    struct congestion_rates rates = congestion_control_rates(flow->control);
    int64_t bps = rates.target_bps;
    if (flow->encoder_max_bps > 0 && bps > flow->encoder_max_bps)
        bps = flow->encoder_max_bps;
    double noise = fmax(1 + rng_laplace(&flow->rng, FRAME_NOISE), 0.1);
    size_t left = (size_t)(noise * (double)bps / 8 / FPS) + 1;
    static const uint8_t bytes[PACKET_BYTES] = {0};
    size_t packets = (left + PACKET_BYTES - 1) / PACKET_BYTES;
    for (; packets > 0; packets--) {
        size_t size = left / packets;
        CU_ASSERT_TRUE(pacer_push(flow->pacer, PACER_VIDEO, 0, bytes, size, bottleneck->now));
        left -= size;
    }
    flow->next_frame += FRAME_INTERVAL;
}

static void hand_over(struct bottleneck *bottleneck, struct flow *flow)
{
    struct probe_cluster probe;
    while (congestion_control_probe(flow->control, &probe))
        pacer_probe(flow->pacer, &probe, bottleneck->now);
    struct congestion_rates rates = congestion_control_rates(flow->control);
    pacer_set_rates(flow->pacer, rates.pacing_bps, rates.padding_bps, bottleneck->now);
}

static void pump(struct bottleneck *bottleneck, struct flow *flow)
{
    struct pacer_packet packet;
    while (pacer_next(flow->pacer, &packet, bottleneck->now) != PACER_WAIT) {
        uint64_t sequence = transmit(bottleneck, flow, packet.len);
        congestion_control_sent(flow->control, sequence, packet.len, packet.probe, bottleneck->now);
        pacer_done(flow->pacer, packet.len, bottleneck->now);
        if (packet.data != NULL)
            flow->figures.pacer_delay_max = nanos_max(flow->figures.pacer_delay_max, bottleneck->now - packet.queued);
    }
}

static void send_feedback(struct bottleneck *bottleneck, struct flow *flow)
{
    flow->next_feedback += flow->feedback_interval;
    if (flow->received_end == flow->reported)
        return;
    struct in_flight feedback = {
        .flow = (int)(flow - bottleneck->flows), .from = flow->reported, .to = flow->received_end};
    size_t size = 60 + 2 * (size_t)(feedback.to - feedback.from);
    flow->reported = flow->received_end;
    ring_send(&bottleneck->answers, &bottleneck->backward, size, bottleneck->now, feedback);
}

static void take_feedback(struct bottleneck *bottleneck, struct flow *flow, const struct in_flight *feedback)
{
    static struct twcc_result results[HISTORY];
    size_t count = 0;
    for (uint64_t sequence = feedback->from; sequence < feedback->to; sequence++) {
        const struct sent_packet *packet = &flow->history[sequence % HISTORY];
        results[count++] = (struct twcc_result){
            .sequence = sequence,
            .sent = packet->sent,
            .received = packet->received == NANOS_NEVER ? NANOS_NEVER : packet->received + CLOCK_OFFSET,
            .size = packet->size};
    }
    congestion_control_feedback(flow->control, results, count, bottleneck->now);
    hand_over(bottleneck, flow);
}

static nanos media_deadline(const struct flow *flow)
{
    nanos at = flow->next_frame;
    at = nanos_min(at, flow->next_feedback);
    at = nanos_min(at, pacer_deadline(flow->pacer));
    return nanos_min(at, congestion_control_deadline(flow->control));
}

static void run_media(struct bottleneck *bottleneck, struct flow *flow)
{
    if (bottleneck->now >= congestion_control_deadline(flow->control)) {
        congestion_control_process(flow->control, bottleneck->now);
        hand_over(bottleneck, flow);
    }
    if (bottleneck->now >= flow->next_frame)
        encode_frame(bottleneck, flow);
    if (bottleneck->now >= flow->next_feedback)
        send_feedback(bottleneck, flow);
    pump(bottleneck, flow);
}

/* --- TCP: slow start, additive increase, halving once a round trip; every packet is acknowledged on its own ------- */

static void tcp_lost(struct bottleneck *bottleneck, struct flow *flow)
{
    if (bottleneck->now - flow->reduced < flow->rtt)
        return;
    flow->reduced = bottleneck->now;
    flow->threshold = fmax(2, flow->window / 2);
    flow->window = flow->threshold;
}

static void tcp_send(struct bottleneck *bottleneck, struct flow *flow)
{
    while (flow->next_sequence - flow->acknowledged < (uint64_t)flow->window &&
           flow->next_sequence - flow->acknowledged < HISTORY)
        transmit(bottleneck, flow, PACKET_BYTES);
}

static void tcp_acknowledged(struct bottleneck *bottleneck, struct flow *flow, uint64_t sequence)
{
    const struct sent_packet *packet = &flow->history[sequence % HISTORY];
    flow->rtt = (7 * flow->rtt + (bottleneck->now - packet->sent)) / 8;
    if (sequence > flow->acknowledged)
        tcp_lost(bottleneck, flow);
    if (sequence + 1 > flow->acknowledged)
        flow->acknowledged = sequence + 1;
    flow->window += flow->window <= flow->threshold ? 1 : 1 / flow->window;
    tcp_send(bottleneck, flow);
}

static void run_tcp(struct bottleneck *bottleneck, struct flow *flow)
{
    flow->next_tick = bottleneck->now + TCP_TICK;
    while (flow->acknowledged < flow->next_sequence &&
           bottleneck->now - flow->history[flow->acknowledged % HISTORY].sent > TCP_TIMEOUT + flow->rtt) {
        tcp_lost(bottleneck, flow);
        flow->acknowledged++;
    }
    tcp_send(bottleneck, flow);
}

/* --- the world --------------------------------------------------------------------------------------------------- */

static void arrive(struct bottleneck *bottleneck, const struct in_flight *packet)
{
    struct flow *flow = &bottleneck->flows[packet->flow];
    struct sent_packet *sent = &flow->history[packet->from % HISTORY];
    sent->received = bottleneck->now;
    flow->received_end = packet->from + 1;
    flow->figures.received_bytes += sent->size;
    flow->figures.received_in_second[bottleneck->now / NANOS_PER_S] += sent->size;
    flow->figures.path_delay_max = nanos_max(flow->figures.path_delay_max, bottleneck->now - sent->sent);
    if (!flow->media)
        ring_send(&bottleneck->answers, &bottleneck->backward, 40, bottleneck->now,
                  (struct in_flight){.flow = packet->flow, .from = packet->from});
}

static void answer(struct bottleneck *bottleneck, const struct in_flight *entry)
{
    struct flow *flow = &bottleneck->flows[entry->flow];
    if (bottleneck->now >= flow->stop)
        return;
    if (flow->media)
        take_feedback(bottleneck, flow, entry);
    else
        tcp_acknowledged(bottleneck, flow, entry->from);
}

static bool active(const struct flow *flow, nanos now) { return now >= flow->start && now < flow->stop; }

static nanos next_event(const struct bottleneck *bottleneck)
{
    nanos at = nanos_min(ring_deadline(&bottleneck->packets), ring_deadline(&bottleneck->answers));
    for (int i = 0; i < bottleneck->count; i++) {
        const struct flow *flow = &bottleneck->flows[i];
        if (bottleneck->now >= flow->stop)
            continue;
        nanos mine = flow->media ? media_deadline(flow) : flow->next_tick;
        at = nanos_min(at, nanos_max(mine, flow->start));
    }
    return at;
}

void bottleneck_run(struct bottleneck *bottleneck, nanos until)
{
    for (;;) {
        nanos at = next_event(bottleneck);
        if (at >= until)
            break;
        bottleneck->now = nanos_max(at, bottleneck->now);
        for (struct in_flight *p; (p = ring_first(&bottleneck->packets)) != NULL && p->arrives <= bottleneck->now;
             bottleneck->packets.head++)
            arrive(bottleneck, p);
        for (struct in_flight *p; (p = ring_first(&bottleneck->answers)) != NULL && p->arrives <= bottleneck->now;
             bottleneck->answers.head++)
            answer(bottleneck, p);
        for (int i = 0; i < bottleneck->count; i++) {
            struct flow *flow = &bottleneck->flows[i];
            if (!active(flow, bottleneck->now))
                continue;
            if (flow->media)
                run_media(bottleneck, flow);
            else if (bottleneck->now >= flow->next_tick)
                run_tcp(bottleneck, flow);
        }
    }
    bottleneck->now = until;
}

struct congestion_control *bottleneck_control(struct bottleneck *bottleneck, int flow)
{
    return bottleneck->flows[flow].control;
}

int64_t bottleneck_target_kbps(const struct bottleneck *bottleneck, int flow)
{
    return congestion_control_rates(bottleneck->flows[flow].control).target_bps / 1000;
}

const struct flow_figures *bottleneck_figures(const struct bottleneck *bottleneck, int flow)
{
    return &bottleneck->flows[flow].figures;
}

double bottleneck_received_kbps(const struct bottleneck *bottleneck, int flow, int from_s, int to_s)
{
    double bytes = 0;
    for (int s = from_s; s < to_s; s++)
        bytes += (double)bottleneck->flows[flow].figures.received_in_second[s];
    return bytes * 8 / 1000 / (to_s - from_s);
}

const struct link *bottleneck_link(const struct bottleneck *bottleneck) { return &bottleneck->forward; }
