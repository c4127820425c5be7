/* A TURN client that lives on a host of some world: engine, socket or connection and timer put together, with a record
 * of what happened to it. And a plain UDP socket that remembers what it got. */
#ifndef CONFAB_TESTS_SUPPORT_TURN_PARTY_H
#define CONFAB_TESTS_SUPPORT_TURN_PARTY_H

#include "rtc/turn_client.h"
#include "world/world.h"

struct turn_party {
    struct world_host *host;
    struct turn_client *client;
    struct world_udp *udp;
    struct world_tcp *tcp;
    struct world_timer *timer;
    unsigned allocated, failed, released, redirected, permitted, refused, bound; /* events */
    int code;
    char reason[160];
    struct address relayed, mapped;
    uint32_t lifetime_s;
    unsigned data_count;
    uint64_t data_bytes;
    uint8_t data[2048]; /* the last */
    size_t data_len;
    struct address data_peer;
    nanos data_at;
};

/* Starts allocating; aborts when it can't. */
void turn_party_start(struct turn_party *party, struct world_host *host, const struct turn_client_config *config);
void turn_party_stop(struct turn_party *party);

bool turn_party_send(struct turn_party *party, const struct address *peer, const void *data, size_t len);
void turn_party_permit(struct turn_party *party, const struct address *peer);
void turn_party_release(struct turn_party *party);

/* --- a socket that remembers --- */

struct witness {
    struct world_udp *udp;
    unsigned count; /* datagrams */
    unsigned calls; /* batches */
    uint64_t bytes;
    uint8_t data[2048]; /* the last */
    size_t len;
    struct address remote;
};

/* `local` as text, "192.0.2.1:0"; aborts when it can't. */
void witness_open(struct witness *witness, struct world_host *host, const char *local);
void witness_send(struct witness *witness, const struct address *to, const void *data, size_t len);

/* An address from text; aborts when it is none. */
struct address address_of(const char *text);

#endif
