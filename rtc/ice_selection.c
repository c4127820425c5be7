/* Which pair is used: nomination (RFC 8445, section 8), consent (RFC 7675), and the states that owners see. */
#include "rtc/ice_internal.h"

bool ice_selected_ok(const struct ice_agent *agent)
{
    if (agent->selected == ICE_NONE)
        return false;
    const struct ice_pair *pair = &agent->pairs[agent->selected];
    return ice_pair_current(agent, pair) && pair->valid;
}

/* --- selection -------------------------------------------------------------------------------------------------------- */

static struct ice_pair_info describe(const struct ice_agent *agent, const struct ice_pair *pair)
{
    const struct ice_local *local = &agent->locals[pair->local];
    const struct ice_remote *remote = &agent->remotes[pair->remote];
    const struct ice_base_slot *base = &agent->bases[pair->base];
    return (struct ice_pair_info){
        .base = pair->base,
        .local = base->type == ICE_RELAYED ? ICE_RELAYED : local->type, /* even if the relay is behind a NAT */
        .remote = remote->type,
        .relay = base->relay,
        .local_address = local->address,
        .base_address = base->address,
        .remote_address = remote->address,
        .priority = pair->priority,
    };
}

void ice_selected_refresh(struct ice_agent *agent)
{
    if (!ice_selected_ok(agent))
        return;
    struct ice_pair_info info = describe(agent, &agent->pairs[agent->selected]);
    const struct ice_pair_info *before = &agent->selected_info;
    if (info.local != before->local || info.remote != before->remote ||
        !address_equal(&info.local_address, &before->local_address))
        agent->selected_event = true;
    agent->selected_info = info;
}

/* RFC 7675, section 5.1: 0.8 to 1.2 of the interval. */
static nanos consent_after(struct ice_agent *agent, nanos now)
{
    return now + (nanos)((double)agent->timing.consent_interval * (0.8 + 0.4 * rng_unit(&agent->rng)));
}

void ice_select(struct ice_agent *agent, int index, nanos now)
{
    agent->selected = (int16_t)index;
    agent->challenger = ICE_NONE;
    agent->selected_info = describe(agent, &agent->pairs[index]);
    agent->selected_event = true;
    agent->consent_next = agent->lite ? NANOS_NEVER : consent_after(agent, now);
    agent->consent_expires = now + agent->timing.consent_timeout;
    agent->last_heard = now;
    for (int i = 0; i < agent->pair_count; i++) {
        if (i != index)
            agent->pairs[i].nominated = false;
    }
    ice_state_set(agent, ICE_STATE_CONNECTED);
    ice_poke(agent);
}

void ice_deselect(struct ice_agent *agent)
{
    if (agent->selected == ICE_NONE)
        return;
    agent->selected = ICE_NONE;
    agent->selected_event = false;
    agent->consent_next = NANOS_NEVER;
    if (agent->state == ICE_STATE_CONNECTED || agent->state == ICE_STATE_COMPLETED)
        ice_state_set(agent, ICE_STATE_DISCONNECTED);
    ice_pairs_recheck(agent);
    ice_poke(agent);
}

/* --- nomination ------------------------------------------------------------------------------------------------------- */

/* Follows the better of the nominated pairs, so that aggressive nomination (RFC 5245), which nominates everything,
 * settles. A worse one is followed when it is nominated twice while the selected one is not: then the peer, which knows
 * more about its own side, has really moved, say from Wi-Fi to a mobile network. */
void ice_follow_nomination(struct ice_agent *agent, int index, nanos now)
{
    if (index == agent->selected) {
        agent->challenger = ICE_NONE;
    } else if (!ice_selected_ok(agent) || agent->challenger == index ||
               ice_pair_above(agent, &agent->pairs[index], &agent->pairs[agent->selected])) {
        ice_select(agent, index, now);
    } else {
        agent->challenger = (int16_t)index;
    }
}

/* Candidates may have turned out to be others than they seemed, so that another nominated pair is the better one now. */
static void reconsider(struct ice_agent *agent, nanos now)
{
    for (int i = 0; i < agent->pair_count; i++) {
        const struct ice_pair *pair = &agent->pairs[i];
        if (pair->nominated && pair->valid && i != agent->selected && ice_pair_current(agent, pair) &&
            (!ice_selected_ok(agent) || ice_pair_above(agent, pair, &agent->pairs[agent->selected])))
            ice_select(agent, i, now);
    }
}

static int best_valid(const struct ice_agent *agent)
{
    int best = ICE_NONE;
    for (int i = 0; i < agent->pair_count; i++) {
        const struct ice_pair *pair = &agent->pairs[i];
        if (pair->valid && ice_pair_current(agent, pair) &&
            (best == ICE_NONE || ice_pair_above(agent, pair, &agent->pairs[best])))
            best = i;
    }
    return best;
}

