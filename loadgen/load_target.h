/* Where a load goes: the URL of the command line, its scheme being the adapter's and then the server's own. */
#ifndef CONFAB_LOADGEN_LOAD_TARGET_H
#define CONFAB_LOADGEN_LOAD_TARGET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "world/web_url.h"

enum { LOAD_TOKEN_CAP = 1024 };

struct adapter;

/* What "{room}", "{name}" and "{number}" in the URL stand for. */
struct load_target_names {
    const char *room, *name;
    unsigned number; /* from 1 */
};

struct load_target {
    const struct adapter *adapter;
    struct web_url url;         /* with its braces; of exec: nothing */
    char command[WEB_PATH_CAP]; /* of exec: alone */
    char token[LOAD_TOKEN_CAP]; /* of ?token=, which is not sent to the server; "" when there is none */
};

/* "SCHEME+URL", or "exec:COMMAND". False and `error` (ERROR_USAGE): no such adapter, a wrong URL, or what the adapter
 * itself finds missing. */
bool load_target_parse(struct load_target *target, const char *text, struct error *error);

/* The URL with what stands in braces replaced, percent-encoded. A path without "{room}" stays as it is. False and `error`
 * when it gets too long. */
bool load_target_expand(const struct load_target *target, const struct load_target_names *names, struct web_url *url,
                        struct error *error);

#endif
