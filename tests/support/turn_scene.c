#include "tests/support/turn_scene.h"

#include <time.h>

#include "rtc/tls_stream.h"
#include "tests/support/suite.h"

static const struct turn_user USERS[] = {{"alice", "wonderland"}, {"bob", "builder"}};

void scene_open(struct scene *scene, void (*change)(struct turn_server_config *config))
{
    struct error error = {0};
    *scene = (struct scene){0};
    scene->wire = wire_world_create(&(struct wire_world_config){.delay = 10 * NANOS_PER_MS, .tcp_segment = 700});
    scene->server_host = wire_world_host(scene->wire, "5.1.1.1 2a05::1");
    scene->client_host = wire_world_host(scene->wire, "6.1.1.1 2a06::1");
    scene->peer_host = wire_world_host(scene->wire, "7.1.1.1 2a07::1");
    scene->udp[0] = address_of("5.1.1.1:3478");
    scene->udp[1] = address_of("[2a05::1]:3478");
    scene->tcp[0] = scene->udp[0];
    scene->tcp[1] = scene->udp[1];
    scene->tls[0] = address_of("5.1.1.1:5349");
    scene->tls[1] = address_of("[2a05::1]:5349");
    scene->config = (struct turn_server_config){
        .host = scene->server_host,
        .udp = scene->udp,
        .udp_count = 2,
        .tcp = scene->tcp,
        .tcp_count = 2,
        .relay_ipv4 = address_of("5.1.1.1"),
        .relay_ipv6 = address_of("2a05::1"),
        .users = USERS,
        .user_count = 2,
        .seed = 7,
    };
    if (change != NULL)
        change(&scene->config);
    scene->server = turn_server_create(&scene->config, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(scene->server);
    witness_open(&scene->peer, scene->peer_host, "7.1.1.1:9999");
    scene->peer_address = address_of("7.1.1.1:9999");
}

void scene_open_tls(struct scene *scene)
{
    struct error error = {0};
    scene_open(scene, NULL);
    turn_server_destroy(scene->server);
    scene->certificate = certificate_create(
        &(struct certificate_config){.common_name = "turn.example", .not_before_unix_s = time(NULL) - 60}, NULL);
    scene->server_tls =
        tls_context_create(&(struct tls_context_config){.server = true, .certificate = scene->certificate}, &error);
    struct tls_context_config pinned = {.trust = TLS_TRUST_PINNED};
    pinned.pinned = certificate_fingerprint(scene->certificate, FINGERPRINT_SHA_256);
    scene->client_tls = tls_context_create(&pinned, &error);
    scene->config.tls = scene->tls;
    scene->config.tls_count = 2;
    scene->config.tls_context = scene->server_tls;
    scene->server = turn_server_create(&scene->config, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(scene->server);
}

void scene_close(struct scene *scene)
{
    turn_server_destroy(scene->server);
    wire_world_destroy(scene->wire);
    tls_context_destroy(scene->client_tls);
    tls_context_destroy(scene->server_tls);
    certificate_destroy(scene->certificate);
}

struct turn_client_config scene_client_config(const struct scene *scene, enum turn_transport transport)
{
    const struct address *by_transport[] = {scene->udp, scene->tcp, scene->tls};
    return (struct turn_client_config){.server = by_transport[transport][0],
                                       .transport = transport,
                                       .username = "alice",
                                       .password = "wonderland",
                                       .seed = 1,
                                       .tls = scene->client_tls};
}

void scene_run(struct scene *scene, double seconds) { wire_world_run_for(scene->wire, (nanos)(seconds * 1e9)); }
