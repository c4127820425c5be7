/* Candidate pairs (RFC 8445, section 6.1.2). */
#include <stdlib.h>

#include "rtc/ice_internal.h"

#define PAIRS_AT_FIRST 4

enum ice_pair_class ice_pair_class(const struct ice_agent *agent, const struct ice_pair *pair)
{
    uint8_t remote = agent->remotes[pair->remote].type;
    uint8_t local = agent->bases[pair->base].type;
    if (local == ICE_RELAYED || remote == ICE_RELAYED)
        return local == remote ? ICE_CLASS_TWO_RELAYS : ICE_CLASS_RELAY;
    if (pair->valid)
        local = agent->locals[pair->local].type;
    return local == ICE_HOST && remote == ICE_HOST ? ICE_CLASS_HOST : ICE_CLASS_REFLEXIVE;
}

bool ice_pair_above(const struct ice_agent *agent, const struct ice_pair *pair, const struct ice_pair *other)
{
    enum ice_pair_class class = ice_pair_class(agent, pair);
    enum ice_pair_class other_class = ice_pair_class(agent, other);
    return class != other_class ? class > other_class : pair->priority > other->priority;
}

int ice_pair_find(const struct ice_agent *agent, uint8_t base, const struct address *remote)
{
    for (int i = 0; i < agent->pair_count; i++) {
        const struct ice_pair *pair = &agent->pairs[i];
        if (pair->base == base && ice_pair_current(agent, pair) &&
            address_equal(&agent->remotes[pair->remote].address, remote))
            return i;
    }
    return ICE_NONE;
}

/* A network that is all in one machine, behind emulated NATs or not: even its STUN server has a loopback address. */
static bool lives_in_loopback(const struct ice_agent *agent)
{
    return agent->stun_server_count > 0 && address_scope(&agent->stun_servers[0]) == ADDRESS_LOOPBACK;
}

/* Same family, and either both or neither of them on a link (RFC 8445, section 6.1.2.2). Nobody makes us look into our own
 * host from outside; the other way there may be a NAT, an emulated one. */
static bool reachable(const struct ice_agent *agent, const struct address *from, const struct address *to)
{
    if (from->family != to->family)
        return false;
    enum address_scope from_scope = address_scope(from);
    enum address_scope to_scope = address_scope(to);
    bool from_link = from_scope == ADDRESS_LINK_LOCAL && from->family == ADDRESS_IPV6;
    bool to_link = to_scope == ADDRESS_LINK_LOCAL && to->family == ADDRESS_IPV6;
    bool inwards = from_scope != ADDRESS_LOOPBACK && to_scope == ADDRESS_LOOPBACK;
    return from_link == to_link && (!inwards || lives_in_loopback(agent));
}

/* The pair's local candidate is the base's own: the others with this base rank lower and are pruned. */
static uint64_t priority_of(const struct ice_agent *agent, uint8_t base, uint8_t remote)
{
    const struct ice_base_slot *slot = &agent->bases[base];
    uint32_t ours = ice_candidate_priority(ice_type_preference(slot->type, slot->relay), slot->local_preference, 1);
    uint32_t theirs = agent->remotes[remote].priority;
    return agent->controlling ? ice_pair_priority(ours, theirs) : ice_pair_priority(theirs, ours);
}

static uint64_t foundation_of(const struct ice_agent *agent, const struct ice_pair *pair)
{
    const struct ice_base_slot *base = &agent->bases[pair->base];
    struct address ip = base->address;
    ip.port = 0;
    return (address_hash(&ip) ^ base->type) * 31 + agent->remotes[pair->remote].foundation;
}

/* A full list gives up its lowest pair that has not been of any use, if that ranks below (section 6.1.2.5). */
static bool make_room(struct ice_agent *agent, uint64_t priority)
{
    if (agent->pair_count < ICE_MAX_PAIRS) {
        if (agent->pair_count < agent->pair_cap)
            return true;
        uint16_t cap = agent->pair_cap == 0 ? PAIRS_AT_FIRST : (uint16_t)(2 * agent->pair_cap);
        struct ice_pair *grown = realloc(agent->pairs, cap * sizeof *grown);
        if (grown == NULL)
            return false;
        agent->pairs = grown;
        agent->pair_cap = cap;
        return true;
    }
    int lowest = ICE_NONE;
    for (int i = 0; i < agent->pair_count; i++) {
        const struct ice_pair *pair = &agent->pairs[i];
        bool needed = i == agent->selected || i == agent->nominating || pair->valid;
        if (!needed && pair->priority < priority &&
            (lowest == ICE_NONE || pair->priority < agent->pairs[lowest].priority))
            lowest = i;
    }
    if (lowest == ICE_NONE)
        return false;
    ice_pair_remove(agent, lowest);
    return true;
}

