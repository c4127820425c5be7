/* Connectivity checks (RFC 8445, section 7), as client and as server. */
#include "rtc/ice_internal.h"

void ice_transaction_new(struct ice_agent *agent, uint8_t transaction_id[STUN_TRANSACTION_ID_LEN])
{
    rng_bytes(&agent->rng, transaction_id, STUN_TRANSACTION_ID_LEN);
}

/* --- client ----------------------------------------------------------------------------------------------------------- */

size_t ice_check_write(struct ice_agent *agent, struct ice_pair *pair, uint8_t *buf, size_t cap)
{
    const struct ice_generation *generation = ice_pair_generation(agent, pair);
    if (generation->remote_password == NULL)
        return 0;
    size_t theirs = strlen(generation->remote_ufrag);
    size_t ours = strlen(generation->ufrag);
    uint16_t local_preference = agent->bases[pair->base].local_preference;
    struct stun_builder builder;
    stun_begin(&builder, buf, cap, STUN_REQUEST, STUN_BINDING, pair->transaction_id);
    uint8_t *username = stun_put_room(&builder, STUN_ATTR_USERNAME, theirs + 1 + ours);
    if (username != NULL) {
        memcpy(username, generation->remote_ufrag, theirs);
        username[theirs] = ':';
        memcpy(username + theirs + 1, generation->ufrag, ours);
    }
    /* What a candidate learned from this check would have (section 7.1.1). */
    stun_put_u32(&builder, STUN_ATTR_PRIORITY,
                 ice_candidate_priority(ICE_PREFERENCE_PEER_REFLEXIVE, local_preference, 1));
    stun_put_u64(&builder, agent->controlling ? STUN_ATTR_ICE_CONTROLLING : STUN_ATTR_ICE_CONTROLLED,
                 agent->tie_breaker);
    if (pair->use_candidate && agent->controlling)
        stun_put_flag(&builder, STUN_ATTR_USE_CANDIDATE);
    stun_put_integrity(&builder, STUN_INTEGRITY_SHA1, generation->remote_password, strlen(generation->remote_password));
    stun_put_fingerprint(&builder);
    pair->as_controlling = agent->controlling;
    agent->statistics.requests_sent++;
    return stun_finish(&builder);
}

/* The peer shows signs of life for the first time. */
static void heard(struct ice_agent *agent)
{
    if (!agent->heard)
        ice_pairs_kick(agent);
    agent->heard = true;
}

static void switch_role(struct ice_agent *agent)
{
    agent->controlling = !agent->controlling;
    agent->nominating = ICE_NONE;
    agent->challenger = ICE_NONE;
    ice_pairs_rank(agent);
}

static void read_error(struct ice_agent *agent, int index, const struct stun_message *message)
{
    struct ice_pair *pair = &agent->pairs[index];
    unsigned code = 0;
    stun_get_error_code(message, &code, NULL, 0);
    if (code == STUN_FORBIDDEN && index == agent->selected) {
        ice_consent_revoke(agent); /* RFC 7675, section 5.2 */
    } else if (code == STUN_ROLE_CONFLICT) {
        /* Only if the role is still the one in the request (section 7.2.5.1). */
        if (pair->as_controlling == agent->controlling && !agent->remote_lite) {
            switch_role(agent);
            agent->tie_breaker = rng_u64(&agent->rng); /* or the peer's next check makes the same conflict */
        }
        ice_pair_fail(agent, index);
        ice_pair_trigger(agent, pair);
    } else {
        ice_pair_fail(agent, index);
    }
}

