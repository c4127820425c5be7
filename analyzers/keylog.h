/* Secrets of DTLS connections, from a file in the format that NSS began and SSLKEYLOGFILE made common: lines of
 *
 *     CLIENT_RANDOM <64 hex digits: the ClientHello's random> <96 hex digits: the master secret>
 *
 * Lines with other labels, as those of TLS 1.3, and comments are passed over. */
#ifndef CONFAB_ANALYZERS_KEYLOG_H
#define CONFAB_ANALYZERS_KEYLOG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"

#define KEYLOG_RANDOM_LEN 32
#define KEYLOG_SECRET_LEN 48

struct keylog;

/* NULL, and a line that names the file and the line, when it can't be read, a CLIENT_RANDOM line is malformed, or there is
 * none. */
struct keylog *keylog_open(const char *path, struct error *error);

/* The same from an open file, which is left open; `name` is for messages. */
struct keylog *keylog_read(FILE *file, const char *name, struct error *error);

void keylog_close(struct keylog *keylog);

/* The master secret of the connection whose ClientHello has this random; NULL when the file doesn't have it. */
const uint8_t *keylog_find(const struct keylog *keylog, const uint8_t client_random[KEYLOG_RANDOM_LEN]);

#endif
