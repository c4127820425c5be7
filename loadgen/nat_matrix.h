/* A scenario's matrix: a room of two for each unordered pair of its NAT types, what is expected of them, and what came of
 * it. */
#ifndef CONFAB_LOADGEN_NAT_MATRIX_H
#define CONFAB_LOADGEN_NAT_MATRIX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "loadgen/scenario.h"
#include "report/result.h"

/* Which two types meet in `room` (from 0): rows first, 0/0, 0/1 … 0/n, 1/1, 1/2 … */
void nat_matrix_pair(uint32_t types, uint32_t room, uint32_t *row, uint32_t *column);

/* Fills in the types, what the oracle expects of each pair (nat_oracle.h), and what RFC 5780's tests find behind each type
 * (nat_survey.h): so there must be no sim world at the time. A pair that the oracle can't tell is expected to be
 * OUTCOME_NONE, a type whose behaviour it can't tell is not probed. False and `error` when the survey fails. */
bool nat_matrix_expect(const struct scenario *scenario, struct result_matrix *matrix, struct error *error);

/* What became of the pair of that room, once. */
void nat_matrix_note(struct result_matrix *matrix, uint32_t room, enum result_outcome outcome);

#endif