/* Section 7.2.5.3. */
static void read_success(struct ice_agent *agent, int index, const struct address *mapped, nanos now)
{
    struct ice_pair *pair = &agent->pairs[index];
    if (pair->transmissions == 1 && !pair->resent) { /* otherwise, which of them was answered? */
        nanos sample = now - pair->sent_at;
        pair->rtt = pair->rtt == 0 ? sample : pair->rtt + (sample - pair->rtt) / 8;
    }
    bool nominates = pair->use_candidate && agent->nominating == index;
    ice_pair_transaction_new(agent, pair); /* a second answer is none */
    pair->deadline = NANOS_NEVER;
    pair->transmissions = 0;
    pair->triggered = 0;
    pair->use_candidate = false;
    pair->consent = false;
    pair->state = ICE_PAIR_SUCCEEDED;
    pair->valid = true;
    pair->passed = true;
    if (index == agent->selected)
        ice_consent_heard(agent, true, now);
    if (!ice_pair_current(agent, pair))
        return;
    pair->local = ice_local_of(agent, pair->base, mapped);
    agent->first_valid_at = nanos_min(agent->first_valid_at, now);
    ice_pairs_thaw(agent, pair);
    heard(agent);
    if (nominates) {
        agent->nominating = ICE_NONE;
        ice_select(agent, index, now);
    } else if (index == agent->selected) {
        ice_selected_refresh(agent);
        if (agent->nominating != ICE_NONE &&
            ice_pair_class(agent, &agent->pairs[agent->nominating]) <= ice_pair_class(agent, pair)) {
            agent->pairs[agent->nominating].deadline = NANOS_NEVER; /* it came back before it was replaced */
            agent->nominating = ICE_NONE;
        }
    } else if (pair->nominated && !agent->controlling) {
        ice_follow_nomination(agent, index, now);
    }
}

static int read_response(struct ice_agent *agent, uint8_t base, const struct address *remote,
                         const struct stun_message *message, nanos now)
{
    int index = 0;
    while (index < agent->pair_count &&
           memcmp(agent->pairs[index].transaction_id, message->transaction_id, STUN_TRANSACTION_ID_LEN) != 0)
        index++;
    if (index == agent->pair_count)
        return ice_gather_read(agent, base, remote, message, now);
    struct ice_pair *pair = &agent->pairs[index];
    const struct ice_generation *generation = ice_pair_generation(agent, pair);
    if (generation->remote_password == NULL ||
        !stun_check_integrity(message, generation->remote_password, strlen(generation->remote_password)))
        return -1;
    agent->statistics.responses_received++;
    struct address mapped;
    if (agent->state == ICE_STATE_FAILED)
        return 0; /* RFC 7675, section 5.1: too late */
    if (pair->base != base || !address_equal(&agent->remotes[pair->remote].address, remote)) {
        if (pair->state != ICE_PAIR_SUCCEEDED) /* section 7.2.5.2.1: not symmetric */
            ice_pair_fail(agent, index);
    } else if (message->class == STUN_ERROR) {
        read_error(agent, index, message);
    } else if (stun_get_mapped_address(message, &mapped)) {
        read_success(agent, index, &mapped, now);
    }
    return 0;
}

/* --- server ----------------------------------------------------------------------------------------------------------- */

size_t ice_response_write(struct ice_agent *agent, int *base, struct address *remote, uint8_t *buf, size_t cap)
{
    const struct ice_response *response = &agent->responses[agent->response_first];
    agent->response_first = (agent->response_first + 1) % ICE_MAX_RESPONSES;
    agent->response_count--;
    const char *password = agent->generations[response->generation].password;
    bool authentic = response->code != STUN_BAD_REQUEST && response->code != STUN_UNAUTHENTICATED;
    struct stun_builder builder;
    stun_begin(&builder, buf, cap, response->code == 0 ? STUN_SUCCESS : STUN_ERROR, STUN_BINDING,
               response->transaction_id);
    if (response->code == 0)
        stun_put_xor_address(&builder, STUN_ATTR_XOR_MAPPED_ADDRESS, &response->remote);
    else
        stun_put_error_code(&builder, response->code, NULL);
    if (response->unknown_count > 0)
        stun_put_unknown_attributes(&builder, response->unknown, response->unknown_count);
    if (authentic)
        stun_put_integrity(&builder, STUN_INTEGRITY_SHA1, password, strlen(password));
    stun_put_fingerprint(&builder);
    *base = response->base;
    *remote = response->remote;
    agent->statistics.responses_sent++;
    return stun_finish(&builder);
}

