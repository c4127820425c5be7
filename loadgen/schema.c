#include "loadgen/schema.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"

bool schema_error(const struct schema *schema, const struct yaml_node *node, const char *format, ...)
{
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    const char *key = node->key != NULL ? node->key : "";
    const char *colon = node->key != NULL ? ": " : "";
    if (node->line == 0)
        return error_set(schema->error, ERROR_USAGE, "--set: %s%s%s", key, colon, text);
    return error_set(schema->error, ERROR_USAGE, "%s:%d: %s%s%s", schema->file, node->line, key, colon, text);
}

bool schema_expect(const struct schema *schema, const struct yaml_node *node, enum yaml_kind kind)
{
    static const char *const names[] = {"a single value", "a mapping, {key: value, …}", "a list, [a, b, …]"};
    if (node->kind == kind)
        return true;
    return schema_error(schema, node, "this must be %s", names[kind]);
}

/* Levenshtein's distance, for short words. */
static size_t distance(const char *a, const char *b)
{
    enum { LEN_MAX = 31 };
    size_t row[LEN_MAX + 1];
    size_t a_len = strlen(a);
    size_t b_len = strlen(b);
    if (a_len > LEN_MAX || b_len > LEN_MAX)
        return LEN_MAX;
    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[b_len];
}

const char *schema_nearest(const char *word, const char *const *names, size_t count)
{
    const char *nearest = NULL;
    size_t least = strlen(word) / 3 + 2;
    for (size_t i = 0; i < count; i++) {
        size_t d = distance(word, names[i]);
        if (d < least) {
            least = d;
            nearest = names[i];
        }
    }
    return nearest;
}

static bool unknown_key(const struct schema *schema, const struct yaml_node *child, const struct schema_field *fields,
                        size_t count)
{
    enum { NAMES_MAX = 32 };
    const char *names[NAMES_MAX];
    char list[300] = "";
    size_t used = 0;
    for (size_t i = 0; i < count && i < NAMES_MAX; i++) {
        names[i] = fields[i].key;
        int wrote = snprintf(list + used, sizeof list - used, "%s%s", i > 0 ? ", " : "", fields[i].key);
        used += wrote > 0 && (size_t)wrote < sizeof list - used ? (size_t)wrote : 0;
    }
    const char *nearest = schema_nearest(child->key, names, count < NAMES_MAX ? count : NAMES_MAX);
    if (nearest != NULL)
        return schema_error(schema, child, "unknown key; did you mean '%s'?", nearest);
    return schema_error(schema, child, "unknown key; here belong: %s", list);
}

bool schema_mapping(const struct schema *schema, const struct yaml_node *node, const struct schema_field *fields,
                    size_t count, void *out)
{
    if (!schema_expect(schema, node, YAML_MAPPING))
        return false;
    for (size_t i = 0; i < node->count; i++) {
        const struct yaml_node *child = &node->children[i];
        const struct schema_field *field = NULL;
        for (size_t f = 0; f < count && field == NULL; f++) {
            if (strcmp(fields[f].key, child->key) == 0)
                field = &fields[f];
        }
        if (field == NULL)
            return unknown_key(schema, child, fields, count);
        if (!field->read(schema, child, (char *)out + field->offset))
            return false;
    }
    return true;
}

static bool refused(const struct schema *schema, const struct yaml_node *node, const struct error *why)
{
    return schema_error(schema, node, "%s", why->text);
}

bool schema_duration(const struct schema *schema, const struct yaml_node *node, void *out)
{
    struct error why;
    return schema_expect(schema, node, YAML_SCALAR) &&
           (units_parse_duration(node->text, out, &why) || refused(schema, node, &why));
}

bool schema_bitrate(const struct schema *schema, const struct yaml_node *node, void *out)
{
    struct error why;
    return schema_expect(schema, node, YAML_SCALAR) &&
           (units_parse_bitrate(node->text, out, &why) || refused(schema, node, &why));
}

bool schema_size(const struct schema *schema, const struct yaml_node *node, void *out)
{
    struct error why;
    return schema_expect(schema, node, YAML_SCALAR) &&
           (units_parse_size(node->text, out, &why) || refused(schema, node, &why));
}

bool schema_frequency(const struct schema *schema, const struct yaml_node *node, void *out)
{
    struct error why;
    return schema_expect(schema, node, YAML_SCALAR) &&
           (units_parse_frequency(node->text, out, &why) || refused(schema, node, &why));
}

bool schema_ratio(const struct schema *schema, const struct yaml_node *node, void *out)
{
    struct error why;
    return schema_expect(schema, node, YAML_SCALAR) &&
           (units_parse_ratio(node->text, out, &why) || refused(schema, node, &why));
}

bool schema_amount(const struct schema *schema, const struct yaml_node *node, void *out)
{
    if (!schema_expect(schema, node, YAML_SCALAR))
        return false;
    char *end;
    double value = strtod(node->text, &end);
    if (end == node->text || *end != '\0' || !isfinite(value))
        return schema_error(schema, node, "'%s' is not a number", node->text);
    if (value < 0)
        return schema_error(schema, node, "'%s' is negative; it must be 0 or more", node->text);
    *(double *)out = value;
    return true;
}

bool schema_seed(const struct schema *schema, const struct yaml_node *node, void *out)
{
    if (!schema_expect(schema, node, YAML_SCALAR))
        return false;
    char *end;
    errno = 0;
    unsigned long long value = strtoull(node->text, &end, 10);
    if (*node->text < '0' || *node->text > '9' || *end != '\0' || errno != 0 || value > INT64_MAX)
        return schema_error(schema, node, "'%s' is not a whole number from 0 to 2^63 - 1", node->text);
    *(uint64_t *)out = value;
    return true;
}

bool schema_count(const struct schema *schema, const struct yaml_node *node, void *out)
{
    enum { COUNT_MAX = 1000000 };
    uint64_t value = 0;
    if (!schema_seed(schema, node, &value))
        return false;
    if (value > COUNT_MAX)
        return schema_error(schema, node, "'%s' is too many: at most %d", node->text, COUNT_MAX);
    *(uint32_t *)out = (uint32_t)value;
    return true;
}

bool schema_flag(const struct schema *schema, const struct yaml_node *node, void *out)
{
    if (!schema_expect(schema, node, YAML_SCALAR))
        return false;
    bool yes = strcmp(node->text, "yes") == 0 || strcmp(node->text, "true") == 0;
    bool no = strcmp(node->text, "no") == 0 || strcmp(node->text, "false") == 0;
    if (!yes && !no)
        return schema_error(schema, node, "'%s' is neither yes nor no", node->text);
    *(bool *)out = yes;
    return true;
}

bool schema_text(const struct schema *schema, const struct yaml_node *node, void *out)
{
    enum { TEXT_CAP = 64 };
    if (!schema_expect(schema, node, YAML_SCALAR))
        return false;
    if (strlen(node->text) >= TEXT_CAP)
        return schema_error(schema, node, "'%.20s…' is too long: at most %d bytes", node->text, TEXT_CAP - 1);
    snprintf(out, TEXT_CAP, "%s", node->text);
    return true;
}
