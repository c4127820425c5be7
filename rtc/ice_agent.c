#include "rtc/ice_agent.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>

#include "rtc/ice_internal.h"

/* --- credentials ------------------------------------------------------------------------------------------------------ */

/* The peer sees transaction ids, and xoshiro's state follows from a few of its outputs. So what must stay secret comes
 * from a one-way function of the seed, and so does the seed of the visible numbers. */
static void derive(const struct ice_agent *agent, const char *purpose, uint32_t index,
                   uint8_t digest[SHA256_DIGEST_LENGTH])
{
    uint8_t head[12];
    SHA256_CTX sha256;
    bytes_put64(head, agent->seed);
    bytes_put32(head + 8, index);
    SHA256_Init(&sha256);
    SHA256_Update(&sha256, purpose, strlen(purpose));
    SHA256_Update(&sha256, head, sizeof head);
    SHA256_Final(digest, &sha256);
}

#define MADE_UFRAG_LEN 8     /* 48 bits, 42 with a mark; RFC 8445, section 5.3, wants 24 */
#define MADE_PASSWORD_LEN 24 /* 144 bits; it wants 128 */

static void make_credentials(struct ice_agent *agent, struct ice_generation *generation)
{
    static const char ice_chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t digest[SHA256_DIGEST_LENGTH];
    derive(agent, "ice credentials", agent->credentials_made++, digest);
    for (size_t i = 0; i < MADE_UFRAG_LEN; i++)
        generation->ufrag[i] = ice_chars[digest[i] & 63];
    if (agent->ufrag_mark != '\0')
        generation->ufrag[0] = agent->ufrag_mark;
    for (size_t i = 0; i < MADE_PASSWORD_LEN; i++)
        generation->password[i] = ice_chars[digest[MADE_UFRAG_LEN + i] & 63];
    generation->ufrag[MADE_UFRAG_LEN] = '\0';
    generation->password[MADE_PASSWORD_LEN] = '\0';
}

static void generation_clear(struct ice_generation *generation)
{
    free(generation->remote_ufrag);
    free(generation->remote_password);
    memset(generation, 0, sizeof *generation);
}

bool ice_stun_local_ufrag(const struct stun_message *message, char ufrag[ICE_UFRAG_CAP])
{
    struct stun_attribute username;
    if (!stun_find(message, STUN_ATTR_USERNAME, &username))
        return false;
    const uint8_t *colon = memchr(username.value, ':', username.len);
    size_t len = colon != NULL ? (size_t)(colon - username.value) : 0;
    if (len == 0 || len >= ICE_UFRAG_CAP || memchr(username.value, 0, len) != NULL)
        return false;
    memcpy(ufrag, username.value, len);
    ufrag[len] = '\0';
    return true;
}

/* --- creation --------------------------------------------------------------------------------------------------------- */

static nanos or_default(nanos value, nanos fallback) { return value > 0 ? value : fallback; }

static struct ice_timing timing_of(const struct ice_config *config)
{
    return (struct ice_timing){
        .pacing = or_default(config->pacing, 50 * NANOS_PER_MS),
        .rto = or_default(config->rto, 500 * NANOS_PER_MS),
        .gather_timeout = or_default(config->gather_timeout, 5 * NANOS_PER_S),
        .nomination_wait = or_default(config->nomination_wait, 150 * NANOS_PER_MS),
        .relay_wait = or_default(config->relay_wait, 400 * NANOS_PER_MS),
        .failed_after = or_default(config->failed_after, 30 * NANOS_PER_S),
        .consent_interval = or_default(config->consent_interval, 5 * NANOS_PER_S),
        .consent_timeout = or_default(config->consent_timeout, 30 * NANOS_PER_S),
        .disconnected_after = or_default(config->disconnected_after, 12 * NANOS_PER_S),
        .mapping_keepalive = or_default(config->mapping_keepalive, 15 * NANOS_PER_S),
    };
}

