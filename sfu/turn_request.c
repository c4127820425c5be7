/* Requests about allocations and their answers: RFC 8656, sections 7 to 10 and 12. */
#include "rtc/turn_framing.h"
#include "sfu/turn_server_state.h"

enum { RESPONSE_CAP = 512, UNKNOWN_MAX = 16 };

static const char SOFTWARE[] = "confab";

/* Attributes that some request of TURN has; one that another request has is ignored (RFC 8489, section 6.3).
 * DONT-FRAGMENT is not among them: a world's sockets can't set the bit, so RFC 8656, section 7.2, wants a 420. */
static const uint16_t KNOWN[] = {
    STUN_ATTR_USERNAME,
    STUN_ATTR_USERHASH,
    STUN_ATTR_REALM,
    STUN_ATTR_NONCE,
    STUN_ATTR_PASSWORD_ALGORITHM,
    STUN_ATTR_LIFETIME,
    STUN_ATTR_REQUESTED_TRANSPORT,
    STUN_ATTR_REQUESTED_ADDRESS_FAMILY,
    STUN_ATTR_EVEN_PORT,
    STUN_ATTR_RESERVATION_TOKEN,
    STUN_ATTR_XOR_PEER_ADDRESS,
    STUN_ATTR_CHANNEL_NUMBER,
};

/* A request on its way to an answer. */
struct exchange {
    struct turn_server *server;
    const struct turn_path *path;
    const struct stun_message *request;
    struct turn_allocation *allocation; /* of the path's 5-tuple; NULL when there is none */
    struct turn_identity identity;
    nanos now;
    struct stun_builder builder;
    uint8_t response[RESPONSE_CAP];
};

/* --- answers ---------------------------------------------------------------------------------------------------- */

static void begin(struct exchange *exchange, enum stun_class class)
{
    stun_begin_response(&exchange->builder, exchange->response, sizeof exchange->response, class, exchange->request);
}

static void send_response(struct exchange *exchange)
{
    struct stun_builder *builder = &exchange->builder;
    stun_put_integrity(builder, exchange->identity.integrity, exchange->identity.key, exchange->identity.key_len);
    if (exchange->request->fingerprint != 0)
        stun_put_fingerprint(builder);
    turn_server_answer(exchange->server, exchange->path, exchange->response, stun_finish(builder));
}

static void send_error(struct exchange *exchange, unsigned code)
{
    begin(exchange, STUN_ERROR);
    stun_put_error_code(&exchange->builder, code, NULL);
    send_response(exchange);
}

/* No reason phrase and no SOFTWARE here: what a forged source address gets sent should be short. */
static bool may_refuse(struct turn_server *server, const struct turn_path *path, nanos now)
{
    if (path->listener == NULL || reply_limit_allow(&server->reply_limit, &path->tuple.client, now))
        return true;
    server->statistics.replies_suppressed++;
    return false;
}

void turn_request_refuse(struct turn_server *server, const struct turn_path *path, const struct stun_message *request,
                         unsigned code, nanos now)
{
    struct stun_builder builder;
    uint8_t response[RESPONSE_CAP];
    if (!may_refuse(server, path, now))
        return;
    stun_begin_response(&builder, response, sizeof response, STUN_ERROR, request);
    stun_put_error_code(&builder, code, "");
    if (code == STUN_UNAUTHENTICATED || code == STUN_STALE_NONCE) {
        turn_credentials_put_challenge(server->credentials, &builder, &path->tuple.client, now);
        server->statistics.challenges++;
    }
    if (request->fingerprint != 0)
        stun_put_fingerprint(&builder);
    turn_server_answer(server, path, response, stun_finish(&builder));
}

bool turn_request_refuse_unknown(struct turn_server *server, const struct turn_path *path,
                                 const struct stun_message *request, const uint16_t *known, size_t known_count,
                                 const struct turn_identity *identity, nanos now)
{
    struct exchange exchange = {.server = server, .path = path, .request = request, .now = now};
    uint16_t unknown[UNKNOWN_MAX];
    size_t count = stun_unknown_attributes(request, known, known_count, unknown, UNKNOWN_MAX);
    if (count == 0)
        return false;
    if (identity == NULL && !may_refuse(server, path, now))
        return true;
    if (identity != NULL)
        exchange.identity = *identity;
    begin(&exchange, STUN_ERROR);
    stun_put_error_code(&exchange.builder, STUN_UNKNOWN_ATTRIBUTE, "");
    stun_put_unknown_attributes(&exchange.builder, unknown, count);
    send_response(&exchange);
    return true;
}

/* --- Allocate: section 7.2 -------------------------------------------------------------------------------------- */

