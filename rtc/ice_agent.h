/* An ICE agent (RFC 8445), full or lite, for one component: WebRTC bundles everything and multiplexes RTCP.
 *
 * It finds and keeps a path between two peers. The owner has the sockets and TURN allocations; it tells the agent its
 * *bases*, hands it the STUN datagrams that arrive on them (stun_is) and sends what the agent wants sent. The agent
 * gathers server-reflexive candidates, learns peer-reflexive ones, checks pairs, nominates the best, keeps consent (RFC
 * 7675) and survives restarts. Trickling (RFC 8838) is the normal case: candidates may be added at any time on either
 * side, before or after the credentials are known.
 *
 * The owner's loop, after every call that changes something and at every deadline:
 *
 *     while ((len = ice_agent_write(agent, &base, &remote, buf, sizeof buf, now)) > 0)
 *         send buf from `base` to `remote`;
 *     while (ice_agent_event(agent, &event))
 *         act on it;
 *     set a timer for ice_agent_deadline(agent);
 *
 * Nomination is regular: the controlling agent waits a moment for a better pair (ice_config), then nominates; a pair
 * through a relay only when no direct one comes up in a longer while. Checks go on behind a nominated pair for pairs of
 * a higher class (direct rather than relayed, without a NAT rather than through one), and such a pair is nominated
 * instead when it becomes valid late, as libwebrtc does. So a pair of peers that can talk directly ends up talking
 * directly, however the race between their packets goes.
 *
 * When the selected pair goes silent, all pairs are checked again while consent lasts, and a valid one takes over. */
#ifndef CONFAB_RTC_ICE_AGENT_H
#define CONFAB_RTC_ICE_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/address.h"
#include "base/error.h"
#include "base/nanos.h"
#include "rtc/ice_candidate.h"
#include "rtc/stun.h"

#define ICE_MAX_BASES 16
#define ICE_MAX_PAIRS 100      /* RFC 8445, section 6.1.2.5 */
#define ICE_MAX_REMOTES 64     /* remote candidates, peer-reflexive ones included */
#define ICE_MAX_STUN_SERVERS 4 /* at most two of each family are used */
#define ICE_DATAGRAM_CAP 600   /* the largest datagram that ice_agent_write makes */

struct ice_agent;

struct ice_config {
    bool lite;                          /* RFC 8445, section 2.5: answers checks, sends none */
    bool controlling;                   /* the offerer, usually; a lite agent's peer always is */
    uint64_t seed;                      /* of credentials, tie-breaker, transaction ids, jitter */
    const struct address *stun_servers; /* copied */
    size_t stun_server_count;

    /* Own credentials until the first restart; NULL has them made from the seed, as all later ones are. A lite server
     * with one port for all chooses its ufrags, to find the agent for a first check by ice_stun_local_ufrag. */
    const char *ufrag;    /* 4 to 32 characters */
    const char *password; /* 22 to 64 characters */
    /* The first character of every ufrag that is made; 0: any. By it those who share a port tell whose a check is. */
    char ufrag_mark;

    /* Each 0 for its default. */
    nanos pacing;             /* Ta: between new transactions. 50 ms (RFC 8445, section 14.2) */
    nanos rto;                /* first retransmission, then doubled. 500 ms, the least allowed (section 14.3) */
    nanos gather_timeout;     /* a STUN server that does not answer. 5 s */
    nanos nomination_wait;    /* for a better pair, from the first valid one on. 150 ms */
    nanos relay_wait;         /* the same when the best one is relayed. 400 ms */
    nanos failed_after;       /* without any valid pair, from the first check on. 30 s (see RFC 8863) */
    nanos consent_interval;   /* 5 s, each one drawn from 0.8 to 1.2 of it (RFC 7675, section 5.1) */
    nanos consent_timeout;    /* 30 s (section 5.1) */
    nanos disconnected_after; /* silence on the selected pair: DISCONNECTED. 12 s, two unanswered checks */
    nanos mapping_keepalive;  /* of server-reflexive candidates until completed. 15 s (RFC 8445, section 11) */
};

/* NULL, and `error`, when the configuration is wrong or memory is out. */
struct ice_agent *ice_agent_create(const struct ice_config *config, struct error *error);
void ice_agent_destroy(struct ice_agent *agent);

/* --- local side ------------------------------------------------------------------------------------------------------- */

/* Where the agent can send from. A relayed base is a TURN allocation: `address` is the relayed transport address,
 * `related` the mapped one, and its datagrams go through the allocation. */
struct ice_base {
    enum ice_candidate_type type; /* ICE_HOST or ICE_RELAYED */
    struct address address;
    struct address related;
    enum ice_relay_transport relay;
};

/* Returns the base's id, 0 to ICE_MAX_BASES - 1; -1 when there are too many or it is a duplicate. IPv6 bases rank
 * before IPv4 ones that were added alike (RFC 8421), earlier ones before later ones. Its candidates come as events. */
int ice_agent_add_base(struct ice_agent *agent, const struct ice_base *base);

/* The socket or allocation is gone. If the selected pair used it, another valid pair takes over, or none. */
void ice_agent_remove_base(struct ice_agent *agent, int base);

/* The TURN server won't have `remote`, any port of it, as ICE_EVENT_PERMISSION asked: it forbids private addresses, for
 * instance. Checks that wait there have failed. */
void ice_agent_refused(struct ice_agent *agent, int base, const struct address *remote);

/* No more bases will be added for now: GATHERED may come, once all STUN servers have answered or timed out. */
void ice_agent_bases_done(struct ice_agent *agent);

