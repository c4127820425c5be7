/* The live world as an emulated network: world/internet.h. */
#include <stddef.h>

#include "world/live_network.h"

static struct live_world *world_with(struct internet *internet)
{
    return (struct live_world *)((uint8_t *)internet - offsetof(struct live_world, internet));
}

static struct world *world(struct internet *internet) { return &world_with(internet)->world; }

/* --- building ----------------------------------------------------------------------------------------------------------------- */

static int add_site(struct internet *internet, const char *name, struct error *error)
{
    struct live_world *live = world_with(internet);
    (void)name;
    if (live->site_count == INTERNET_SITES_MAX) {
        error_set(error, ERROR_USAGE, "more than %d sites", INTERNET_SITES_MAX);
        return -1;
    }
    live->delays[live->site_count][live->site_count] = live->config.core_delay;
    return live->site_count++;
}

static bool set_site_delay(struct internet *internet, int a, int b, nanos one_way, struct error *error)
{
    struct live_world *live = world_with(internet);
    const struct link_config config = {.delay = one_way};
    if (a < 0 || b < 0 || a >= live->site_count || b >= live->site_count)
        return error_set(error, ERROR_USAGE, "there is no site %d", a < 0 || a >= live->site_count ? a : b);
    if (!link_config_check(&config, error))
        return false;
    live->delays[a][b] = live->delays[b][a] = one_way;
    for (int i = 0; i < 2; i++) {
        struct live_pipe *wire = live->wires[i == 0 ? a * INTERNET_SITES_MAX + b : b * INTERNET_SITES_MAX + a];
        if (wire != NULL && !live_pipe_configure(wire, &config, error))
            return false;
    }
    return true;
}

static struct world_host *add_host(struct live_world *live, struct live_lan *lan, const char *name, size_t count,
                                   struct error *error)
{
    struct address addresses[INTERNET_SERVER_ADDRESSES_MAX];
    for (size_t i = 0; i < count && lan != NULL; i++) {
        if (!live_lan_address(lan, &addresses[i], error))
            lan = NULL;
    }
    struct world_host *host = lan != NULL ? live_host_create(live, name, addresses, count, error) : NULL;
    if (host == NULL)
        error_prefix(error, "%s", name);
    else
        host->lan = lan;
    return host;
}

static struct world_host *add_server(struct internet *internet, const struct internet_server_config *config,
                                     struct error *error)
{
    struct live_world *live = world_with(internet);
    size_t count = config->addresses == 0 ? 1 : config->addresses;
    if (count > INTERNET_SERVER_ADDRESSES_MAX) {
        error_set(error, ERROR_USAGE, "%s: a server has at most %d addresses of each family", config->name,
                  INTERNET_SERVER_ADDRESSES_MAX);
        return NULL;
    }
    return add_host(live, live_lan_alone(live, config, error), config->name, count, error);
}

static struct world_host *add_client(struct internet *internet, const struct internet_client_config *config,
                                     struct error *error)
{
    struct live_world *live = world_with(internet);
    return add_host(live, live_lan_for(live, config, error), config->name, 1, error);
}

static const char *host_name(const struct world_host *host) { return host->name; }

static struct nat *nat_of(const struct world_host *host, size_t i)
{
    return host->lan != NULL && i < host->lan->box_count ? host->lan->boxes[i]->nat : NULL;
}

static bool run_until(struct internet *internet, nanos until, nanos every, internet_progress progress, void *user,
                      struct error *error)
{
    return live_world_run_until(world_with(internet), until, every, progress, user, error);
}

/* --- faults ------------------------------------------------------------------------------------------------------------------- */

static bool set_link(struct world_host *host, const struct link_config *up, const struct link_config *down,
                     struct error *error)
{
    if ((up != NULL && !link_config_check(up, error)) || (down != NULL && !link_config_check(down, error)))
        return false;
    return (up == NULL || live_pipe_configure(&host->lan->up, up, error)) &&
           (down == NULL || live_pipe_configure(&host->lan->down, down, error));
}

static void get_link(const struct world_host *host, struct link_config *up, struct link_config *down)
{
    if (up != NULL)
        *up = host->lan->up.link.config;
    if (down != NULL)
        *down = host->lan->down.link.config;
}

static void cut(struct world_host *host) { host->cut = true; }

static void kill_host(struct world_host *host)
{
    host->cut = true;
    host->killed = true;
    for (struct live_handle *handle = host->handles; handle != NULL; handle = handle->next)
        live_handle_kill(handle);
}

static void restore(struct world_host *host)
{
    host->cut = false;
    host->killed = false;
}

static void count(const struct world_host *host, struct internet_counters *counters)
{
    *counters = host->counters;
    if (host->lan == NULL)
        return;
    counters->up = host->lan->up.link.counters;
    counters->down = host->lan->down.link.counters;
}

/* --- the world's ---------------------------------------------------------------------------------------------------------------- */

static const struct internet_ops ops = {
    .world = world,
    .add_site = add_site,
    .set_site_delay = set_site_delay,
    .add_server = add_server,
    .add_client = add_client,
    .host_name = host_name,
    .nat = nat_of,
    .run_until = run_until,
    .set_link = set_link,
    .get_link = get_link,
    .cut = cut,
    .kill = kill_host,
    .restore = restore,
    .count = count,
};

void live_internet_start(struct live_world *live)
{
    live->internet.ops = &ops;
    live->soon_due = (struct live_deadline){.fired = live_path_soon, .user = live};
    add_site(&live->internet, "core", NULL);
}

void live_internet_destroy(struct live_world *live)
{
    live_tunnels_destroy(live);
    live_lans_destroy(live);
    while (live->soon != NULL) {
        struct live_packet *packet = live->soon;
        live->soon = packet->next;
        live_packet_free(live, packet);
    }
    live_packets_destroy(live);
}
