/* confab serve itself, as a child, on free ports of the loopback address. */
#ifndef CONFAB_TESTS_SERVICE_H
#define CONFAB_TESTS_SERVICE_H

#include <stdint.h>

#include "tests/support/http_client.h"
#include "tests/support/program.h"

struct service {
    struct running_program program;
    char directory[SCRATCH_CAP]; /* that it keeps its certificate in */
    char *said;                  /* where it can be reached */
    uint16_t port;
};

/* A TCP port that is free, for now. */
uint16_t service_free_port(void);

/* Serves with this configuration, in a directory of its own, or one that is there. */
void service_start(struct service *service, const char *config);
void service_start_in(struct service *service, const char *config);

/* Sends it the signal (0: none), waits for its end and removes the directory. */
struct program service_stop(struct service *service, int number);

/* GET, to be freed. */
struct http_answer service_get(const struct service *service, const char *path);

#endif
