/* What an agent sends next, and when (RFC 8445, sections 6.1.4 and 14). */
#include "rtc/ice_internal.h"

/* Things that may happen in one call without anything to send; far more than ever do. */
#define ICE_MAX_STEPS 8

static bool may_check(const struct ice_agent *agent)
{
    return !agent->lite && agent->state != ICE_STATE_FAILED && ice_remote_known(agent);
}

/* Section 14.3, with one checklist. */
static nanos rto_of(const struct ice_agent *agent)
{
    nanos checks = 0;
    for (size_t i = 0; i < agent->pair_count; i++) {
        uint8_t state = agent->pairs[i].state;
        checks += state == ICE_PAIR_WAITING || state == ICE_PAIR_IN_PROGRESS ? 1 : 0;
    }
    nanos least = agent->timing.rto;
    return nanos_max(least, nanos_min(agent->timing.pacing * checks, nanos_max(least, ICE_MAX_RTO)));
}

/* Is its outstanding request worth repeating? */
static bool worth_repeating(const struct ice_agent *agent, int index)
{
    const struct ice_pair *pair = &agent->pairs[index];
    return pair->deadline != NANOS_NEVER &&
           (index == agent->nominating || index == agent->selected || pair->nominated || ice_pair_pending(agent, pair));
}

/* Until the outstanding request is sent again or given up. */
static nanos patience_with(const struct ice_agent *agent, int index)
{
    const struct ice_pair *pair = &agent->pairs[index];
    if (pair->consent)
        return NANOS_NEVER; /* sent once (RFC 7675, section 5.1) */
    if (pair->transmissions == ICE_MAX_TRANSMISSIONS)
        return ICE_LAST_WAIT * pair->rto;
    if (index == agent->nominating)
        return pair->rto;
    return pair->transmissions < 3 ? pair->rto << (pair->transmissions - 1) : ICE_MAX_BACKOFF * pair->rto;
}

static size_t send_check(struct ice_agent *agent, int index, int *base, struct address *remote, uint8_t *buf,
                         size_t cap, nanos now)
{
    struct ice_pair *pair = &agent->pairs[index];
    if (pair->transmissions == 0)
        pair->rto = rto_of(agent);
    pair->transmissions++;
    pair->sent_at = now;
    pair->triggered = 0;
    nanos patience = patience_with(agent, index);
    pair->deadline = patience == NANOS_NEVER ? NANOS_NEVER : now + patience;
    *base = pair->base;
    *remote = agent->remotes[pair->remote].address;
    return ice_check_write(agent, pair, buf, cap);
}

static size_t write_repeated(struct ice_agent *agent, int *base, struct address *remote, uint8_t *buf, size_t cap,
                             nanos now)
{
    for (int i = 0; i < agent->pair_count; i++) {
        struct ice_pair *pair = &agent->pairs[i];
        if (now < pair->deadline || !worth_repeating(agent, i))
            continue;
        if (pair->transmissions < ICE_MAX_TRANSMISSIONS)
            return send_check(agent, i, base, remote, buf, cap, now);
        ice_pair_fail(agent, i);
    }
    return 0;
}

static size_t write_consent(struct ice_agent *agent, int *base, struct address *remote, uint8_t *buf, size_t cap,
                            nanos now)
{
    if (agent->selected == ICE_NONE || now < agent->consent_next)
        return 0;
    struct ice_pair *pair = &agent->pairs[agent->selected];
    agent->consent_next = now + (nanos)((double)agent->timing.consent_interval * (0.8 + 0.4 * rng_unit(&agent->rng)));
    if (pair->deadline != NANOS_NEVER || pair->triggered != 0)
        return 0; /* a check is under way, whose answer will do */
    ice_pair_transaction_new(agent, pair);
    pair->consent = true;
    pair->use_candidate = true; /* should the peer have missed the nomination */
    pair->transmissions = 0;
    agent->statistics.consent_sent++;
    return send_check(agent, agent->selected, base, remote, buf, cap, now);
}

static size_t write_paced_check(struct ice_agent *agent, int *base, struct address *remote, uint8_t *buf, size_t cap,
                                nanos now)
{
    int next = now < agent->next_check ? ICE_NONE : ice_pair_next(agent);
    if (next == ICE_NONE)
        return 0;
    struct ice_pair *pair = &agent->pairs[next];
    agent->next_check = now + agent->timing.pacing;
    agent->triggered_last = pair->triggered != 0;
    pair->state = ICE_PAIR_IN_PROGRESS;
    pair->consent = false;
    pair->use_candidate = false;
    return send_check(agent, next, base, remote, buf, cap, now);
}

/* Gathering has a pace of its own, as in libwebrtc: sharing one (section 14.2) would have an answerer's first checks
 * wait for its STUN servers. */
static size_t write_gather(struct ice_agent *agent, int *base, struct address *remote, uint8_t *buf, size_t cap,
                           nanos now)
{
    bool fresh = now >= agent->next_gather && ice_gather_has_fresh(agent);
    if (fresh)
        agent->next_gather = now + agent->timing.pacing;
    return ice_gather_write(agent, fresh, base, remote, buf, cap, now);
}

static nanos next_deadline(const struct ice_agent *agent)
{
    nanos deadline = ice_selection_deadline(agent);
    if (agent->lite)
        return deadline;
    deadline = nanos_min(deadline, ice_gather_deadline(agent));
    if (ice_gather_has_fresh(agent))
        deadline = nanos_min(deadline, agent->next_gather);
    if (may_check(agent) && ice_pair_next(agent) != ICE_NONE)
        deadline = nanos_min(deadline, agent->next_check);
    if (agent->selected != ICE_NONE)
        deadline = nanos_min(deadline, agent->consent_next);
    for (int i = 0; may_check(agent) && i < agent->pair_count; i++) {
        if (worth_repeating(agent, i))
            deadline = nanos_min(deadline, agent->pairs[i].deadline);
    }
    return deadline;
}

static size_t write_next(struct ice_agent *agent, int *base, struct address *remote, uint8_t *buf, size_t cap,
                         nanos now)
{
    if (agent->lite)
        return 0;
    size_t len = 0;
    if (may_check(agent))
        len = write_repeated(agent, base, remote, buf, cap, now);
    if (len == 0)
        len = write_consent(agent, base, remote, buf, cap, now);
    if (len == 0 && may_check(agent))
        len = write_paced_check(agent, base, remote, buf, cap, now);
    if (len == 0)
        len = write_gather(agent, base, remote, buf, cap, now);
    return len;
}

ssize_t ice_agent_write(struct ice_agent *agent, int *base, struct address *remote, uint8_t *buf, size_t cap, nanos now)
{
    if (agent->state == ICE_STATE_CLOSED || cap < ICE_DATAGRAM_CAP)
        return 0;
    if (agent->response_count > 0)
        return (ssize_t)ice_response_write(agent, base, remote, buf, cap);
    /* One step may call for the next at once: a pair that times out leaves another one to be nominated. */
    size_t len = 0;
    for (int step = 0; step < ICE_MAX_STEPS && len == 0 && now >= agent->deadline; step++) {
        agent->deadline = NANOS_NEVER;
        ice_selection_tick(agent, now);
        len = write_next(agent, base, remote, buf, cap, now);
        if (agent->deadline != 0)
            agent->deadline = len > 0 ? 0 : next_deadline(agent);
    }
    return (ssize_t)len;
}

nanos ice_agent_deadline(const struct ice_agent *agent)
{
    if (agent->state == ICE_STATE_CLOSED)
        return NANOS_NEVER;
    return agent->response_count > 0 ? 0 : agent->deadline;
}