static bool copy_stun_servers(struct ice_agent *agent, const struct ice_config *config, struct error *error)
{
    size_t count = config->stun_server_count;
    if (count == 0)
        return true;
    if (count > ICE_MAX_STUN_SERVERS)
        return error_set(error, ERROR_USAGE, "ICE agent: %zu STUN servers, at most %d are allowed", count,
                         ICE_MAX_STUN_SERVERS);
    agent->stun_servers = calloc(count, sizeof *agent->stun_servers);
    if (agent->stun_servers == NULL)
        return error_set(error, ERROR_SYSTEM, "ICE agent: out of memory");
    memcpy(agent->stun_servers, config->stun_servers, count * sizeof *agent->stun_servers);
    agent->stun_server_count = (uint16_t)count;
    return true;
}

static bool take_credentials(struct ice_agent *agent, const struct ice_config *config, struct error *error)
{
    struct ice_generation *generation = &agent->generations[0];
    make_credentials(agent, generation);
    if (config->ufrag != NULL) {
        if (!ice_ufrag_valid(config->ufrag) || strlen(config->ufrag) >= sizeof generation->ufrag)
            return error_set(error, ERROR_USAGE, "ICE agent: ufrag '%.64s' is not 4 to 32 ICE characters",
                             config->ufrag);
        memcpy(generation->ufrag, config->ufrag, strlen(config->ufrag) + 1);
    }
    if (config->password != NULL) {
        if (!ice_password_valid(config->password) || strlen(config->password) >= sizeof generation->password)
            return error_set(error, ERROR_USAGE, "ICE agent: the password is not 22 to 64 ICE characters");
        memcpy(generation->password, config->password, strlen(config->password) + 1);
    }
    return true;
}

struct ice_agent *ice_agent_create(const struct ice_config *config, struct error *error)
{
    struct ice_agent *agent = calloc(1, sizeof *agent);
    if (agent == NULL) {
        error_set(error, ERROR_SYSTEM, "ICE agent: out of memory");
        return NULL;
    }
    uint8_t digest[SHA256_DIGEST_LENGTH];
    agent->seed = config->seed;
    derive(agent, "ice visible", 0, digest);
    agent->rng = rng_of(bytes_get64(digest), "ice", 0);
    agent->tie_breaker = rng_u64(&agent->rng);
    agent->timing = timing_of(config);
    agent->lite = config->lite;
    agent->ufrag_mark = config->ufrag_mark;
    agent->controlling = config->controlling && !config->lite;
    agent->selected = ICE_NONE;
    agent->nominating = ICE_NONE;
    agent->challenger = ICE_NONE;
    agent->checking_since = NANOS_NEVER;
    agent->first_valid_at = NANOS_NEVER;
    agent->consent_next = NANOS_NEVER;
    agent->consent_expires = NANOS_NEVER;
    agent->deadline = NANOS_NEVER;
    if (!copy_stun_servers(agent, config, error) || !take_credentials(agent, config, error)) {
        ice_agent_destroy(agent);
        return NULL;
    }
    return agent;
}

void ice_agent_destroy(struct ice_agent *agent)
{
    if (agent == NULL)
        return;
    generation_clear(&agent->generations[0]);
    generation_clear(&agent->generations[1]);
    free(agent->bases);
    free(agent->locals);
    free(agent->remotes);
    free(agent->pairs);
    free(agent->gathers);
    free(agent->stun_servers);
    free(agent);
}

bool ice_grow(void **array, uint16_t *count, size_t index, size_t entry_size)
{
    if (index < *count)
        return true;
    void *grown = realloc(*array, (index + 1) * entry_size);
    if (grown == NULL)
        return false;
    memset((uint8_t *)grown + *count * entry_size, 0, (index + 1 - *count) * entry_size);
    *array = grown;
    *count = (uint16_t)(index + 1);
    return true;
}

/* --- local candidates ------------------------------------------------------------------------------------------------- */

/* The same for candidates of one type, base address and server (RFC 8445, section 5.1.1.3). */
static uint32_t foundation_of(const struct ice_base_slot *base, enum ice_candidate_type type,
                              const struct address *server)
{
    struct address ip = base->address;
    ip.port = 0;
    uint64_t hash = address_hash(&ip) + (uint64_t)type * 0x9e3779b97f4a7c15u + base->relay * 0xc2b2ae3d27d4eb4fu;
    if (server != NULL) {
        struct address server_ip = *server;
        server_ip.port = 0;
        hash ^= address_hash(&server_ip) * 3;
    }
    return (uint32_t)(hash >> 32);
}

