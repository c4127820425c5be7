/* Server-reflexive candidates (RFC 8445, section 5.1.1.2): each host base asks up to two STUN servers of its family, and
 * keeps asking every now and then while the mapping has to last. */
#include <stdlib.h>

#include "rtc/ice_internal.h"

void ice_gather_add(struct ice_agent *agent, uint8_t base)
{
    int asked = 0;
    for (size_t i = 0; i < agent->stun_server_count && asked < ICE_GATHER_PER_BASE; i++) {
        const struct address *server = &agent->stun_servers[i];
        if (server->family != agent->bases[base].address.family ||
            !ice_grow((void **)&agent->gathers, &agent->gather_count, agent->gather_count, sizeof *agent->gathers))
            continue;
        agent->gathers[agent->gather_count - 1] =
            (struct ice_gather){.server = *server, .deadline = NANOS_NEVER, .base = base};
        agent->gathered = false;
        asked++;
    }
}

void ice_gather_remove(struct ice_agent *agent, uint8_t base)
{
    uint16_t kept = 0;
    for (size_t i = 0; i < agent->gather_count; i++) {
        if (agent->gathers[i].base != base)
            agent->gathers[kept++] = agent->gathers[i];
    }
    agent->gather_count = kept;
}

void ice_gather_restart(struct ice_agent *agent)
{
    for (size_t i = 0; i < agent->gather_count; i++) {
        agent->gathers[i].state = ICE_GATHER_WAITING;
        agent->gathers[i].deadline = NANOS_NEVER;
    }
}

bool ice_gather_has_fresh(const struct ice_agent *agent)
{
    for (size_t i = 0; i < agent->gather_count; i++) {
        if (agent->gathers[i].state == ICE_GATHER_WAITING)
            return true;
    }
    return false;
}

bool ice_gather_finished(const struct ice_agent *agent)
{
    for (size_t i = 0; i < agent->gather_count; i++) {
        if (agent->gathers[i].state == ICE_GATHER_WAITING || agent->gathers[i].state == ICE_GATHER_ASKING)
            return false;
    }
    return true;
}

/* A mapping has to last until the peer's checks have come through it; after that, consent checks keep it. */
static bool mapping_needed(const struct ice_agent *agent)
{
    return agent->state != ICE_STATE_COMPLETED && agent->state != ICE_STATE_FAILED;
}

nanos ice_gather_deadline(const struct ice_agent *agent)
{
    nanos earliest = NANOS_NEVER;
    for (size_t i = 0; i < agent->gather_count; i++) {
        const struct ice_gather *gather = &agent->gathers[i];
        if (gather->state != ICE_GATHER_MAPPED || mapping_needed(agent))
            earliest = nanos_min(earliest, gather->deadline);
    }
    return earliest;
}

static void give_up(struct ice_agent *agent, struct ice_gather *gather, nanos now)
{
    bool refreshing = gather->state == ICE_GATHER_REFRESHING;
    gather->state = refreshing ? ICE_GATHER_MAPPED : ICE_GATHER_FAILED;
    gather->deadline = refreshing ? now + agent->timing.mapping_keepalive : NANOS_NEVER;
    ice_poke(agent);
}

static size_t ask(struct ice_agent *agent, struct ice_gather *gather, int *base, struct address *remote, uint8_t *buf,
                  size_t cap, nanos now)
{
    struct stun_builder builder;
    stun_begin(&builder, buf, cap, STUN_REQUEST, STUN_BINDING, gather->transaction_id);
    stun_put_fingerprint(&builder);
    gather->deadline = now + nanos_min(gather->rto, nanos_max(0, gather->started + agent->timing.gather_timeout - now));
    gather->rto *= 2;
    *base = gather->base;
    *remote = gather->server;
    agent->statistics.requests_sent++;
    return stun_finish(&builder);
}

size_t ice_gather_write(struct ice_agent *agent, bool fresh, int *base, struct address *remote, uint8_t *buf,
                        size_t cap, nanos now)
{
    for (size_t i = 0; i < agent->gather_count; i++) {
        struct ice_gather *gather = &agent->gathers[i];
        bool asking = gather->state == ICE_GATHER_ASKING || gather->state == ICE_GATHER_REFRESHING;
        if (asking && now >= gather->deadline) {
            if (now < gather->started + agent->timing.gather_timeout)
                return ask(agent, gather, base, remote, buf, cap, now);
            give_up(agent, gather, now);
        }
        bool again = gather->state == ICE_GATHER_MAPPED && now >= gather->deadline && mapping_needed(agent);
        if (again || (fresh && gather->state == ICE_GATHER_WAITING)) {
            gather->state = again ? ICE_GATHER_REFRESHING : ICE_GATHER_ASKING;
            gather->started = now;
            gather->rto = agent->timing.rto;
            ice_transaction_new(agent, gather->transaction_id);
            return ask(agent, gather, base, remote, buf, cap, now);
        }
    }
    return 0;
}

int ice_gather_read(struct ice_agent *agent, uint8_t base, const struct address *remote,
                    const struct stun_message *message, nanos now)
{
    for (size_t i = 0; i < agent->gather_count; i++) {
        struct ice_gather *gather = &agent->gathers[i];
        bool asking = gather->state == ICE_GATHER_ASKING || gather->state == ICE_GATHER_REFRESHING;
        if (!asking || gather->base != base || !address_equal(&gather->server, remote) ||
            memcmp(gather->transaction_id, message->transaction_id, STUN_TRANSACTION_ID_LEN) != 0)
            continue;
        struct address mapped;
        agent->statistics.responses_received++;
        if (message->class != STUN_SUCCESS || !stun_get_mapped_address(message, &mapped)) {
            give_up(agent, gather, now);
            return 0;
        }
        gather->state = ICE_GATHER_MAPPED;
        gather->deadline = now + agent->timing.mapping_keepalive;
        /* Without a NAT on the way, it is the host candidate: not worth signalling (RFC 8445, section 5.1.3). */
        ice_local_add(agent, base, ICE_SERVER_REFLEXIVE, &mapped, &gather->server);
        return 0;
    }
    return -1;
}
