#include "tests/support/turn_stage.h"

#include "tests/support/suite.h"

static const struct turn_user USERS[] = {{"alice", "wonderland"}, {"bob", "builder"}, {"100%n%s", "percent"}};

void stage_open(struct stage *stage, void (*change)(struct turn_server_config *config))
{
    *stage = (struct stage){0};
    stage->wire = wire_world_create(&(struct wire_world_config){.start = 1000 * NANOS_PER_S});
    stage->server_host = wire_world_host(stage->wire, "5.1.1.1 2a05::1");
    stage->client_host = wire_world_host(stage->wire, "6.1.1.1 2a06::1");
    stage->peer_host = wire_world_host(stage->wire, "7.1.1.1 2a07::1");
    stage->udp = stage->tcp = address_of("5.1.1.1:3478");
    stage->config = (struct turn_server_config){
        .host = stage->server_host,
        .udp = &stage->udp,
        .udp_count = 1,
        .tcp = &stage->tcp,
        .tcp_count = 1,
        .relay_ipv4 = address_of("5.1.1.1"),
        .relay_ipv6 = address_of("2a05::1"),
        .users = USERS,
        .user_count = 3,
        .seed = 7,
    };
    if (change != NULL)
        change(&stage->config);
    stage->server = turn_server_create(&stage->config, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(stage->server);
    asker_open(&stage->alice, stage->wire, stage->client_host, "6.1.1.1:0", &stage->udp);
    witness_open(&stage->peer, stage->peer_host, "7.1.1.1:7000");
    CU_ASSERT_EQUAL(asker_challenge(&stage->alice), 401);
}

void stage_close(struct stage *stage)
{
    turn_server_destroy(stage->server);
    wire_world_destroy(stage->wire);
}

struct stun_builder *stage_begin_allocate(struct asker *asker)
{
    struct stun_builder *builder = asker_begin(asker, STUN_REQUEST, STUN_ALLOCATE);
    stun_put_transport(builder, STUN_TRANSPORT_UDP);
    return builder;
}
