/* One client of a load: its host, its adapter's signalling, its connections, and how far it got. It offers adapters the
 * services of loadgen/adapter.h.
 *
 *     idle -> joining -> in the call -> (leaves) idle
 *                \          \
 *                 `----------`--> failed */
#ifndef CONFAB_LOADGEN_LOAD_CLIENT_H
#define CONFAB_LOADGEN_LOAD_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/nanos.h"
#include "loadgen/load_plan.h"
#include "loadgen/load_tally.h"
#include "loadgen/population.h"
#include "world/live_world.h"

struct adapter_client;
struct client_request;

/* What all clients have in common. */
struct load_common {
    const struct load_plan *plan;
    struct live_world *live;
    struct web *web;
    struct world_host *machine; /* of those that nothing stands before */
    const struct certificate *certificate;
    struct tls_context *tls;
    struct load_tally *tally;
    struct adapter_shared *shared;  /* of the adapter */
    nanos start;                    /* of the load, the same minute for all its processes: when people begin to talk */
    struct client_request *orphans; /* HTTP requests on their way of those who have left */
    uint32_t joining;               /* clients now in these states */
    uint32_t joined;
    uint32_t failed;
};

enum load_client_state { LOAD_CLIENT_IDLE, LOAD_CLIENT_JOINING, LOAD_CLIENT_JOINED, LOAD_CLIENT_FAILED };

/* `profile` and `common` must outlive it. NULL when out of memory. */
struct adapter_client *load_client_create(struct load_common *common, const struct client_profile *profile,
                                          uint32_t index);
/* Without a word. NULL is allowed. */
void load_client_destroy(struct adapter_client *client);

/* An idle one joins, as planned for `planned`: that may have been a while ago. */
void load_client_join(struct adapter_client *client, nanos planned, nanos now);

/* One that is joining or has joined says goodbye and is idle. */
void load_client_leave(struct adapter_client *client, nanos now);

enum load_client_state load_client_state(const struct adapter_client *client);
const struct client_profile *load_client_profile(const struct adapter_client *client);

/* What it should receive: so many tracks others in its room send. */
void load_client_expect(struct adapter_client *client, uint32_t audio, uint32_t video, uint32_t screens);

/* Whether it has been in the call for so long that what it sends should have arrived, and what it should receive. */
bool load_client_has_settled(const struct adapter_client *client, nanos now);

/* Counts what is new; to be called each second. Fails a client that has been joining for too long. */
void load_client_sweep(struct adapter_client *client, nanos now);

/* The end: counts its tracks against what it should have received, and judges it. */
void load_client_finish(struct adapter_client *client, nanos now);

/* Nobody waits for the requests of those who have left. */
void load_client_forget_requests(struct load_common *common);

/* Whether any of its connections is relayed, or was when it ended. */
bool load_client_relays(const struct adapter_client *client);

#endif
