#include "sfu/datagram_ring.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "tests/support/suite.h"

enum { COUNT = 50000, LEN_MAX = 1500, RING_BYTES = 128 * 1024 };

/* Number `i` has a length and bytes that follow from `i`. */
static size_t make(uint32_t i, uint8_t *bytes)
{
    size_t len = 4 + i * 2654435761u % (LEN_MAX - 4);
    memset(bytes, (int)(i & 0xff), len);
    memcpy(bytes, &i, sizeof i);
    return len;
}

static bool is_number(uint32_t i, int socket, const struct datagram *datagram)
{
    static _Thread_local uint8_t bytes[LEN_MAX];
    size_t len = make(i, bytes);
    return socket == (int)(i % 4) && datagram->len == len && memcmp(datagram->data, bytes, len) == 0 &&
           datagram->remote.port == (uint16_t)i;
}

static bool put(struct datagram_ring *ring, uint32_t i)
{
    static _Thread_local uint8_t bytes[LEN_MAX];
    struct datagram datagram = {.remote = address_ipv4(127, 0, 0, 1, (uint16_t)i), .data = bytes};
    datagram.len = make(i, bytes);
    return datagram_ring_put(ring, (int)(i % 4), &datagram);
}

/* Filled and emptied again and again, so that the end falls everywhere. */
static void what_goes_in_comes_out(void)
{
    struct datagram_ring *ring = datagram_ring_create(RING_BYTES);
    struct rng rng = rng_of(1, "ring", 0);
    struct datagram datagram;
    uint32_t in = 0, out = 0;
    int socket;
    bool right = true;
    CU_ASSERT_FALSE(datagram_ring_take(ring, &socket, &datagram));
    while (in < COUNT) {
        for (uint64_t i = rng_u64(&rng) % 600; i > 0 && put(ring, in); i--)
            in++;
        for (uint64_t i = rng_u64(&rng) % 600; i > 0 && datagram_ring_take(ring, &socket, &datagram); i--)
            right = right && is_number(out++, socket, &datagram);
    }
    while (datagram_ring_take(ring, &socket, &datagram))
        right = right && is_number(out++, socket, &datagram);
    CU_ASSERT_TRUE(right);
    CU_ASSERT_EQUAL(in, out);
    datagram_ring_destroy(ring);
}

static void a_full_one_refuses(void)
{
    struct datagram_ring *ring = datagram_ring_create(RING_BYTES);
    struct datagram datagram = {.data = (uint8_t[1]){7}, .len = 1};
    struct datagram taken;
    size_t count = 0;
    int socket;
    while (datagram_ring_put(ring, 0, &datagram))
        count++;
    CU_ASSERT_TRUE(count > RING_BYTES / 100);
    CU_ASSERT_TRUE(count * datagram.len < RING_BYTES);
    CU_ASSERT_TRUE(datagram_ring_take(ring, &socket, &taken));
    CU_ASSERT_FALSE(datagram_ring_put(ring, 0, &datagram)); /* that one is still looked at */
    CU_ASSERT_TRUE(datagram_ring_take(ring, &socket, &taken));
    CU_ASSERT_TRUE(datagram_ring_put(ring, 0, &datagram));
    uint8_t *large = calloc(1, RING_BYTES);
    datagram = (struct datagram){.data = large, .len = RING_BYTES};
    CU_ASSERT_FALSE(datagram_ring_put(ring, 0, &datagram));
    free(large);
    datagram_ring_destroy(ring);
}

static void *put_all(void *user)
{
    for (uint32_t i = 0; i < COUNT;)
        i += put(user, i) ? 1 : 0;
    return NULL;
}

static void between_two_threads(void)
{
    struct datagram_ring *ring = datagram_ring_create(RING_BYTES);
    struct datagram datagram;
    pthread_t thread;
    bool right = true;
    int socket;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, put_all, ring), 0);
    for (uint32_t i = 0; i < COUNT;) {
        if (datagram_ring_take(ring, &socket, &datagram))
            right = right && is_number(i++, socket, &datagram);
    }
    pthread_join(thread, NULL);
    CU_ASSERT_TRUE(right);
    CU_ASSERT_FALSE(datagram_ring_take(ring, &socket, &datagram));
    datagram_ring_destroy(ring);
}

void datagram_ring_test(void);
void datagram_ring_test(void)
{
    SUITE("datagram_ring", {"what goes in comes out", what_goes_in_comes_out},
          {"a full one refuses", a_full_one_refuses}, {"between two threads", between_two_threads});
}
