#include "rtc/turn_client.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/message_queue.h"
#include "base/rng.h"
#include "rtc/tls_stream.h"
#include "rtc/turn_challenge.h"
#include "rtc/turn_framing.h"

#define RTO_DEFAULT (500 * NANOS_PER_MS)       /* RFC 8489, section 6.2.1 */
#define SENDS_MAX 7                            /* section 6.2.1: Rc */
#define LAST_WAIT_RTOS 16                      /* section 6.2.1: Rm */
#define STREAM_TIMEOUT (39500 * NANOS_PER_MS)  /* section 6.2.2: Ti */
#define REFRESH_AHEAD_S 60                     /* RFC 8656, section 8: a minute before it expires */
#define PERMISSION_REFRESH (240 * NANOS_PER_S) /* of the 300 s that a permission lasts: section 9 */
#define CHANNEL_REFRESH (540 * NANOS_PER_S)    /* of the 600 s that a channel lasts: section 12 */
#define CHALLENGES_MAX 3                       /* new nonces in a row before we stop believing in them */
#define PEERS_MAX 64                           /* permissions, and channels */
#define REDIRECTS_MAX 4
#define DATA_MAX 65000
#define BACKLOG_DEFAULT 65536
#define REQUEST_CAP 2560
#define KEPT_QUEUE_CAP 4096
#define TLS_PIECE 2048

enum state {
    WAITING,    /* for the stream to be connected */
    SECURING,   /* the TLS handshake is under way */
    ALLOCATING, /* */
    ALLOCATED,  /* */
    RELEASING,  /* */
    RESTING,    /* failed or released: for good */
};

enum task_kind { TASK_ALLOCATION, TASK_PERMISSION, TASK_CHANNEL };

