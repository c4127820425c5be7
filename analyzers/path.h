/* A path is what one ICE candidate pair, or any other pair of transport addresses, looks like at one vantage point: the
 * packets of a 5-tuple that aren't wrapped by TURN, or those that a TURN client exchanges with one peer through its
 * server. Here is what was seen on it: connectivity checks, DTLS, media. */
#ifndef CONFAB_ANALYZERS_PATH_H
#define CONFAB_ANALYZERS_PATH_H

#include <stdbool.h>
#include <stdint.h>

#include "analyzers/dtls_observer.h"
#include "analyzers/table.h"
#include "base/address.h"
#include "base/nanos.h"

#define PATH_NONE UINT32_MAX
#define PATH_LIMIT ((uint32_t)1 << 18)

#define DECRYPTION_UNTRIED 0
#define DECRYPTION_FAILED UINT32_MAX

struct path {
    uint32_t flow;
    bool wrapped; /* by TURN; then ends[client] is the TURN client and the other end its peer */
    uint8_t client;
    uint16_t channel;       /* known from ChannelData alone, so that the peer's address isn't known; else 0 */
    uint8_t opener;         /* the end that the first packet came from */
    struct address ends[2]; /* direction 0 is from ends[0] to ends[1] */
    uint32_t joined;        /* a path of the same connection, or itself: a union-find forest */

    bool stun;           /* any STUN message */
    bool checked[2];     /* who sent connectivity checks */
    nanos first_check;   /* these are NANOS_NEVER before they happen */
    nanos first_success; /* a check was answered */
    nanos nominated;     /* the first answered check that carried USE-CANDIDATE */
    nanos first_media;
    nanos last_media;
    struct dtls_observer dtls;
    uint32_t handshake;  /* of a root: the latest path of the connection with a ServerHello, or PATH_NONE */
    uint32_t decryption; /* the decryptor's number for it, or one of the two below */

    uint32_t streams;        /* RTP streams that were recognised … */
    uint64_t known_types[2]; /* … and their payload types, a bit for each */
    uint64_t rtp_packets;
    bool rtcp_plain;     /* compound packets whose parts all add up */
    bool rtcp_encrypted; /* and some that don't */
};

struct channel_binding {
    uint32_t flow;
    uint32_t path;
    uint16_t channel;
};

struct paths {
    struct path *paths;
    uint32_t count;
    uint32_t cap;
    struct table wrapped;  /* by flow and peer, or flow and channel */
    struct table channels; /* bindings by flow and channel */
    struct channel_binding *bindings;
    uint32_t binding_count;
    uint32_t binding_cap;
    struct table names; /* paths by the user names of their checks */
    uint64_t *name_hashes;
    uint32_t *name_paths;
    uint32_t name_count;
    uint32_t name_cap;
};

/* A new path of a flow that isn't wrapped; `opener` is the end that the packet at hand comes from. PATH_NONE past PATH_LIMIT or out of memory. */
uint32_t paths_add_direct(struct paths *paths, uint32_t flow, const struct address ends[2], uint8_t opener);

/* Finds or makes the path of a TURN client and its peer; a peer whose address is unknown is told by its channel. */
uint32_t paths_get_wrapped(struct paths *paths, uint32_t flow, const struct address ends[2], uint8_t client,
                           const struct address *peer, uint16_t channel, uint8_t opener);

/* The channel of this flow stands for this path from now on. */
void paths_bind_channel(struct paths *paths, uint32_t flow, uint16_t channel, uint32_t path);

/* The path that a channel stands for; PATH_NONE when its binding wasn't seen. */
uint32_t paths_find_channel(const struct paths *paths, uint32_t flow, uint16_t channel);

/* Notes that a ServerHello passed on this path. */
void paths_note_handshake(struct paths *paths, uint32_t path);

/* Notes that two paths belong to one connection. */
void paths_join(struct paths *paths, uint32_t a, uint32_t b);

/* The path that stands for all that are joined to this one. */
uint32_t paths_root(struct paths *paths, uint32_t path);

/* Joins the path to those whose checks had the same pair of user name fragments: `name` is a USERNAME, "remote:local"
 * (RFC 8445, section 7.2.2), whose halves are in the other order in the other direction. False when it isn't one. */
bool paths_join_by_name(struct paths *paths, uint32_t path, const uint8_t *name, uint16_t len);

void paths_clear(struct paths *paths);

#endif
