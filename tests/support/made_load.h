/* A load that never was: the result that its clients would have had, each drawn from its number, so that shards of it and
 * the whole are of the same clients. */
#ifndef CONFAB_TESTS_MADE_LOAD_H
#define CONFAB_TESTS_MADE_LOAD_H

#include "report/result.h"

/* Clients 0 to `clients` − 1 in rooms of ten, of which shard `index` (from 1) of `count` has those of every count-th room.
 * One in fifty fails. To be freed by result_free. */
void made_load(struct result *result, uint32_t clients, uint32_t index, uint32_t count);

#endif
