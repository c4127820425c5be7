/* Two ICE agents, each perhaps behind a NAT of its own, with a STUN server and a relay each, in virtual time: what the
 * tests of the agent run in. The same seed gives the same run. */
#ifndef CONFAB_TESTS_ICE_NETWORK_H
#define CONFAB_TESTS_ICE_NETWORK_H

#include "base/rng.h"
#include "rtc/ice_agent.h"
#include "world/nat.h"

enum { ICE_NETWORK_PERMISSIONS = 64, ICE_NETWORK_STATES = 32 };

struct ice_side {
    struct ice_agent *agent;
    struct nat *nat; /* NULL: none */
    bool shares_nat; /* the other side's; both are in one LAN */
    struct address host[4];
    size_t host_count;
    struct address relay; /* ADDRESS_NONE: none */
    int relay_base;
    struct address permitted[ICE_NETWORK_PERMISSIONS];
    size_t permitted_count;
    bool cut;        /* its access link is down */
    bool silent;     /* its candidates are not signalled */
    bool udp_direct; /* false: only the relay can be reached, as when UDP is blocked */

    /* What happened. */
    enum ice_state states[ICE_NETWORK_STATES];
    size_t state_count;
    nanos connected_at;
    nanos gathered_at;
    size_t selections;
    size_t candidates[4]; /* by type */
    struct ice_pair_info pair;
    uint64_t sent;
    uint64_t dropped_at_relay; /* for want of a permission */
};

struct ice_network_event;

struct ice_network {
    nanos now;
    struct rng rng;
    double loss;
    nanos delay;
    nanos jitter;
    nanos signal_delay;
    nanos answer_delay;  /* after the offer, before the answer is sent */
    bool relays_refuse;  /* all permissions */
    nanos candidate_lag; /* how much later than everything else candidates are signalled */
    bool vanilla;        /* candidates are signalled all at once, when gathering is done */
    bool stun_dead;
    struct address stun[2];
    struct ice_side sides[2];
    struct ice_network_event *events;
    size_t event_count;
    size_t event_cap;
    uint64_t next_order;
    uint64_t drops;
    /* Sees each datagram an agent writes; may be NULL. */
    void (*tap)(struct ice_network *net, int side, int base, const struct address *remote, const uint8_t *data,
                size_t len);
    void *tap_user;
    bool stalled; /* an agent gave a deadline that does not move: a bug */
};

/* Sets up agents with one host address each, 10.0.SIDE.2, and a relay; `configs` may be NULL for a full controlling and
 * a full controlled one. NAT configurations may be NULL. */
void ice_network_open(struct ice_network *net, uint64_t seed, const struct ice_config configs[2],
                      const struct nat_config *nat_a, const struct nat_config *nat_b);
void ice_network_close(struct ice_network *net);

/* Side 0 offers: its credentials reach side 1 after `signal_delay`, the answer comes back after that and
 * `answer_delay`, candidates as they come. */
void ice_network_call(struct ice_network *net);
/* Side `from` restarts, the other one follows. */
void ice_network_restart(struct ice_network *net, int from);

void ice_network_run(struct ice_network *net, nanos until);
/* Until both are COMPLETED or one has FAILED, at most until `limit`. */
void ice_network_settle(struct ice_network *net, nanos limit);

/* Both have a selected pair, and the two are the same seen from both ends. */
bool ice_network_agreed(const struct ice_network *net);
/* Is the selected pair one through a relay, at either end? */
bool ice_network_relayed(const struct ice_network *net);

/* Gives side's agent a base beyond the usual ones. */
int ice_network_add_base(struct ice_network *net, int side, const struct address *address, bool relayed);

#endif
