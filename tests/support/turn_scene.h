/* A TURN server with UDP, TCP and TLS on a host of its own, one for its clients (rtc/turn_client.h), and somebody far away, in the
 * wire world. */
#ifndef CONFAB_TESTS_SUPPORT_TURN_SCENE_H
#define CONFAB_TESTS_SUPPORT_TURN_SCENE_H

#include "rtc/certificate.h"
#include "rtc/turn_client.h"
#include "sfu/turn_server.h"
#include "tests/support/turn_party.h"
#include "tests/support/wire_world.h"

struct scene {
    struct wire_world *wire;
    struct world_host *server_host, *client_host, *peer_host;
    struct turn_server *server;
    struct address udp[2], tcp[2], tls[2];
    struct certificate *certificate;
    struct tls_context *server_tls, *client_tls;
    struct turn_server_config config;
    struct witness peer;
    struct address peer_address;
};

/* A server at 5.1.1.1 and 2a05::1 that serves alice ("wonderland") and bob ("builder"); `change` may make of its configuration
 * what it likes. */
void scene_open(struct scene *scene, void (*change)(struct turn_server_config *config));
/* With TLS, which its clients trust by its certificate's fingerprint. */
void scene_open_tls(struct scene *scene);
void scene_close(struct scene *scene);

/* Alice's. */
struct turn_client_config scene_client_config(const struct scene *scene, enum turn_transport transport);

/* So many seconds go by. */
void scene_run(struct scene *scene, double seconds);

#endif