/* Queues an answer, instead of the oldest one when there are too many. */
static struct ice_response *respond(struct ice_agent *agent, uint8_t base, const struct address *remote,
                                    const struct stun_message *message, uint8_t generation, uint16_t code)
{
    if (agent->response_count == ICE_MAX_RESPONSES) {
        agent->response_first = (agent->response_first + 1) % ICE_MAX_RESPONSES;
        agent->response_count--;
    }
    struct ice_response *response =
        &agent->responses[(agent->response_first + agent->response_count++) % ICE_MAX_RESPONSES];
    *response = (struct ice_response){.remote = *remote, .code = code, .base = base, .generation = generation};
    memcpy(response->transaction_id, message->transaction_id, STUN_TRANSACTION_ID_LEN);
    ice_poke(agent);
    return response;
}

/* Which of our generations the USERNAME is addressed to; ICE_NONE for neither. */
static int addressed_generation(const struct ice_agent *agent, const struct stun_message *message)
{
    char ufrag[ICE_UFRAG_CAP];
    if (!ice_stun_local_ufrag(message, ufrag))
        return ICE_NONE;
    for (int i = 0; i < 2; i++) {
        if (agent->generations[i].ufrag[0] != '\0' && strcmp(agent->generations[i].ufrag, ufrag) == 0)
            return i;
    }
    return ICE_NONE;
}

/* Section 7.3.1.1. True when the request is to be refused with 487. */
static bool role_conflict(struct ice_agent *agent, const struct stun_message *message)
{
    uint64_t theirs;
    bool claims_controlling = stun_get_u64(message, STUN_ATTR_ICE_CONTROLLING, &theirs);
    if (!claims_controlling && !stun_get_u64(message, STUN_ATTR_ICE_CONTROLLED, &theirs))
        return false;
    if (claims_controlling != agent->controlling)
        return false;
    if (agent->lite || agent->remote_lite)
        return true; /* the roles are fixed */
    bool we_win = agent->tie_breaker >= theirs;
    if (agent->controlling == we_win)
        return true;
    switch_role(agent);
    return false;
}

/* Between two NATs that map by address and port and let everything in, each answer comes from another port than the
 * request went to, and each check to that port makes yet another: an endless chase. So after a few addresses of one
 * host that all failed, no more of its are learned. */
static bool chasing(const struct ice_agent *agent, uint8_t base, const struct address *from)
{
    size_t strays = 0;
    for (size_t i = 0; i < agent->pair_count; i++) {
        const struct ice_pair *pair = &agent->pairs[i];
        const struct ice_remote *remote = &agent->remotes[pair->remote];
        if (pair->base == base && pair->state == ICE_PAIR_FAILED && !remote->signalled &&
            address_same_ip(&remote->address, from))
            strays++;
    }
    return strays >= ICE_MAX_STRAYS;
}

/* The pair that a check came in on, made when it is the first of its kind (section 7.3.1.3 and 7.3.1.4). */
static int pair_of_request(struct ice_agent *agent, uint8_t base, const struct address *from,
                           const struct stun_message *message)
{
    int index = ice_pair_find(agent, base, from);
    uint32_t priority;
    if (index != ICE_NONE || !stun_get_u32(message, STUN_ATTR_PRIORITY, &priority))
        return index;
    int remote = ice_remote_find(agent, from);
    if (remote == ICE_NONE && !chasing(agent, base, from))
        remote = ice_remote_learn(agent, from, priority);
    if (remote == ICE_NONE)
        return ICE_NONE;
    index = ice_pair_add(agent, base, (uint8_t)remote);
    if (index == ICE_NONE)
        ice_remote_release(agent, (uint8_t)remote);
    return index;
}

static void learn_from_request(struct ice_agent *agent, uint8_t base, const struct address *from,
                               const struct stun_message *message, nanos now)
{
    if (agent->state == ICE_STATE_FAILED)
        return;
    int index = pair_of_request(agent, base, from, message);
    if (index == ICE_NONE)
        return;
    struct ice_pair *pair = &agent->pairs[index];
    pair->passed = true;
    heard(agent);
    if (agent->lite) {
        pair->valid = true;
        pair->state = ICE_PAIR_SUCCEEDED;
        pair->local = ice_local_of(agent, base, &agent->bases[base].address);
        agent->first_valid_at = nanos_min(agent->first_valid_at, now);
    } else {
        ice_pair_trigger(agent, pair);
    }
    if (index == agent->selected)
        ice_consent_heard(agent, agent->lite, now);
    if (!agent->controlling && stun_has(message, STUN_ATTR_USE_CANDIDATE)) {
        pair->nominated = true;
        if (pair->valid)
            ice_follow_nomination(agent, index, now);
    }
}

