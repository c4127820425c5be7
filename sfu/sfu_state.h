/* What the SFU's own files share. */
#ifndef CONFAB_SFU_SFU_STATE_H
#define CONFAB_SFU_SFU_STATE_H

#include <stddef.h>
#include <stdint.h>

#include <uthash.h>

#include "base/deadline_heap.h"
#include "base/rng.h"
#include "rtc/ice_candidate.h"
#include "rtc/transport.h"
#include "sfu/layer_allocator.h"
#include "sfu/sfu.h"
#include "sfu/sfu_siblings.h"

enum { SFU_DATAGRAM_CAP = 2048, SFU_BATCH = 32 };

/* An address that a participant's authentic STUN came from: what else comes from there is its own. */
struct sfu_source {
    struct address address;
    struct sfu_participant *participant;
    unsigned via; /* the sibling to whose socket it comes */
    UT_hash_handle hh;
};

struct sfu {
    struct world_host *host;
    const struct certificate *certificate;
    struct world_udp *sockets[TRANSPORT_SOCKETS_MAX];
    struct address addresses[TRANSPORT_SOCKETS_MAX];
    size_t socket_count;
    struct world_tcp_listener *listeners[TRANSPORT_SOCKETS_MAX];
    struct sfu_streams *streams;
    struct ice_candidate candidates[2 * TRANSPORT_SOCKETS_MAX]; /* the same for everyone: UDP's, then TCP's */
    size_t candidate_count;
    bool always_show;
    uint64_t ntp_origin;
    struct histogram *network_latency;
    void (*keylog)(void *user, const char *line);
    void (*note)(void *user, const char *event, const char *room, const char *peer, const char *detail, nanos now);
    void *user; /* of both */
    struct rng rng;

    struct sfu_siblings_config siblings;
    struct sfu_claim *claims; /* hash table by address: what comes from there is a sibling's */
    unsigned via;             /* the sibling to whose socket came what is being taken */
    bool passed;              /* something on, in this batch */

    struct sfu_room *rooms;                        /* hash table by name */
    struct sfu_participant *participants_by_ufrag; /* hash table */
    struct sfu_source *sources;                    /* hash table by address */
    struct sfu_participant *dirty;                 /* a list: something was done to them */
    struct deadline_heap deadlines;                /* of participants */
    struct world_timer *timer;
    nanos timer_at;
    struct sfu_statistics statistics; /* of those who are gone, where participants count themselves */

    struct layer_demand *demands; /* room for one participant's videos, and their subscriptions */
    struct subscription **demanding;
    size_t demand_cap;

    struct datagram batch[SFU_BATCH]; /* to be sent by `batch_socket` */
    size_t batch_count;
    int batch_socket;
    uint8_t buffers[SFU_BATCH][SFU_DATAGRAM_CAP];
};

/* A datagram arrived on socket number `socket`, or on a TCP connection in its place; sfu_flush is to follow. */
void sfu_take(struct sfu *sfu, int socket, struct datagram *datagram, nanos now);

/* Everyone to whom something was done does what is due and sends what there is; that may concern others in turn. */
void sfu_flush(struct sfu *sfu, nanos now);

#endif