/* A remote address that a check came from may be a relay's; the candidate that tells has yet to be signalled. */
static bool unclear(const struct ice_agent *agent, const struct ice_pair *pair)
{
    return !agent->remotes[pair->remote].signalled && !agent->remote_done;
}

/* Is there a pair that would be worth waiting for? */
static bool better_to_come(const struct ice_agent *agent, const struct ice_pair *best, bool doubtful)
{
    for (size_t i = 0; i < agent->pair_count; i++) {
        const struct ice_pair *pair = &agent->pairs[i];
        if (pair == best || !ice_pair_pending(agent, pair))
            continue;
        if (doubtful ? ice_pair_class(agent, pair) > ICE_CLASS_RELAY : ice_pair_above(agent, pair, best))
            return true;
    }
    return doubtful && !agent->remote_done;
}

/* The pair to nominate and when; NANOS_NEVER when there is none. */
static nanos nomination_at(const struct ice_agent *agent, int *index)
{
    if (agent->lite || !agent->controlling || agent->nominating != ICE_NONE || agent->state == ICE_STATE_FAILED ||
        !ice_remote_known(agent))
        return NANOS_NEVER;
    *index = best_valid(agent);
    if (*index == ICE_NONE)
        return NANOS_NEVER;
    const struct ice_pair *best = &agent->pairs[*index];
    if (ice_selected_ok(agent) && ice_pair_class(agent, best) <= ice_pair_class(agent, &agent->pairs[agent->selected]))
        return NANOS_NEVER;
    bool doubtful = ice_pair_class(agent, best) <= ICE_CLASS_RELAY || unclear(agent, best);
    if (!better_to_come(agent, best, doubtful))
        return agent->first_valid_at;
    return agent->first_valid_at + (doubtful ? agent->timing.relay_wait : agent->timing.nomination_wait);
}

static void nominate(struct ice_agent *agent, int index, nanos now)
{
    struct ice_pair *pair = &agent->pairs[index];
    ice_pair_transaction_new(agent, pair);
    pair->use_candidate = true;
    pair->consent = false;
    pair->deadline = now;
    agent->nominating = (int16_t)index;
}

/* --- consent ---------------------------------------------------------------------------------------------------------- */

void ice_consent_heard(struct ice_agent *agent, bool answered, nanos now)
{
    if (agent->state == ICE_STATE_FAILED)
        return;
    agent->last_heard = now;
    if (answered)
        agent->consent_expires = now + agent->timing.consent_timeout;
    if (agent->state == ICE_STATE_DISCONNECTED && agent->pairs[agent->selected].valid)
        ice_state_set(agent, ICE_STATE_CONNECTED);
    ice_poke(agent);
}

void ice_consent_revoke(struct ice_agent *agent)
{
    const struct ice_pair *pair = agent->selected == ICE_NONE ? NULL : &agent->pairs[agent->selected];
    agent->consent_expires = NANOS_NEVER;
    agent->consent_next = NANOS_NEVER;
    if (pair != NULL && !ice_pair_current(agent, pair)) {
        /* Only the pair from before the restart is gone. */
        ice_deselect(agent);
        ice_state_set(agent, ice_remote_known(agent) ? ICE_STATE_CHECKING : ICE_STATE_NEW);
    } else {
        ice_state_set(agent, ICE_STATE_FAILED);
    }
    ice_poke(agent);
}

bool ice_agent_may_send(const struct ice_agent *agent)
{
    return agent->selected != ICE_NONE && agent->state != ICE_STATE_FAILED;
}

/* Consent checks are sent once each, so where a third of all packets is lost, six in a row fail every now and then. Half
 * way to the end of consent the pair is checked as any other, with retransmissions. */
static nanos doubt_at(const struct ice_agent *agent)
{
    if (agent->lite || agent->selected == ICE_NONE || agent->consent_expires == NANOS_NEVER ||
        agent->pairs[agent->selected].state != ICE_PAIR_SUCCEEDED)
        return NANOS_NEVER;
    return agent->consent_expires - agent->timing.consent_timeout / 2;
}

static void check_selected(struct ice_agent *agent)
{
    struct ice_pair *pair = &agent->pairs[agent->selected];
    pair->state = ICE_PAIR_FAILED;
    ice_pair_trigger(agent, pair);
}

/* --- states ----------------------------------------------------------------------------------------------------------- */

static bool anything_pending(const struct ice_agent *agent)
{
    for (size_t i = 0; i < agent->pair_count; i++) {
        if (ice_pair_pending(agent, &agent->pairs[i]) || agent->pairs[i].triggered != 0)
            return true;
    }
    return false;
}