static void send_allocated(struct exchange *exchange)
{
    struct turn_allocation *allocation = exchange->allocation;
    struct stun_builder *builder = &exchange->builder;
    nanos until = 0;
    begin(exchange, STUN_SUCCESS);
    for (size_t i = 0; i < 2; i++) {
        const struct turn_relay *relay = &allocation->relays[i];
        struct address seen = relay->address;
        if (relay->udp == NULL)
            continue;
        if (seen.family == ADDRESS_IPV4 && exchange->server->external_ipv4.family == ADDRESS_IPV4) {
            seen = exchange->server->external_ipv4;
            seen.port = relay->address.port;
        }
        stun_put_xor_address(builder, STUN_ATTR_XOR_RELAYED_ADDRESS, &seen);
        until = relay->expiry.deadline.at;
    }
    stun_put_u32(builder, STUN_ATTR_LIFETIME, (uint32_t)((until - exchange->now) / NANOS_PER_S));
    stun_put_xor_address(builder, STUN_ATTR_XOR_MAPPED_ADDRESS, &allocation->tuple.client);
    if (allocation->token != 0)
        stun_put_u64(builder, STUN_ATTR_RESERVATION_TOKEN, allocation->token);
    if (allocation->refused_code != 0)
        stun_put_address_error_code(builder, allocation->refused_family, allocation->refused_code, NULL);
    stun_put_text(builder, STUN_ATTR_SOFTWARE, SOFTWARE);
    send_response(exchange);
}

/* What LIFETIME asks for, within the limits; Allocate never gives less than the default, Refresh only 0. */
static uint32_t wanted_lifetime_s(const struct exchange *exchange)
{
    const struct turn_server *server = exchange->server;
    uint32_t asked_s = 0;
    stun_get_u32(exchange->request, STUN_ATTR_LIFETIME, &asked_s);
    if (asked_s > server->lifetime_max_s)
        asked_s = server->lifetime_max_s;
    return asked_s > server->lifetime_default_s ? asked_s : server->lifetime_default_s;
}

/* The address families: 0, 400 or 440. */
static unsigned read_family(const struct stun_message *request, struct turn_wish *wish)
{
    uint8_t additional;
    bool has_requested = stun_has(request, STUN_ATTR_REQUESTED_ADDRESS_FAMILY);
    bool has_additional = stun_has(request, STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY);
    wish->family = ADDRESS_IPV4;
    if (has_requested && has_additional)
        return STUN_BAD_REQUEST;
    if (has_requested && !stun_get_family(request, STUN_ATTR_REQUESTED_ADDRESS_FAMILY, &wish->family))
        return STUN_BAD_REQUEST;
    if (wish->family == ADDRESS_NONE)
        return STUN_ADDRESS_FAMILY_NOT_SUPPORTED;
    if (has_additional &&
        (!stun_get_family(request, STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY, &additional) || additional != ADDRESS_IPV6))
        return STUN_BAD_REQUEST;
    wish->dual = has_additional;
    return 0;
}

/* Everything that the request asks for: 0, or the error code that a contradiction gets. */
static unsigned read_wish(const struct exchange *exchange, struct turn_wish *wish)
{
    const struct stun_message *request = exchange->request;
    uint32_t transport;
    uint8_t even;
    bool has_even = stun_has(request, STUN_ATTR_EVEN_PORT);
    if (!stun_get_u32(request, STUN_ATTR_REQUESTED_TRANSPORT, &transport))
        return STUN_BAD_REQUEST;
    if (transport >> 24 != STUN_TRANSPORT_UDP)
        return STUN_UNSUPPORTED_TRANSPORT_PROTOCOL;
    if (stun_has(request, STUN_ATTR_RESERVATION_TOKEN)) {
        if (has_even || stun_has(request, STUN_ATTR_REQUESTED_ADDRESS_FAMILY) ||
            stun_has(request, STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY) ||
            !stun_get_u64(request, STUN_ATTR_RESERVATION_TOKEN, &wish->token))
            return STUN_BAD_REQUEST;
        return wish->token != 0 ? 0 : STUN_INSUFFICIENT_CAPACITY;
    }
    unsigned code = read_family(request, wish);
    if (code != 0 || !has_even)
        return code;
    if (!stun_get_u8(request, STUN_ATTR_EVEN_PORT, &even) || ((even & 0x80) != 0 && wish->dual))
        return STUN_BAD_REQUEST;
    wish->port = (even & 0x80) != 0 ? TURN_PORT_PAIR : TURN_PORT_EVEN;
    return 0;
}

