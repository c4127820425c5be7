/* Protocol Buffers messages (https://protobuf.dev/programming-guides/encoding) read as the JSON that protobuf's own
 * mapping gives them, for the few fields that a schema names; all others are skipped.
 *
 *     +--------------------------+------------------+----------------------+
 *     | number << 3 | wire type  | length (varint)  | bytes                |   wire type 2
 *     +--------------------------+------------------+----------------------+
 *     | number << 3 | wire type  | value (varint)   |                          wire type 0
 *     +--------------------------+------------------+ */
#ifndef CONFAB_LOADGEN_PROTOBUF_H
#define CONFAB_LOADGEN_PROTOBUF_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum protobuf_kind {
    PROTOBUF_TEXT,    /* string */
    PROTOBUF_INTEGER, /* int32, uint32, uint64 */
    PROTOBUF_BOOLEAN,
    PROTOBUF_ENUM,    /* by its names; a number when it has none */
    PROTOBUF_MESSAGE, /* an object */
};

struct protobuf_field {
    uint32_t number;  /* 0 ends a list of them */
    const char *name; /* in JSON: "pingInterval" of ping_interval */
    enum protobuf_kind kind;
    bool repeated;
    const struct protobuf_field *message; /* of PROTOBUF_MESSAGE */
    const char *const *names;             /* of PROTOBUF_ENUM, from 0, ended by NULL */
};

/* A message as an object; NULL when it is none, or has text that is no UTF-8. */
json_t *protobuf_read(const struct protobuf_field *fields, const uint8_t *data, size_t len);

#endif
