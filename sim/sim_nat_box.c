#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#include "base/rng.h"
#include "sim/sim_parts.h"

static enum ns3c_verdict hook(void *context, enum ns3c_direction direction, struct ns3c_packet *packet, ns3c_nanos now)
{
    static const enum ns3c_verdict verdicts[] = {
        [NAT_DROP] = NS3C_DROP, [NAT_FORWARD] = NS3C_PASS, [NAT_HAIRPIN] = NS3C_HAIRPIN};
    const struct sim_nat_box *box = context;
    if (packet->protocol != NAT_UDP && packet->protocol != NAT_TCP)
        return NS3C_DROP;
    struct nat_packet seen = {.source = sim_from_ns3c(&packet->src),
                              .destination = sim_from_ns3c(&packet->dst),
                              .protocol = packet->protocol,
                              .tcp_flags = packet->tcp_flags};
    enum nat_verdict verdict =
        direction == NS3C_UP ? nat_outbound(box->nat, &seen, now) : nat_inbound(box->nat, &seen, now);
    packet->src = sim_to_ns3c(&seen.source);
    packet->dst = sim_to_ns3c(&seen.destination);
    return verdicts[verdict];
}

/* Its external addresses, and a seed of its own. */
static bool complete(struct sim_world *sim, struct nat_config *config, bool carried, struct error *error)
{
    struct rng rng = rng_of(sim->config.seed, "sim nat", sim->box_count);
    config->seed = rng_u64(&rng);
    if (config->translate_none)
        return true;
    if (config->external_count == 0)
        config->external_count = 1;
    if (config->external_count > NAT_EXTERNAL_MAX)
        return error_set(error, ERROR_USAGE, "a NAT has at most %d external addresses", NAT_EXTERNAL_MAX);
    for (size_t i = 0; i < config->external_count; i++)
        if (!(carried ? sim_address_carried : sim_address_public)(sim, &config->external[i], error))
            return false;
    return true;
}

struct sim_nat_box *sim_nat_box_create(struct sim_world *sim, struct ns3c_router *parent,
                                       const struct nat_config *config, const struct link_config *up,
                                       const struct link_config *down, bool carried, struct error *error)
{
    struct nat_config completed = *config;
    if (!complete(sim, &completed, carried, error))
        return NULL;
    struct sim_nat_box *box = calloc(1, sizeof *box);
    if (box == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    LL_PREPEND(sim->boxes, box);
    box->nat = nat_create(&completed, error);
    if (box->nat == NULL)
        return NULL;
    struct ns3c_address outer[NAT_EXTERNAL_MAX];
    for (size_t i = 0; i < completed.external_count; i++)
        outer[i] = sim_to_ns3c(&completed.external[i]);
    struct ns3c_attachment_config attachment = {.addresses = outer, .address_count = completed.external_count};
    if (up != NULL)
        attachment.up = sim_link(up);
    if (down != NULL)
        attachment.down = sim_link(down);
    char name[SIM_NAME_CAP];
    snprintf(name, sizeof name, "nat-%u", ++sim->box_count);
    struct ns3c_error why;
    box->router = sim->api->router_create(parent, name, &attachment, hook, box, &why);
    if (box->router == NULL) {
        sim_error(error, &why);
        return NULL;
    }
    return box;
}

bool sim_nat_box_expose(struct sim_world *sim, struct sim_nat_box *box, const struct address *address,
                        struct error *error)
{
    struct ns3c_address exposed = sim_to_ns3c(address);
    struct ns3c_error why;
    return sim->api->attachment_add_address(sim->api->router_attachment(box->router), &exposed, &why) ||
           sim_error(error, &why);
}

void sim_nat_boxes_destroy(struct sim_world *sim)
{
    HASH_CLEAR(hh, sim->carriers);
    while (sim->boxes != NULL) {
        struct sim_nat_box *box = sim->boxes;
        LL_DELETE(sim->boxes, box);
        nat_destroy(box->nat);
        free(box);
    }
}
