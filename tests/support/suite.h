/* What every test file starts from: CUnit, and one call that adds a suite with its tests. */
#ifndef CONFAB_TESTS_SUITE_H
#define CONFAB_TESTS_SUITE_H

#include <CUnit/CUnit.h>
#include <stdlib.h>

struct suite_test {
    const char *name;
    void (*run)(void);
};

static inline void suite_add(const char *suite_name, const struct suite_test *tests, size_t count)
{
    CU_pSuite suite = CU_add_suite(suite_name, NULL, NULL);
    for (size_t i = 0; suite != NULL && i < count; i++) {
        if (CU_add_test(suite, tests[i].name, tests[i].run) == NULL)
            abort();
    }
    if (suite == NULL)
        abort();
}

/* SUITE("stun", {"reads a request", test_reads_request}, …); */
#define SUITE(name, ...)                                                                                               \
    do {                                                                                                               \
        static const struct suite_test suite_tests[] = {__VA_ARGS__};                                                  \
        suite_add(name, suite_tests, sizeof suite_tests / sizeof suite_tests[0]);                                      \
    } while (0)

#endif
