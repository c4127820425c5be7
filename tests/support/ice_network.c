#include "tests/support/ice_network.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/suite.h"

enum event_kind { DATAGRAM, CREDENTIALS, CANDIDATE, END };

struct ice_network_event {
    nanos at;
    uint64_t order;
    enum event_kind kind;
    int side; /* receiver of signalling */
    struct address from, to;
    size_t len;
    void *body; /* datagram, candidate or credentials */
};

struct credentials {
    char ufrag[ICE_UFRAG_CAP];
    char password[ICE_PASSWORD_CAP];
    bool lite;
    bool is_offer;
};

static void post(struct ice_network *net, struct ice_network_event event, const void *body, size_t len)
{
    if (net->event_count == net->event_cap) {
        net->event_cap = net->event_cap * 2 + 16;
        net->events = realloc(net->events, net->event_cap * sizeof *net->events);
    }
    event.order = net->next_order++;
    event.len = len;
    event.body = malloc(len + 1);
    if (net->events == NULL || event.body == NULL)
        abort();
    if (len > 0)
        memcpy(event.body, body, len);
    net->events[net->event_count++] = event;
}

static void set_nat(struct ice_network *net, int side, const struct nat_config *config)
{
    if (config == NULL)
        return;
    struct nat_config copy = *config;
    copy.seed = rng_u64(&net->rng);
    if (copy.external_count == 0 && !copy.translate_none) {
        copy.external[0] = address_ipv4(198, 51, 100, (uint8_t)(side + 1), 0);
        copy.external_count = 1;
    }
    net->sides[side].nat = nat_create(&copy, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(net->sides[side].nat);
}

void ice_network_open(struct ice_network *net, uint64_t seed, const struct ice_config configs[2],
                      const struct nat_config *nat_a, const struct nat_config *nat_b)
{
    memset(net, 0, sizeof *net);
    net->rng = rng_of(seed, "ice network", 0);
    net->now = 7 * NANOS_PER_S; /* not 0, as in the world */
    net->delay = 20 * NANOS_PER_MS;
    net->signal_delay = 40 * NANOS_PER_MS;
    net->stun[0] = address_ipv4(192, 0, 2, 1, STUN_PORT);
    net->stun[1] = address_ipv4(192, 0, 2, 2, STUN_PORT);
    set_nat(net, 0, nat_a);
    set_nat(net, 1, nat_b);
    for (int i = 0; i < 2; i++) {
        struct ice_side *side = &net->sides[i];
        struct ice_config config = {.controlling = i == 0};
        if (configs != NULL)
            config = configs[i];
        config.seed = rng_u64(&net->rng);
        if (config.stun_servers == NULL) {
            config.stun_servers = net->stun;
            config.stun_server_count = 2;
        }
        side->agent = ice_agent_create(&config, NULL);
        CU_ASSERT_PTR_NOT_NULL_FATAL(side->agent);
        side->udp_direct = true;
        side->relay_base = -1;
        side->connected_at = NANOS_NEVER;
        side->gathered_at = NANOS_NEVER;
        side->host[0] = side->nat != NULL ? address_ipv4(10, 0, (uint8_t)i, 2, 5000)
                                          : address_ipv4(198, 51, 100, (uint8_t)(100 + i), 5000);
        side->host_count = 1;
        side->relay = address_ipv4(203, 0, 113, (uint8_t)(10 + i), 49152);
    }
}

void ice_network_close(struct ice_network *net)
{
    for (size_t i = 0; i < net->event_count; i++)
        free(net->events[i].body);
    free(net->events);
    for (int i = 0; i < 2; i++) {
        ice_agent_destroy(net->sides[i].agent);
        if (!net->sides[i].shares_nat)
            nat_destroy(net->sides[i].nat);
    }
}

/* --- packets ---------------------------------------------------------------------------------------------------------- */

static void transmit(struct ice_network *net, const struct address *from, const struct address *to, const void *data,
                     size_t len)
{
    if (rng_unit(&net->rng) < net->loss) {
        net->drops++;
        return;
    }
    nanos jitter = net->jitter > 0 ? (nanos)rng_below(&net->rng, (uint64_t)net->jitter) : 0;
    struct ice_network_event event = {.at = net->now + net->delay + jitter, .kind = DATAGRAM, .from = *from, .to = *to};
    post(net, event, data, len);
}

static bool permitted(const struct ice_side *side, const struct address *remote)
{
    for (size_t i = 0; i < side->permitted_count; i++) {
        if (address_same_ip(&side->permitted[i], remote))
            return true;
    }
    return false;
}

static void send_from(struct ice_network *net, int index, int base, const struct address *to, const uint8_t *data,
                      size_t len)
{
    struct ice_side *side = &net->sides[index];
    side->sent++;
    if (net->tap != NULL)
        net->tap(net, index, base, to, data, len);
    if (side->cut)
        return;
    if (base == side->relay_base) {
        if (permitted(side, to))
            transmit(net, &side->relay, to, data, len);
        else
            side->dropped_at_relay++;
        return;
    }
    if (!side->udp_direct)
        return;
    struct nat_packet packet = {.source = side->host[base], .destination = *to, .protocol = NAT_UDP};
    bool same_lan = side->nat != NULL && side->nat == net->sides[1 - index].nat && to->ip[0] == 10;
    if (side->nat != NULL && !same_lan) {
        enum nat_verdict verdict = nat_outbound(side->nat, &packet, net->now);
        if (verdict == NAT_DROP)
            return;
    }
    transmit(net, &packet.source, &packet.destination, data, len);
}

static void answer_stun(struct ice_network *net, const struct ice_network_event *event)
{
    struct stun_message request;
    uint8_t buf[128];
    struct stun_builder builder;
    if (net->stun_dead || !stun_parse(&request, event->body, event->len, NULL))
        return;
    stun_begin_response(&builder, buf, sizeof buf, STUN_SUCCESS, &request);
    stun_put_xor_address(&builder, STUN_ATTR_XOR_MAPPED_ADDRESS, &event->from);
    transmit(net, &event->to, &event->from, buf, stun_finish(&builder));
}

static bool arrive_at(struct ice_network *net, int index, struct nat_packet packet,
                      const struct ice_network_event *event)
{
    struct ice_side *side = &net->sides[index];
    int base = -1;
    if (address_equal(&packet.destination, &side->relay)) {
        base = permitted(side, &packet.source) ? side->relay_base : -1;
    } else {
        if (side->nat != NULL && packet.destination.ip[0] != 10 &&
            nat_inbound(side->nat, &packet, net->now) == NAT_DROP)
            return false;
        for (size_t i = 0; i < side->host_count && side->udp_direct; i++) {
            if (address_equal(&side->host[i], &packet.destination))
                base = (int)i;
        }
    }
    if (base < 0 || side->cut)
        return false;
    ice_agent_read(side->agent, base, &packet.source, event->body, event->len, net->now);
    return true;
}

static void arrive(struct ice_network *net, const struct ice_network_event *event)
{
    struct nat_packet packet = {.source = event->from, .destination = event->to, .protocol = NAT_UDP};
    if (address_equal(&event->to, &net->stun[0]) || address_equal(&event->to, &net->stun[1])) {
        answer_stun(net, event);
        return;
    }
    /* Behind one NAT the first of the two that owns the internal address takes it. */
    bool taken = arrive_at(net, 0, packet, event);
    if (!taken)
        arrive_at(net, 1, packet, event);
}

/* --- signalling ------------------------------------------------------------------------------------------------------- */

static void signal_credentials(struct ice_network *net, int from, bool is_offer, nanos extra)
{
    struct credentials credentials = {.is_offer = is_offer, .lite = false};
    const struct ice_agent *agent = net->sides[from].agent;
    strcpy(credentials.ufrag, ice_agent_ufrag(agent));
    strcpy(credentials.password, ice_agent_password(agent));
    credentials.lite = ice_agent_lite(agent);
    struct ice_network_event event = {
        .at = net->now + net->signal_delay + extra, .kind = CREDENTIALS, .side = 1 - from};
    post(net, event, &credentials, sizeof credentials);
}

int ice_network_add_base(struct ice_network *net, int index, const struct address *address, bool relayed)
{
    struct ice_side *side = &net->sides[index];
    struct ice_base base = {.type = relayed ? ICE_RELAYED : ICE_HOST, .address = *address};
    if (relayed) {
        base.relay = ICE_RELAY_UDP;
        base.related = side->host[0];
    }
    int id = ice_agent_add_base(side->agent, &base);
    if (relayed)
        side->relay_base = id;
    return id;
}

static void add_bases(struct ice_network *net, int index)
{
    struct ice_side *side = &net->sides[index];
    for (size_t i = 0; i < side->host_count; i++)
        CU_ASSERT_EQUAL(ice_network_add_base(net, index, &side->host[i], false), (int)i);
    if (side->relay.family != ADDRESS_NONE)
        ice_network_add_base(net, index, &side->relay, true);
    ice_agent_bases_done(side->agent);
}

void ice_network_call(struct ice_network *net)
{
    add_bases(net, 0);
    signal_credentials(net, 0, true, 0);
}

void ice_network_restart(struct ice_network *net, int from)
{
    ice_agent_restart(net->sides[from].agent);
    signal_credentials(net, from, true, 0);
}

static void take_signal(struct ice_network *net, const struct ice_network_event *event)
{
    struct ice_side *side = &net->sides[event->side];
    if (event->kind == CANDIDATE) {
        ice_agent_add_remote_candidate(side->agent, event->body);
    } else if (event->kind == END) {
        ice_agent_end_of_candidates(side->agent);
    } else {
        const struct credentials *credentials = event->body;
        struct error error;
        CU_ASSERT_TRUE(
            ice_agent_set_remote(side->agent, credentials->ufrag, credentials->password, credentials->lite, &error));
        if (credentials->is_offer) {
            if (side->state_count == 0)
                add_bases(net, event->side);
            signal_credentials(net, event->side, false, net->answer_delay);
        }
    }
}

static void act_on_events(struct ice_network *net, int index)
{
    struct ice_side *side = &net->sides[index];
    struct ice_event event;
    /* Side 1's candidates go with its answer. */
    nanos at = net->now + net->signal_delay + net->candidate_lag + (index == 1 ? net->answer_delay : 0);
    while (ice_agent_event(side->agent, &event)) {
        struct ice_network_event message = {.at = at, .kind = CANDIDATE, .side = 1 - index};
        switch (event.type) {
        case ICE_EVENT_CANDIDATE:
            side->candidates[event.candidate.type]++;
            if (net->vanilla)
                message.at += 500 * NANOS_PER_MS;
            if (!side->silent)
                post(net, message, &event.candidate, sizeof event.candidate);
            break;
        case ICE_EVENT_GATHERED:
            side->gathered_at = net->now;
            message.kind = END;
            if (net->vanilla)
                message.at += 500 * NANOS_PER_MS;
            if (!side->silent)
                post(net, message, NULL, 0);
            break;
        case ICE_EVENT_STATE:
            if (side->state_count < ICE_NETWORK_STATES)
                side->states[side->state_count++] = event.state;
            if (event.state == ICE_STATE_CONNECTED && side->connected_at == NANOS_NEVER)
                side->connected_at = net->now;
            break;
        case ICE_EVENT_SELECTED:
            side->selections++;
            side->pair = event.pair;
            break;
        case ICE_EVENT_PERMISSION:
            if (net->relays_refuse)
                ice_agent_refused(side->agent, event.permission.base, &event.permission.remote);
            else if (side->permitted_count < ICE_NETWORK_PERMISSIONS)
                side->permitted[side->permitted_count++] = event.permission.remote;
            break;
        }
    }
}

/* --- time ------------------------------------------------------------------------------------------------------------- */

static void serve(struct ice_network *net, int index)
{
    struct ice_side *side = &net->sides[index];
    uint8_t buf[ICE_DATAGRAM_CAP];
    int base;
    struct address remote;
    ssize_t len;
    int written = 0;
    act_on_events(net, index);
    while ((len = ice_agent_write(side->agent, &base, &remote, buf, sizeof buf, net->now)) > 0) {
        send_from(net, index, base, &remote, buf, (size_t)len);
        act_on_events(net, index);
        if (++written > 1000)
            break;
    }
    act_on_events(net, index);
    if (written > 1000 || ice_agent_deadline(side->agent) <= net->now)
        net->stalled = true;
}

static size_t first_event(const struct ice_network *net)
{
    size_t first = 0;
    for (size_t i = 1; i < net->event_count; i++) {
        const struct ice_network_event *a = &net->events[i];
        const struct ice_network_event *b = &net->events[first];
        if (a->at < b->at || (a->at == b->at && a->order < b->order))
            first = i;
    }
    return first;
}

/* One event or deadline, if it is not after `until`. */
static bool step(struct ice_network *net, nanos until)
{
    for (int i = 0; i < 2; i++)
        serve(net, i);
    size_t first = first_event(net);
    nanos at = net->event_count > 0 ? net->events[first].at : NANOS_NEVER;
    for (int i = 0; i < 2; i++)
        at = nanos_min(at, ice_agent_deadline(net->sides[i].agent));
    if (at > until || net->stalled)
        return false;
    net->now = nanos_max(net->now, at);
    if (net->event_count > 0 && net->events[first].at <= net->now) {
        struct ice_network_event event = net->events[first];
        net->events[first] = net->events[--net->event_count];
        if (event.kind == DATAGRAM)
            arrive(net, &event);
        else
            take_signal(net, &event);
        free(event.body);
    }
    return true;
}

void ice_network_run(struct ice_network *net, nanos until)
{
    while (step(net, until)) {
    }
    net->now = nanos_max(net->now, until);
    CU_ASSERT_FALSE(net->stalled);
}

static bool settled(const struct ice_network *net)
{
    enum ice_state a = ice_agent_state(net->sides[0].agent);
    enum ice_state b = ice_agent_state(net->sides[1].agent);
    return (a == ICE_STATE_COMPLETED && b == ICE_STATE_COMPLETED) || a == ICE_STATE_FAILED || b == ICE_STATE_FAILED;
}

void ice_network_settle(struct ice_network *net, nanos limit)
{
    while (!settled(net) && step(net, limit)) {
    }
    CU_ASSERT_FALSE(net->stalled);
}

bool ice_network_agreed(const struct ice_network *net)
{
    struct ice_pair_info pair[2];
    struct address remote;
    int base;
    for (int i = 0; i < 2; i++) {
        if (!ice_agent_selected(net->sides[i].agent, &base, &remote, &pair[i]))
            return false;
    }
    return address_equal(&pair[0].local_address, &pair[1].remote_address) &&
           address_equal(&pair[1].local_address, &pair[0].remote_address);
}

bool ice_network_relayed(const struct ice_network *net)
{
    struct ice_pair_info pair;
    struct address remote;
    int base;
    return ice_agent_selected(net->sides[0].agent, &base, &remote, &pair) &&
           (pair.local == ICE_RELAYED || pair.remote == ICE_RELAYED);
}