const char *ice_agent_ufrag(const struct ice_agent *agent);
const char *ice_agent_password(const struct ice_agent *agent);
bool ice_agent_controlling(const struct ice_agent *agent);
bool ice_agent_lite(const struct ice_agent *agent);

/* --- remote side ------------------------------------------------------------------------------------------------------ */

/* The peer's credentials. Others than those set before mean that the peer restarted: then this agent restarts too,
 * unless it just did, so ask for the local credentials after this call. Checks that came in before are kept and their
 * pairs checked now. False, and `error`, when they are malformed, or both sides are lite: nobody would check. */
bool ice_agent_set_remote(struct ice_agent *agent, const char *ufrag, const char *password, bool lite,
                          struct error *error);

/* Returns false, and does nothing, when it is of no use here: a name instead of an address, not UDP, not component 1,
 * of another generation (its ufrag is not the peer's), an impossible address, or one too many. */
bool ice_agent_add_remote_candidate(struct ice_agent *agent, const struct ice_candidate *candidate);

/* The peer has no more candidates (RFC 8838, section 14). */
void ice_agent_end_of_candidates(struct ice_agent *agent);

/* --- the engine ------------------------------------------------------------------------------------------------------- */

/* A STUN datagram arrived on `base`. 0 when it was taken, -1 when it is not for this agent: not STUN, another method,
 * a wrong fingerprint, an unknown transaction, wrong integrity. */
int ice_agent_read(struct ice_agent *agent, int base, const struct address *remote, const uint8_t *data, size_t len,
                   nanos now);

/* The next datagram to send, and all that falls due at `now`: its length, 0 when there is none. `cap` at least
 * ICE_DATAGRAM_CAP. */
ssize_t ice_agent_write(struct ice_agent *agent, int *base, struct address *remote, uint8_t *buf, size_t cap,
                        nanos now);

/* When to call ice_agent_write again if nothing happens before; in the past when it has something to send now,
 * NANOS_NEVER when nothing is planned. */
nanos ice_agent_deadline(const struct ice_agent *agent);

/* Starts anew with new credentials (RFC 8445, section 9). The pair that was selected carries on, consent checks and
 * all, until a new one is; candidates are signalled again. The remote side is to be set anew. */
void ice_agent_restart(struct ice_agent *agent);

/* Sends nothing any more and answers nothing: state CLOSED. */
void ice_agent_close(struct ice_agent *agent);

/* --- what came of it -------------------------------------------------------------------------------------------------- */

enum ice_state {
    ICE_STATE_NEW,
    ICE_STATE_CHECKING,
    ICE_STATE_CONNECTED,    /* there is a selected pair */
    ICE_STATE_COMPLETED,    /* and none better is to be expected */
    ICE_STATE_DISCONNECTED, /* the selected pair is silent; may come back */
    ICE_STATE_FAILED,       /* no pair, or consent is gone; until a restart */
    ICE_STATE_CLOSED,
};

const char *ice_state_name(enum ice_state state);

struct ice_pair_info {
    int base;                       /* id of the base that sends */
    enum ice_candidate_type local;  /* host, srflx, prflx or relay */
    enum ice_candidate_type remote; /* likewise, as far as the peer has signalled it */
    enum ice_relay_transport relay; /* how a relayed local candidate reaches its server */
    struct address local_address;   /* of the local candidate: as the peer sees it */
    struct address base_address;
    struct address remote_address;
    uint64_t priority;
};

enum ice_event_type {
    ICE_EVENT_CANDIDATE,  /* `candidate`: to be signalled, with ufrag and generation filled in */
    ICE_EVENT_GATHERED,   /* all local candidates have been reported */
    ICE_EVENT_STATE,      /* `state` */
    ICE_EVENT_SELECTED,   /* `pair`: another selected pair, or better knowledge of its types */
    ICE_EVENT_PERMISSION, /* `permission`: checks are about to go from a relayed base to this address. They don't wait
                             for it: a request sent before them on the same way arrives before them */
};

struct ice_event {
    enum ice_event_type type;
    union {
        struct ice_candidate candidate;
        enum ice_state state;
        struct ice_pair_info pair;
        struct {
            int base;
            struct address remote;
        } permission;
    };
};

bool ice_agent_event(struct ice_agent *agent, struct ice_event *event);

enum ice_state ice_agent_state(const struct ice_agent *agent);

/* Where to send media: false while there is no selected pair. `pair` may be NULL. */
bool ice_agent_selected(const struct ice_agent *agent, int *base, struct address *remote, struct ice_pair_info *pair);

/* Is there a selected pair whose peer consents to receive (RFC 7675)? Only then may anything but STUN be sent. */
bool ice_agent_may_send(const struct ice_agent *agent);

/* Has this 5-tuple passed a check, one of ours that was answered or an authenticated one of the peer's? What is not
 * STUN and comes from elsewhere is to be dropped. */
bool ice_agent_valid_source(const struct ice_agent *agent, int base, const struct address *remote);

/* Smoothed round-trip time of the selected pair, 0 while unknown. */
nanos ice_agent_rtt(const struct ice_agent *agent);

/* Counters since creation. */
struct ice_statistics {
    uint64_t requests_sent; /* retransmissions and consent included */
    uint64_t requests_received;
    uint64_t responses_sent;
    uint64_t responses_received;
    uint64_t consent_sent;
    uint64_t discarded; /* datagrams that ice_agent_read refused */
};
struct ice_statistics ice_agent_statistics(const struct ice_agent *agent);

/* The local ufrag that a check's USERNAME (RFC 8445, section 7.2.2) is addressed to, so that a server with one port
 * finds the agent for it: false when the message has none. */
bool ice_stun_local_ufrag(const struct stun_message *message, char ufrag[ICE_UFRAG_CAP]);

#endif
