/* The inside of an ICE agent, shared by its files; owners see ice_agent.h only.
 *
 *     ice_agent.c       credentials, bases, candidates of both sides, events
 *     ice_gather.c      server-reflexive candidates: the STUN client
 *     ice_checklist.c   pairs: formed, ranked, pruned, chosen for the next check
 *     ice_check.c       checks: written, answered, their answers read
 *     ice_selection.c   nomination, selection, consent, states
 *     ice_schedule.c    what is sent next, and when
 *
 * Pairs are kept once for each (base, remote address): RFC 8445 pairs candidates, and prunes those whose local candidate
 * has the same base (section 6.1.2.4), which comes to that. What the RFC's valid list adds, the mapped address a check
 * came back with, is the pair's `local`. */
#ifndef CONFAB_RTC_ICE_INTERNAL_H
#define CONFAB_RTC_ICE_INTERNAL_H

#include "base/rng.h"
#include "rtc/ice_agent.h"

#define ICE_OWN_UFRAG_CAP 33    /* 32 when sending (RFC 8839, section 5.4) */
#define ICE_OWN_PASSWORD_CAP 65 /* */
#define ICE_MAX_LOCALS 64       /* local candidates, peer-reflexive ones included */
#define ICE_MAX_RESPONSES 8     /* answers that wait to be written */
#define ICE_MAX_STATES 8        /* transitions that wait to be reported */
#define ICE_MAX_UNKNOWN 4       /* unknown attributes that a 420 names */
#define ICE_MAX_STRAYS 8        /* addresses of one host that checks came from and failed to */
#define ICE_GATHER_PER_BASE 2   /* STUN servers asked from one base */
#define ICE_NONE (-1)

/* The interval between transmissions of a check doubles up to so many RTOs (a nomination's, on a pair that is known to
 * work, does not); how many there are; and how many RTOs to wait for an answer to the last. RFC 8489, section 6.2.1,
 * doubles on, has 7 and 16, and takes 39.5 s, with 16 s of silence in which a NAT that has just opened goes unnoticed;
 * these take 19.5 s. */
#define ICE_MAX_BACKOFF 4
#define ICE_MAX_TRANSMISSIONS 10
#define ICE_LAST_WAIT 8
/* RTO grows with the number of checks in progress (RFC 8445, section 14.3), but hole punching is waiting for it. */
#define ICE_MAX_RTO NANOS_PER_S
/* When all pairs have failed, or all direct ones, a check of the peer's may yet bring another (RFC 8863): no verdict
 * before this much time since the start. */
#define ICE_LEAST_PATIENCE (10 * NANOS_PER_S)

/* Credentials of one generation: ours, and the peer's once they are known. */
struct ice_generation {
    char ufrag[ICE_OWN_UFRAG_CAP];
    char password[ICE_OWN_PASSWORD_CAP];
    char *remote_ufrag; /* NULL while unknown */
    char *remote_password;
};

struct ice_base_slot {
    struct address address;
    struct address related;
    uint16_t local_preference;
    uint8_t type;
    uint8_t relay;
    bool used;
};

struct ice_local {
    struct address address;
    uint32_t priority;
    uint32_t foundation;
    uint8_t base;
    uint8_t type;
    bool used;
    bool to_signal; /* its event is still to come */
};

struct ice_remote {
    struct address address;
    uint32_t priority;
    uint32_t foundation;
    uint8_t type;
    uint8_t generation;
    bool used;
    bool signalled; /* false: peer-reflexive, learned from a check, so that its type is a guess */
};

/* RFC 8445, section 6.1.2.6. */
enum ice_pair_state {
    ICE_PAIR_FROZEN,
    ICE_PAIR_WAITING,
    ICE_PAIR_IN_PROGRESS,
    ICE_PAIR_SUCCEEDED,
    ICE_PAIR_FAILED,
};

struct ice_pair {
    uint64_t priority;
    nanos deadline; /* of the outstanding request: send it again, or give up; NANOS_NEVER: none is outstanding */
    nanos sent_at;
    nanos rto;
    nanos rtt;          /* smoothed; 0: unknown */
    uint32_t triggered; /* place in the triggered-check queue; 0: not in it */
    uint8_t transaction_id[STUN_TRANSACTION_ID_LEN];
    uint8_t generation;
    uint8_t base;
    uint8_t remote;
    uint8_t local; /* of the valid pair: whose address the check came from, as the peer saw it */
    uint8_t state; /* enum ice_pair_state */
    uint8_t transmissions;
    bool valid : 1;           /* a check of ours was answered (lite: a check came in) */
    bool passed : 1;          /* a check has passed here, in either direction, at some time */
    bool nominated : 1;       /* the peer has sent USE-CANDIDATE */
    bool use_candidate : 1;   /* the outstanding request has it */
    bool as_controlling : 1;  /* the role in the outstanding request */
    bool consent : 1;         /* the outstanding request is for consent: sent once */
    bool resent : 1;          /* its transaction id has been on the way before */
    bool asks_permission : 1; /* its event is still to come */
    bool refused : 1;         /* by the TURN server: there is no use in trying again */
};

