/* A server whose clients and peers send anything. Records:
 *
 *     | what | length | bytes … |
 *
 * what: 0 a datagram to the server, 1 a rightly signed request: a method and attributes, 2 a datagram to a relay, 3
 * bytes on a TCP connection, 4 a signed request there, 5 that many seconds pass, 6 a new TCP connection. */
#include <stdlib.h>
#include <string.h>

#include "rtc/stun.h"
#include "sfu/turn_server.h"
/* The rule for fuzz targets links the floors alone. */
#include "tests/support/wire_world.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct play {
    struct wire_world *wire;
    struct world_host *host;
    struct address server, relayed;
    struct world_udp *client, *peer;
    struct world_tcp *tcp;
    char nonce[2][64]; /* over UDP, TCP */
    uint8_t count;
};

static void learn(struct play *play, int way, const uint8_t *data, size_t len)
{
    struct stun_message message;
    if (!stun_parse(&message, data, len, NULL))
        return;
    stun_get_text(&message, STUN_ATTR_NONCE, play->nonce[way], sizeof play->nonce[way]);
    stun_get_xor_address(&message, STUN_ATTR_XOR_RELAYED_ADDRESS, &play->relayed);
}

static void on_datagrams(void *user, struct world_udp *udp, struct datagram *batch, size_t count, nanos now)
{
    struct play *play = user;
    (void)now;
    for (size_t i = 0; i < count && udp == play->client; i++)
        learn(play, 0, batch[i].data, batch[i].len);
}

static void on_received(void *user, struct world_tcp *tcp, const uint8_t *data, size_t len, nanos now)
{
    (void)tcp;
    (void)now;
    learn(user, 1, data, len);
}

static void on_closed(void *user, struct world_tcp *tcp, const char *reason, nanos now)
{
    struct play *play = user;
    (void)reason;
    (void)now;
    world_tcp_close(tcp);
    if (play->tcp == tcp)
        play->tcp = NULL;
}

static void send_to(struct world_udp *udp, const struct address *to, const uint8_t *data, size_t len)
{
    struct datagram datagram = {.remote = *to, .data = (uint8_t *)(uintptr_t)data, .len = len};
    world_udp_send(udp, &datagram, 1);
}

static void connect_tcp(struct play *play)
{
    static const struct world_tcp_callbacks CALLBACKS = {.received = on_received, .closed = on_closed};
    if (play->tcp != NULL)
        world_tcp_close(play->tcp);
    play->tcp = world_tcp_connect(play->host, &play->server, &CALLBACKS, play, NULL);
}

/* The first byte is the method, what follows attributes; with none it is only a request for a challenge. */
static size_t build(struct play *play, int way, const uint8_t *data, size_t len, uint8_t *buf, size_t cap)
{
    static const uint16_t algorithms[] = {STUN_PASSWORD_SHA256, STUN_PASSWORD_MD5};
    struct stun_builder builder;
    uint8_t key[STUN_KEY_CAP];
    uint8_t id[STUN_TRANSACTION_ID_LEN] = {play->count++ / 2};
    stun_begin(&builder, buf, cap, STUN_REQUEST, len > 0 ? data[0] % 16 : STUN_ALLOCATE, id);
    if (len > 1)
        writer_bytes(&builder.writer, data + 1, (len - 1) & ~(size_t)3);
    if (len > 0) {
        stun_put_text(&builder, STUN_ATTR_USERNAME, "u");
        stun_put_text(&builder, STUN_ATTR_REALM, "confab");
        stun_put_text(&builder, STUN_ATTR_NONCE, play->nonce[way]);
        stun_put_password_algorithms(&builder, STUN_ATTR_PASSWORD_ALGORITHMS, algorithms, 2);
        stun_put_password_algorithms(&builder, STUN_ATTR_PASSWORD_ALGORITHM, algorithms, 1);
        stun_put_integrity(&builder, STUN_INTEGRITY_SHA256, key,
                           stun_long_term_key(STUN_PASSWORD_SHA256, "u", "confab", "p", key));
    }
    return stun_finish(&builder);
}

static void step(struct play *play, uint8_t what, const uint8_t *data, size_t len)
{
    uint8_t buf[1024];
    size_t built;
    switch (what % 7) {
    case 0:
        send_to(play->client, &play->server, data, len);
        break;
    case 1:
        built = build(play, 0, data, len, buf, sizeof buf);
        send_to(play->client, &play->server, buf, built);
        break;
    case 2:
        send_to(play->peer, &play->relayed, data, len);
        break;
    case 3:
        if (play->tcp != NULL)
            world_tcp_send(play->tcp, data, len);
        break;
    case 4:
        built = build(play, 1, data, len, buf, sizeof buf);
        if (play->tcp != NULL)
            world_tcp_send(play->tcp, buf, built);
        break;
    case 5:
        wire_world_run_for(play->wire, (nanos)(len > 0 ? data[0] : 1) * NANOS_PER_S);
        break;
    default:
        connect_tcp(play);
        break;
    }
    wire_world_run_for(play->wire, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct turn_user users[] = {{"u", "p"}};
    struct play play = {.server = address_ipv4(5, 1, 1, 1, 3478), .relayed = address_ipv4(5, 1, 1, 1, 50000)};
    struct address alternate = address_ipv4(5, 1, 1, 2, 3479);
    struct address local = address_ipv4(6, 1, 1, 1, 6000), peer = address_ipv4(7, 1, 1, 1, 7000);
    play.wire = wire_world_create(NULL);
    struct turn_server_config config = {.host = wire_world_host(play.wire, "5.1.1.1 5.1.1.2 2a05::1"),
                                        .udp = &play.server,
                                        .udp_count = 1,
                                        .tcp = &play.server,
                                        .tcp_count = 1,
                                        .alternate = &alternate,
                                        .alternate_count = 1,
                                        .relay_ipv4 = address_ipv4(5, 1, 1, 1, 0),
                                        .users = users,
                                        .user_count = 1,
                                        .user_quota = 2,
                                        .relay_port_min = 50000,
                                        .relay_port_max = 50015};
    address_parse(&config.relay_ipv6, "2a05::1");
    struct turn_server *server = turn_server_create(&config, NULL);
    play.host = wire_world_host(play.wire, "6.1.1.1");
    play.client = world_udp_open(play.host, &local, on_datagrams, &play, NULL);
    play.peer = world_udp_open(wire_world_host(play.wire, "7.1.1.1"), &peer, on_datagrams, &play, NULL);
    connect_tcp(&play);
    wire_world_run_for(play.wire, 0);
    step(&play, 1, NULL, 0); /* for their nonces */
    step(&play, 4, NULL, 0);
    for (size_t at = 0; at + 2 <= size;) {
        size_t len = data[at + 1] < size - at - 2 ? data[at + 1] : size - at - 2;
        step(&play, data[at], data + at + 2, len);
        at += 2 + len;
    }
    const struct turn_server_statistics *statistics = turn_server_statistics(server);
    if (statistics->allocations[TURN_UDP] > 1 || statistics->allocations[TURN_TCP] > 2)
        abort(); /* the quota is two, and a 5-tuple has one */
    turn_server_destroy(server);
    wire_world_destroy(play.wire);
    return 0;
}
