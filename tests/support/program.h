/* The confab program itself, run as a user would, and a directory to run it in. */
#ifndef CONFAB_TESTS_PROGRAM_H
#define CONFAB_TESTS_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct program {
    int status; /* of exit; −1: ended by a signal, or not started */
    char *out;  /* with a terminator */
    char *err;
    size_t out_len, err_len;
};

/* Runs the confab that lies beside the test runner. The arguments end with NULL and are without the program's name. */
struct program program_run(const char *const *arguments);

/* The same, but sends it SIGINT once the file is there (or after ten seconds). */
struct program program_run_until(const char *const *arguments, const char *file);

void program_free(struct program *program);

/* One that runs until it is told to end. */
struct running_program {
    pid_t process;
    int out, err;
};
struct running_program program_start(const char *const *arguments);

/* Waits (ten seconds at most) until `needle` is in its standard output; all of that until then, to be freed; NULL when
 * it doesn't come or the program ends. */
char *program_await(const struct running_program *running, const char *needle);

/* Sends the signal (0: none) and waits for its end; one that doesn't end within ten seconds is killed. */
struct program program_end(struct running_program *running, int number);

/* PROGRAM("run", "x.yaml") */
#define PROGRAM(...) program_run((const char *const[]){__VA_ARGS__, NULL})

#define SCRATCH_CAP 64

/* A new directory under /tmp, and its end with all that is in it. */
void scratch_make(char path[SCRATCH_CAP]);
void scratch_remove(const char *path);

/* "DIRECTORY/NAME" in a buffer that lives until the call after the next seven. */
const char *scratch_path(const char *directory, const char *name);
void scratch_write(const char *path, const void *data, size_t len);

#endif
