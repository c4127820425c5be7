/* The Binding method (RFC 8489, sections 6.3.1 and 12), with the attributes by which clients find out how their NAT
 * behaves (RFC 5780, section 6). */
#include "sfu/turn_server_state.h"

/* The usual MTU: no answer is padded beyond what makes a second fragment of it. */
enum { PADDING_MAX = 1500, RESPONSE_CAP = 256 + PADDING_MAX };

/* Attributes that some clients send along and that change nothing here. */
static const uint16_t KNOWN[] = {
    STUN_ATTR_USERNAME,           STUN_ATTR_USERHASH, STUN_ATTR_REALM,         STUN_ATTR_NONCE,
    STUN_ATTR_PASSWORD_ALGORITHM, STUN_ATTR_PRIORITY, STUN_ATTR_USE_CANDIDATE, STUN_ATTR_CHANGE_REQUEST,
};
/* CHANGE-REQUEST stands last: it is known only where there are other addresses to answer from. PADDING and
 * RESPONSE-PORT are for UDP alone. */
static const uint16_t KNOWN_UDP[] = {
    STUN_ATTR_USERNAME,           STUN_ATTR_USERHASH,       STUN_ATTR_REALM,         STUN_ATTR_NONCE,
    STUN_ATTR_PASSWORD_ALGORITHM, STUN_ATTR_PRIORITY,       STUN_ATTR_USE_CANDIDATE, STUN_ATTR_PADDING,
    STUN_ATTR_RESPONSE_PORT,      STUN_ATTR_CHANGE_REQUEST,
};

static bool refuse_unknown(struct turn_server *server, const struct turn_path *path, const struct stun_message *request,
                           nanos now)
{
    bool udp = path->listener != NULL;
    bool behavior = udp && path->listener->other_both != NULL;
    const uint16_t *known = udp ? KNOWN_UDP : KNOWN;
    size_t count = udp ? sizeof KNOWN_UDP / sizeof KNOWN_UDP[0] : sizeof KNOWN / sizeof KNOWN[0];
    return turn_request_refuse_unknown(server, path, request, known, behavior ? count : count - 1, NULL, now);
}

/* RFC 5780, section 6.1, table 1. */
static struct turn_listener *answering_listener(struct turn_listener *arrived, uint32_t change)
{
    if ((change & STUN_CHANGE_IP) != 0)
        return (change & STUN_CHANGE_PORT) != 0 ? arrived->other_both : arrived->other_ip;
    return (change & STUN_CHANGE_PORT) != 0 ? arrived->other_port : arrived;
}

/* As much padding as the request had, so that nobody gets more than he sent. */
static void put_padding(struct stun_builder *builder, const struct stun_message *request)
{
    struct stun_attribute padding;
    if (!stun_find(request, STUN_ATTR_PADDING, &padding))
        return;
    size_t len = padding.len < PADDING_MAX ? padding.len : PADDING_MAX;
    uint8_t *room = stun_put_room(builder, STUN_ATTR_PADDING, len);
    if (room != NULL)
        memset(room, 0, len);
}

void stun_behavior_take(struct turn_server *server, const struct turn_path *path, const struct stun_message *request,
                        nanos now)
{
    struct turn_listener *from = path->listener;
    struct stun_builder builder;
    uint8_t response[RESPONSE_CAP];
    uint32_t change = 0;
    uint16_t port = path->tuple.client.port;
    if (refuse_unknown(server, path, request, now))
        return;
    bool has_port = stun_has(request, STUN_ATTR_RESPONSE_PORT);
    if ((has_port && (stun_has(request, STUN_ATTR_PADDING) || !stun_get_u16(request, STUN_ATTR_RESPONSE_PORT, &port) ||
                      port == 0)) ||
        (stun_has(request, STUN_ATTR_CHANGE_REQUEST) && !stun_get_u32(request, STUN_ATTR_CHANGE_REQUEST, &change))) {
        turn_request_refuse(server, path, request, STUN_BAD_REQUEST, now);
        return;
    }
    if (from != NULL && !reply_limit_allow(&server->reply_limit, &path->tuple.client, now)) {
        server->statistics.replies_suppressed++;
        return;
    }
    bool behavior = from != NULL && from->other_both != NULL;
    stun_begin_response(&builder, response, sizeof response, STUN_SUCCESS, request);
    stun_put_xor_address(&builder, STUN_ATTR_XOR_MAPPED_ADDRESS, &path->tuple.client);
    if (behavior) {
        stun_put_address(&builder, STUN_ATTR_MAPPED_ADDRESS, &path->tuple.client);
        from = answering_listener(path->listener, change);
        stun_put_address(&builder, STUN_ATTR_RESPONSE_ORIGIN, &from->local);
        stun_put_address(&builder, STUN_ATTR_OTHER_ADDRESS, &path->listener->other_both->local);
    }
    if (from != NULL)
        put_padding(&builder, request);
    if (request->fingerprint != 0)
        stun_put_fingerprint(&builder);
    size_t len = stun_finish(&builder);
    server->statistics.bindings++;
    if (from == NULL) {
        turn_server_answer(server, path, response, len);
        return;
    }
    struct turn_path back = *path;
    back.tuple.client.port = port;
    back.listener = from;
    turn_server_answer(server, &back, response, len);
}
