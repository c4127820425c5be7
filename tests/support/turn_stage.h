/* A TURN server on a host of its own, someone who asks it and somebody far away, in the wire world. */
#ifndef CONFAB_TESTS_SUPPORT_TURN_STAGE_H
#define CONFAB_TESTS_SUPPORT_TURN_STAGE_H

#include "sfu/turn_server.h"
#include "tests/support/turn_asker.h"

struct stage {
    struct wire_world *wire;
    struct world_host *server_host, *client_host, *peer_host;
    struct turn_server *server;
    struct address udp, tcp;
    struct turn_server_config config;
    struct asker alice;
    struct witness peer;
};

/* The server has users alice (password "wonderland"), bob ("builder") and 100%n%s ("percent"), and its configuration is
 * what `change` makes of the usual one; alice has been challenged. */
void stage_open(struct stage *stage, void (*change)(struct turn_server_config *config));
void stage_close(struct stage *stage);

/* Begins an Allocate request for alice. */
struct stun_builder *stage_begin_allocate(struct asker *asker);

#endif
