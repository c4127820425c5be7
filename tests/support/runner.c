/* Runs every suite, or those named on the command line, and ends with CUnit's summary. */
#include <CUnit/Basic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void register_tests(void);

int main(int argc, char **argv)
{
    if (CU_initialize_registry() != CUE_SUCCESS)
        return EXIT_FAILURE;
    register_tests();
    CU_basic_set_mode(CU_BRM_VERBOSE);
    bool ran = argc < 2;
    if (ran)
        CU_basic_run_tests();
    for (int i = 1; i < argc; i++) {
        CU_pSuite suite = CU_get_suite(argv[i]);
        if (suite == NULL) {
            fprintf(stderr, "no suite named '%s'\n", argv[i]);
            return EXIT_FAILURE;
        }
        CU_basic_run_suite(suite);
        ran = true;
    }
    bool failed = CU_get_number_of_failures() > 0 || CU_get_number_of_tests_run() == 0 || CU_get_error() != CUE_SUCCESS;
    CU_cleanup_registry();
    return ran && !failed ? EXIT_SUCCESS : EXIT_FAILURE;
}
