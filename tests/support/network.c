#include "tests/support/network.h"

#include <stdio.h>

#include "base/bytes.h"
#include "sim/ns3c_loader.h"
#include "tests/support/suite.h"

static const struct ns3c_api *load(void)
{
    struct error error = {0};
    const struct ns3c_api *api = ns3c_load(&error);
    if (api == NULL)
        fprintf(stderr, "%s\n", error.text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(api);
    return api;
}

struct network network_open(uint64_t seed)
{
    struct network network = {.api = load()};
    struct ns3c_error error = {0};
    network.sim = network.api->create(seed, &error);
    if (network.sim == NULL)
        fprintf(stderr, "%s\n", error.text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(network.sim);
    network.site = network.api->site_create(network.sim, "core", &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(network.site);
    return network;
}

void network_close(struct network *network)
{
    network->api->destroy(network->sim);
    network->sim = NULL;
}

void network_run(struct network *network, ns3c_nanos until)
{
    struct ns3c_error error = {0};
    CU_ASSERT_TRUE(network->api->run_until(network->sim, until, &error));
}

struct ns3c_address network_address(const char *text)
{
    struct ns3c_address address;
    CU_ASSERT_TRUE_FATAL(load()->address_parse(&address, text, NULL));
    return address;
}

struct ns3c_attachment *network_attach(struct network *network, struct ns3c_host **host, struct ns3c_router *router,
                                       const char *address, const struct ns3c_link *link)
{
    struct ns3c_error error = {0};
    struct ns3c_address parsed = network_address(address);
    struct ns3c_attachment_config config = {.addresses = &parsed, .address_count = 1};
    if (link != NULL)
        config.up = config.down = *link;
    *host = network->api->host_create(network->sim, address, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(*host);
    struct ns3c_attachment *attachment = network->api->host_attach(*host, router, &config, &error);
    if (attachment == NULL)
        fprintf(stderr, "%s\n", error.text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(attachment);
    return attachment;
}

struct ns3c_host *network_host(struct network *network, struct ns3c_router *router, const char *address,
                               const struct ns3c_link *link)
{
    struct ns3c_host *host;
    network_attach(network, &host, router, address, link);
    return host;
}

struct arrivals *arrivals_new(struct network *network)
{
    struct arrivals *arrivals = calloc(1, sizeof *arrivals);
    CU_ASSERT_PTR_NOT_NULL_FATAL(arrivals);
    arrivals->network = network;
    return arrivals;
}

static void received(void *context, struct ns3c_udp *udp, struct ns3c_datagram *batch, size_t count, ns3c_nanos now)
{
    struct arrivals *arrivals = context;
    (void)udp;
    if (arrivals == NULL)
        return;
    arrivals->calls++;
    for (size_t i = 0; i < count && arrivals->count < ARRIVALS_CAP; i++)
        arrivals->list[arrivals->count++] = (struct arrival){
            .at = now,
            .number = batch[i].len >= 4 ? bytes_get32(batch[i].data) : 0,
            .len = (uint32_t)batch[i].len,
            .remote = batch[i].remote,
        };
}

struct ns3c_udp *network_udp(struct network *network, struct ns3c_host *host, const char *address,
                             struct arrivals *arrivals)
{
    struct ns3c_error error = {0};
    struct ns3c_address local = network_address(address);
    struct ns3c_udp *udp = network->api->udp_open(host, &local, received, arrivals, &error);
    if (udp == NULL)
        fprintf(stderr, "%s\n", error.text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(udp);
    return udp;
}

bool network_send(struct network *network, struct ns3c_udp *udp, const struct ns3c_address *remote, uint32_t number,
                  size_t len)
{
    uint8_t data[2000] = {0};
    bytes_put32(data, number);
    for (size_t i = 4; i < len; i++)
        data[i] = (uint8_t)(number + i);
    struct ns3c_datagram datagram = {.remote = *remote, .data = data, .len = len};
    return network->api->udp_send(udp, &datagram, 1) == 1;
}
