#include "sim/virtual_random.h"

#include <openssl/rand.h>

#include "base/rng.h"

/* OpenSSL has one source of randomness for the process and passes its methods no context: hence the one variable. */
static struct rng generator;
static const RAND_METHOD *replaced;

static int draw(unsigned char *buf, int len)
{
    rng_bytes(&generator, buf, (size_t)len);
    return 1;
}

static int seed_ignored(const void *buf, int len)
{
    (void)buf, (void)len;
    return 1;
}

static int add_ignored(const void *buf, int len, double entropy)
{
    (void)buf, (void)len, (void)entropy;
    return 1;
}

static int is_ready(void) { return 1; }

static const RAND_METHOD virtual_method = {
    .seed = seed_ignored,
    .bytes = draw,
    .add = add_ignored,
    .pseudorand = draw,
    .status = is_ready,
};

bool virtual_random_install(uint64_t seed, struct error *error)
{
    const RAND_METHOD *current = RAND_get_rand_method();
    if (current != &virtual_method) {
        if (RAND_set_rand_method(&virtual_method) != 1)
            return error_set(error, ERROR_SYSTEM, "OpenSSL does not let its random numbers be replaced");
        replaced = current;
    }
    generator = rng_of(seed, "openssl", 0);
    return true;
}

void virtual_random_remove(void)
{
    if (RAND_get_rand_method() == &virtual_method)
        RAND_set_rand_method(replaced);
}
