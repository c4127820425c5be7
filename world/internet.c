#include "world/internet.h"

struct world *internet_world(struct internet *internet) { return internet->ops->world(internet); }

int internet_add_site(struct internet *internet, const char *name, struct error *error)
{
    return internet->ops->add_site(internet, name, error);
}

bool internet_set_site_delay(struct internet *internet, int a, int b, nanos one_way, struct error *error)
{
    return internet->ops->set_site_delay(internet, a, b, one_way, error);
}

struct world_host *internet_add_server(struct internet *internet, const struct internet_server_config *config,
                                       struct error *error)
{
    return internet->ops->add_server(internet, config, error);
}

struct world_host *internet_add_client(struct internet *internet, const struct internet_client_config *config,
                                       struct error *error)
{
    return internet->ops->add_client(internet, config, error);
}

bool internet_run_until(struct internet *internet, nanos until, nanos every, internet_progress progress, void *user,
                        struct error *error)
{
    return internet->ops->run_until(internet, until, every, progress, user, error);
}

const char *internet_host_name(struct internet *internet, const struct world_host *host)
{
    return internet->ops->host_name(host);
}

struct nat *internet_nat(struct internet *internet, const struct world_host *host, size_t i)
{
    return internet->ops->nat(host, i);
}

bool internet_set_link(struct internet *internet, struct world_host *host, const struct link_config *up,
                       const struct link_config *down, struct error *error)
{
    return internet->ops->set_link(host, up, down, error);
}

void internet_get_link(struct internet *internet, const struct world_host *host, struct link_config *up,
                       struct link_config *down)
{
    internet->ops->get_link(host, up, down);
}

void internet_cut(struct internet *internet, struct world_host *host) { internet->ops->cut(host); }

void internet_kill(struct internet *internet, struct world_host *host) { internet->ops->kill(host); }

void internet_restore(struct internet *internet, struct world_host *host) { internet->ops->restore(host); }

void internet_count(struct internet *internet, const struct world_host *host, struct internet_counters *counters)
{
    internet->ops->count(host, counters);
}

bool internet_check_nats(const struct internet_client_config *config, struct error *error)
{
    if (config->nat_count > NAT_CHAIN_MAX)
        return error_set(error, ERROR_USAGE, "%zu NATs in a row, where there can be %d", config->nat_count,
                         NAT_CHAIN_MAX);
    if (config->nat_count > 1 && (config->nats[0].translate_none || config->nats[1].translate_none))
        return error_set(error, ERROR_USAGE, "of two NATs in a row, both must translate");
    return true;
}