static void send_redirect(struct exchange *exchange)
{
    begin(exchange, STUN_ERROR);
    stun_put_error_code(&exchange->builder, STUN_TRY_ALTERNATE, NULL);
    stun_put_address(&exchange->builder, STUN_ATTR_ALTERNATE_SERVER, &exchange->server->redirect);
    send_response(exchange);
}

static void allocate(struct exchange *exchange)
{
    struct turn_server *server = exchange->server;
    const struct turn_path *path = exchange->path;
    struct turn_wish wish = {0};
    struct turn_allocation *allocation = exchange->allocation;
    if (allocation != NULL) {
        /* The same request again gets the same answer (section 7.2, note). */
        if (memcmp(allocation->transaction_id, exchange->request->transaction_id, STUN_TRANSACTION_ID_LEN) == 0)
            send_allocated(exchange);
        else
            send_error(exchange, STUN_ALLOCATION_MISMATCH);
        return;
    }
    if (server->redirect.family != ADDRESS_NONE) {
        send_redirect(exchange);
        return;
    }
    unsigned code = read_wish(exchange, &wish);
    wish.lifetime = (nanos)wanted_lifetime_s(exchange) * NANOS_PER_S;
    if (code == 0)
        code = turn_allocation_create(&server->table, &path->tuple,
                                      turn_credentials_account(server->credentials, exchange->identity.username),
                                      &exchange->identity, &wish, exchange->now, &allocation);
    if (code != 0) {
        server->statistics.allocations_refused++;
        send_error(exchange, code);
        return;
    }
    memcpy(allocation->transaction_id, exchange->request->transaction_id, STUN_TRANSACTION_ID_LEN);
    allocation->udp = path->listener != NULL ? path->listener->udp : NULL;
    allocation->connection = path->connection;
    if (path->connection != NULL)
        turn_connection_hold(path->connection, allocation, exchange->now);
    server->statistics.allocations[path->tuple.transport]++;
    server->statistics.allocations_total[path->tuple.transport]++;
    exchange->allocation = allocation;
    send_allocated(exchange);
}

/* --- Refresh: section 8.2 --------------------------------------------------------------------------------------- */

static void refresh(struct exchange *exchange)
{
    const struct stun_message *request = exchange->request;
    struct turn_allocation *allocation = exchange->allocation;
    uint8_t family = ADDRESS_NONE;
    uint32_t asked_s = 1;
    if (stun_has(request, STUN_ATTR_REQUESTED_ADDRESS_FAMILY)) {
        if (!stun_get_family(request, STUN_ATTR_REQUESTED_ADDRESS_FAMILY, &family)) {
            send_error(exchange, STUN_BAD_REQUEST);
            return;
        }
        if (family == ADDRESS_NONE || turn_allocation_relay(allocation, family) == NULL) {
            send_error(exchange, STUN_PEER_ADDRESS_FAMILY_MISMATCH);
            return;
        }
    }
    stun_get_u32(request, STUN_ATTR_LIFETIME, &asked_s);
    uint32_t lifetime_s = asked_s == 0 ? 0 : wanted_lifetime_s(exchange);
    if (lifetime_s != 0)
        turn_allocation_refresh(allocation, family, exchange->now + (nanos)lifetime_s * NANOS_PER_S);
    else if (family != ADDRESS_NONE)
        turn_allocation_end_relay(allocation, family);
    else
        turn_allocation_end(allocation);
    begin(exchange, STUN_SUCCESS);
    stun_put_u32(&exchange->builder, STUN_ATTR_LIFETIME, lifetime_s);
    stun_put_text(&exchange->builder, STUN_ATTR_SOFTWARE, SOFTWARE);
    send_response(exchange);
}

/* --- CreatePermission and ChannelBind: sections 10.2 and 12.2 --------------------------------------------------- */

/* Reads the value of an XOR-PEER-ADDRESS among several: a message is made that begins there. */
static bool read_peer(const struct stun_message *request, const struct stun_attribute *attribute, struct address *peer)
{
    size_t ip_len = attribute->len == 8 ? 4 : 16;
    uint8_t mask[16];
    if (attribute->len != 8 && attribute->len != 20)
        return false;
    if (attribute->value[1] != (attribute->len == 8 ? 1 : 2))
        return false;
    bytes_put32(mask, STUN_MAGIC_COOKIE);
    memcpy(mask + 4, request->transaction_id, STUN_TRANSACTION_ID_LEN);
    *peer = (struct address){.family = attribute->len == 8 ? ADDRESS_IPV4 : ADDRESS_IPV6,
                             .port = bytes_get16(attribute->value + 2) ^ (uint16_t)(STUN_MAGIC_COOKIE >> 16)};
    for (size_t i = 0; i < ip_len; i++)
        peer->ip[i] = attribute->value[4 + i] ^ mask[i];
    return true;
}

