#include "tests/support/turn_asker.h"

#include <stdlib.h>
#include <string.h>

void asker_open(struct asker *asker, struct wire_world *wire, struct world_host *host, const char *local,
                const struct address *server)
{
    *asker = (struct asker){.wire = wire, .server = *server, .username = "alice", .password = "wonderland"};
    witness_open(&asker->socket, host, local);
}

struct stun_builder *asker_begin(struct asker *asker, enum stun_class class, uint16_t method)
{
    struct address local = world_udp_address(asker->socket.udp);
    bytes_put16(asker->id, local.port);
    bytes_put32(asker->id + 8, bytes_get32(asker->id + 8) + 1);
    stun_begin(&asker->builder, asker->request, sizeof asker->request, class, method, asker->id);
    asker->request_len = 0;
    return &asker->builder;
}

static int transact(struct asker *asker)
{
    unsigned before = asker->socket.count;
    unsigned code = 0;
    witness_send(&asker->socket, &asker->server, asker->request, asker->request_len);
    wire_world_run_for(asker->wire, NANOS_PER_S);
    if (asker->socket.count == before || !stun_parse(&asker->response, asker->socket.data, asker->socket.len, NULL) ||
        memcmp(asker->response.transaction_id, asker->id, sizeof asker->id) != 0)
        return -1;
    if (asker->response.class == STUN_SUCCESS)
        return 0;
    if (!stun_get_error_code(&asker->response, &code, NULL, 0))
        return -1;
    stun_get_text(&asker->response, STUN_ATTR_REALM, asker->realm, sizeof asker->realm);
    stun_get_text(&asker->response, STUN_ATTR_NONCE, asker->nonce, sizeof asker->nonce);
    return (int)code;
}

int asker_send(struct asker *asker)
{
    asker->request_len = stun_finish(&asker->builder);
    return transact(asker);
}

int asker_repeat(struct asker *asker) { return transact(asker); }

int asker_challenge(struct asker *asker)
{
    asker_begin(asker, STUN_REQUEST, STUN_ALLOCATE);
    return asker_send(asker);
}

void asker_sign(struct asker *asker)
{
    static const uint16_t algorithms[] = {STUN_PASSWORD_SHA256, STUN_PASSWORD_MD5};
    uint8_t key[STUN_KEY_CAP];
    struct stun_builder *builder = &asker->builder;
    stun_put_text(builder, STUN_ATTR_USERNAME, asker->username);
    stun_put_text(builder, STUN_ATTR_REALM, asker->realm);
    stun_put_text(builder, STUN_ATTR_NONCE, asker->nonce);
    if (!asker->md5) {
        stun_put_password_algorithms(builder, STUN_ATTR_PASSWORD_ALGORITHMS, algorithms, 2);
        stun_put_password_algorithms(builder, STUN_ATTR_PASSWORD_ALGORITHM, algorithms, 1);
    }
    size_t key_len = stun_long_term_key(asker->md5 ? STUN_PASSWORD_MD5 : STUN_PASSWORD_SHA256, asker->username,
                                        asker->realm, asker->password, key);
    stun_put_integrity(builder, asker->md5 ? STUN_INTEGRITY_SHA1 : STUN_INTEGRITY_SHA256, key, key_len);
}

int asker_ask(struct asker *asker)
{
    asker_sign(asker);
    return asker_send(asker);
}

int asker_allocate(struct asker *asker)
{
    stun_put_transport(asker_begin(asker, STUN_REQUEST, STUN_ALLOCATE), STUN_TRANSPORT_UDP);
    return asker_ask(asker);
}

int asker_permit(struct asker *asker, const char *peer)
{
    struct address address = address_of(peer);
    stun_put_xor_address(asker_begin(asker, STUN_REQUEST, STUN_CREATE_PERMISSION), STUN_ATTR_XOR_PEER_ADDRESS,
                         &address);
    return asker_ask(asker);
}

int asker_bind(struct asker *asker, uint16_t channel, const char *peer)
{
    struct address address = address_of(peer);
    struct stun_builder *builder = asker_begin(asker, STUN_REQUEST, STUN_CHANNEL_BIND);
    stun_put_u16(builder, STUN_ATTR_CHANNEL_NUMBER, channel);
    stun_put_xor_address(builder, STUN_ATTR_XOR_PEER_ADDRESS, &address);
    return asker_ask(asker);
}

int asker_refresh(struct asker *asker, uint32_t lifetime_s)
{
    stun_put_u32(asker_begin(asker, STUN_REQUEST, STUN_REFRESH), STUN_ATTR_LIFETIME, lifetime_s);
    return asker_ask(asker);
}

void asker_send_data(struct asker *asker, const char *peer, const char *text)
{
    struct address address = address_of(peer);
    struct stun_builder *builder = asker_begin(asker, STUN_INDICATION, STUN_SEND);
    stun_put_xor_address(builder, STUN_ATTR_XOR_PEER_ADDRESS, &address);
    stun_put_bytes(builder, STUN_ATTR_DATA, text, strlen(text));
    asker_send(asker);
}

struct address asker_relayed(const struct asker *asker)
{
    struct address relayed = {0};
    stun_get_xor_address(&asker->response, STUN_ATTR_XOR_RELAYED_ADDRESS, &relayed);
    return relayed;
}
