#include "rtc/retransmission.h"

#include <string.h>

#include "base/bytes.h"
#include "base/rng.h"
#include "tests/support/suite.h"

#define MS NANOS_PER_MS

/* A packet that can be told from every other: its bytes follow from its number and length. */
static void make(uint8_t *data, size_t len, uint64_t number)
{
    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)(number * 31 + i * 7 + len);
    data[0] = 0x80;
    bytes_put16(data + 2, (uint16_t)number);
}

static void finds_what_it_stored(void)
{
    struct retransmission_buffer buffer;
    uint8_t data[100];
    size_t len;
    retransmission_buffer_init(&buffer, 500 * MS, 100000);
    CU_ASSERT_PTR_NULL(retransmission_buffer_find(&buffer, 7, 0, &len));
    make(data, 100, 7);
    CU_ASSERT_TRUE(retransmission_buffer_store(&buffer, data, 100, 1000 * MS));
    const uint8_t *found = retransmission_buffer_find(&buffer, 7, 1500 * MS, &len);
    CU_ASSERT_PTR_NOT_NULL_FATAL(found);
    CU_ASSERT_TRUE(len == 100 && memcmp(found, data, 100) == 0);
    CU_ASSERT_PTR_NULL(retransmission_buffer_find(&buffer, 7, 1501 * MS, &len));
    CU_ASSERT_PTR_NULL(retransmission_buffer_find(&buffer, 7 + 32, 1500 * MS, &len)); /* the same place in the index */
    CU_ASSERT_FALSE(retransmission_buffer_store(&buffer, data, 3, 1000 * MS));
    uint8_t *large = calloc(1, 100000);
    CU_ASSERT_PTR_NOT_NULL_FATAL(large);
    CU_ASSERT_FALSE(retransmission_buffer_store(&buffer, large, 65536, 1000 * MS));
    CU_ASSERT_TRUE(retransmission_buffer_store(&buffer, large, 65535, 1000 * MS));
    retransmission_buffer_clear(&buffer);
    retransmission_buffer_set_rtt(&buffer, 20 * MS); /* 200 ms and three round trips, at most what it was made for */
    CU_ASSERT_TRUE(retransmission_buffer_store(&buffer, data, 100, 1000 * MS));
    CU_ASSERT_PTR_NOT_NULL(retransmission_buffer_find(&buffer, 7, 1260 * MS, &len));
    CU_ASSERT_PTR_NULL(retransmission_buffer_find(&buffer, 7, 1261 * MS, &len));
    retransmission_buffer_set_rtt(&buffer, 1000 * MS);
    CU_ASSERT_PTR_NOT_NULL(retransmission_buffer_find(&buffer, 7, 1500 * MS, &len));
    CU_ASSERT_PTR_NULL(retransmission_buffer_find(&buffer, 7, 1501 * MS, &len));
    retransmission_buffer_clear(&buffer);
    retransmission_buffer_init(&buffer, 500 * MS, 1000);
    CU_ASSERT_FALSE(retransmission_buffer_store(&buffer, large, 1000, 0));
    CU_ASSERT_TRUE(retransmission_buffer_store(&buffer, large, 992, 0));
    free(large);
    retransmission_buffer_clear(&buffer);
}

/* Random packets of random sizes at changing rates, with gaps: what is in the window and within the bytes is found and
 * is right, what isn't is not, and the memory follows what is stored. */
