/* What the files of the TURN client share among themselves: nobody else includes this. */
#ifndef CONFAB_RTC_TURN_CLIENT_STATE_H
#define CONFAB_RTC_TURN_CLIENT_STATE_H

#include "base/message_queue.h"
#include "base/rng.h"
#include "rtc/tls_stream.h"
#include "rtc/turn_challenge.h"
#include "rtc/turn_client.h"
#include "rtc/turn_framing.h"

#define TURN_STREAM_TIMEOUT (39500 * NANOS_PER_MS) /* RFC 8489, section 6.2.2: Ti */

enum { TURN_REDIRECTS_MAX = 4 };

enum turn_client_state {
    TURN_WAITING,    /* for the stream to be connected */
    TURN_SECURING,   /* the TLS handshake is under way */
    TURN_ALLOCATING, /* */
    TURN_ALLOCATED,  /* */
    TURN_RELEASING,  /* */
    TURN_RESTING,    /* failed or released: for good */
};

enum turn_task_kind { TURN_TASK_ALLOCATION, TURN_TASK_PERMISSION, TURN_TASK_CHANNEL };

/* Something to be asked of the server, and asked again before it expires. The first is the allocation itself. */
struct turn_task {
    uint8_t kind;
    uint8_t sends; /* of the request under way; 0: none is */
    uint8_t challenges;
    bool established;
    bool refused;
    bool report; /* there is an event to give */
    uint16_t channel;
    uint16_t code; /* refused with */
    struct address peer;
    uint8_t id[STUN_TRANSACTION_ID_LEN];
    nanos due; /* to send, send again, or give up */
};

struct turn_client {
    enum turn_transport transport;
    enum turn_client_state state;
    struct address server;
    struct address redirected_from[TURN_REDIRECTS_MAX];
    uint8_t redirects;
    uint8_t family;
    bool release_wanted;
    bool integrity_violated; /* an answer was dropped for it: RFC 8489, section 9.2.5 */
    bool data_ready;
    uint8_t pending;  /* bits 1 << enum turn_client_event_type, of those that concern the whole */
    uint16_t reports; /* tasks with an event */
    int code;
    uint32_t lifetime_asked_s;
    uint32_t lifetime_s;
    struct address relayed, mapped;
    nanos rto;
    nanos now; /* as last told */
    nanos due; /* the earliest task's, or earlier */
    struct rng rng;
    struct turn_challenge challenge;
    char *username, *password, *tls_server_name;
    struct turn_task *tasks;
    size_t task_count, task_cap;
    size_t last_channel; /* the task that data last used; the allocation before that */
    struct message_queue queue;
    size_t first_sent; /* bytes of the queue's first message that a stream has taken */
    size_t backlog_limit, waiting;
    uint64_t dropped;
    struct turn_framing framing;
    struct tls_context *tls_context;
    struct tls_stream *tls;
    struct turn_client_event data; /* the one that is ready */
    char reason[120];
};

/* Permissions don't look at ports (RFC 8656, section 9). */
static inline struct address without_port(const struct address *peer)
{
    struct address ip = *peer;
    ip.port = 0;
    return ip;
}

/* --- turn_client_tasks.c --- */

/* Makes it due at `at`. */
void turn_client_set_due(struct turn_client *client, struct turn_task *task, nanos at);

/* A new task; `peer` is NULL for the allocation. NULL when memory is out. */
struct turn_task *turn_client_add_task(struct turn_client *client, enum turn_task_kind kind,
                                       const struct address *peer);

/* The task for a peer (of a permission: its port is 0); NULL when there is none. */
struct turn_task *turn_client_find_task(struct turn_client *client, enum turn_task_kind kind,
                                        const struct address *peer);

/* The same, made if need be, from a refused one when there are many; NULL when there are too many. */
struct turn_task *turn_client_claim_task(struct turn_client *client, enum turn_task_kind kind,
                                         const struct address *peer);

/* Sends a task's request, in a transaction of its own. */
void turn_client_ask(struct turn_client *client, struct turn_task *task);

/* Sends what is due, again where it must be, and gives up where it was in vain. */
void turn_client_run_tasks(struct turn_client *client);

/* An answer from the server. 0: taken; -1: dropped. */
int turn_client_take_answer(struct turn_client *client, const struct stun_message *message);

/* Asks the server to end the allocation. */
void turn_client_start_release(struct turn_client *client);

/* The end, for good: with an event, or with TURN_CLIENT_FAILED and a reason (TURN_CLIENT_RELEASED, if that was
 * wanted). */
void turn_client_rest(struct turn_client *client, enum turn_client_event_type why);
void turn_client_fail(struct turn_client *client, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