/* Is it a pair from this base to that IP address? */
static bool needs_permission(const struct ice_agent *agent, const struct ice_pair *pair, int base,
                             const struct address *remote)
{
    return pair->base == base && ice_pair_current(agent, pair) &&
           address_same_ip(&agent->remotes[pair->remote].address, remote);
}

/* Another pair from this base to the same IP address: then a permission was asked for (RFC 8656, section 9, knows no
 * ports). NULL when there is none. */
static const struct ice_pair *sharer_of_permission(const struct ice_agent *agent, uint8_t base,
                                                   const struct address *remote)
{
    for (size_t i = 0; i < agent->pair_count; i++) {
        if (needs_permission(agent, &agent->pairs[i], base, remote))
            return &agent->pairs[i];
    }
    return NULL;
}

void ice_agent_refused(struct ice_agent *agent, int base, const struct address *remote)
{
    for (int i = 0; i < agent->pair_count; i++) {
        struct ice_pair *pair = &agent->pairs[i];
        if (pair->state > ICE_PAIR_IN_PROGRESS || !needs_permission(agent, pair, base, remote))
            continue;
        ice_pair_fail(agent, i);
        pair->refused = true;
    }
}

int ice_pair_add(struct ice_agent *agent, uint8_t base, uint8_t remote)
{
    const struct address *from = &agent->bases[base].address;
    const struct address to = agent->remotes[remote].address;
    int known = ice_pair_find(agent, base, &to);
    if (known != ICE_NONE || !reachable(agent, from, &to))
        return known;
    uint64_t priority = priority_of(agent, base, remote);
    if (!make_room(agent, priority))
        return ICE_NONE;
    const struct ice_pair *sharer = sharer_of_permission(agent, base, &to);
    struct ice_pair pair = {
        .priority = priority,
        .deadline = NANOS_NEVER,
        .generation = agent->generation,
        .base = base,
        .remote = remote,
        .state = ICE_PAIR_WAITING,
        .asks_permission = agent->bases[base].type == ICE_RELAYED && sharer == NULL,
        .refused = sharer != NULL && sharer->refused,
    };
    /* One of each foundation is checked at first (section 6.1.2.6). */
    uint64_t foundation = foundation_of(agent, &pair);
    for (size_t i = 0; i < agent->pair_count; i++) {
        const struct ice_pair *other = &agent->pairs[i];
        if (ice_pair_current(agent, other) && other->state <= ICE_PAIR_IN_PROGRESS &&
            foundation_of(agent, other) == foundation)
            pair.state = ICE_PAIR_FROZEN;
    }
    if (pair.refused)
        pair.state = ICE_PAIR_FAILED;
    ice_pair_transaction_new(agent, &pair);
    agent->remotes[remote].used = true; /* making room may have released it */
    agent->pairs[agent->pair_count] = pair;
    ice_poke(agent);
    return agent->pair_count++;
}

static void index_moved(int16_t *index, int from, int to)
{
    if (*index == to)
        *index = ICE_NONE;
    if (*index == from)
        *index = (int16_t)to;
}

void ice_pair_remove(struct ice_agent *agent, int index)
{
    uint8_t remote = agent->pairs[index].remote;
    if (agent->selected == index)
        ice_deselect(agent);
    int last = --agent->pair_count;
    agent->pairs[index] = agent->pairs[last];
    index_moved(&agent->selected, last, index);
    index_moved(&agent->nominating, last, index);
    index_moved(&agent->challenger, last, index);
    ice_remote_release(agent, remote);
}

void ice_pairs_form(struct ice_agent *agent, int base, int remote)
{
    for (int b = 0; b < agent->base_count; b++) {
        if (!agent->bases[b].used || (base != ICE_NONE && base != b))
            continue;
        for (int r = 0; r < agent->remote_count; r++) {
            const struct ice_remote *candidate = &agent->remotes[r];
            if (candidate->used && candidate->generation == agent->generation && (remote == ICE_NONE || remote == r))
                ice_pair_add(agent, (uint8_t)b, (uint8_t)r);
        }
    }
}

void ice_pairs_rank(struct ice_agent *agent)
{
    for (size_t i = 0; i < agent->pair_count; i++) {
        struct ice_pair *pair = &agent->pairs[i];
        pair->priority = priority_of(agent, pair->base, pair->remote);
    }
    ice_poke(agent);
}

