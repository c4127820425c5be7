#include "rtc/turn_client.h"

#include <stdlib.h>
#include <string.h>

#include "rtc/turn_client_state.h"

#define RTO_DEFAULT (500 * NANOS_PER_MS) /* RFC 8489, section 6.2.1 */
#define DATA_MAX 65000
#define BACKLOG_DEFAULT 65536
#define KEPT_QUEUE_CAP 4096
#define TLS_PIECE 2048

const char *turn_transport_name(enum turn_transport transport)
{
    static const char *const names[] = {"udp", "tcp", "tls"};
    return names[transport];
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
    struct turn_task *permission = turn_client_find_task(client, TURN_TASK_PERMISSION, &ip);
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
    if (client->state < TURN_ALLOCATING || client->state == TURN_RESTING)
        return -1;
    if (len > 0 && data[0] >= 0x40)
        return on_channel_data(client, data, len);
    if (!stun_parse(&message, data, len, NULL))
        return -1;
    if (message.class == STUN_INDICATION)
        return on_indication(client, &message);
    return message.class == STUN_REQUEST ? -1 : turn_client_take_answer(client, &message);
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
        turn_client_fail(client, 0, "the stream from the server is not TURN");
    else if (got > 0)
        on_message(client, message, len);
    return got > 0;
}

static void begin_allocation(struct turn_client *client)
{
    client->state = TURN_ALLOCATING;
    client->tasks[0].sends = 0;
    turn_client_set_due(client, &client->tasks[0], client->now);
}

static void check_tls(struct turn_client *client)
{
    switch (tls_stream_state(client->tls)) {
    case TLS_STREAM_OPEN:
        if (client->state == TURN_SECURING)
            begin_allocation(client);
        break;
    case TLS_STREAM_CLOSED:
        turn_client_fail(client, 0, "the server closed the TLS connection");
        break;
    case TLS_STREAM_FAILED:
        turn_client_fail(client, 0, "%s", tls_stream_reason(client->tls));
        break;
    default:
        break;
    }
}

int turn_client_read(struct turn_client *client, const uint8_t *data, size_t len, nanos now)
{
    client->now = now;
    if (client->state == TURN_WAITING || client->state == TURN_RESTING)
        return -1;
    if (client->transport == TURN_UDP)
        return on_message(client, data, len);
    if (client->tls != NULL) {
        tls_stream_read(client->tls, data, len);
        check_tls(client);
        return 0;
    }
    if (!turn_framing_add(&client->framing, data, len))
        turn_client_fail(client, 0, "out of memory");
    return 0;
}

/* --- events ----------------------------------------------------------------------------------------------------- */

static struct turn_client_event task_event(struct turn_client *client)
{
    struct turn_task *task = client->tasks;
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
        event.type = task->kind == TURN_TASK_CHANNEL ? TURN_CLIENT_CHANNEL_BOUND : TURN_CLIENT_PERMITTED;
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
    } while (client->transport != TURN_UDP && client->state >= TURN_ALLOCATING && client->state != TURN_RESTING &&
             take_from_stream(client));
    if (client->tls != NULL && client->state != TURN_RESTING && client->state != TURN_WAITING)
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
    struct turn_task *task = turn_client_claim_task(client, TURN_TASK_PERMISSION, &ip);
    if (task == NULL || task->refused)
        return false;
    if (task->due == NANOS_NEVER)
        turn_client_ask(client, task);
    return client->state == TURN_ALLOCATED;
}

static void ensure_channel(struct turn_client *client, const struct address *peer)
{
    struct turn_task *task = turn_client_claim_task(client, TURN_TASK_CHANNEL, peer);
    if (task == NULL || task->due != NANOS_NEVER || task->refused)
        return;
    uint16_t channel = TURN_CHANNEL_MIN;
    for (size_t i = 0; i < client->task_count; i++)
        channel += client->tasks[i].kind == TURN_TASK_CHANNEL && &client->tasks[i] != task;
    task->channel = channel;
    turn_client_ask(client, task);
}

bool turn_client_send(struct turn_client *client, const struct address *peer, const uint8_t *data, size_t len,
                      nanos now)
{
    client->now = now;
    if (client->state != TURN_ALLOCATED || len > DATA_MAX || has_backlog(client)) {
        client->dropped++;
        return false;
    }
    struct turn_task *channel = turn_client_find_task(client, TURN_TASK_CHANNEL, peer);
    if (channel != NULL && channel->established && push_channel_data(client, channel->channel, data, len))
        return true;
    bool sent = ensure_permission(client, peer);
    if (sent && !stun_is(data, len))
        ensure_channel(client, peer);
    sent = sent && client->state == TURN_ALLOCATED && push_indication(client, peer, data, len);
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
        turn_client_run_tasks(client);
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
    if (client->state == TURN_RELEASING || client->state == TURN_RESTING)
        return false;
    struct turn_task *task = turn_client_claim_task(client, TURN_TASK_PERMISSION, &ip);
    if (task == NULL)
        return false;
    task->refused = false;
    if (client->state == TURN_ALLOCATED && task->due == NANOS_NEVER)
        turn_client_set_due(client, task, client->now);
    return true;
}

void turn_client_release(struct turn_client *client)
{
    if (client->state == TURN_RESTING || client->release_wanted)
        return;
    client->release_wanted = true;
    if (client->state == TURN_ALLOCATED)
        turn_client_start_release(client);
    else if (client->state != TURN_ALLOCATING || (client->tasks[0].sends == 0))
        turn_client_rest(client, TURN_CLIENT_RELEASED);
}

void turn_client_connected(struct turn_client *client, nanos now)
{
    struct error error;
    client->now = now;
    if (client->state != TURN_WAITING)
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
        turn_client_fail(client, 0, "%.100s", error.text);
        return;
    }
    client->state = TURN_SECURING;
    turn_client_set_due(client, &client->tasks[0], now + TURN_STREAM_TIMEOUT);
}

void turn_client_disconnected(struct turn_client *client, const char *reason, nanos now)
{
    client->now = now;
    turn_client_fail(client, 0, "%s", reason);
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
    struct turn_task *allocation = turn_client_add_task(client, TURN_TASK_ALLOCATION, NULL);
    if (client->username == NULL || client->password == NULL || allocation == NULL) {
        turn_client_destroy(client);
        error_set(error, ERROR_SYSTEM, "TURN: out of memory");
        return NULL;
    }
    client->state = config->transport == TURN_UDP ? TURN_ALLOCATING : TURN_WAITING;
    if (client->state == TURN_ALLOCATING)
        turn_client_set_due(client, allocation, 0);
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