/* Every pair has failed, and no further candidate will come from either side. */
static bool exhausted(const struct ice_agent *agent)
{
    return agent->gathered && agent->remote_done && best_valid(agent) == ICE_NONE && !anything_pending(agent);
}

static nanos failed_at(const struct ice_agent *agent)
{
    if (agent->state != ICE_STATE_CHECKING || agent->selected != ICE_NONE)
        return NANOS_NEVER;
    nanos patience = agent->timing.failed_after;
    if (!agent->lite && exhausted(agent))
        patience = nanos_min(patience, ICE_LEAST_PATIENCE);
    return agent->checking_since + patience;
}

static bool alive(const struct ice_agent *agent)
{
    return agent->state == ICE_STATE_CONNECTED || agent->state == ICE_STATE_COMPLETED;
}

static nanos disconnected_at(const struct ice_agent *agent)
{
    if (!alive(agent) || agent->selected == ICE_NONE)
        return NANOS_NEVER;
    return agent->last_heard + agent->timing.disconnected_after;
}

static void disconnect(struct ice_agent *agent)
{
    ice_state_set(agent, ICE_STATE_DISCONNECTED);
    if (ice_pair_current(agent, &agent->pairs[agent->selected]))
        ice_pairs_recheck(agent);
}

/* While the selected pair is relayed, a direct one may yet come from a check of the peer's that opens a NAT. */
static nanos completed_at(const struct ice_agent *agent)
{
    if (agent->state != ICE_STATE_CONNECTED || !ice_selected_ok(agent) || agent->nominating != ICE_NONE)
        return NANOS_NEVER;
    if (agent->lite)
        return agent->first_valid_at;
    if (!agent->gathered || !agent->remote_done || anything_pending(agent))
        return NANOS_NEVER;
    bool relayed = ice_pair_class(agent, &agent->pairs[agent->selected]) <= ICE_CLASS_RELAY;
    return agent->checking_since + (relayed ? ICE_LEAST_PATIENCE : 0);
}

void ice_selection_tick(struct ice_agent *agent, nanos now)
{
    if (ice_remote_known(agent) && agent->checking_since == NANOS_NEVER) {
        agent->checking_since = now;
        if (agent->state == ICE_STATE_NEW)
            ice_state_set(agent, ICE_STATE_CHECKING);
    }
    if (agent->bases_done && !agent->gathered && ice_gather_finished(agent)) {
        agent->gathered = true;
        agent->gathered_event = true;
    }
    if (now >= agent->consent_expires)
        ice_consent_revoke(agent);
    if (now >= doubt_at(agent))
        check_selected(agent);
    if (now >= disconnected_at(agent))
        disconnect(agent);
    if (now >= failed_at(agent))
        ice_state_set(agent, ICE_STATE_FAILED);
    if (!agent->controlling && agent->state != ICE_STATE_FAILED)
        reconsider(agent, now);
    int index = ICE_NONE;
    if (now >= nomination_at(agent, &index) && index != ICE_NONE)
        nominate(agent, index, now);
    if (now >= completed_at(agent))
        ice_state_set(agent, ICE_STATE_COMPLETED);
}

nanos ice_selection_deadline(const struct ice_agent *agent)
{
    int index = ICE_NONE;
    nanos deadline = nanos_min(agent->consent_expires, nanos_min(doubt_at(agent), disconnected_at(agent)));
    deadline = nanos_min(deadline, nanos_min(failed_at(agent), completed_at(agent)));
    return nanos_min(deadline, nomination_at(agent, &index));
}

/* --- what owners ask -------------------------------------------------------------------------------------------------- */

bool ice_agent_selected(const struct ice_agent *agent, int *base, struct address *remote, struct ice_pair_info *pair)
{
    if (agent->selected == ICE_NONE)
        return false;
    *base = agent->selected_info.base;
    *remote = agent->selected_info.remote_address;
    if (pair != NULL)
        *pair = agent->selected_info;
    return true;
}

bool ice_agent_valid_source(const struct ice_agent *agent, int base, const struct address *remote)
{
    if (agent->selected != ICE_NONE && agent->selected_info.base == base &&
        address_equal(&agent->selected_info.remote_address, remote))
        return true;
    for (size_t i = 0; i < agent->pair_count; i++) {
        const struct ice_pair *pair = &agent->pairs[i];
        if (pair->passed && pair->base == base && address_equal(&agent->remotes[pair->remote].address, remote))
            return true;
    }
    return false;
}

nanos ice_agent_rtt(const struct ice_agent *agent)
{
    return agent->selected == ICE_NONE ? 0 : agent->pairs[agent->selected].rtt;
}
