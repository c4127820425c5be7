#include "sim/sim_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#include "sim/ns3c_loader.h"
#include "sim/sim_parts.h"
#include "sim/virtual_clock.h"
#include "sim/virtual_random.h"

struct sim_capture {
    struct sim_capture *next;
    struct ns3c_capture *ns3c;
};

/* --- between the two libraries ------------------------------------------------------------------------------------------ */

bool sim_error(struct error *error, const struct ns3c_error *from)
{
    static const enum error_code codes[] = {[NS3C_OK] = ERROR_SYSTEM,
                                            [NS3C_INVALID] = ERROR_USAGE,
                                            [NS3C_BUSY] = ERROR_SYSTEM,
                                            [NS3C_SYSTEM] = ERROR_SYSTEM,
                                            [NS3C_UNSUPPORTED] = ERROR_UNSUPPORTED};
    return error_set(error, codes[from->code], "%s", from->text);
}

struct ns3c_link sim_link(const struct link_config *config)
{
    return (struct ns3c_link){.rate_bps = config->rate_bps,
                              .delay = config->delay,
                              .jitter = config->jitter,
                              .loss = config->loss,
                              .loss_burst = config->loss_burst,
                              .queue_bytes = config->queue_bytes,
                              .discipline = config->discipline == LINK_CODEL ? NS3C_CODEL : NS3C_DROP_TAIL,
                              .overhead_bytes = config->overhead_bytes};
}

struct link_counters sim_link_counters(const struct sim_world *sim, const struct ns3c_attachment *attachment,
                                       enum ns3c_direction direction)
{
    struct ns3c_link_counters from;
    sim->api->attachment_count(attachment, direction, &from);
    return (struct link_counters){.offered = from.offered,
                                  .offered_bytes = from.offered_bytes,
                                  .delivered = from.delivered,
                                  .delivered_bytes = from.delivered_bytes,
                                  .overflowed = from.overflowed,
                                  .shed = from.shed,
                                  .lost = from.lost,
                                  .queue_delay_max = from.queue_delay_max,
                                  .queue_delay_sum = from.queue_delay_sum};
}

/* --- the table ---------------------------------------------------------------------------------------------------------- */

static nanos world_now_of(const struct world *world)
{
    const struct sim_world *sim = (const struct sim_world *)world;
    return sim->api->now(sim->ns3c);
}

static size_t host_addresses(const struct world_host *host, struct address *out, size_t cap)
{
    for (size_t i = 0; i < host->address_count && i < cap; i++)
        out[i] = host->addresses[i];
    return host->address_count;
}

const struct world_ops sim_world_ops = {
    .now = world_now_of,
    .host_addresses = host_addresses,
    .udp_open = sim_udp_open,
    .udp_address = sim_udp_address,
    .udp_send = sim_udp_send,
    .udp_close = sim_udp_close,
    .tcp_listen = sim_tcp_listen,
    .tcp_listener_close = sim_tcp_listener_close,
    .tcp_connect = sim_tcp_connect,
    .tcp_adopt = sim_tcp_adopt,
    .tcp_local = sim_tcp_local,
    .tcp_remote = sim_tcp_remote,
    .tcp_send = sim_tcp_send,
    .tcp_close = sim_tcp_close,
    .channel_listen = sim_channel_listen,
    .channel_listener_close = sim_channel_listener_close,
    .channel_connect = sim_channel_connect,
    .channel_adopt = sim_channel_adopt,
    .channel_send = sim_channel_send,
    .channel_close = sim_channel_close,
    .timer_open = sim_timer_open,
    .timer_set = sim_timer_set,
    .timer_close = sim_timer_close,
};

/* --- the world ---------------------------------------------------------------------------------------------------------- */

static nanos virtual_now(void *user) { return world_now_of(user); }