/* The peer uses the pair from before the restart still, or again: a browser may stay with a path that works and that it
 * thinks the better one, and then checks no other. Only a lite agent depends on those checks. */
static void hear_carried(struct ice_agent *agent, uint8_t base, const struct address *from,
                         const struct stun_message *message, nanos now)
{
    int index = 0;
    while (index < agent->pair_count &&
           (ice_pair_current(agent, &agent->pairs[index]) || agent->pairs[index].base != base ||
            !address_equal(&agent->remotes[agent->pairs[index].remote].address, from)))
        index++;
    if (index == agent->pair_count)
        return;
    if (index == agent->selected)
        ice_consent_heard(agent, agent->lite, now);
    else if (agent->lite && stun_has(message, STUN_ATTR_USE_CANDIDATE))
        ice_follow_nomination(agent, index, now);
}

static int read_request(struct ice_agent *agent, uint8_t base, const struct address *remote,
                        const struct stun_message *message, nanos now)
{
    static const uint16_t known[] = {STUN_ATTR_USERNAME, STUN_ATTR_PRIORITY, STUN_ATTR_USE_CANDIDATE};
    if (!stun_has(message, STUN_ATTR_USERNAME) || stun_integrity_of(message) == STUN_INTEGRITY_NONE) {
        respond(agent, base, remote, message, 0, STUN_BAD_REQUEST); /* RFC 8489, section 9.1.3 */
        return -1;
    }
    int generation = addressed_generation(agent, message);
    const char *password = generation == ICE_NONE ? "" : agent->generations[generation].password;
    if (generation == ICE_NONE || !stun_check_integrity(message, password, strlen(password))) {
        respond(agent, base, remote, message, 0, STUN_UNAUTHENTICATED);
        return -1;
    }
    agent->statistics.requests_received++;
    uint16_t unknown[ICE_MAX_UNKNOWN];
    size_t unknown_count =
        stun_unknown_attributes(message, known, sizeof known / sizeof known[0], unknown, ICE_MAX_UNKNOWN);
    if (unknown_count > 0) {
        struct ice_response *response =
            respond(agent, base, remote, message, (uint8_t)generation, STUN_UNKNOWN_ATTRIBUTE);
        memcpy(response->unknown, unknown, sizeof unknown);
        response->unknown_count = (uint8_t)unknown_count;
        return 0;
    }
    if (generation == 0 && role_conflict(agent, message)) {
        respond(agent, base, remote, message, 0, STUN_ROLE_CONFLICT);
        return 0;
    }
    respond(agent, base, remote, message, (uint8_t)generation, 0);
    if (generation == 0)
        learn_from_request(agent, base, remote, message, now);
    else
        hear_carried(agent, base, remote, message, now);
    return 0;
}

int ice_agent_read(struct ice_agent *agent, int base, const struct address *remote, const uint8_t *data, size_t len,
                   nanos now)
{
    struct stun_message message;
    int taken = -1;
    if (agent->state != ICE_STATE_CLOSED && ice_base_exists(agent, base) && stun_parse(&message, data, len, NULL) &&
        message.method == STUN_BINDING && (message.fingerprint == 0 || stun_check_fingerprint(&message))) {
        if (message.class == STUN_INDICATION)
            taken = 0; /* a keepalive (section 11) */
        else if (message.class != STUN_REQUEST)
            taken = read_response(agent, (uint8_t)base, remote, &message, now);
        else if (message.fingerprint != 0) /* mandatory in checks (section 7.1) */
            taken = read_request(agent, (uint8_t)base, remote, &message, now);
    }
    if (taken != 0)
        agent->statistics.discarded++;
    else
        ice_poke(agent);
    return taken;
}
