/* Tables that turn a YAML tree into C structs: for each key of a mapping its reader and the place of its value. What
 * isn't in the table is refused with its line and the nearest key that is. */
#ifndef CONFAB_LOADGEN_SCHEMA_H
#define CONFAB_LOADGEN_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "loadgen/yaml.h"

struct schema {
    const char *file;
    struct error *error;
};

/* Reads `node` into `out`. Returns false with the schema's error set: "FILE:LINE: KEY: what is wrong". */
typedef bool (*schema_reader)(const struct schema *schema, const struct yaml_node *node, void *out);

struct schema_field {
    const char *key;
    schema_reader read;
    size_t offset; /* of the value in the struct that the table describes */
};

/* "FILE:LINE: KEY: …" into the schema's error; returns false. */
bool schema_error(const struct schema *schema, const struct yaml_node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Reads each key of a mapping by its field; absent keys leave `out` as it is. */
bool schema_mapping(const struct schema *schema, const struct yaml_node *node, const struct schema_field *fields,
                    size_t count, void *out);

/* The entry of `names` that is nearest to `word` when it's near enough to be a slip of the hand, NULL otherwise. */
const char *schema_nearest(const char *word, const char *const *names, size_t count);

/* Is it a mapping (or a sequence, a scalar)? If not, the error says what was expected. */
bool schema_expect(const struct schema *schema, const struct yaml_node *node, enum yaml_kind kind);

/* Readers of single values; the comment names the type that `out` points to. */
bool schema_duration(const struct schema *schema, const struct yaml_node *node, void *out);  /* nanos */
bool schema_bitrate(const struct schema *schema, const struct yaml_node *node, void *out);   /* int64_t, bit/s */
bool schema_size(const struct schema *schema, const struct yaml_node *node, void *out);      /* int64_t, bytes */
bool schema_frequency(const struct schema *schema, const struct yaml_node *node, void *out); /* double, 1/s */
bool schema_ratio(const struct schema *schema, const struct yaml_node *node, void *out);     /* double, 0 to 1 */
bool schema_amount(const struct schema *schema, const struct yaml_node *node, void *out);    /* double, ≥ 0 */
bool schema_count(const struct schema *schema, const struct yaml_node *node, void *out);     /* uint32_t */
bool schema_seed(const struct schema *schema, const struct yaml_node *node, void *out);      /* uint64_t */
bool schema_flag(const struct schema *schema, const struct yaml_node *node, void *out);      /* bool */
bool schema_text(const struct schema *schema, const struct yaml_node *node, void *out);      /* char[64] */

#endif