int ice_local_add(struct ice_agent *agent, uint8_t base, enum ice_candidate_type type, const struct address *address,
                  const struct address *server)
{
    const struct ice_base_slot *from = &agent->bases[base];
    size_t slot = ICE_MAX_LOCALS;
    int same = ICE_NONE;
    for (size_t i = agent->local_count; i-- > 0;) {
        struct ice_local *local = &agent->locals[i];
        if (!local->used)
            slot = i;
        else if (local->base == base && address_equal(&local->address, address))
            same = (int)i;
    }
    if (same != ICE_NONE) {
        /* A check may have shown us the address before the STUN server did; the peer has yet to hear of it. */
        if (agent->locals[same].type != ICE_PEER_REFLEXIVE || type != ICE_SERVER_REFLEXIVE)
            return same;
        slot = (size_t)same;
    }
    if (slot == ICE_MAX_LOCALS)
        slot = agent->local_count;
    if (slot == ICE_MAX_LOCALS || !ice_grow((void **)&agent->locals, &agent->local_count, slot, sizeof *agent->locals))
        return ICE_NONE;
    agent->locals[slot] = (struct ice_local){
        .address = *address,
        .priority = ice_candidate_priority(ice_type_preference(type, from->relay), from->local_preference, 1),
        .foundation = foundation_of(from, type, server),
        .base = base,
        .type = (uint8_t)type,
        .used = true,
        .to_signal = type != ICE_PEER_REFLEXIVE,
    };
    if (same != ICE_NONE)
        ice_selected_refresh(agent);
    ice_poke(agent);
    return (int)slot;
}

uint8_t ice_local_of(struct ice_agent *agent, uint8_t base, const struct address *mapped)
{
    int local = ice_local_add(agent, base, ICE_PEER_REFLEXIVE, mapped, NULL);
    if (local == ICE_NONE)
        local = ice_local_add(agent, base, ICE_HOST, &agent->bases[base].address, NULL);
    return (uint8_t)local;
}

/* IPv6 first, but only by one: the families take turns (RFC 8421, section 4). */
static uint16_t local_preference_of(struct ice_agent *agent, const struct ice_base *base)
{
    bool ipv6 = base->address.family == ADDRESS_IPV6;
    uint32_t below = 2u * agent->bases_added[ipv6 ? 1 : 0] + (ipv6 ? 0 : 1);
    if (agent->bases_added[ipv6 ? 1 : 0] < UINT16_MAX)
        agent->bases_added[ipv6 ? 1 : 0]++;
    return (uint16_t)(UINT16_MAX - (below < UINT16_MAX ? below : UINT16_MAX));
}

int ice_agent_add_base(struct ice_agent *agent, const struct ice_base *base)
{
    bool relayed = base->type == ICE_RELAYED;
    size_t slot = ICE_MAX_BASES;
    if ((base->type != ICE_HOST && !relayed) || base->address.family == ADDRESS_NONE || base->address.port == 0)
        return -1;
    for (size_t i = agent->base_count; i-- > 0;) {
        if (!agent->bases[i].used)
            slot = i;
        else if (address_equal(&agent->bases[i].address, &base->address))
            return -1;
    }
    if (slot == ICE_MAX_BASES)
        slot = agent->base_count;
    if (slot == ICE_MAX_BASES || !ice_grow((void **)&agent->bases, &agent->base_count, slot, sizeof *agent->bases))
        return -1;
    agent->bases[slot] = (struct ice_base_slot){
        .address = base->address,
        .related = base->related,
        .local_preference = local_preference_of(agent, base),
        .type = (uint8_t)base->type,
        .relay = (uint8_t)(relayed ? base->relay : ICE_RELAY_NONE),
        .used = true,
    };
    if (ice_local_add(agent, (uint8_t)slot, base->type, &base->address, relayed ? &base->related : NULL) == ICE_NONE) {
        agent->bases[slot].used = false;
        return -1;
    }
    if (!relayed && !agent->lite)
        ice_gather_add(agent, (uint8_t)slot);
    if (!agent->lite)
        ice_pairs_form(agent, (int)slot, ICE_NONE);
    ice_poke(agent);
    return (int)slot;
}