bool ice_pair_pending(const struct ice_agent *agent, const struct ice_pair *pair)
{
    return ice_pair_current(agent, pair) && pair->state <= ICE_PAIR_IN_PROGRESS &&
           (!ice_selected_ok(agent) ||
            ice_pair_class(agent, pair) > ice_pair_class(agent, &agent->pairs[agent->selected]));
}

static void wait_again(struct ice_pair *pair)
{
    pair->state = ICE_PAIR_WAITING;
    pair->deadline = NANOS_NEVER;
    pair->resent = pair->resent || pair->transmissions > 0;
    pair->transmissions = 0;
}

void ice_pair_transaction_new(struct ice_agent *agent, struct ice_pair *pair)
{
    ice_transaction_new(agent, pair->transaction_id);
    pair->transmissions = 0;
    pair->resent = false;
}

void ice_pair_fail(struct ice_agent *agent, int index)
{
    struct ice_pair *pair = &agent->pairs[index];
    if (agent->nominating == index)
        agent->nominating = ICE_NONE;
    pair->state = ICE_PAIR_FAILED;
    pair->valid = false;
    pair->use_candidate = false;
    pair->deadline = NANOS_NEVER;
    ice_poke(agent);
}

void ice_pair_trigger(struct ice_agent *agent, struct ice_pair *pair)
{
    if (pair->state == ICE_PAIR_SUCCEEDED || pair->triggered != 0)
        return;
    /* A check in progress goes out once more rather than being cancelled for a new one (section 7.3.1.4): the answer to
     * either will do. */
    if (pair->state != ICE_PAIR_IN_PROGRESS)
        ice_pair_transaction_new(agent, pair);
    wait_again(pair);
    pair->triggered = ++agent->last_triggered;
    ice_poke(agent);
}

static bool foundation_busy(const struct ice_agent *agent, const struct ice_pair *frozen)
{
    uint64_t foundation = foundation_of(agent, frozen);
    for (size_t i = 0; i < agent->pair_count; i++) {
        const struct ice_pair *pair = &agent->pairs[i];
        if (ice_pair_pending(agent, pair) && pair->state != ICE_PAIR_FROZEN && foundation_of(agent, pair) == foundation)
            return true;
    }
    return false;
}

int ice_pair_next(const struct ice_agent *agent)
{
    int triggered = ICE_NONE;
    int waiting = ICE_NONE;
    int frozen = ICE_NONE;
    for (int i = 0; i < agent->pair_count; i++) {
        const struct ice_pair *pair = &agent->pairs[i];
        if (pair->triggered != 0 && (triggered == ICE_NONE || pair->triggered < agent->pairs[triggered].triggered))
            triggered = i;
        if (pair->triggered != 0 || !ice_pair_pending(agent, pair))
            continue;
        if (pair->state == ICE_PAIR_WAITING && (waiting == ICE_NONE || pair->priority > agent->pairs[waiting].priority))
            waiting = i;
        if (pair->state == ICE_PAIR_FROZEN && (frozen == ICE_NONE || pair->priority > agent->pairs[frozen].priority) &&
            !foundation_busy(agent, pair))
            frozen = i;
    }
    int ordinary = waiting != ICE_NONE ? waiting : frozen;
    bool triggered_turn = ordinary == ICE_NONE || !agent->triggered_last;
    return triggered != ICE_NONE && triggered_turn ? triggered : ordinary;
}

void ice_pairs_thaw(struct ice_agent *agent, const struct ice_pair *like)
{
    uint64_t foundation = foundation_of(agent, like);
    for (size_t i = 0; i < agent->pair_count; i++) {
        struct ice_pair *pair = &agent->pairs[i];
        if (pair->state == ICE_PAIR_FROZEN && ice_pair_current(agent, pair) && foundation_of(agent, pair) == foundation)
            pair->state = ICE_PAIR_WAITING;
    }
}

void ice_pairs_kick(struct ice_agent *agent)
{
    for (size_t i = 0; i < agent->pair_count; i++) {
        struct ice_pair *pair = &agent->pairs[i];
        if (ice_pair_current(agent, pair) && !pair->refused &&
            (pair->state == ICE_PAIR_IN_PROGRESS || pair->state == ICE_PAIR_FAILED))
            wait_again(pair);
    }
}

void ice_pairs_recheck(struct ice_agent *agent)
{
    agent->first_valid_at = NANOS_NEVER;
    for (size_t i = 0; i < agent->pair_count; i++) {
        struct ice_pair *pair = &agent->pairs[i];
        pair->valid = false;
        if (ice_pair_current(agent, pair)) {
            wait_again(pair);
            pair->nominated = false;
            ice_pair_transaction_new(agent, pair);
        }
    }
}
