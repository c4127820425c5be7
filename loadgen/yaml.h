/* A YAML document as a tree that remembers its lines, so that whoever reads a scenario can say where it is wrong, and
 * whose values can be replaced by path, as `--set` and `sweep` do. libyaml parses. (libcyaml, a schema on top of it,
 * knows no mapping with free keys, which weights and custom presets are.) */
#ifndef CONFAB_LOADGEN_YAML_H
#define CONFAB_LOADGEN_YAML_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum yaml_kind {
    YAML_SCALAR,
    YAML_MAPPING,
    YAML_SEQUENCE,
};

struct yaml_node {
    enum yaml_kind kind;
    int line;   /* 1-based; 0 for what came from a --set */
    char *key;  /* in a mapping: the key that leads here; else NULL */
    char *text; /* of a scalar */
    struct yaml_node *children;
    size_t count;
};

/* The first document in `path`. NULL and `error` ("FILE:LINE: …") when it can't be read or is not YAML; aliases, tags
 * and a key given twice are refused, and a document deeper than 32 levels or with over 100,000 nodes. */
struct yaml_node *yaml_node_load(const char *path, struct error *error);

/* The same from memory; `name` stands for the file in errors. */
struct yaml_node *yaml_node_parse(const char *name, const char *text, size_t len, struct error *error);

void yaml_node_free(struct yaml_node *root);

/* A deep copy. NULL when out of memory. */
struct yaml_node *yaml_node_copy(const struct yaml_node *root);

/* The child of a mapping under `key`, NULL when there is none. */
const struct yaml_node *yaml_node_get(const struct yaml_node *mapping, const char *key);

/* Replaces what is at `path` ("rooms.size", "media.video.layers.0.bitrate"), making mappings on the way where there is
 * nothing yet, by `value`, itself YAML ("4", "[mesh]"). */
bool yaml_node_set(struct yaml_node *root, const char *path, const char *value, struct error *error);

#endif
