/* What a TURN client asks of its server, the answers, and what follows from them: RFC 8656, sections 7 to 10 and 12,
 * RFC 8489, sections 6.2, 9.2 and 10. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rtc/turn_client_state.h"

#define SENDS_MAX 7                            /* RFC 8489, section 6.2.1: Rc */
#define LAST_WAIT_RTOS 16                      /* section 6.2.1: Rm */
#define REFRESH_AHEAD_S 60                     /* RFC 8656, section 8: a minute before it expires */
#define PERMISSION_REFRESH (240 * NANOS_PER_S) /* of the 300 s that a permission lasts: section 9 */
#define CHANNEL_REFRESH (540 * NANOS_PER_S)    /* of the 600 s that a channel lasts: section 12 */
#define CHALLENGES_MAX 3                       /* new nonces in a row before we stop believing in them */
#define PEERS_MAX 64                           /* permissions, and channels */
#define REQUEST_CAP 2560

/* --- tasks ------------------------------------------------------------------------------------------------------ */

void turn_client_set_due(struct turn_client *client, struct turn_task *task, nanos at)
{
    task->due = at;
    client->due = nanos_min(client->due, at);
}

struct turn_task *turn_client_add_task(struct turn_client *client, enum turn_task_kind kind, const struct address *peer)
{
    if (client->task_count == client->task_cap) {
        size_t cap = client->task_cap == 0 ? 4 : client->task_cap * 2;
        struct turn_task *tasks = realloc(client->tasks, cap * sizeof *tasks);
        if (tasks == NULL)
            return NULL;
        client->tasks = tasks;
        client->task_cap = cap;
    }
    struct turn_task *task = &client->tasks[client->task_count++];
    *task = (struct turn_task){.kind = kind, .due = NANOS_NEVER};
    if (peer != NULL)
        task->peer = *peer;
    return task;
}

struct turn_task *turn_client_find_task(struct turn_client *client, enum turn_task_kind kind,
                                        const struct address *peer)
{
    struct turn_task *last = &client->tasks[client->last_channel];
    if (last->kind == kind && address_equal(&last->peer, peer))
        return last;
    for (size_t i = 0; i < client->task_count; i++) {
        struct turn_task *task = &client->tasks[i];
        if (task->kind != kind || !address_equal(&task->peer, peer))
            continue;
        if (kind == TURN_TASK_CHANNEL)
            client->last_channel = i;
        return task;
    }
    return NULL;
}

struct turn_task *turn_client_claim_task(struct turn_client *client, enum turn_task_kind kind,
                                         const struct address *peer)
{
    struct turn_task *task = turn_client_find_task(client, kind, peer);
    size_t count = 0;
    for (size_t i = 0; task == NULL && i < client->task_count; i++)
        count += client->tasks[i].kind == kind;
    if (task != NULL || count < PEERS_MAX)
        return task != NULL ? task : turn_client_add_task(client, kind, peer);
    for (size_t i = 0; kind == TURN_TASK_PERMISSION && i < client->task_count; i++) {
        task = &client->tasks[i];
        if (task->kind == kind && task->refused && !task->report) {
            *task = (struct turn_task){.kind = kind, .peer = *peer, .due = NANOS_NEVER};
            return task;
        }
    }
    return NULL;
}

static void report(struct turn_client *client, struct turn_task *task)
{
    client->reports += !task->report;
    task->report = true;
}

/* --- what ends it ----------------------------------------------------------------------------------------------- */

void turn_client_rest(struct turn_client *client, enum turn_client_event_type why)
{
    client->state = TURN_RESTING;
    client->due = NANOS_NEVER;
    for (size_t i = 0; i < client->task_count; i++)
        client->tasks[i] = (struct turn_task){.kind = client->tasks[i].kind, .due = NANOS_NEVER};
    client->reports = 0;
    message_queue_clear(&client->queue);
    client->first_sent = 0;
    client->pending |= 1u << why;
    if (client->tls != NULL)
        tls_stream_close(client->tls);
}

void turn_client_fail(struct turn_client *client, int code, const char *format, ...)
{
    va_list arguments;
    if (client->state == TURN_RESTING)
        return;
    va_start(arguments, format);
    vsnprintf(client->reason, sizeof client->reason, format, arguments);
    va_end(arguments);
    client->code = code;
    turn_client_rest(client, client->release_wanted ? TURN_CLIENT_RELEASED : TURN_CLIENT_FAILED);
}

static void refuse(struct turn_client *client, struct turn_task *task, int code)
{
    task->refused = true;
    task->established = false;
    task->sends = 0;
    task->code = (uint16_t)code;
    task->due = NANOS_NEVER;
    if (task->kind == TURN_TASK_PERMISSION)
        report(client, task);
}

