/* What a program behind exec: says, one JSON object a line (docs/exec.md). */
#ifndef CONFAB_LOADGEN_ADAPTERS_EXEC_MESSAGE_H
#define CONFAB_LOADGEN_ADAPTERS_EXEC_MESSAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "loadgen/failure.h"

enum exec_message_type {
    EXEC_OPEN,
    EXEC_OFFER,
    EXEC_ANSWER,
    EXEC_CANDIDATE,
    EXEC_MORE,
    EXEC_CLOSE,
    EXEC_SIGNALLED,
    EXEC_EXPECT,
    EXEC_FAILED,
};

enum { EXEC_SECTIONS_MAX = 256 }; /* to receive in, or tracks expected, of a kind */

struct exec_message {
    enum exec_message_type type;
    json_t *json; /* has all the texts below */
    const char *client, *connection;
    const char *sdp, *candidate; /* candidate: NULL: there are no more */
    const char *reason;
    enum failure failure;
    bool offers, trickle, sends, data, simulcast;
    uint32_t audio, video;     /* to receive, or expected */
    const json_t *ice_servers; /* loadgen/adapters/ice_servers.h; NULL: none */
};

/* False and `error` (ERROR_INPUT) for what is no such message: a member that is missing, unknown or of the wrong kind. */
bool exec_message_read(struct exec_message *message, const char *text, size_t len, struct error *error);
void exec_message_clear(struct exec_message *message);

#endif
