#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#include "sim/sim_parts.h"

static struct sim_lan *create(struct sim_world *sim, int site, const struct link_config *up,
                              const struct link_config *down, struct error *error)
{
    if (site < 0 || site >= sim->site_count) {
        error_set(error, ERROR_USAGE, "there is no site %d", site);
        return NULL;
    }
    if (!link_config_check(up, error) || !link_config_check(down, error))
        return NULL;
    struct sim_lan *lan = calloc(1, sizeof *lan);
    if (lan == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    lan->number = sim->lan_count++;
    lan->site = site;
    lan->up = *up;
    lan->down = *down;
    lan->carries_ipv6 = true;
    LL_PREPEND(sim->lans, lan);
    return lan;
}

struct sim_lan *sim_lan_alone(struct sim_world *sim, int site, const struct link_config *up,
                              const struct link_config *down, struct error *error)
{
    return create(sim, site, up, down, error);
}

/* The carrier's NAT of that number, which several homes may be behind. */
static struct sim_nat_box *carrier_box(struct sim_world *sim, const struct internet_client_config *config,
                                       struct error *error)
{
    struct sim_nat_box *box = NULL;
    if (config->carrier != 0)
        HASH_FIND(hh, sim->carriers, &config->carrier, sizeof config->carrier, box);
    if (box != NULL)
        return box;
    box = sim_nat_box_create(sim, sim->sites[config->site], &config->nats[1], NULL, NULL, false, error);
    if (box == NULL || config->carrier == 0)
        return box;
    box->carrier = config->carrier;
    HASH_ADD(hh, sim->carriers, carrier, sizeof box->carrier, box);
    if (box->hh.tbl == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    return box;
}

/* A router without a NAT, for hosts with public addresses that share a link. */
static bool plain_router(struct sim_world *sim, struct sim_lan *lan, struct error *error)
{
    struct ns3c_attachment_config attachment = {.up = sim_link(&lan->up), .down = sim_link(&lan->down)};
    char name[SIM_NAME_CAP];
    snprintf(name, sizeof name, "lan-%u", lan->number);
    struct ns3c_error why;
    lan->router = sim->api->router_create(sim->sites[lan->site], name, &attachment, NULL, NULL, &why);
    return lan->router != NULL || sim_error(error, &why);
}

static bool build(struct sim_world *sim, struct sim_lan *lan, const struct internet_client_config *config,
                  struct error *error)
{
    if (config->nat_count == 0) {
        if (config->lan != 0 && !plain_router(sim, lan, error))
            return false;
    } else {
        bool carried = config->nat_count > 1;
        struct ns3c_router *parent = sim->sites[config->site];
        if (carried) {
            lan->boxes[1] = carrier_box(sim, config, error);
            if (lan->boxes[1] == NULL)
                return false;
            parent = lan->boxes[1]->router;
        }
        lan->boxes[0] = sim_nat_box_create(sim, parent, &config->nats[0], &lan->up, &lan->down, carried, error);
        if (lan->boxes[0] == NULL)
            return false;
        lan->box_count = config->nat_count;
        lan->router = lan->boxes[0]->router;
        lan->translated = !config->nats[0].translate_none;
        for (size_t i = 0; i < config->nat_count; i++)
            lan->carries_ipv6 = lan->carries_ipv6 && config->nats[i].ipv6 != NAT_IPV6_NONE;
    }
    if (lan->router != NULL)
        lan->attachment = sim->api->router_attachment(lan->router);
    return true;
}

struct sim_lan *sim_lan_for(struct sim_world *sim, const struct internet_client_config *config, struct error *error)
{
    struct sim_lan *lan = NULL;
    if (config->lan != 0)
        HASH_FIND(hh, sim->lans_by_id, &config->lan, sizeof config->lan, lan);
    if (lan != NULL)
        return lan;
    if (!internet_check_nats(config, error))
        return NULL;
    lan = create(sim, config->site, &config->up, &config->down, error);
    if (lan == NULL || !build(sim, lan, config, error))
        return NULL;
    lan->id = config->lan;
    if (lan->id != 0) {
        HASH_ADD(hh, sim->lans_by_id, id, sizeof lan->id, lan);
        if (lan->hh.tbl == NULL) {
            error_set(error, ERROR_SYSTEM, "out of memory");
            return NULL;
        }
    }
    return lan;
}

void sim_lans_destroy(struct sim_world *sim)
{
    HASH_CLEAR(hh, sim->lans_by_id);
    while (sim->lans != NULL) {
        struct sim_lan *lan = sim->lans;
        LL_DELETE(sim->lans, lan);
        free(lan);
    }
}