struct sim_world *sim_world_create(const struct sim_world_config *config, struct error *error)
{
    const struct ns3c_api *api = ns3c_load(error);
    if (api == NULL)
        return NULL;
    struct ns3c_error why;
    struct ns3c_sim *ns3c = api->create(config->seed, &why);
    if (ns3c == NULL) {
        sim_error(error, &why);
        return NULL;
    }
    struct sim_world *sim = calloc(1, sizeof *sim);
    if (sim == NULL) {
        api->destroy(ns3c);
        error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    sim->world.ops = &sim_world_ops;
    sim->internet.ops = &sim_internet_ops;
    sim->api = api;
    sim->ns3c = ns3c;
    sim->config = *config;
    virtual_clock_install(virtual_now, &sim->world);
    if (!virtual_random_install(config->seed, error) || sim_world_add_site(sim, "core", error) < 0 ||
        !sim_world_set_site_delay(sim, 0, 0, config->core_delay, error)) {
        sim_world_destroy(sim);
        return NULL;
    }
    return sim;
}

void sim_world_destroy(struct sim_world *sim)
{
    if (sim == NULL)
        return;
    while (sim->hosts != NULL) {
        struct world_host *host = sim->hosts;
        while (host->handles != NULL)
            sim_handle_close(host->handles);
        LL_DELETE(sim->hosts, host);
        free(host);
    }
    sim_world_finish_captures(sim, NULL);
    sim->api->destroy(sim->ns3c);
    sim_lans_destroy(sim);
    sim_nat_boxes_destroy(sim);
    virtual_random_remove();
    virtual_clock_remove();
    free(sim);
}

struct world *sim_world_of(struct sim_world *sim) { return &sim->world; }

int sim_world_add_site(struct sim_world *sim, const char *name, struct error *error)
{
    if (sim->site_count == INTERNET_SITES_MAX) {
        error_set(error, ERROR_USAGE, "more than %d sites", INTERNET_SITES_MAX);
        return -1;
    }
    struct ns3c_error why;
    struct ns3c_router *site = sim->api->site_create(sim->ns3c, name, &why);
    if (site == NULL) {
        sim_error(error, &why);
        return -1;
    }
    sim->sites[sim->site_count] = site;
    return sim->site_count++;
}

bool sim_world_set_site_delay(struct sim_world *sim, int a, int b, nanos one_way, struct error *error)
{
    if (a < 0 || b < 0 || a >= sim->site_count || b >= sim->site_count)
        return error_set(error, ERROR_USAGE, "there is no site %d", a < 0 || a >= sim->site_count ? a : b);
    struct ns3c_error why;
    if (!sim->api->site_delay(sim->sites[a], sim->sites[b], one_way, &why))
        return sim_error(error, &why);
    sim->delays[a][b] = one_way;
    sim->delays[b][a] = one_way;
    return true;
}

/* --- hosts ---------------------------------------------------------------------------------------------------------------- */

/* A host with the addresses that `host` already has, where its LAN wants it. */
static bool attach(struct world_host *host, struct error *error)
{
    struct sim_world *sim = host->sim;
    struct sim_lan *lan = host->lan;
    struct ns3c_address addresses[SIM_HOST_ADDRESSES_MAX];
    for (size_t i = 0; i < host->address_count; i++)
        addresses[i] = sim_to_ns3c(&host->addresses[i]);
    struct ns3c_attachment_config config = {.addresses = addresses, .address_count = host->address_count};
    if (lan->router == NULL) {
        config.up = sim_link(&lan->up);
        config.down = sim_link(&lan->down);
    }
    struct ns3c_error why;
    host->ns3c = sim->api->host_create(sim->ns3c, host->name, &why);
    if (host->ns3c == NULL)
        return sim_error(error, &why);
    struct ns3c_router *router = lan->router != NULL ? lan->router : sim->sites[lan->site];
    host->attachment = sim->api->host_attach(host->ns3c, router, &config, &why);
    if (host->attachment == NULL)
        return sim_error(error, &why);
    if (lan->router == NULL)
        lan->attachment = host->attachment;
    for (size_t i = 0; i < host->address_count; i++)
        for (size_t box = 0; box < lan->box_count; box++)
            if ((host->addresses[i].family == ADDRESS_IPV6 || !lan->translated) &&
                !sim_nat_box_expose(sim, lan->boxes[box], &host->addresses[i], error))
                return false;
    return true;
}

static struct world_host *create_host(struct sim_world *sim, struct sim_lan *lan, const char *name, struct error *error)
{
    struct world_host *host = lan == NULL ? NULL : calloc(1, sizeof *host);
    if (host == NULL) {
        if (lan != NULL)
            error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    host->world = &sim->world;
    host->sim = sim;
    host->lan = lan;
    snprintf(host->name, sizeof host->name, "%s", name);
    LL_PREPEND(sim->hosts, host);
    lan->hosts++;
    return host;
}

/* The host if all went well; otherwise `error` says whose fault it is. What was begun goes when the world does. */
static struct world_host *finish_host(struct world_host *host, bool well, struct error *error)
{
    if (well && attach(host, error))
        return host;
    error_prefix(error, "%s", host->name);
    return NULL;
}

struct world_host *sim_world_add_server(struct sim_world *sim, const struct internet_server_config *config,
                                        struct error *error)
{
    size_t count = config->addresses == 0 ? 1 : config->addresses;
    if (count > INTERNET_SERVER_ADDRESSES_MAX) {
        error_set(error, ERROR_USAGE, "%s: a server has at most %d addresses of each family", config->name,
                  INTERNET_SERVER_ADDRESSES_MAX);
        return NULL;
    }
    struct sim_lan *lan = sim_lan_alone(sim, config->site, &config->up, &config->down, error);
    struct world_host *host = create_host(sim, lan, config->name, error);
    if (host == NULL)
        return NULL;
    bool well = true;
    for (size_t i = 0; i < count && well; i++)
        well = sim_address_server(sim, &host->addresses[host->address_count++], error);
    for (size_t i = 0; i < count && config->ipv6; i++)
        host->addresses[host->address_count++] = sim_address_ipv6(lan, true, (uint8_t)i);
    return finish_host(host, well, error);
}

struct world_host *sim_world_add_client(struct sim_world *sim, const struct internet_client_config *config,
                                        struct error *error)
{
    struct sim_lan *lan = sim_lan_for(sim, config, error);
    struct world_host *host = create_host(sim, lan, config->name, error);
    if (host == NULL)
        return NULL;
    struct address *ipv4 = &host->addresses[host->address_count++];
    bool well = lan->translated ? sim_address_private(lan, ipv4, error) : sim_address_public(sim, ipv4, error);
    if (config->ipv6 && lan->carries_ipv6)
        host->addresses[host->address_count++] = sim_address_ipv6(lan, false, 0);
    return finish_host(host, well, error);
}

const char *sim_world_host_name(const struct world_host *host) { return host->name; }

struct nat *sim_world_nat(const struct world_host *host, size_t i)
{
    return i < host->lan->box_count ? host->lan->boxes[i]->nat : NULL;
}

/* --- running ---------------------------------------------------------------------------------------------------------------- */

bool sim_world_run_until(struct sim_world *sim, nanos until, nanos every, internet_progress progress, void *user,
                         struct error *error)
{
    struct ns3c_error why;
    for (nanos now = world_now_of(&sim->world); now < until;) {
        now = progress != NULL && every > 0 && every < until - now ? now + every : until;
        if (!sim->api->run_until(sim->ns3c, now, &why))
            return sim_error(error, &why);
        if (progress != NULL && !progress(user, now))
            break;
    }
    return true;
}

uint64_t sim_world_events(const struct sim_world *sim)
{
    struct ns3c_counters counters;
    sim->api->count(sim->ns3c, &counters);
    return counters.events;
}

/* --- faults ----------------------------------------------------------------------------------------------------------------- */

static bool set_direction(struct world_host *host, enum ns3c_direction direction, struct link_config *current,
                          const struct link_config *wanted, struct error *error)
{
    if (wanted == NULL)
        return true;
    struct ns3c_link link = sim_link(wanted);
    struct ns3c_error why;
    if (!host->sim->api->attachment_set_link(host->lan->attachment, direction, &link, &why))
        return sim_error(error, &why);
    *current = *wanted;
    return true;
}

bool sim_world_set_link(struct world_host *host, const struct link_config *up, const struct link_config *down,
                        struct error *error)
{
    if ((up != NULL && !link_config_check(up, error)) || (down != NULL && !link_config_check(down, error)))
        return false;
    return set_direction(host, NS3C_UP, &host->lan->up, up, error) &&
           set_direction(host, NS3C_DOWN, &host->lan->down, down, error);
}

void sim_world_get_link(const struct world_host *host, struct link_config *up, struct link_config *down)
{
    if (up != NULL)
        *up = host->lan->up;
    if (down != NULL)
        *down = host->lan->down;
}

void sim_world_cut(struct world_host *host)
{
    host->cut = true;
    host->sim->api->attachment_enable(host->attachment, false);
}

void sim_world_kill(struct world_host *host)
{
    sim_world_cut(host);
    host->killed = true;
    for (struct sim_handle *handle = host->handles; handle != NULL; handle = handle->next)
        sim_handle_kill(handle);
}

void sim_world_restore(struct world_host *host)
{
    host->cut = false;
    host->killed = false;
    host->sim->api->attachment_enable(host->attachment, true);
}

/* --- looking ---------------------------------------------------------------------------------------------------------------- */

void sim_world_count(const struct world_host *host, struct internet_counters *counters)
{
    *counters = host->counters;
    counters->up = sim_link_counters(host->sim, host->lan->attachment, NS3C_UP);
    counters->down = sim_link_counters(host->sim, host->lan->attachment, NS3C_DOWN);
}

/* Hosts behind one NAT have one outside: the first of them stands for all. */
static bool seen_before(const struct sim_capture_config *config, size_t i)
{
    const struct sim_lan *lan = config->hosts[i]->lan;
    bool seen = false;
    for (size_t k = 0; k < i && lan->box_count > 0 && !seen; k++) {
        const struct sim_lan *other = config->hosts[k]->lan;
        seen = other->box_count > 0 && other->boxes[other->box_count - 1] == lan->boxes[lan->box_count - 1];
    }
    return seen;
}

static bool capture_one(struct sim_world *sim, struct ns3c_capture *capture, const struct sim_capture_config *config,
                        size_t i, struct ns3c_error *why)
{
    const struct world_host *host = config->hosts[i];
    const struct sim_lan *lan = host->lan;
    if (config->vantage == SIM_AT_HOST || lan->box_count == 0)
        return sim->api->capture_host(capture, host->ns3c, why);
    return seen_before(config, i) ||
           sim->api->capture_router(capture, lan->boxes[lan->box_count - 1]->router, NS3C_OUTSIDE, why);
}

bool sim_world_capture(struct sim_world *sim, const char *path, const struct sim_capture_config *config,
                       struct error *error)
{
    struct sim_capture *capture = calloc(1, sizeof *capture);
    if (capture == NULL)
        return error_set(error, ERROR_SYSTEM, "out of memory");
    struct ns3c_error why;
    capture->ns3c = sim->api->capture_create(sim->ns3c, path, config->media_snap, config->comment, &why);
    if (capture->ns3c == NULL) {
        free(capture);
        return sim_error(error, &why);
    }
    LL_APPEND(sim->captures, capture);
    for (size_t i = 0; i < config->host_count; i++)
        if (!capture_one(sim, capture->ns3c, config, i, &why))
            return sim_error(error, &why);
    return true;
}

bool sim_world_finish_captures(struct sim_world *sim, struct error *error)
{
    bool well = true;
    while (sim->captures != NULL) {
        struct sim_capture *capture = sim->captures;
        struct ns3c_error why;
        LL_DELETE(sim->captures, capture);
        if (!sim->api->capture_close(capture->ns3c, &why) && well)
            well = sim_error(error, &why);
        free(capture);
    }
    return well;
}
