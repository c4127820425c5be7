/* The configuration file of `confab serve`: YAML, described in docs/serve.md. */
#ifndef CONFAB_LOADGEN_SERVER_FILE_H
#define CONFAB_LOADGEN_SERVER_FILE_H

#include <stdbool.h>

#include "base/error.h"
#include "sfu/server_config.h"

/* Reads it into `config`, leaving what it doesn't name. False and `error`: "FILE:LINE: KEY: what is wrong". */
bool server_file_read(const char *path, struct server_config *config, struct error *error);

/* The same from memory; `name` stands for the file in errors. */
bool server_file_parse(const char *name, const char *text, size_t len, struct server_config *config,
                       struct error *error);

#endif
