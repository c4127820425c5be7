/* A client whose server says anything. The first byte chooses UDP or TCP; then come records
 *
 *     | what | length | bytes … |
 *
 * what: 0 bytes as they are, 1 an answer with these attributes to the last request, rightly signed, 2 the same unsigned,
 * 3 that many seconds pass, 4 data is sent to a peer, 5 a peer is permitted, 6 it is released. For 1 and 2 the first of
 * the bytes chooses between success and error. */
#include <stdlib.h>
#include <string.h>

#include "rtc/stun.h"
#include "rtc/turn_client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct play {
    struct turn_client *client;
    nanos now;
    uint8_t request[4096]; /* the last */
    size_t request_len;
};

static void pump(struct play *play)
{
    struct turn_client_event event;
    uint8_t buf[4096];
    ssize_t len;
    unsigned volatile sum = 0;
    do {
        while (turn_client_event(play->client, &event)) {
            for (size_t i = 0; event.type == TURN_CLIENT_DATA && i < event.len; i++)
                sum += event.data[i];
            if (event.type == TURN_CLIENT_REDIRECTED)
                turn_client_connected(play->client, play->now);
        }
        while ((len = turn_client_write(play->client, buf, sizeof buf, play->now)) > 0) {
            if (stun_is(buf, (size_t)len) && (buf[0] & 1) == 0 && (buf[1] & 0x10) == 0) {
                memcpy(play->request, buf, (size_t)len);
                play->request_len = (size_t)len;
            }
        }
    } while (turn_client_event(play->client, &event));
    if (turn_client_deadline(play->client) <= play->now)
        abort(); /* it would never let its owner sleep */
}

static void answer(struct play *play, const uint8_t *data, size_t len, bool is_signed)
{
    struct stun_builder builder;
    uint8_t response[1024];
    uint8_t key[STUN_KEY_CAP];
    if (play->request_len < STUN_HEADER_LEN || len < 1)
        return;
    uint16_t type = bytes_get16(play->request);
    uint16_t method = (uint16_t)((type & 0xf) | (type & 0xe0) >> 1 | (type & 0x3e00) >> 2);
    stun_begin(&builder, response, sizeof response, data[0] % 2 ? STUN_ERROR : STUN_SUCCESS, method, play->request + 8);
    if (len > 1)
        writer_bytes(&builder.writer, data + 1, (len - 1) & ~(size_t)3);
    if (is_signed) {
        size_t key_len = stun_long_term_key(STUN_PASSWORD_SHA256, "u", "r", "p", key);
        stun_put_integrity(&builder, STUN_INTEGRITY_SHA256, key, key_len);
    }
    size_t response_len = stun_finish(&builder);
    if (response_len > 0)
        turn_client_read(play->client, response, response_len, play->now);
}

static void step(struct play *play, uint8_t what, const uint8_t *data, size_t len)
{
    static uint8_t copy[256];
    struct address peer = address_ipv4(7, 1, 1, len > 0 ? data[0] : 1, 7000);
    switch (what % 7) {
    case 0:
        memcpy(copy, data, len);
        turn_client_read(play->client, copy, len, play->now);
        break;
    case 1:
    case 2:
        answer(play, data, len, what % 7 == 1);
        break;
    case 3:
        play->now += (nanos)(len > 0 ? data[0] : 1) * NANOS_PER_S;
        break;
    case 4:
        turn_client_send(play->client, &peer, data, len, play->now);
        break;
    case 5:
        turn_client_permit(play->client, &peer);
        break;
    default:
        turn_client_release(play->client);
        break;
    }
    pump(play);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct play play = {0};
    struct turn_client_config config = {.server = address_ipv4(5, 1, 1, 1, 3478),
                                        .transport = size > 0 && data[0] % 2 ? TURN_TCP : TURN_UDP,
                                        .username = "u",
                                        .password = "p"};
    play.client = turn_client_create(&config, NULL);
    turn_client_connected(play.client, 0);
    pump(&play);
    for (size_t at = 1; at + 2 <= size;) {
        size_t len = data[at + 1] < size - at - 2 ? data[at + 1] : size - at - 2;
        step(&play, data[at], data + at + 2, len);
        at += 2 + len;
    }
    turn_client_destroy(play.client);
    return 0;
}