static unsigned check_permission(const struct exchange *exchange, const struct stun_attribute *attribute,
                                 struct address *peer)
{
    if (!read_peer(exchange->request, attribute, peer))
        return STUN_BAD_REQUEST;
    if (turn_allocation_relay(exchange->allocation, peer->family) == NULL)
        return STUN_PEER_ADDRESS_FAMILY_MISMATCH;
    return turn_peer_rules_permit(&exchange->server->rules, peer) ? 0 : STUN_FORBIDDEN;
}

static void create_permission(struct exchange *exchange)
{
    struct stun_attribute attribute = {0};
    struct address peer;
    unsigned code = STUN_BAD_REQUEST; /* unless there is one */
    /* All are checked before the first is installed. */
    for (bool first = true; stun_next(exchange->request, &attribute);) {
        if (attribute.type != STUN_ATTR_XOR_PEER_ADDRESS || (code != 0 && !first))
            continue;
        code = check_permission(exchange, &attribute, &peer);
        first = false;
    }
    attribute = (struct stun_attribute){0};
    while (code == 0 && stun_next(exchange->request, &attribute)) {
        if (attribute.type == STUN_ATTR_XOR_PEER_ADDRESS && read_peer(exchange->request, &attribute, &peer) &&
            !turn_allocation_permit(exchange->allocation, &peer, exchange->now))
            code = STUN_INSUFFICIENT_CAPACITY;
    }
    if (code != 0) {
        send_error(exchange, code);
        return;
    }
    begin(exchange, STUN_SUCCESS);
    send_response(exchange);
}

static unsigned bind_channel(struct exchange *exchange)
{
    const struct stun_message *request = exchange->request;
    struct address peer;
    uint16_t number;
    if (!stun_get_u16(request, STUN_ATTR_CHANNEL_NUMBER, &number) ||
        !stun_get_xor_address(request, STUN_ATTR_XOR_PEER_ADDRESS, &peer) || number < TURN_CHANNEL_MIN ||
        number > exchange->server->channel_max)
        return STUN_BAD_REQUEST;
    if (turn_allocation_relay(exchange->allocation, peer.family) == NULL)
        return STUN_PEER_ADDRESS_FAMILY_MISMATCH;
    if (!turn_peer_rules_send(&exchange->server->rules, &peer) || turn_relaying_is_astray(exchange->server, &peer))
        return STUN_FORBIDDEN;
    return turn_allocation_bind(exchange->allocation, number, &peer, exchange->now);
}

static void channel_bind(struct exchange *exchange)
{
    unsigned code = bind_channel(exchange);
    if (code != 0) {
        send_error(exchange, code);
        return;
    }
    begin(exchange, STUN_SUCCESS);
    send_response(exchange);
}

/* --- all of them ------------------------------------------------------------------------------------------------ */

static void take_method(struct exchange *exchange)
{
    const struct turn_allocation *allocation = exchange->allocation;
    if (exchange->request->method == STUN_ALLOCATE) {
        allocate(exchange);
        return;
    }
    if (allocation == NULL) {
        send_error(exchange, STUN_ALLOCATION_MISMATCH);
        return;
    }
    /* Section 5: whoever made it, and nobody else. */
    if (strcmp(allocation->identity->username, exchange->identity.username) != 0) {
        send_error(exchange, STUN_WRONG_CREDENTIALS);
        return;
    }
    switch (exchange->request->method) {
    case STUN_REFRESH:
        refresh(exchange);
        break;
    case STUN_CREATE_PERMISSION:
        create_permission(exchange);
        break;
    default:
        channel_bind(exchange);
        break;
    }
}

void turn_request_take(struct turn_server *server, const struct turn_path *path, const struct stun_message *request,
                       nanos now)
{
    struct exchange exchange = {.server = server, .path = path, .request = request, .now = now};
    switch (request->method) {
    case STUN_ALLOCATE:
    case STUN_REFRESH:
    case STUN_CREATE_PERMISSION:
    case STUN_CHANNEL_BIND:
        break;
    default:
        return; /* RFC 8489, section 6.3: an unknown method is dropped */
    }
    exchange.allocation = turn_table_find(&server->table, &path->tuple);
    const struct turn_identity *known = exchange.allocation != NULL ? exchange.allocation->identity : NULL;
    unsigned code =
        turn_credentials_check(server->credentials, request, &path->tuple.client, known, now, &exchange.identity);
    if (code != 0) {
        turn_request_refuse(server, path, request, code, now);
        return;
    }
    if (!turn_request_refuse_unknown(server, path, request, KNOWN, sizeof KNOWN / sizeof KNOWN[0], &exchange.identity,
                                     now))
        take_method(&exchange);
}
