#include "loadgen/nat_matrix.h"

#include <stdio.h>
#include <stdlib.h>

#include "loadgen/nat_oracle.h"
#include "loadgen/nat_survey.h"
#include "loadgen/presets.h"

void nat_matrix_pair(uint32_t types, uint32_t room, uint32_t *row, uint32_t *column)
{
    *row = 0;
    while (*row + 1 < types && room >= types - *row)
        room -= types - (*row)++;
    *column = *row + room;
}

static enum result_outcome expected(int a, int b)
{
    if (a < 0 || b < 0)
        return OUTCOME_NONE;
    return nat_kinds_direct(a, b) ? OUTCOME_DIRECT : OUTCOME_RELAYED;
}

bool nat_matrix_expect(const struct scenario *scenario, struct result_matrix *matrix, struct error *error)
{
    struct nat_preset own[SCENARIO_MATRIX_MAX]; /* room for the scenario's own presets */
    const struct nat_preset *probed[SCENARIO_MATRIX_MAX];
    struct nat_survey_entry found[SCENARIO_MATRIX_MAX];
    int kinds[SCENARIO_MATRIX_MAX];
    *matrix = (struct result_matrix){.count = (uint32_t)scenario->matrix_count};
    for (size_t i = 0; i < scenario->matrix_count; i++) {
        const struct nat_preset *preset = presets_nat(scenario, scenario->matrix[i], &own[i]);
        if (preset == NULL)
            return error_set(error, ERROR_USAGE, "unknown nat preset '%s'", scenario->matrix[i]);
        snprintf(matrix->types[i], sizeof matrix->types[i], "%.*s", RESULT_NAME_CAP - 1, scenario->matrix[i]);
        kinds[i] = nat_kind_of(preset, NULL);
        if (kinds[i] >= 0)
            probed[matrix->probed++] = preset;
        for (size_t k = 0; k <= i; k++)
            matrix->expected[k][i] = (uint8_t)expected(kinds[k], kinds[i]);
    }
    if (!nat_survey(probed, matrix->probed, scenario->seed, found, error))
        return false;
    for (uint32_t i = 0; i < matrix->probed; i++)
        matrix->probes_as_expected += found[i].as_configured;
    return true;
}

void nat_matrix_note(struct result_matrix *matrix, uint32_t room, enum result_outcome outcome)
{
    uint32_t row, column;
    nat_matrix_pair(matrix->count, room, &row, &column);
    matrix->outcome[row][column] = (uint8_t)outcome;
    matrix->pairs++;
    matrix->as_expected += matrix->expected[row][column] == outcome;
}