static void agrees_with_a_table(void)
{
    enum { COUNT = 30000 };
    static struct {
        nanos at;
        uint32_t len;
        bool stored;
    } table[COUNT];
    memset(table, 0, sizeof table);
    struct rng rng = rng_of(1, "retransmission", 0);
    struct retransmission_buffer buffer;
    const size_t bytes_max = 150000;
    retransmission_buffer_init(&buffer, 200 * MS, bytes_max);
    uint8_t data[1500];
    nanos now = 0;
    size_t cap_max = 0;
    for (size_t i = 0; i < COUNT; i++) {
        if (rng_below(&rng, 50) == 0)
            continue;
        now += (nanos)rng_below(&rng, i / 3000 % 2 ? 20 * MS : 1 * MS); /* now fast, now slow */
        size_t len = 12 + rng_below(&rng, 1300);
        make(data, len, i);
        CU_ASSERT_TRUE_FATAL(retransmission_buffer_store(&buffer, data, len, now));
        table[i].at = now;
        table[i].len = (uint32_t)len;
        table[i].stored = true;
        CU_ASSERT_TRUE(buffer.cap <= bytes_max && buffer.used <= buffer.cap);
        CU_ASSERT_TRUE(buffer.cap <= 3 * buffer.used + 3 * 8192 || buffer.cap <= cap_max);
        CU_ASSERT_TRUE(buffer.index_size <= 8 * buffer.count + 64);
        cap_max = buffer.cap; /* may shrink by half with each store, but not at once */
        if (i % 16 != 0)
            continue;
        size_t bytes = 0;
        for (size_t back = 0; back < 400 && back <= i; back++) {
            size_t k = i - back;
            size_t found_len = 0;
            const uint8_t *found = retransmission_buffer_find(&buffer, (uint16_t)k, now, &found_len);
            bytes += table[k].stored ? table[k].len + 16 : 0;
            bool in_window = table[k].stored && now / MS - table[k].at / MS <= 200;
            if (!in_window)
                CU_ASSERT_PTR_NULL(found);
            if (in_window && bytes <= bytes_max - 2 * 1500)
                CU_ASSERT_PTR_NOT_NULL_FATAL(found);
            if (found != NULL) {
                make(data, table[k].len, k);
                CU_ASSERT_TRUE(found_len == table[k].len && memcmp(found, data, found_len) == 0);
            }
        }
    }
    retransmission_buffer_clear(&buffer);
    CU_ASSERT_EQUAL(buffer.cap, 0);
}

/* What a client with three simulcast layers and half a second of window costs. */
static void is_compact(void)
{
    const struct {
        int64_t bps;
        size_t len;
    } layers[] = {{150000, 640}, {500000, 1100}, {1700000, 1150}};
    size_t memory = 0, stored = 0;
    for (size_t layer = 0; layer < 3; layer++) {
        struct retransmission_buffer buffer;
        uint8_t data[1200];
        retransmission_buffer_init(&buffer, 500 * MS, 1 << 20);
        nanos gap = (nanos)(layers[layer].len * 8) * NANOS_PER_S / layers[layer].bps;
        for (uint64_t i = 0; i < 2000; i++) {
            make(data, layers[layer].len, i);
            CU_ASSERT_TRUE(retransmission_buffer_store(&buffer, data, layers[layer].len, (nanos)i * gap));
        }
        memory += buffer.cap + buffer.index_size * sizeof *buffer.index;
        stored += buffer.used;
        retransmission_buffer_clear(&buffer);
    }
    CU_ASSERT_TRUE(stored > 140000 && stored < 155000);
    CU_ASSERT_TRUE(memory < stored * 3 / 2 + 3 * 8192);
}

/* Attack 22: the same NACK of 17 × 16 numbers over and over gives each packet once in a round trip, and in all no more
 * than the budget. */
static void answers_within_its_budget(void)
{
    struct retransmission_guard guard;
    retransmission_guard_init(&guard, 800000, 50000, 0); /* 100,000 bytes/s */
    size_t bytes = 0, answers = 0;
    for (int ms = 0; ms < 1000; ms++) {
        for (uint16_t sequence = 0; sequence < 272; sequence++) {
            if (retransmission_guard_allow(&guard, sequence, 1200, 100 * MS, ms * MS)) {
                bytes += 1200;
                answers++;
            }
        }
    }
    CU_ASSERT_TRUE(bytes <= 150000 && bytes > 140000);

    /* Few enough to fit the budget: each exactly once in a round trip. */
    retransmission_guard_init(&guard, 100000000, 1000000, 0);
    answers = 0;
    for (int ms = 0; ms < 1000; ms++) {
        for (uint16_t sequence = 0; sequence < 17; sequence++)
            answers += retransmission_guard_allow(&guard, (uint16_t)(65530 + sequence), 100, 100 * MS, ms * MS);
    }
    CU_ASSERT_EQUAL(answers, 17 * 10);

    /* A long silence fills up to the burst, no more; a rate of 0 leaves what is there. */
    retransmission_guard_init(&guard, 8000, 3000, 0);
    retransmission_guard_set_rate(&guard, 0, 3600 * NANOS_PER_S);
    for (uint16_t i = 0; i < 10; i++)
        CU_ASSERT_EQUAL(retransmission_guard_allow(&guard, i, 1000, 0, 7200 * NANOS_PER_S), i < 3);
}

void retransmission_test(void)
{
    SUITE("retransmission", {"finds what it stored", finds_what_it_stored},
          {"agrees with a table", agrees_with_a_table}, {"is compact", is_compact},
          {"answers within its budget", answers_within_its_budget});
}
