/* A TURN and STUN server (RFC 8656, RFC 8489, RFC 5780) on a world's sockets: UDP, TCP and TLS in front, UDP behind.
 *
 *     clients --- listening sockets --- 5-tuple -> allocation --- relay sockets --- peers
 *                 UDP, TCP, TLS                    permissions    one for each family
 *                                                  channels
 *
 * It is safe as it comes: every allocation needs long-term credentials, nothing is relayed to loopback, link-local,
 * private, multicast, special or the server's own addresses, and what an unauthenticated sender gets back is small and
 * limited for each source. Nothing is kept for a sender before it has authenticated, but for TCP connections, of which
 * there is a limit. */
#ifndef CONFAB_SFU_TURN_SERVER_H
#define CONFAB_SFU_TURN_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/error.h"
#include "rtc/turn_client.h"
#include "world/world.h"

struct tls_context;
struct turn_server;

/* A user with a password (RFC 8489, 9.2). */
struct turn_user {
    const char *username;
    const char *password;
};

/* Addresses from `first` to `last`, both included, of one family; ports don't matter. */
struct turn_peer_range {
    struct address first;
    struct address last;
    bool allow;
};

struct turn_server_config {
    struct world_host *host;
    /* Where clients connect. The first UDP address of a family is the primary one of RFC 5780. */
    const struct address *udp;
    size_t udp_count;
    const struct address *tcp;
    size_t tcp_count;
    const struct address *tls;
    size_t tls_count;
    struct tls_context *tls_context; /* needed with `tls`; must outlive the server */

    /* RFC 5780: for each family at most one address with another IP *and* another port than the primary one; the server
     * then also listens on the two mixed pairs. None: CHANGE-REQUEST is answered with 420. */
    const struct address *alternate;
    size_t alternate_count;

    /* Addresses (port 0) that relays are opened on; a family that is ADDRESS_NONE is refused with 440. */
    struct address relay_ipv4;
    struct address relay_ipv6;
    uint16_t relay_port_min; /* 0: 49152 */
    uint16_t relay_port_max; /* 0: 65535 */
    /* What clients are told instead, when a one-to-one NAT stands before the server; ADDRESS_NONE for none. */
    struct address external_ipv4;

    const char *realm; /* NULL: "confab" */
    const struct turn_user *users;
    size_t user_count;
    /* Time-limited credentials: username "EXPIRY:NAME" with EXPIRY in Unix seconds (or "EXPIRY" alone), password the
     * base64 of HMAC-SHA1 of that username under this secret. NULL for none. */
    const char *shared_secret;
    int64_t unix_time_at_zero_s; /* the Unix time when the world's clock was at 0 */
    /* RFC 8489, 9.2: clients that can shall send USERHASH in place of USERNAME; only without `shared_secret`. */
    bool username_anonymity;
    uint32_t nonce_lifetime_s; /* 0: 3,600 */

    uint32_t user_quota;         /* allocations for each username at a time; 0: no limit */
    uint32_t total_quota;        /* of all; 0: no limit but ports */
    uint32_t lifetime_default_s; /* 0: 600 */
    uint32_t lifetime_max_s;     /* 0: 3,600 */
    uint32_t connection_limit;   /* TCP and TLS connections; 0: 16,384 */
    /* Answers a second that one source address gets without having authenticated; 0: 1,000. */
    uint32_t unauthenticated_replies_per_s;
    size_t backlog_bytes; /* relayed data for a TCP client is dropped while more than this waits; 0: 256 KiB */

    /* Peers: the first range that holds the address decides; then its scope: global ones and those whose bit
     * (1u << enum address_scope) is set here are allowed. The server's own addresses are refused, but for ports that
     * are relays at the moment, so that two of its clients can reach each other; a range that allows them means all ports. */
    const struct turn_peer_range *peer_ranges;
    size_t peer_range_count;
    uint32_t allowed_scopes;
    bool deny_relay_to_relay;
    /* Sockets of this machine that clients may reach all the same, as those of an SFU beside it. */
    const struct address *services;
    size_t service_count;

    /* Also takes the channel numbers from 0x5000 to 0x7fff that RFC 5766 had and RFC 8656, section 12, forbids: some
     * tools of that time choose among all of them. */
    bool rfc5766_channels;

    /* Every authenticated Allocate is redirected there (300, RFC 8489, section 10); ADDRESS_NONE: not. */
    struct address redirect;

    uint64_t seed; /* nonces, tokens and ports follow from it: unpredictable in the live world */
};

struct turn_server_statistics {
    uint64_t allocations[3];       /* now, by the client's transport: enum turn_transport */
    uint64_t allocations_total[3]; /* ever made */
    uint64_t allocations_refused;  /* Allocate requests of authenticated clients answered with an error */
    uint64_t bytes_to_peers;       /* relayed UDP payload */
    uint64_t bytes_to_clients;
    uint64_t packets_to_peers;
    uint64_t packets_to_clients;
    uint64_t packets_dropped;    /* to be relayed, but without permission, channel or room */
    uint64_t bindings;           /* Binding requests answered */
    uint64_t challenges;         /* 401 and 438 sent */
    uint64_t replies_suppressed; /* by unauthenticated_replies_per_s */
    uint64_t connections;        /* TCP and TLS, now */
};

/* Opens its sockets and serves from then on. NULL and `error`, which names the field or address at fault. */
struct turn_server *turn_server_create(const struct turn_server_config *config, struct error *error);
/* Closes everything. NULL is allowed. */
void turn_server_destroy(struct turn_server *server);

/* Valid and up to date as long as the server lives. */
const struct turn_server_statistics *turn_server_statistics(const struct turn_server *server);

/* The password that `shared_secret` gives `username`, as an application server hands it out: base64 of HMAC-SHA1, 28
 * characters and a terminator. */
#define TURN_REST_PASSWORD_CAP 29
void turn_rest_password(const char *shared_secret, const char *username, char password[TURN_REST_PASSWORD_CAP]);

#endif
