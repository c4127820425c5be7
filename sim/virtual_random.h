/* Seeded randomness for OpenSSL and usrsctp: keys, nonces, tags and cookies then follow from the seed, so a simulation
 * sends the same bytes on every run. Whoever knows the seed knows the keys: never with real peers. */
#ifndef CONFAB_SIM_VIRTUAL_RANDOM_H
#define CONFAB_SIM_VIRTUAL_RANDOM_H

#include <stdint.h>

#include "base/error.h"

/* From now on every random number that either draws, in the whole process, comes from `seed`; a second call starts
 * again with another seed. False, with `error` filled, when OpenSSL refuses. */
bool virtual_random_install(uint64_t seed, struct error *error);

/* Their own generators again. */
void virtual_random_remove(void);

#endif