/* Something to be asked of the server, and asked again before it expires. The first is the allocation itself. */
struct task {
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
    enum state state;
    struct address server;
    struct address redirected_from[REDIRECTS_MAX];
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
    struct task *tasks;
    size_t task_count, task_cap;
    size_t last_channel; /* the task that data last used */
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

const char *turn_transport_name(enum turn_transport transport)
{
    static const char *const names[] = {"udp", "tcp", "tls"};
    return names[transport];
}

/* --- tasks ------------------------------------------------------------------------------------------------------ */

static void set_due(struct turn_client *client, struct task *task, nanos at)
{
    task->due = at;
    client->due = nanos_min(client->due, at);
}

static struct task *add_task(struct turn_client *client, enum task_kind kind, const struct address *peer)
{
    if (client->task_count == client->task_cap) {
        size_t cap = client->task_cap == 0 ? 4 : client->task_cap * 2;
        struct task *tasks = realloc(client->tasks, cap * sizeof *tasks);
        if (tasks == NULL)
            return NULL;
        client->tasks = tasks;
        client->task_cap = cap;
    }
    struct task *task = &client->tasks[client->task_count++];
    *task = (struct task){.kind = kind, .due = NANOS_NEVER};
    if (peer != NULL)
        task->peer = *peer;
    return task;
}

static struct task *find_task(struct turn_client *client, enum task_kind kind, const struct address *peer)
{
    struct task *last = client->last_channel < client->task_count ? &client->tasks[client->last_channel] : NULL;
    if (kind == TASK_CHANNEL && last != NULL && last->kind == kind && address_equal(&last->peer, peer))
        return last;
    for (size_t i = 0; i < client->task_count; i++) {
        struct task *task = &client->tasks[i];
        if (task->kind != kind || !address_equal(&task->peer, peer))
            continue;
        if (kind == TASK_CHANNEL)
            client->last_channel = i;
        return task;
    }
    return NULL;
}

/* The task for a peer, made if need be from a refused one; NULL when there are too many. */
static struct task *claim_task(struct turn_client *client, enum task_kind kind, const struct address *peer)
{
    struct task *task = find_task(client, kind, peer);
    size_t count = 0;
    for (size_t i = 0; task == NULL && i < client->task_count; i++)
        count += client->tasks[i].kind == kind;
    if (task != NULL || count < PEERS_MAX)
        return task != NULL ? task : add_task(client, kind, peer);
    for (size_t i = 0; kind == TASK_PERMISSION && i < client->task_count; i++) {
        task = &client->tasks[i];
        if (task->kind == kind && task->refused && !task->report) {
            *task = (struct task){.kind = kind, .peer = *peer, .due = NANOS_NEVER};
            return task;
        }
    }
    return NULL;
}

static struct address without_port(const struct address *peer)
{
    struct address ip = *peer;
    ip.port = 0;
    return ip;
}

static void report(struct turn_client *client, struct task *task)
{
    client->reports += !task->report;
    task->report = true;
}

/* --- what ends it ----------------------------------------------------------------------------------------------- */

static void rest(struct turn_client *client, enum turn_client_event_type why)
{
    client->state = RESTING;
    client->due = NANOS_NEVER;
    for (size_t i = 0; i < client->task_count; i++)
        client->tasks[i] = (struct task){.kind = client->tasks[i].kind, .due = NANOS_NEVER};
    client->reports = 0;
    message_queue_clear(&client->queue);
    client->first_sent = 0;
    client->pending |= 1u << why;
    if (client->tls != NULL)
        tls_stream_close(client->tls);
}

__attribute__((format(printf, 3, 4))) static void fail(struct turn_client *client, int code, const char *format, ...)
{
    va_list arguments;
    if (client->state == RESTING)
        return;
    va_start(arguments, format);
    vsnprintf(client->reason, sizeof client->reason, format, arguments);
    va_end(arguments);
    client->code = code;
    rest(client, client->release_wanted ? TURN_CLIENT_RELEASED : TURN_CLIENT_FAILED);
}

static void refuse(struct turn_client *client, struct task *task, int code)
{
    task->refused = true;
    task->established = false;
    task->sends = 0;
    task->code = (uint16_t)code;
    task->due = NANOS_NEVER;
    if (task->kind == TASK_PERMISSION)
        report(client, task);
}

/* --- requests --------------------------------------------------------------------------------------------------- */

static uint16_t method_of(const struct turn_client *client, const struct task *task)
{
    switch (task->kind) {
    case TASK_PERMISSION:
        return STUN_CREATE_PERMISSION;
    case TASK_CHANNEL:
        return STUN_CHANNEL_BIND;
    default:
        return client->state == ALLOCATING ? STUN_ALLOCATE : STUN_REFRESH;
    }
}

static size_t build_request(const struct turn_client *client, const struct task *task, uint8_t *buf, size_t cap)
{
    struct stun_builder builder;
    uint16_t method = method_of(client, task);
    stun_begin(&builder, buf, cap, STUN_REQUEST, method, task->id);
    if (task->kind == TASK_ALLOCATION)
        stun_put_text(&builder, STUN_ATTR_SOFTWARE, "confab");
    else
        stun_put_xor_address(&builder, STUN_ATTR_XOR_PEER_ADDRESS, &task->peer);
    if (task->kind == TASK_CHANNEL)
        stun_put_u16(&builder, STUN_ATTR_CHANNEL_NUMBER, task->channel);
    if (method == STUN_ALLOCATE) {
        stun_put_transport(&builder, STUN_TRANSPORT_UDP);
        /* IPv4 is what a server gives by itself, and one from before RFC 6156 may not know the attribute. */
        if (client->family == ADDRESS_IPV6)
            stun_put_family(&builder, STUN_ATTR_REQUESTED_ADDRESS_FAMILY, ADDRESS_IPV6);
    }
    if (task->kind == TASK_ALLOCATION && (client->lifetime_asked_s != 0 || client->state == RELEASING))
        stun_put_u32(&builder, STUN_ATTR_LIFETIME, client->state == RELEASING ? 0 : client->lifetime_asked_s);
    turn_challenge_put(&client->challenge, &builder);
    return stun_finish(&builder);
}

static void transmit(struct turn_client *client, struct task *task)
{
    uint8_t request[REQUEST_CAP];
    size_t len = build_request(client, task, request, sizeof request);
    if (len == 0 || !message_queue_push(&client->queue, &(struct message_tag){0}, request, len)) {
        fail(client, 0, "out of memory");
        return;
    }
    task->sends++;
    nanos wait = STREAM_TIMEOUT;
    if (client->transport == TURN_UDP)
        wait = client->rto * (task->sends < SENDS_MAX ? 1 << (task->sends - 1) : LAST_WAIT_RTOS);
    set_due(client, task, client->now + wait);
}

/* A request in a transaction of its own. */
static void ask(struct turn_client *client, struct task *task)
{
    rng_bytes(&client->rng, task->id, sizeof task->id);
    task->sends = 0;
    transmit(client, task);
}

static void give_up(struct turn_client *client, struct task *task)
{
    char text[ADDRESS_TEXT_CAP];
    if (task->kind != TASK_ALLOCATION) {
        refuse(client, task, 0);
        return;
    }
    address_format(&client->server, text);
    if (client->integrity_violated)
        fail(client, 0, "answers from %s fail their integrity check", text);
    else
        fail(client, 0, "no answer from %s", text);
}

static void run_due_tasks(struct turn_client *client)
{
    for (size_t i = 0; client->state != RESTING && i < client->task_count; i++) {
        struct task *task = &client->tasks[i];
        if (task->due > client->now)
            continue;
        if (client->state == SECURING)
            fail(client, 0, "the TLS handshake took too long");
        else if (task->sends == 0)
            ask(client, task);
        else if (client->transport == TURN_UDP && task->sends < SENDS_MAX)
            transmit(client, task);
        else
            give_up(client, task);
    }
    client->due = NANOS_NEVER;
    for (size_t i = 0; i < client->task_count; i++)
        client->due = nanos_min(client->due, client->tasks[i].due);
}

/* --- answers ---------------------------------------------------------------------------------------------------- */

static void start_release(struct turn_client *client)
{
    client->state = RELEASING;
    for (size_t i = 1; i < client->task_count; i++)
        client->tasks[i].due = NANOS_NEVER;
    client->tasks[0].sends = 0;
    set_due(client, &client->tasks[0], client->now);
}

static void on_allocated(struct turn_client *client, const struct stun_message *message, uint32_t lifetime_s)
{
    struct address mapped = {0};
    if (!stun_get_xor_address(message, STUN_ATTR_XOR_RELAYED_ADDRESS, &client->relayed)) {
        fail(client, 0, "the server's answer has no relayed address");
        return;
    }
    stun_get_mapped_address(message, &mapped);
    client->mapped = mapped;
    client->state = ALLOCATED;
    /* RFC 8656, section 7.3: an address of a kind that wasn't asked for is given back. */
    if (client->relayed.family != (client->family == ADDRESS_NONE ? ADDRESS_IPV4 : client->family)) {
        fail(client, 0, "the server gave an address of another family");
        return;
    }
    if (client->release_wanted) {
        start_release(client);
        return;
    }
    client->lifetime_s = lifetime_s;
    client->pending |= 1u << TURN_CLIENT_ALLOCATED;
    for (size_t i = 1; i < client->task_count; i++)
        set_due(client, &client->tasks[i], client->now);
}

static void on_success(struct turn_client *client, struct task *task, const struct stun_message *message)
{
    uint32_t lifetime_s = 0;
    task->challenges = 0;
    task->sends = 0;
    if (task->kind != TASK_ALLOCATION) {
        if (!task->established)
            report(client, task);
        task->established = true;
        task->refused = false;
        set_due(client, task, client->now + (task->kind == TASK_CHANNEL ? CHANNEL_REFRESH : PERMISSION_REFRESH));
        return;
    }
    if (client->state == RELEASING) {
        rest(client, TURN_CLIENT_RELEASED);
        return;
    }
    if (!stun_get_u32(message, STUN_ATTR_LIFETIME, &lifetime_s) || lifetime_s == 0) {
        fail(client, 0, "the server's answer has no lifetime");
        return;
    }
    uint32_t wait_s = lifetime_s > 2 * REFRESH_AHEAD_S ? lifetime_s - REFRESH_AHEAD_S : lifetime_s / 2;
    set_due(client, task, client->now + (nanos)wait_s * NANOS_PER_S);
    if (client->state == ALLOCATING)
        on_allocated(client, message, lifetime_s);
}

/* 300: RFC 8489, section 10. */
static void redirect(struct turn_client *client, const struct stun_message *message)
{
    struct address other;
    char domain[256];
    char text[ADDRESS_TEXT_CAP];
    if (!stun_get_address(message, STUN_ATTR_ALTERNATE_SERVER, &other) || other.family != client->server.family) {
        fail(client, STUN_TRY_ALTERNATE, "redirected without an address that can be used");
        return;
    }
    bool seen = client->redirects == REDIRECTS_MAX || address_equal(&other, &client->server);
    for (size_t i = 0; i < client->redirects; i++)
        seen |= address_equal(&other, &client->redirected_from[i]);
    if (seen) {
        fail(client, STUN_TRY_ALTERNATE, "redirected in a circle, to %s", address_format(&other, text));
        return;
    }
    if (stun_get_text(message, STUN_ATTR_ALTERNATE_DOMAIN, domain, sizeof domain)) {
        free(client->tls_server_name);
        client->tls_server_name = strdup(domain);
    }
    client->redirected_from[client->redirects++] = client->server;
    client->server = other;
    turn_challenge_clear(&client->challenge);
    message_queue_clear(&client->queue);
    client->first_sent = 0;
    client->pending |= 1u << TURN_CLIENT_REDIRECTED;
    client->tasks[0].sends = client->tasks[0].challenges = 0;
    if (client->transport == TURN_UDP) {
        set_due(client, &client->tasks[0], client->now);
    } else {
        client->state = WAITING;
        client->tasks[0].due = NANOS_NEVER;
    }
}

static void on_error(struct turn_client *client, struct task *task, const struct stun_message *message, int code,
                     const char *reason)
{
    task->sends = 0;
    if (code == STUN_ALLOCATION_MISMATCH || task->kind == TASK_ALLOCATION) {
        if (code == STUN_TRY_ALTERNATE && client->state == ALLOCATING)
            redirect(client, message);
        else
            fail(client, code, "%d %s", code, reason);
        return;
    }
    refuse(client, task, code);
}

/* 401 and 438: ask again with what the server wants to see (RFC 8489, section 9.2.5). */
static void on_challenge(struct turn_client *client, struct task *task, const struct stun_message *message, int code,
                         const char *reason)
{
    bool tried = client->challenge.realm != NULL;
    if ((code == STUN_UNAUTHENTICATED && tried) || task->challenges == CHALLENGES_MAX) {
        on_error(client, task, message, code, reason);
        return;
    }
    const char *problem = turn_challenge_take(&client->challenge, message);
    if (problem != NULL) {
        fail(client, code, "%s", problem);
        return;
    }
    task->challenges++;
    ask(client, task);
}

/* Does this answer count? Whoever has credentials believes nothing unsigned (RFC 8489, section 9.2.5), and a redirection
 * must always be signed (section 14.8). */
static bool is_authentic(const struct turn_client *client, const struct stun_message *message, int code)
{
    if (client->challenge.realm != NULL)
        return turn_challenge_check(&client->challenge, message);
    return code != STUN_TRY_ALTERNATE;
}

static int on_response(struct turn_client *client, const struct stun_message *message)
{
    struct task *task = NULL;
    unsigned code = 0;
    char reason[64] = "";
    for (size_t i = 0; i < client->task_count && task == NULL; i++) {
        struct task *candidate = &client->tasks[i];
        if (candidate->sends > 0 && memcmp(candidate->id, message->transaction_id, sizeof candidate->id) == 0)
            task = candidate;
    }
    if (task == NULL || message->method != method_of(client, task))
        return -1;
    if (message->class == STUN_ERROR && !stun_get_error_code(message, &code, reason, sizeof reason))
        return -1;
    if (code == STUN_UNAUTHENTICATED || code == STUN_STALE_NONCE) {
        on_challenge(client, task, message, (int)code, reason);
        return 0;
    }
    if (!is_authentic(client, message, (int)code)) {
        client->integrity_violated = true;
        if (client->transport != TURN_UDP)
            give_up(client, task);
        return -1;
    }
    if (message->class == STUN_SUCCESS)
        on_success(client, task, message);
    else
        on_error(client, task, message, (int)code, reason);
    return 0;
}

/* --- arrivals --------------------------------------------------------------------------------------------------- */

static void offer_data(struct turn_client *client, const struct address *peer, const uint8_t *data, size_t len)
{
    client->data = (struct turn_client_event){.type = TURN_CLIENT_DATA, .peer = *peer, .data = data, .len = len};
    client->data_ready = true;
}

static int on_indication(struct turn_client *client, const struct stun_message *message)
{
    struct address peer;
    struct stun_attribute data;
    if (message->method != STUN_DATA || !stun_get_xor_address(message, STUN_ATTR_XOR_PEER_ADDRESS, &peer) ||
        !stun_find(message, STUN_ATTR_DATA, &data))
        return -1;
    /* RFC 8656, section 11.4: only from those that were let in. */
    struct address ip = without_port(&peer);
    struct task *permission = find_task(client, TASK_PERMISSION, &ip);
    if (permission == NULL || permission->refused)
        return -1;
    offer_data(client, &peer, data.value, data.len);
    return 0;
}

static int on_channel_data(struct turn_client *client, const uint8_t *data, size_t len)
{
    uint16_t channel = len >= TURN_CHANNEL_HEADER_LEN ? bytes_get16(data) : 0;
    if (channel < TURN_CHANNEL_MIN || channel > TURN_CHANNEL_MAX)
        return -1;
    size_t body = bytes_get16(data + 2);
    if (body > len - TURN_CHANNEL_HEADER_LEN)
        return -1;
    size_t last = client->last_channel;
    if (last >= client->task_count || client->tasks[last].channel != channel) {
        for (last = 1; last < client->task_count && client->tasks[last].channel != channel; last++)
            continue;
        if (last == client->task_count)
            return -1;
        client->last_channel = last;
    }
    if (client->tasks[last].refused)
        return -1;
    offer_data(client, &client->tasks[last].peer, data + TURN_CHANNEL_HEADER_LEN, body);
    return 0;
}

static int on_message(struct turn_client *client, const uint8_t *data, size_t len)
{
    struct stun_message message;
    if (client->state < ALLOCATING || client->state == RESTING)
        return -1;
    if (len > 0 && data[0] >= 0x40)
        return on_channel_data(client, data, len);
    if (!stun_parse(&message, data, len, NULL))
        return -1;
    if (message.class == STUN_INDICATION)
        return on_indication(client, &message);
    return message.class == STUN_REQUEST ? -1 : on_response(client, &message);
}

/* The next whole message of the stream into the engine; false when none is there. */
static bool take_from_stream(struct turn_client *client)
{
    const uint8_t *message;
    size_t len;
    int got = turn_framing_next(&client->framing, &message, &len);
    while (got == 0 && client->tls != NULL) {
        uint8_t *room = turn_framing_room(&client->framing, TLS_PIECE);
        size_t received = room != NULL ? tls_stream_receive(client->tls, room, TLS_PIECE) : 0;
        if (received == 0)
            return false;
        turn_framing_added(&client->framing, received);
        got = turn_framing_next(&client->framing, &message, &len);
    }
    if (got < 0)
        fail(client, 0, "the stream from the server is not TURN");
    else if (got > 0)
        on_message(client, message, len);
    return got > 0;
}

static void begin_allocation(struct turn_client *client)
{
    client->state = ALLOCATING;
    client->tasks[0].sends = 0;
    set_due(client, &client->tasks[0], client->now);
}

static void check_tls(struct turn_client *client)
{
    switch (tls_stream_state(client->tls)) {
    case TLS_STREAM_OPEN:
        if (client->state == SECURING)
            begin_allocation(client);
        break;
    case TLS_STREAM_CLOSED:
        fail(client, 0, "the server closed the TLS connection");
        break;
    case TLS_STREAM_FAILED:
        fail(client, 0, "%s", tls_stream_reason(client->tls));
        break;
    default:
        break;
    }
}

int turn_client_read(struct turn_client *client, const uint8_t *data, size_t len, nanos now)
{
    client->now = now;
    if (client->state == WAITING || client->state == RESTING)
        return -1;
    if (client->transport == TURN_UDP)
        return on_message(client, data, len);
    if (client->tls != NULL) {
        tls_stream_read(client->tls, data, len);
        check_tls(client);
        return 0;
    }
    if (!turn_framing_add(&client->framing, data, len))
        fail(client, 0, "out of memory");
    return 0;
}

/* --- events ----------------------------------------------------------------------------------------------------- */

static struct turn_client_event task_event(struct turn_client *client)
{
    struct task *task = client->tasks;
    while (!task->report)
        task++;
    task->report = false;
    client->reports--;
    struct turn_client_event event = {.peer = task->peer};
    if (task->refused) {
        event.type = TURN_CLIENT_REFUSED;
        event.code = task->code;
        event.reason = task->code == 0 ? "no answer" : stun_error_reason(task->code);
    } else {
        event.type = task->kind == TASK_CHANNEL ? TURN_CLIENT_CHANNEL_BOUND : TURN_CLIENT_PERMITTED;
        event.channel = task->channel;
    }
    return event;
}

static bool take_pending(struct turn_client *client, enum turn_client_event_type type)
{
    bool there = (client->pending & 1u << type) != 0;
    client->pending &= (uint8_t) ~(1u << type);
    return there;
}

static bool ready_event(struct turn_client *client, struct turn_client_event *event)
{
    static const enum turn_client_event_type before[] = {TURN_CLIENT_REDIRECTED, TURN_CLIENT_ALLOCATED};
    static const enum turn_client_event_type after[] = {TURN_CLIENT_FAILED, TURN_CLIENT_RELEASED};
    *event = (struct turn_client_event){.relayed = client->relayed,
                                        .mapped = client->mapped,
                                        .server = client->server,
                                        .lifetime_s = client->lifetime_s,
                                        .code = client->code,
                                        .reason = client->reason};
    for (size_t i = 0; i < 2; i++) {
        event->type = before[i];
        if (take_pending(client, before[i]))
            return true;
    }
    if (client->reports > 0) {
        *event = task_event(client);
        return true;
    }
    if (client->data_ready) {
        *event = client->data;
        client->data_ready = false;
        return true;
    }
    for (size_t i = 0; i < 2; i++) {
        event->type = after[i];
        if (take_pending(client, after[i]))
            return true;
    }
    return false;
}

bool turn_client_event(struct turn_client *client, struct turn_client_event *event)
{
    do {
        if (ready_event(client, event))
            return true;
    } while (client->transport != TURN_UDP && client->state >= ALLOCATING && client->state != RESTING &&
             take_from_stream(client));
    if (client->tls != NULL && client->state != RESTING && client->state != WAITING)
        check_tls(client); /* receiving may have met its end */
    return ready_event(client, event);
}

/* --- sending ---------------------------------------------------------------------------------------------------- */

static bool has_backlog(const struct turn_client *client)
{
    size_t held = client->waiting + client->queue.tail - client->queue.head;
    if (client->tls != NULL)
        held += tls_stream_waiting(client->tls);
    return held > client->backlog_limit;
}

static bool push_channel_data(struct turn_client *client, uint16_t channel, const uint8_t *data, size_t len)
{
    bool stream = client->transport != TURN_UDP;
    size_t whole = stream ? turn_channel_padded_len(len) : TURN_CHANNEL_HEADER_LEN + len;
    uint8_t *room = message_queue_room(&client->queue, &(struct message_tag){0}, whole);
    if (room == NULL)
        return false;
    bytes_put16(room, channel);
    bytes_put16(room + 2, (uint16_t)len);
    if (len > 0)
        memcpy(room + TURN_CHANNEL_HEADER_LEN, data, len);
    memset(room + TURN_CHANNEL_HEADER_LEN + len, 0, whole - TURN_CHANNEL_HEADER_LEN - len);
    return true;
}

static bool push_indication(struct turn_client *client, const struct address *peer, const uint8_t *data, size_t len)
{
    struct stun_builder builder;
    uint8_t id[STUN_TRANSACTION_ID_LEN];
    size_t whole = STUN_HEADER_LEN + (4 + 4 + address_ip_len(peer)) + 4 + ((len + 3) & ~(size_t)3);
    uint8_t *room = message_queue_room(&client->queue, &(struct message_tag){0}, whole);
    if (room == NULL)
        return false;
    rng_bytes(&client->rng, id, sizeof id);
    stun_begin(&builder, room, whole, STUN_INDICATION, STUN_SEND, id);
    stun_put_xor_address(&builder, STUN_ATTR_XOR_PEER_ADDRESS, peer);
    stun_put_bytes(&builder, STUN_ATTR_DATA, data, len);
    return stun_finish(&builder) == whole;
}

/* Sees to it that the peer is permitted, or will be once the request that this puts in front has been answered. */
static bool ensure_permission(struct turn_client *client, const struct address *peer)
{
    struct address ip = without_port(peer);
    struct task *task = claim_task(client, TASK_PERMISSION, &ip);
    if (task == NULL || task->refused)
        return false;
    if (task->due == NANOS_NEVER)
        ask(client, task);
    return client->state == ALLOCATED;
}

static void ensure_channel(struct turn_client *client, const struct address *peer)
{
    struct task *task = claim_task(client, TASK_CHANNEL, peer);
    if (task == NULL || task->due != NANOS_NEVER || task->refused)
        return;
    uint16_t channel = TURN_CHANNEL_MIN;
    for (size_t i = 0; i < client->task_count; i++)
        channel += client->tasks[i].kind == TASK_CHANNEL && &client->tasks[i] != task;
    task->channel = channel;
    ask(client, task);
}

bool turn_client_send(struct turn_client *client, const struct address *peer, const uint8_t *data, size_t len,
                      nanos now)
{
    client->now = now;
    if (client->state != ALLOCATED || len > DATA_MAX || has_backlog(client)) {
        client->dropped++;
        return false;
    }
    struct task *channel = find_task(client, TASK_CHANNEL, peer);
    if (channel != NULL && channel->established && push_channel_data(client, channel->channel, data, len))
        return true;
    bool sent = ensure_permission(client, peer);
    if (sent && !stun_is(data, len))
        ensure_channel(client, peer);
    sent = sent && client->state == ALLOCATED && push_indication(client, peer, data, len);
    client->dropped += !sent;
    return sent;
}

/* One datagram. */
static size_t write_datagram(struct turn_client *client, uint8_t *buf, size_t cap)
{
    size_t len = 0;
    const uint8_t *message;
    while ((message = message_queue_first(&client->queue, NULL, &len)) != NULL) {
        bool fits = len <= cap;
        if (fits)
            memcpy(buf, message, len);
        message_queue_drop_first(&client->queue);
        if (fits)
            return len;
        client->dropped++;
    }
    return 0;
}

/* As many bytes as there are, encrypted on the way out when there is TLS. */
static size_t write_stream(struct turn_client *client, uint8_t *buf, size_t cap)
{
    size_t written = client->tls != NULL ? tls_stream_write(client->tls, buf, cap) : 0;
    const uint8_t *message;
    size_t len = 0;
    while (written < cap && (message = message_queue_first(&client->queue, NULL, &len)) != NULL) {
        if (client->tls != NULL) {
            if (!tls_stream_send(client->tls, message, len))
                break;
            message_queue_drop_first(&client->queue);
            written += tls_stream_write(client->tls, buf + written, cap - written);
            continue;
        }
        size_t part = len - client->first_sent;
        if (part > cap - written)
            part = cap - written;
        memcpy(buf + written, message + client->first_sent, part);
        written += part;
        client->first_sent += part;
        if (client->first_sent == len) {
            message_queue_drop_first(&client->queue);
            client->first_sent = 0;
        }
    }
    return written;
}

ssize_t turn_client_write(struct turn_client *client, uint8_t *buf, size_t cap, nanos now)
{
    client->now = now;
    if (now >= client->due)
        run_due_tasks(client);
    size_t written = client->transport == TURN_UDP ? write_datagram(client, buf, cap) : write_stream(client, buf, cap);
    if (written == 0 && client->queue.count == 0 && client->queue.cap > KEPT_QUEUE_CAP)
        message_queue_clear(&client->queue);
    return (ssize_t)written;
}

nanos turn_client_deadline(const struct turn_client *client)
{
    bool waits = client->queue.count > 0 || (client->tls != NULL && tls_stream_waiting(client->tls) > 0);
    return waits ? 0 : client->due;
}

/* --- the owner's other calls ------------------------------------------------------------------------------------ */

bool turn_client_permit(struct turn_client *client, const struct address *peer)
{
    struct address ip = without_port(peer);
    if (client->state == RELEASING || client->state == RESTING)
        return false;
    struct task *task = claim_task(client, TASK_PERMISSION, &ip);
    if (task == NULL)
        return false;
    task->refused = false;
    if (client->state == ALLOCATED && task->due == NANOS_NEVER)
        set_due(client, task, client->now);
    return true;
}

void turn_client_release(struct turn_client *client)
{
    if (client->state == RESTING || client->release_wanted)
        return;
    client->release_wanted = true;
    if (client->state == ALLOCATED)
        start_release(client);
    else if (client->state != ALLOCATING || (client->tasks[0].sends == 0))
        rest(client, TURN_CLIENT_RELEASED);
}

void turn_client_connected(struct turn_client *client, nanos now)
{
    struct error error;
    client->now = now;
    if (client->state != WAITING)
        return;
    client->waiting = 0;
    turn_framing_clear(&client->framing);
    if (client->transport == TURN_TCP) {
        begin_allocation(client);
        return;
    }
    tls_stream_destroy(client->tls);
    client->tls = tls_stream_create(client->tls_context, client->tls_server_name, &error);
    if (client->tls == NULL) {
        fail(client, 0, "%.100s", error.text);
        return;
    }
    client->state = SECURING;
    set_due(client, &client->tasks[0], now + STREAM_TIMEOUT);
}

void turn_client_disconnected(struct turn_client *client, const char *reason, nanos now)
{
    client->now = now;
    fail(client, 0, "%s", reason);
}

void turn_client_set_waiting(struct turn_client *client, size_t bytes) { client->waiting = bytes; }

uint64_t turn_client_dropped(const struct turn_client *client) { return client->dropped; }

struct address turn_client_server(const struct turn_client *client) { return client->server; }

static bool check_config(const struct turn_client_config *config, struct error *error)
{
    if (config->server.family == ADDRESS_NONE || config->server.port == 0)
        return error_set(error, ERROR_USAGE, "TURN: the server needs an address and a port");
    size_t username_len = config->username != NULL ? strlen(config->username) : 0;
    if (username_len == 0 || username_len > STUN_MAX_USERNAME)
        return error_set(error, ERROR_USAGE, "TURN: the username must have 1 to %d bytes", STUN_MAX_USERNAME);
    if (config->password == NULL)
        return error_set(error, ERROR_USAGE, "TURN: there is no password");
    if (config->transport == TURN_TLS && config->tls == NULL)
        return error_set(error, ERROR_USAGE, "TURN over TLS: there is no TLS context");
    return true;
}

struct turn_client *turn_client_create(const struct turn_client_config *config, struct error *error)
{
    if (!check_config(config, error))
        return NULL;
    struct turn_client *client = calloc(1, sizeof *client);
    if (client == NULL) {
        error_set(error, ERROR_SYSTEM, "TURN: out of memory");
        return NULL;
    }
    client->transport = config->transport;
    client->server = config->server;
    client->family = config->family;
    client->lifetime_asked_s = config->lifetime_s;
    client->rto = config->rto != 0 ? config->rto : RTO_DEFAULT;
    client->backlog_limit = config->backlog_bytes != 0 ? config->backlog_bytes : BACKLOG_DEFAULT;
    client->rng = rng_of(config->seed, "turn_client", 0);
    client->username = strdup(config->username);
    client->password = strdup(config->password);
    client->tls_server_name = config->tls_server_name != NULL ? strdup(config->tls_server_name) : NULL;
    client->tls_context = config->tls;
    client->challenge.username = client->username;
    client->challenge.password = client->password;
    client->due = NANOS_NEVER;
    struct task *allocation = add_task(client, TASK_ALLOCATION, NULL);
    if (client->username == NULL || client->password == NULL || allocation == NULL) {
        turn_client_destroy(client);
        error_set(error, ERROR_SYSTEM, "TURN: out of memory");
        return NULL;
    }
    client->state = config->transport == TURN_UDP ? ALLOCATING : WAITING;
    if (client->state == ALLOCATING)
        set_due(client, allocation, 0);
    return client;
}

void turn_client_destroy(struct turn_client *client)
{
    if (client == NULL)
        return;
    turn_challenge_clear(&client->challenge);
    turn_framing_clear(&client->framing);
    message_queue_clear(&client->queue);
    tls_stream_destroy(client->tls);
    free(client->tasks);
    free(client->tls_server_name);
    free(client->username);
    free(client->password);
    free(client);
}