void ice_agent_remove_base(struct ice_agent *agent, int base)
{
    if (!ice_base_exists(agent, base))
        return;
    for (int i = agent->pair_count; i-- > 0;) {
        if (agent->pairs[i].base == base)
            ice_pair_remove(agent, i);
    }
    for (size_t i = 0; i < agent->local_count; i++) {
        if (agent->locals[i].base == base)
            agent->locals[i].used = false;
    }
    ice_gather_remove(agent, (uint8_t)base);
    agent->bases[base].used = false;
    ice_poke(agent);
}

void ice_agent_bases_done(struct ice_agent *agent)
{
    agent->bases_done = true;
    ice_poke(agent);
}

const char *ice_agent_ufrag(const struct ice_agent *agent) { return agent->generations[0].ufrag; }
const char *ice_agent_password(const struct ice_agent *agent) { return agent->generations[0].password; }
bool ice_agent_controlling(const struct ice_agent *agent) { return agent->controlling; }
bool ice_agent_lite(const struct ice_agent *agent) { return agent->lite; }

/* --- remote candidates ------------------------------------------------------------------------------------------------ */

bool ice_agent_set_remote(struct ice_agent *agent, const char *ufrag, const char *password, bool lite,
                          struct error *error)
{
    if (!ice_ufrag_valid(ufrag))
        return error_set(error, ERROR_PROTOCOL, "ICE: the peer's ufrag '%.64s' is not 4 to 256 ICE characters", ufrag);
    if (!ice_password_valid(password))
        return error_set(error, ERROR_PROTOCOL, "ICE: the peer's password is not 22 to 256 ICE characters");
    if (lite && agent->lite)
        return error_set(error, ERROR_UNSUPPORTED, "ICE: both sides are lite, so nobody would check");
    if (agent->state == ICE_STATE_CLOSED)
        return error_set(error, ERROR_USAGE, "ICE: the agent is closed");
    struct ice_generation *current = &agent->generations[0];
    if (current->remote_ufrag != NULL) {
        if (strcmp(current->remote_ufrag, ufrag) == 0 && strcmp(current->remote_password, password) == 0)
            return true;
        ice_agent_restart(agent);
    }
    char *remote_ufrag = strdup(ufrag);
    char *remote_password = strdup(password);
    if (remote_ufrag == NULL || remote_password == NULL) {
        free(remote_ufrag);
        free(remote_password);
        return error_set(error, ERROR_SYSTEM, "ICE: out of memory");
    }
    current->remote_ufrag = remote_ufrag;
    current->remote_password = remote_password;
    agent->remote_lite = lite;
    if (lite && !agent->controlling) {
        agent->controlling = true; /* RFC 8445, section 6.1.1 */
        ice_pairs_rank(agent);
    }
    ice_poke(agent);
    return true;
}

int ice_remote_find(const struct ice_agent *agent, const struct address *address)
{
    for (int i = 0; i < agent->remote_count; i++) {
        const struct ice_remote *remote = &agent->remotes[i];
        if (remote->used && remote->generation == agent->generation && address_equal(&remote->address, address))
            return i;
    }
    return ICE_NONE;
}

/* A free slot; when there is none, that of the lowest peer-reflexive candidate that was learned and is not in use by
 * the selected pair: a peer that moves about for days must not fill the list. */
static int remote_slot(struct ice_agent *agent)
{
    int lowest = ICE_NONE;
    for (int i = 0; i < agent->remote_count; i++) {
        const struct ice_remote *remote = &agent->remotes[i];
        if (!remote->used)
            return i;
        bool kept = remote->signalled || (agent->selected != ICE_NONE && agent->pairs[agent->selected].remote == i);
        if (!kept && (lowest == ICE_NONE || remote->priority < agent->remotes[lowest].priority))
            lowest = i;
    }
    if (agent->remote_count < ICE_MAX_REMOTES)
        return ice_grow((void **)&agent->remotes, &agent->remote_count, agent->remote_count, sizeof *agent->remotes)
                   ? agent->remote_count - 1
                   : ICE_NONE;
    for (int i = agent->pair_count; lowest != ICE_NONE && i-- > 0;) {
        if (agent->pairs[i].remote == lowest)
            ice_pair_remove(agent, i);
    }
    return lowest;
}