struct ice_gather {
    struct address server;
    nanos started;
    nanos deadline;
    nanos rto;
    uint8_t transaction_id[STUN_TRANSACTION_ID_LEN];
    uint8_t base;
    uint8_t state; /* enum ice_gather_state */
};

enum ice_gather_state {
    ICE_GATHER_WAITING,
    ICE_GATHER_ASKING,
    ICE_GATHER_MAPPED,     /* the mapping is known; the deadline is its keepalive's */
    ICE_GATHER_REFRESHING, /* asking again */
    ICE_GATHER_FAILED,
};

struct ice_response {
    struct address remote;
    uint16_t code; /* 0: success */
    uint16_t unknown[ICE_MAX_UNKNOWN];
    uint8_t unknown_count;
    uint8_t base;
    uint8_t generation; /* index into generations */
    uint8_t transaction_id[STUN_TRANSACTION_ID_LEN];
};

struct ice_timing {
    nanos pacing;
    nanos rto;
    nanos gather_timeout;
    nanos nomination_wait;
    nanos relay_wait;
    nanos failed_after;
    nanos consent_interval;
    nanos consent_timeout;
    nanos disconnected_after;
    nanos mapping_keepalive;
};

struct ice_agent {
    struct ice_timing timing;
    struct rng rng;
    uint64_t seed;
    uint64_t tie_breaker;
    uint32_t credentials_made; /* how often, so that each generation has others */
    bool lite;
    char ufrag_mark;
    bool remote_lite;
    bool controlling;
    bool bases_done;
    bool gathered;
    bool gathered_event;
    bool selected_event;
    bool remote_done;    /* end of candidates */
    bool triggered_last; /* the last check sent was a triggered one */
    bool heard;          /* something authentic came from the peer in this generation */
    uint8_t generation;  /* counts restarts */
    uint8_t state;       /* enum ice_state */
    uint8_t state_count; /* transitions to be reported */
    uint8_t states[ICE_MAX_STATES];
    uint8_t response_first;
    uint8_t response_count;

    struct ice_generation generations[2]; /* the current one, and the one of a carried-on pair */

    struct ice_base_slot *bases;
    struct ice_local *locals;
    struct ice_remote *remotes;
    struct ice_pair *pairs;
    struct ice_gather *gathers;
    struct address *stun_servers;
    uint16_t base_count; /* sizes of the arrays; all but pairs and gathers have unused slots */
    uint16_t local_count;
    uint16_t remote_count;
    uint16_t pair_count;
    uint16_t pair_cap;
    uint16_t gather_count;
    uint16_t stun_server_count;
    uint16_t bases_added[2]; /* IPv4 and IPv6, ever */

    int16_t selected; /* indices into pairs, ICE_NONE for none */
    int16_t nominating;
    int16_t challenger; /* nominated once by the peer although it ranks below the selected pair */
    uint32_t last_triggered;
    nanos next_check;     /* no new check before */
    nanos next_gather;    /* no new question to a STUN server before */
    nanos checking_since; /* NANOS_NEVER: not yet */
    nanos first_valid_at; /* NANOS_NEVER: none */
    nanos consent_next;
    nanos consent_expires;
    nanos last_heard; /* from the selected pair */
    nanos deadline;   /* as computed last; 0 when something has changed since */

    struct ice_pair_info selected_info;
    struct ice_statistics statistics;
    struct ice_response responses[ICE_MAX_RESPONSES];
};

/* Something changed: ice_agent_write is to be called at once. */
static inline void ice_poke(struct ice_agent *agent) { agent->deadline = 0; }

/* Makes room for entry number `index` in an array of `*count` entries, the new ones zero. False when out of memory. */
bool ice_grow(void **array, uint16_t *count, size_t index, size_t entry_size);

static inline bool ice_base_exists(const struct ice_agent *agent, int base)
{
    return base >= 0 && base < agent->base_count && agent->bases[base].used;
}

/* The credentials that a pair's checks use. */
static inline struct ice_generation *ice_pair_generation(struct ice_agent *agent, const struct ice_pair *pair)
{
    return &agent->generations[pair->generation == agent->generation ? 0 : 1];
}

static inline bool ice_remote_known(const struct ice_agent *agent)
{
    return agent->generations[0].remote_password != NULL;
}

/* --- ice_agent.c */
/* The local candidate with this base and address; a peer-reflexive one is added when there is none (RFC 8445, section
 * 7.2.5.3.1). Falls back on the base's own when there is no room. */
uint8_t ice_local_of(struct ice_agent *agent, uint8_t base, const struct address *mapped);
/* Adds or retypes a local candidate; ICE_NONE when there is no room. */
int ice_local_add(struct ice_agent *agent, uint8_t base, enum ice_candidate_type type, const struct address *address,
                  const struct address *server);
