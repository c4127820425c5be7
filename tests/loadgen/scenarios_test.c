/* The scenarios that ship with confab: each is read, says what it asks, and can be run at every point of its sweep. */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loadgen/scenario.h"
#include "tests/support/suite.h"
#include "tests/support/text_file.h"

static bool readable(const char *file, const struct yaml_node *root, const struct scenario_point *point,
                     struct error *error)
{
    struct yaml_node *copy = yaml_node_copy(root);
    bool set = copy != NULL && (point->path[0] == '\0' || yaml_node_set(copy, point->path, point->value, error));
    struct scenario *scenario = set ? scenario_read(file, copy, error) : NULL;
    bool read = scenario != NULL;
    char name[2 * SCENARIO_NAME_CAP];
    if (read) {
        snprintf(name, sizeof name, "scenarios/%s.yaml", scenario->name);
        CU_ASSERT_STRING_EQUAL(file, name);
    }
    free(scenario);
    yaml_node_free(copy);
    return read;
}

static void try_file(const char *file)
{
    struct error error = {0};
    struct scenario_point points[SCENARIO_SWEEP_MAX];
    size_t count = 0;
    struct yaml_node *root = yaml_node_load(file, &error);
    bool good = root != NULL && scenario_sweep(file, root, points, SCENARIO_SWEEP_MAX, &count, &error);
    for (size_t i = 0; good && i < count; i++)
        good = readable(file, root, &points[i], &error);
    CU_ASSERT_TRUE(good);
    if (!good)
        fprintf(stderr, "%s\n", error.text);
    yaml_node_free(root);
}

static void every_scenario_is_read(void)
{
    glob_t files;
    CU_ASSERT_EQUAL_FATAL(glob("scenarios/*.yaml", 0, NULL, &files), 0);
    CU_ASSERT_TRUE(files.gl_pathc >= 6);
    for (size_t i = 0; i < files.gl_pathc; i++)
        try_file(files.gl_pathv[i]);
    globfree(&files);
}

/* A comment that asks something, before anything else. */
static void every_scenario_asks_a_question(void)
{
    glob_t files;
    CU_ASSERT_EQUAL_FATAL(glob("scenarios/*.yaml", 0, NULL, &files), 0);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        size_t len;
        char *text = text_file_read(files.gl_pathv[i], &len);
        CU_ASSERT_PTR_NOT_NULL_FATAL(text);
        const char *blank = strstr(text, "\n#\n");
        CU_ASSERT_TRUE(text[0] == '#' && blank != NULL && memchr(text, '?', (size_t)(blank - text)) != NULL);
        free(text);
    }
    globfree(&files);
}

void scenarios_test(void)
{
    SUITE("scenarios", {"every scenario is read", every_scenario_is_read},
          {"every scenario asks a question", every_scenario_asks_a_question});
}
