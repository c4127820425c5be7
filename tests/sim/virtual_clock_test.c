#include "sim/virtual_clock.h"

#include <openssl/asn1.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <sys/time.h>
#include <time.h>

#include "tests/support/suite.h"

static nanos read_nanos(void *user) { return *(nanos *)user; }

static void stands_where_it_is_put(void)
{
    nanos now = 0;
    virtual_clock_install(read_nanos, &now);
    struct timeval at;
    CU_ASSERT_EQUAL(gettimeofday(&at, NULL), 0);
    CU_ASSERT_EQUAL(at.tv_sec, VIRTUAL_CLOCK_EPOCH_UNIX_S);
    CU_ASSERT_EQUAL(at.tv_usec, 0);
    now = 3600 * NANOS_PER_S + 123456789;
    CU_ASSERT_EQUAL(gettimeofday(&at, NULL), 0);
    CU_ASSERT_EQUAL(at.tv_sec, VIRTUAL_CLOCK_EPOCH_UNIX_S + 3600);
    CU_ASSERT_EQUAL(at.tv_usec, 123456);
    time_t seconds = 0;
    CU_ASSERT_EQUAL(time(&seconds), VIRTUAL_CLOCK_EPOCH_UNIX_S + 3600);
    CU_ASSERT_EQUAL(seconds, VIRTUAL_CLOCK_EPOCH_UNIX_S + 3600);
    virtual_clock_remove();
}

/* OpenSSL, a shared library, sees it: it takes 1 s after the epoch as the current time. */
static void libraries_see_it(void)
{
    nanos now = NANOS_PER_S;
    virtual_clock_install(read_nanos, &now);
    ASN1_TIME *at = X509_gmtime_adj(NULL, 0);
    virtual_clock_remove();
    CU_ASSERT_PTR_NOT_NULL_FATAL(at);
    CU_ASSERT_EQUAL(ASN1_TIME_cmp_time_t(at, VIRTUAL_CLOCK_EPOCH_UNIX_S + 1), 0);
    ASN1_TIME_free(at);
}

static void *read_wall_clock(void *out)
{
    *(time_t *)out = time(NULL);
    return NULL;
}

static void leaves_real_time_alone(void)
{
    nanos now = 0;
    virtual_clock_install(read_nanos, &now);
    struct timespec real;
    clock_gettime(CLOCK_REALTIME, &real);
    CU_ASSERT_TRUE(real.tv_sec > VIRTUAL_CLOCK_EPOCH_UNIX_S + 86400);
    pthread_t thread;
    time_t elsewhere = 0;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, read_wall_clock, &elsewhere), 0);
    pthread_join(thread, NULL);
    CU_ASSERT_TRUE(elsewhere > VIRTUAL_CLOCK_EPOCH_UNIX_S + 86400);
    virtual_clock_remove();
    struct timeval at;
    gettimeofday(&at, NULL);
    CU_ASSERT_TRUE(at.tv_sec >= real.tv_sec && time(NULL) + 1 >= real.tv_sec); /* time() may be a tick behind */
}

void virtual_clock_test(void)
{
    SUITE("virtual_clock", {"stands where it is put", stands_where_it_is_put}, {"libraries see it", libraries_see_it},
          {"leaves real time alone", leaves_real_time_alone});
}