int ice_remote_learn(struct ice_agent *agent, const struct address *address, uint32_t priority)
{
    int slot = remote_slot(agent);
    if (slot == ICE_NONE)
        return ICE_NONE;
    /* Its foundation is to be unlike all others (RFC 8445, section 7.3.1.3). */
    agent->remotes[slot] = (struct ice_remote){.address = *address,
                                               .priority = priority,
                                               .foundation = rng_u32(&agent->rng),
                                               .type = ICE_PEER_REFLEXIVE,
                                               .generation = agent->generation,
                                               .used = true};
    return slot;
}

void ice_remote_release(struct ice_agent *agent, uint8_t remote)
{
    for (size_t i = 0; i < agent->pair_count; i++) {
        if (agent->pairs[i].remote == remote)
            return;
    }
    /* A signalled candidate may yet be paired with a base to come. */
    if (!agent->remotes[remote].signalled || agent->remotes[remote].generation != agent->generation)
        agent->remotes[remote].used = false;
}

static uint32_t hash_text(const char *text)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (; *text != '\0'; text++)
        hash = (hash ^ (uint8_t)*text) * 16777619u;
    return hash;
}

static bool candidate_usable(const struct ice_agent *agent, const struct ice_candidate *candidate)
{
    if (agent->state == ICE_STATE_CLOSED || candidate->transport != ICE_UDP || candidate->component != 1 ||
        candidate->address.family == ADDRESS_NONE || candidate->address.port == 0 || candidate->type > ICE_RELAYED)
        return false;
    enum address_scope scope = address_scope(&candidate->address);
    if (scope == ADDRESS_UNSPECIFIED || scope == ADDRESS_MULTICAST)
        return false;
    const char *remote_ufrag = agent->generations[0].remote_ufrag;
    return candidate->ufrag[0] == '\0' || remote_ufrag == NULL || strcmp(candidate->ufrag, remote_ufrag) == 0;
}

bool ice_agent_add_remote_candidate(struct ice_agent *agent, const struct ice_candidate *candidate)
{
    if (!candidate_usable(agent, candidate))
        return false;
    int slot = ice_remote_find(agent, &candidate->address);
    if (slot != ICE_NONE && agent->remotes[slot].signalled)
        return true;
    bool learned = slot != ICE_NONE;
    if (!learned)
        slot = remote_slot(agent);
    if (slot == ICE_NONE)
        return false;
    agent->remotes[slot] = (struct ice_remote){.address = candidate->address,
                                               .priority = candidate->priority,
                                               .foundation = hash_text(candidate->foundation),
                                               .type = candidate->type,
                                               .generation = agent->generation,
                                               .used = true,
                                               .signalled = true};
    if (learned) {
        /* Now we know what the check's sender really is: perhaps a relay. */
        ice_pairs_rank(agent);
        ice_selected_refresh(agent);
    }
    if (!agent->lite)
        ice_pairs_form(agent, ICE_NONE, slot);
    ice_poke(agent);
    return true;
}

void ice_agent_end_of_candidates(struct ice_agent *agent)
{
    agent->remote_done = true;
    ice_poke(agent);
}

/* --- restart ---------------------------------------------------------------------------------------------------------- */

void ice_agent_restart(struct ice_agent *agent)
{
    if (agent->state == ICE_STATE_CLOSED)
        return;
    if (agent->state == ICE_STATE_FAILED)
        ice_deselect(agent); /* without consent nothing is carried on */
    bool carried = agent->selected != ICE_NONE;
    bool carried_before = carried && !ice_pair_current(agent, &agent->pairs[agent->selected]);
    if (!carried_before) {
        /* Checks of the old generation are answered as long as the peer may send them. */
        generation_clear(&agent->generations[1]);
        agent->generations[1] = agent->generations[0];
        memset(&agent->generations[0], 0, sizeof agent->generations[0]);
    } else {
        generation_clear(&agent->generations[0]);
    }
    make_credentials(agent, &agent->generations[0]);
    for (int i = agent->pair_count; i-- > 0;) {
        if (i != agent->selected)
            ice_pair_remove(agent, i);
    }
    agent->nominating = ICE_NONE;
    agent->challenger = ICE_NONE;
    agent->generation++;
    for (size_t i = 0; i < agent->remote_count; i++) {
        if (!carried || agent->pairs[agent->selected].remote != i)
            agent->remotes[i].used = false;
    }
    for (size_t i = 0; i < agent->local_count; i++) {
        struct ice_local *local = &agent->locals[i];
        local->used = local->used && (local->type == ICE_HOST || local->type == ICE_RELAYED);
        local->to_signal = local->used;
    }
    ice_gather_restart(agent);
    agent->gathered = false;
    agent->gathered_event = false;
    agent->remote_done = false;
    agent->remote_lite = false;
    agent->heard = false;
    agent->checking_since = NANOS_NEVER;
    agent->first_valid_at = NANOS_NEVER;
    if (!carried) {
        agent->consent_expires = NANOS_NEVER;
        ice_state_set(agent, ICE_STATE_NEW);
    }
    ice_poke(agent);
}