/* --- requests --------------------------------------------------------------------------------------------------- */

static uint16_t method_of(const struct turn_client *client, const struct turn_task *task)
{
    switch (task->kind) {
    case TURN_TASK_PERMISSION:
        return STUN_CREATE_PERMISSION;
    case TURN_TASK_CHANNEL:
        return STUN_CHANNEL_BIND;
    default:
        return client->state == TURN_ALLOCATING ? STUN_ALLOCATE : STUN_REFRESH;
    }
}

static size_t build_request(const struct turn_client *client, const struct turn_task *task, uint8_t *buf, size_t cap)
{
    struct stun_builder builder;
    uint16_t method = method_of(client, task);
    stun_begin(&builder, buf, cap, STUN_REQUEST, method, task->id);
    if (task->kind == TURN_TASK_ALLOCATION)
        stun_put_text(&builder, STUN_ATTR_SOFTWARE, "confab");
    else
        stun_put_xor_address(&builder, STUN_ATTR_XOR_PEER_ADDRESS, &task->peer);
    if (task->kind == TURN_TASK_CHANNEL)
        stun_put_u16(&builder, STUN_ATTR_CHANNEL_NUMBER, task->channel);
    if (method == STUN_ALLOCATE) {
        stun_put_transport(&builder, STUN_TRANSPORT_UDP);
        /* IPv4 is what a server gives by itself, and one from before RFC 6156 may not know the attribute. */
        if (client->family == ADDRESS_IPV6)
            stun_put_family(&builder, STUN_ATTR_REQUESTED_ADDRESS_FAMILY, ADDRESS_IPV6);
    }
    if (task->kind == TURN_TASK_ALLOCATION && (client->lifetime_asked_s != 0 || client->state == TURN_RELEASING))
        stun_put_u32(&builder, STUN_ATTR_LIFETIME, client->state == TURN_RELEASING ? 0 : client->lifetime_asked_s);
    turn_challenge_put(&client->challenge, &builder);
    return stun_finish(&builder);
}

static void transmit(struct turn_client *client, struct turn_task *task)
{
    uint8_t request[REQUEST_CAP];
    size_t len = build_request(client, task, request, sizeof request);
    if (len == 0 || !message_queue_push(&client->queue, &(struct message_tag){0}, request, len)) {
        turn_client_fail(client, 0, "out of memory");
        return;
    }
    task->sends++;
    nanos wait = TURN_STREAM_TIMEOUT;
    if (client->transport == TURN_UDP)
        wait = client->rto * (task->sends < SENDS_MAX ? 1 << (task->sends - 1) : LAST_WAIT_RTOS);
    turn_client_set_due(client, task, client->now + wait);
}

/* A request in a transaction of its own. */
void turn_client_ask(struct turn_client *client, struct turn_task *task)
{
    rng_bytes(&client->rng, task->id, sizeof task->id);
    task->sends = 0;
    transmit(client, task);
}

static void give_up(struct turn_client *client, struct turn_task *task)
{
    char text[ADDRESS_TEXT_CAP];
    if (task->kind != TURN_TASK_ALLOCATION) {
        refuse(client, task, 0);
        return;
    }
    address_format(&client->server, text);
    if (client->integrity_violated)
        turn_client_fail(client, 0, "answers from %s fail their integrity check", text);
    else
        turn_client_fail(client, 0, "no answer from %s", text);
}

