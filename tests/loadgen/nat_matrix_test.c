#include "loadgen/nat_matrix.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/suite.h"

static void rooms_are_pairs(void)
{
    static const uint32_t rows[] = {0, 0, 0, 1, 1, 2}, columns[] = {0, 1, 2, 1, 2, 2};
    for (uint32_t room = 0; room < 6; room++) {
        uint32_t row, column;
        nat_matrix_pair(3, room, &row, &column);
        CU_ASSERT_EQUAL(row, rows[room]);
        CU_ASSERT_EQUAL(column, columns[room]);
    }
    uint32_t row, column;
    nat_matrix_pair(27, 377, &row, &column);
    CU_ASSERT_TRUE(row == 26 && column == 26);
}

#if CONFAB_SIM

static struct scenario *read_text(const char *text)
{
    struct error error = {0};
    struct yaml_node *root = yaml_node_parse("test", text, strlen(text), &error);
    struct scenario *scenario = root != NULL ? scenario_read("test", root, &error) : NULL;
    CU_ASSERT_PTR_NOT_NULL_FATAL(scenario);
    yaml_node_free(root);
    return scenario;
}

static void expects_what_the_oracle_says(void)
{
    static struct result_matrix matrix;
    struct error error = {0};
    struct scenario *scenario = read_text("matrix: {nat: rfc4787}\n");
    CU_ASSERT_TRUE_FATAL(nat_matrix_expect(scenario, &matrix, &error));
    CU_ASSERT_EQUAL(matrix.count, 27);
    CU_ASSERT_EQUAL(matrix.probed, 27);
    CU_ASSERT_EQUAL(matrix.probes_as_expected, 27);
    CU_ASSERT_STRING_EQUAL(matrix.types[26], "apd-apd-random");
    uint32_t direct = 0;
    for (uint32_t i = 0; i < 27; i++) {
        for (uint32_t j = i; j < 27; j++)
            direct += matrix.expected[i][j] == OUTCOME_DIRECT;
    }
    CU_ASSERT_EQUAL(direct, 210);
    for (uint32_t room = 0; room < 378; room++)
        nat_matrix_note(&matrix, room, OUTCOME_DIRECT);
    CU_ASSERT_EQUAL(matrix.pairs, 378);
    CU_ASSERT_EQUAL(matrix.as_expected, 210);
    free(scenario);
}

static void own_presets_are_types_too(void)
{
    static struct result_matrix matrix;
    struct error error = {0};
    struct scenario *scenario = read_text("nats: {mine: {mapping: apd, filtering: apd, allocation: random}}\n"
                                          "matrix: {nat: [home, mine, udp-blocked]}\n");
    CU_ASSERT_TRUE_FATAL(nat_matrix_expect(scenario, &matrix, &error));
    CU_ASSERT_EQUAL(matrix.probed, 3);
    CU_ASSERT_EQUAL(matrix.probes_as_expected, 3);
    CU_ASSERT_EQUAL(matrix.expected[0][0], OUTCOME_DIRECT);
    CU_ASSERT_EQUAL(matrix.expected[0][1], OUTCOME_RELAYED);
    CU_ASSERT_EQUAL(matrix.expected[0][2], OUTCOME_RELAYED);
    nat_matrix_note(&matrix, 1, OUTCOME_RELAYED);
    nat_matrix_note(&matrix, 5, OUTCOME_FAILED);
    CU_ASSERT_EQUAL(matrix.outcome[0][1], OUTCOME_RELAYED);
    CU_ASSERT_EQUAL(matrix.outcome[2][2], OUTCOME_FAILED);
    CU_ASSERT_TRUE(matrix.pairs == 2 && matrix.as_expected == 1);
    free(scenario);
}

void nat_matrix_test(void)
{
    SUITE("nat_matrix", {"rooms are pairs", rooms_are_pairs},
          {"expects what the oracle says", expects_what_the_oracle_says},
          {"own presets are types, too", own_presets_are_types_too});
}

#else

void nat_matrix_test(void) { SUITE("nat_matrix", {"rooms are pairs", rooms_are_pairs}); }

#endif