/* The remote candidate with this address in this generation, ICE_NONE when there is none. */
int ice_remote_find(const struct ice_agent *agent, const struct address *address);
/* Adds a peer-reflexive one; ICE_NONE when there is no room. */
int ice_remote_learn(struct ice_agent *agent, const struct address *address, uint32_t priority);
/* Frees what has no pair any more. */
void ice_remote_release(struct ice_agent *agent, uint8_t remote);
void ice_state_set(struct ice_agent *agent, enum ice_state state);

/* --- ice_gather.c */
void ice_gather_add(struct ice_agent *agent, uint8_t base);
void ice_gather_remove(struct ice_agent *agent, uint8_t base);
void ice_gather_restart(struct ice_agent *agent);
/* 0 when the message answers one of our questions. */
int ice_gather_read(struct ice_agent *agent, uint8_t base, const struct address *remote,
                    const struct stun_message *message, nanos now);
/* A question asked before and due again, or (when `fresh`) a new one. */
size_t ice_gather_write(struct ice_agent *agent, bool fresh, int *base, struct address *remote, uint8_t *buf,
                        size_t cap, nanos now);
bool ice_gather_has_fresh(const struct ice_agent *agent);
nanos ice_gather_deadline(const struct ice_agent *agent);
bool ice_gather_finished(const struct ice_agent *agent);

/* --- ice_checklist.c */
static inline bool ice_pair_current(const struct ice_agent *agent, const struct ice_pair *pair)
{
    return pair->generation == agent->generation;
}
/* What makes one path better than another beyond doubt. Priorities rank finer, but the two agents of a pair see
 * different ones where one of them knows a candidate as peer-reflexive only; so a pair that has been selected gives way
 * only to one of a higher class. */
enum ice_pair_class {
    ICE_CLASS_TWO_RELAYS,
    ICE_CLASS_RELAY,
    ICE_CLASS_REFLEXIVE,
    ICE_CLASS_HOST, /* no NAT in between */
};
/* The class it has, or, while it is not valid, the highest that it may turn out to have. */
enum ice_pair_class ice_pair_class(const struct ice_agent *agent, const struct ice_pair *pair);
/* Does it rank above the other, by class, then by priority? */
bool ice_pair_above(const struct ice_agent *agent, const struct ice_pair *pair, const struct ice_pair *other);
int ice_pair_find(const struct ice_agent *agent, uint8_t base, const struct address *remote);
/* Pairs a base with a remote candidate if the two can reach each other, are no pair yet and the list has room for one
 * of its rank; the pair's index or ICE_NONE. */
int ice_pair_add(struct ice_agent *agent, uint8_t base, uint8_t remote);
void ice_pair_remove(struct ice_agent *agent, int index);
void ice_pairs_form(struct ice_agent *agent, int base, int remote);
/* Computes all priorities anew: the role or a candidate's priority has changed. */
void ice_pairs_rank(struct ice_agent *agent);
/* Is it yet to be checked, and might it be of a higher class than the selected one? */
bool ice_pair_pending(const struct ice_agent *agent, const struct ice_pair *pair);
void ice_pair_transaction_new(struct ice_agent *agent, struct ice_pair *pair);
void ice_pair_fail(struct ice_agent *agent, int index);
void ice_pair_trigger(struct ice_agent *agent, struct ice_pair *pair);
/* Which pair the next check is for: the first of the triggered-check queue, or the highest Waiting one, or a Frozen one.
 * The queue comes first, but not twice in a row: a peer that keeps it full must not starve the other pairs. */
int ice_pair_next(const struct ice_agent *agent);
void ice_pairs_thaw(struct ice_agent *agent, const struct ice_pair *like);
/* The peer has come to life: what was sent before met closed NATs, so ask again at once. */
void ice_pairs_kick(struct ice_agent *agent);
/* The selected pair has gone silent: check all again. */
void ice_pairs_recheck(struct ice_agent *agent);

/* --- ice_check.c */
/* The outstanding request of a pair; 0 when the peer's credentials are unknown. */
size_t ice_check_write(struct ice_agent *agent, struct ice_pair *pair, uint8_t *buf, size_t cap);
/* The oldest answer that waits. */
size_t ice_response_write(struct ice_agent *agent, int *base, struct address *remote, uint8_t *buf, size_t cap);
void ice_transaction_new(struct ice_agent *agent, uint8_t transaction_id[STUN_TRANSACTION_ID_LEN]);

/* --- ice_selection.c */
void ice_select(struct ice_agent *agent, int index, nanos now);
void ice_deselect(struct ice_agent *agent);
/* What is known about the selected pair's candidates may have changed. */
void ice_selected_refresh(struct ice_agent *agent);
/* Is the selected pair of this generation and alive? */
bool ice_selected_ok(const struct ice_agent *agent);
/* The peer nominated this valid pair. */
void ice_follow_nomination(struct ice_agent *agent, int index, nanos now);
/* An authentic answer (`answered`) or check came in on the selected pair. */
void ice_consent_heard(struct ice_agent *agent, bool answered, nanos now);
void ice_consent_revoke(struct ice_agent *agent);
/* All that depends on time alone: states, nomination. */
void ice_selection_tick(struct ice_agent *agent, nanos now);
nanos ice_selection_deadline(const struct ice_agent *agent);

#endif
