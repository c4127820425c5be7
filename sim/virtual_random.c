#include "sim/virtual_random.h"

#include <openssl/rand.h>
#include <sys/random.h>

#include "base/rng.h"

/* OpenSSL has one source of randomness for the process and passes its methods no context: hence the one variable. */
static struct rng generator;
static const RAND_METHOD *replaced;
static struct rng sctp_generator; /* while `replaced` */

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
    sctp_generator = rng_of(seed, "usrsctp", 0);
    return true;
}

void virtual_random_remove(void)
{
    if (RAND_get_rand_method() == &virtual_method)
        RAND_set_rand_method(replaced);
    replaced = NULL;
}

/* usrsctp has no such methods, but a function of this name, called through the dynamic symbol table. */
void read_random(void *buf, size_t size);
void read_random(void *buf, size_t size)
{
    uint8_t *at = buf;
    if (replaced != NULL) {
        rng_bytes(&sctp_generator, buf, size);
        return;
    }
    while (size > 0) {
        ssize_t got = getrandom(at, size, 0);
        if (got <= 0)
            continue;
        at += got;
        size -= (size_t)got;
    }
}