void turn_client_run_tasks(struct turn_client *client)
{
    for (size_t i = 0; client->state != TURN_RESTING && i < client->task_count; i++) {
        struct turn_task *task = &client->tasks[i];
        if (task->due > client->now)
            continue;
        if (client->state == TURN_SECURING)
            turn_client_fail(client, 0, "the TLS handshake took too long");
        else if (task->sends == 0)
            turn_client_ask(client, task);
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

void turn_client_start_release(struct turn_client *client)
{
    client->state = TURN_RELEASING;
    for (size_t i = 1; i < client->task_count; i++)
        client->tasks[i].due = NANOS_NEVER;
    client->tasks[0].sends = 0;
    turn_client_set_due(client, &client->tasks[0], client->now);
}

static void on_allocated(struct turn_client *client, const struct stun_message *message, uint32_t lifetime_s)
{
    struct address mapped = {0};
    if (!stun_get_xor_address(message, STUN_ATTR_XOR_RELAYED_ADDRESS, &client->relayed)) {
        turn_client_fail(client, 0, "the server's answer has no relayed address");
        return;
    }
    stun_get_mapped_address(message, &mapped);
    client->mapped = mapped;
    client->state = TURN_ALLOCATED;
    /* RFC 8656, section 7.3: an address of a kind that wasn't asked for is given back. */
    if (client->relayed.family != (client->family == ADDRESS_NONE ? ADDRESS_IPV4 : client->family)) {
        turn_client_fail(client, 0, "the server gave an address of another family");
        return;
    }
    if (client->release_wanted) {
        turn_client_start_release(client);
        return;
    }
    client->lifetime_s = lifetime_s;
    client->pending |= 1u << TURN_CLIENT_ALLOCATED;
    for (size_t i = 1; i < client->task_count; i++)
        turn_client_set_due(client, &client->tasks[i], client->now);
}

static void on_success(struct turn_client *client, struct turn_task *task, const struct stun_message *message)
{
    uint32_t lifetime_s = 0;
    task->challenges = 0;
    task->sends = 0;
    if (task->kind != TURN_TASK_ALLOCATION) {
        if (!task->established)
            report(client, task);
        task->established = true;
        task->refused = false;
        turn_client_set_due(client, task,
                            client->now + (task->kind == TURN_TASK_CHANNEL ? CHANNEL_REFRESH : PERMISSION_REFRESH));
        return;
    }
    if (client->state == TURN_RELEASING) {
        turn_client_rest(client, TURN_CLIENT_RELEASED);
        return;
    }
    if (!stun_get_u32(message, STUN_ATTR_LIFETIME, &lifetime_s) || lifetime_s == 0) {
        turn_client_fail(client, 0, "the server's answer has no lifetime");
        return;
    }
    uint32_t wait_s = lifetime_s > 2 * REFRESH_AHEAD_S ? lifetime_s - REFRESH_AHEAD_S : lifetime_s / 2;
    turn_client_set_due(client, task, client->now + (nanos)wait_s * NANOS_PER_S);
    if (client->state == TURN_ALLOCATING)
        on_allocated(client, message, lifetime_s);
}

/* 300: RFC 8489, section 10. */
static void redirect(struct turn_client *client, const struct stun_message *message)
{
    struct address other;
    char domain[256];
    char text[ADDRESS_TEXT_CAP];
    if (!stun_get_address(message, STUN_ATTR_ALTERNATE_SERVER, &other) || other.family != client->server.family) {
        turn_client_fail(client, STUN_TRY_ALTERNATE, "redirected without an address that can be used");
        return;
    }
    bool seen = client->redirects == TURN_REDIRECTS_MAX || address_equal(&other, &client->server);
    for (size_t i = 0; i < client->redirects; i++)
        seen |= address_equal(&other, &client->redirected_from[i]);
    if (seen) {
        turn_client_fail(client, STUN_TRY_ALTERNATE, "redirected in a circle, to %s", address_format(&other, text));
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
        turn_client_set_due(client, &client->tasks[0], client->now);
    } else {
        client->state = TURN_WAITING;
        client->tasks[0].due = NANOS_NEVER;
    }
}

static void on_error(struct turn_client *client, struct turn_task *task, const struct stun_message *message, int code,
                     const char *reason)
{
    task->sends = 0;
    if (code == STUN_ALLOCATION_MISMATCH || task->kind == TURN_TASK_ALLOCATION) {
        if (code == STUN_TRY_ALTERNATE && client->state == TURN_ALLOCATING)
            redirect(client, message);
        else
            turn_client_fail(client, code, "%d %s", code, reason);
        return;
    }
    refuse(client, task, code);
}

/* 401 and 438: ask again with what the server wants to see (RFC 8489, section 9.2.5). */
static void on_challenge(struct turn_client *client, struct turn_task *task, const struct stun_message *message,
                         int code, const char *reason)
{
    bool tried = client->challenge.realm != NULL;
    if ((code == STUN_UNAUTHENTICATED && tried) || task->challenges == CHALLENGES_MAX) {
        on_error(client, task, message, code, reason);
        return;
    }
    const char *problem = turn_challenge_take(&client->challenge, message);
    if (problem != NULL) {
        turn_client_fail(client, code, "%s", problem);
        return;
    }
    task->challenges++;
    turn_client_ask(client, task);
}

/* Does this answer count? Whoever has credentials believes nothing unsigned (RFC 8489, section 9.2.5), and a redirection
 * must always be signed (section 14.8). */
static bool is_authentic(const struct turn_client *client, const struct stun_message *message, int code)
{
    if (client->challenge.realm != NULL)
        return turn_challenge_check(&client->challenge, message);
    return code != STUN_TRY_ALTERNATE;
}

int turn_client_take_answer(struct turn_client *client, const struct stun_message *message)
{
    struct turn_task *task = NULL;
    unsigned code = 0;
    char reason[64] = "";
    for (size_t i = 0; i < client->task_count && task == NULL; i++) {
        struct turn_task *candidate = &client->tasks[i];
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
