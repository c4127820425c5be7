#include "base/deadline_heap.h"

#include "base/rng.h"
#include "tests/support/suite.h"

enum { COUNT = 500 };

static void comes_out_in_order_after_moves_and_removals(void)
{
    static struct deadline deadlines[COUNT];
    struct deadline_heap heap = {0};
    struct rng rng = rng_of(3, "deadlines", 0);
    size_t expected = 0;
    for (size_t i = 0; i < COUNT; i++)
        CU_ASSERT_TRUE(deadline_heap_set(&heap, &deadlines[i], (nanos)rng_below(&rng, 100)));
    for (size_t i = 0; i < COUNT; i += 3)
        CU_ASSERT_TRUE(deadline_heap_set(&heap, &deadlines[i], (nanos)rng_below(&rng, 100)));
    for (size_t i = 0; i < COUNT; i += 5)
        deadline_heap_remove(&heap, &deadlines[i]);
    for (size_t i = 0; i < COUNT; i++)
        expected += i % 5 != 0;
    nanos last = -1;
    uint64_t last_order = 0;
    CU_ASSERT_PTR_NULL(deadline_heap_pop_due(&heap, -1));
    for (struct deadline *d; (d = deadline_heap_pop_due(&heap, 100)) != NULL; expected--) {
        CU_ASSERT_TRUE(d->at > last || (d->at == last && d->order > last_order));
        CU_ASSERT_EQUAL(d->slot, 0);
        last = d->at;
        last_order = d->order;
    }
    CU_ASSERT_EQUAL(expected, 0);
    CU_ASSERT_EQUAL(deadline_heap_at(&heap), NANOS_NEVER);
    deadline_heap_clear(&heap);
}

static void never_removes(void)
{
    struct deadline deadline = {0};
    struct deadline_heap heap = {0};
    deadline_heap_set(&heap, &deadline, 5);
    CU_ASSERT_EQUAL(deadline_heap_at(&heap), 5);
    deadline_heap_set(&heap, &deadline, NANOS_NEVER);
    CU_ASSERT_PTR_NULL(deadline_heap_first(&heap));
    deadline_heap_remove(&heap, &deadline);
    deadline_heap_clear(&heap);
}

void deadline_heap_test(void)
{
    SUITE("deadline_heap", {"comes out in order after moves and removals", comes_out_in_order_after_moves_and_removals},
          {"never removes", never_removes});
}