void ice_agent_close(struct ice_agent *agent)
{
    ice_deselect(agent);
    agent->response_count = 0;
    ice_state_set(agent, ICE_STATE_CLOSED);
}

/* --- events ----------------------------------------------------------------------------------------------------------- */

const char *ice_state_name(enum ice_state state)
{
    static const char *const names[] = {"new",          "checking", "connected", "completed",
                                        "disconnected", "failed",   "closed"};
    return (size_t)state < sizeof names / sizeof names[0] ? names[state] : "unknown";
}

void ice_state_set(struct ice_agent *agent, enum ice_state state)
{
    if (agent->state == state)
        return;
    agent->state = (uint8_t)state;
    if (agent->state_count == ICE_MAX_STATES)
        memmove(agent->states, agent->states + 1, --agent->state_count);
    agent->states[agent->state_count++] = (uint8_t)state;
}

static void describe_local(const struct ice_agent *agent, const struct ice_local *local, struct ice_candidate *out)
{
    const struct ice_base_slot *base = &agent->bases[local->base];
    *out = (struct ice_candidate){
        .address = local->address,
        .priority = local->priority,
        .type = local->type,
        .transport = ICE_UDP,
        .relay = base->relay,
        .component = 1,
        .generation = agent->generation,
    };
    if (local->type == ICE_RELAYED)
        out->related = base->related;
    else if (local->type != ICE_HOST)
        out->related = base->address;
    snprintf(out->foundation, sizeof out->foundation, "%u", local->foundation);
    memcpy(out->ufrag, agent->generations[0].ufrag, sizeof agent->generations[0].ufrag);
}

static bool candidate_event(struct ice_agent *agent, struct ice_event *event)
{
    for (size_t i = 0; i < agent->local_count; i++) {
        struct ice_local *local = &agent->locals[i];
        if (local->used && local->to_signal) {
            local->to_signal = false;
            event->type = ICE_EVENT_CANDIDATE;
            describe_local(agent, local, &event->candidate);
            return true;
        }
    }
    return false;
}

static bool permission_event(struct ice_agent *agent, struct ice_event *event)
{
    for (size_t i = 0; i < agent->pair_count; i++) {
        struct ice_pair *pair = &agent->pairs[i];
        if (pair->asks_permission) {
            pair->asks_permission = false;
            event->type = ICE_EVENT_PERMISSION;
            event->permission.base = pair->base;
            event->permission.remote = agent->remotes[pair->remote].address;
            return true;
        }
    }
    return false;
}

bool ice_agent_event(struct ice_agent *agent, struct ice_event *event)
{
    if (agent->state_count > 0 && agent->state == ICE_STATE_CLOSED) {
        agent->state_count = 0;
        event->type = ICE_EVENT_STATE;
        event->state = ICE_STATE_CLOSED;
        return true;
    }
    if (agent->state == ICE_STATE_CLOSED)
        return false;
    if (candidate_event(agent, event) || permission_event(agent, event))
        return true;
    if (agent->gathered_event) {
        agent->gathered_event = false;
        event->type = ICE_EVENT_GATHERED;
        return true;
    }
    if (agent->selected_event) {
        agent->selected_event = false;
        event->type = ICE_EVENT_SELECTED;
        event->pair = agent->selected_info;
        return true;
    }
    if (agent->state_count > 0) {
        event->type = ICE_EVENT_STATE;
        event->state = agent->states[0];
        memmove(agent->states, agent->states + 1, --agent->state_count);
        return true;
    }
    return false;
}

enum ice_state ice_agent_state(const struct ice_agent *agent) { return agent->state; }

struct ice_statistics ice_agent_statistics(const struct ice_agent *agent) { return agent->statistics; }
