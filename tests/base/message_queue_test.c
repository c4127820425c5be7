#include "base/message_queue.h"

#include "base/rng.h"
#include "tests/support/suite.h"

static void keeps_order_and_bytes(void)
{
    struct message_queue queue = {0};
    struct rng rng = rng_of(1, "queue", 0);
    uint32_t pushed = 0;
    uint32_t dropped = 0;
    while (dropped < 2000) {
        if (pushed < 2000 && rng_below(&rng, 2) == 0) {
            uint8_t bytes[300];
            size_t len = pushed * 7 % sizeof bytes;
            memset(bytes, (int)(pushed & 0xff), sizeof bytes);
            CU_ASSERT_TRUE_FATAL(message_queue_push(&queue, &(struct message_tag){.kind = pushed}, bytes, len));
            pushed++;
        } else if (queue.count > 0) {
            struct message_tag tag;
            size_t len;
            const uint8_t *bytes = message_queue_first(&queue, &tag, &len);
            CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
            CU_ASSERT_EQUAL(tag.kind, dropped);
            CU_ASSERT_EQUAL(len, dropped * 7 % 300);
            CU_ASSERT_TRUE(len == 0 || (bytes[0] == (dropped & 0xff) && bytes[len - 1] == (dropped & 0xff)));
            message_queue_drop_first(&queue);
            dropped++;
        }
    }
    CU_ASSERT_EQUAL(queue.count, 0);
    message_queue_clear(&queue);
}

static void keeps_its_limit(void)
{
    struct message_queue queue = {.limit = 1000};
    const struct message_tag tag = {0};
    const uint8_t bytes[400] = {0};
    CU_ASSERT_TRUE(message_queue_push(&queue, &tag, bytes, sizeof bytes));
    CU_ASSERT_TRUE(message_queue_push(&queue, &tag, bytes, sizeof bytes));
    CU_ASSERT_FALSE(message_queue_push(&queue, &tag, bytes, sizeof bytes));
    message_queue_drop_first(&queue);
    CU_ASSERT_TRUE(message_queue_push(&queue, &tag, bytes, sizeof bytes));
    message_queue_clear(&queue);
}

static void gives_back_what_a_burst_took(void)
{
    struct message_queue queue = {0};
    const struct message_tag tag = {0};
    const uint8_t bytes[1000] = {0};
    for (int i = 0; i < 100; i++)
        CU_ASSERT_TRUE(message_queue_push(&queue, &tag, bytes, sizeof bytes));
    size_t large = queue.cap;
    for (int i = 0; i < 100; i++)
        message_queue_drop_first(&queue);
    for (int i = 0; i < 600; i++) {
        CU_ASSERT_TRUE(message_queue_push(&queue, &tag, bytes, sizeof bytes));
        message_queue_drop_first(&queue);
    }
    CU_ASSERT_TRUE(queue.cap >= 1000 && queue.cap < large / 10);
    message_queue_clear(&queue);
}

void message_queue_test(void)
{
    SUITE("message_queue", {"keeps order and bytes", keeps_order_and_bytes}, {"keeps its limit", keeps_its_limit},
          {"gives back what a burst took", gives_back_what_a_burst_took});
}
