/* The sim world as the network that either world emulates: world/internet.h. */
#include <stddef.h>

#include "sim/sim_parts.h"

static struct sim_world *sim_with(struct internet *internet)
{
    return (struct sim_world *)((uint8_t *)internet - offsetof(struct sim_world, internet));
}

static struct world *world(struct internet *internet) { return sim_world_of(sim_with(internet)); }

static int add_site(struct internet *internet, const char *name, struct error *error)
{
    return sim_world_add_site(sim_with(internet), name, error);
}

static bool set_site_delay(struct internet *internet, int a, int b, nanos one_way, struct error *error)
{
    return sim_world_set_site_delay(sim_with(internet), a, b, one_way, error);
}

static struct world_host *add_server(struct internet *internet, const struct internet_server_config *config,
                                     struct error *error)
{
    return sim_world_add_server(sim_with(internet), config, error);
}

static struct world_host *add_client(struct internet *internet, const struct internet_client_config *config,
                                     struct error *error)
{
    return sim_world_add_client(sim_with(internet), config, error);
}

static bool run_until(struct internet *internet, nanos until, nanos every, internet_progress progress, void *user,
                      struct error *error)
{
    return sim_world_run_until(sim_with(internet), until, every, progress, user, error);
}

const struct internet_ops sim_internet_ops = {
    .world = world,
    .add_site = add_site,
    .set_site_delay = set_site_delay,
    .add_server = add_server,
    .add_client = add_client,
    .host_name = sim_world_host_name,
    .nat = sim_world_nat,
    .run_until = run_until,
    .set_link = sim_world_set_link,
    .get_link = sim_world_get_link,
    .cut = sim_world_cut,
    .kill = sim_world_kill,
    .restore = sim_world_restore,
    .count = sim_world_count,
};

struct internet *sim_world_internet(struct sim_world *sim) { return &sim->internet; }
