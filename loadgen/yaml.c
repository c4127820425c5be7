#include "loadgen/yaml.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <yaml.h>

enum { DEPTH_MAX = 32, NODES_MAX = 100000 };

struct loader {
    yaml_parser_t parser;
    const char *name;
    struct error *error;
    size_t nodes;
};

static void clear(struct yaml_node *node)
{
    for (size_t i = 0; i < node->count; i++)
        clear(&node->children[i]);
    free(node->children);
    free(node->key);
    free(node->text);
    memset(node, 0, sizeof *node);
}

void yaml_node_free(struct yaml_node *root)
{
    if (root != NULL)
        clear(root);
    free(root);
}

static bool out_of_memory(struct error *error) { return error_set(error, ERROR_SYSTEM, "out of memory"); }

static struct yaml_node *add_child(struct yaml_node *parent)
{
    /* Grows at each power of two. */
    if ((parent->count & (parent->count - 1)) == 0) {
        size_t cap = parent->count == 0 ? 1 : 2 * parent->count;
        struct yaml_node *grown = realloc(parent->children, cap * sizeof *grown);
        if (grown == NULL)
            return NULL;
        parent->children = grown;
    }
    struct yaml_node *child = &parent->children[parent->count++];
    memset(child, 0, sizeof *child);
    return child;
}

static bool next(struct loader *loader, yaml_event_t *event)
{
    if (yaml_parser_parse(&loader->parser, event))
        return true;
    const yaml_parser_t *parser = &loader->parser;
    return error_set(loader->error, ERROR_USAGE, "%s:%zu: not YAML: %s", loader->name, parser->problem_mark.line + 1,
                     parser->problem != NULL ? parser->problem : "unreadable");
}

static bool load_node(struct loader *loader, yaml_event_t *event, struct yaml_node *node, int depth);

static bool load_mapping(struct loader *loader, struct yaml_node *node, int depth)
{
    for (;;) {
        yaml_event_t event;
        if (!next(loader, &event))
            return false;
        if (event.type == YAML_MAPPING_END_EVENT) {
            yaml_event_delete(&event);
            return true;
        }
        int line = (int)event.start_mark.line + 1;
        if (event.type != YAML_SCALAR_EVENT) {
            yaml_event_delete(&event);
            return error_set(loader->error, ERROR_USAGE, "%s:%d: a key must be a plain word", loader->name, line);
        }
        char *key = strdup((const char *)event.data.scalar.value);
        yaml_event_delete(&event);
        if (key == NULL)
            return out_of_memory(loader->error);
        const struct yaml_node *twin = yaml_node_get(node, key);
        if (twin != NULL) {
            error_set(loader->error, ERROR_USAGE, "%s:%d: '%s' is given a second time (first on line %d)", loader->name,
                      line, key, twin->line);
            free(key);
            return false;
        }
        struct yaml_node *child = add_child(node);
        if (child == NULL) {
            free(key);
            return out_of_memory(loader->error);
        }
        child->key = key;
        if (!next(loader, &event) || !load_node(loader, &event, child, depth + 1))
            return false;
    }
}

static bool load_sequence(struct loader *loader, struct yaml_node *node, int depth)
{
    for (;;) {
        yaml_event_t event;
        if (!next(loader, &event))
            return false;
        if (event.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&event);
            return true;
        }
        struct yaml_node *child = add_child(node);
        if (child == NULL) {
            yaml_event_delete(&event);
            return out_of_memory(loader->error);
        }
        if (!load_node(loader, &event, child, depth + 1))
            return false;
    }
}

/* Takes over `event`, the first of the node. */
static bool load_node(struct loader *loader, yaml_event_t *event, struct yaml_node *node, int depth)
{
    yaml_event_type_t type = event->type;
    node->line = (int)event->start_mark.line + 1;
    if (type == YAML_SCALAR_EVENT)
        node->text = strdup((const char *)event->data.scalar.value);
    yaml_event_delete(event);
    if (depth > DEPTH_MAX || ++loader->nodes > NODES_MAX)
        return error_set(loader->error, ERROR_USAGE, "%s:%d: too much: at most %d levels and %d values", loader->name,
                         node->line, DEPTH_MAX, NODES_MAX);
    switch (type) {
    case YAML_SCALAR_EVENT:
        node->kind = YAML_SCALAR;
        return node->text != NULL || out_of_memory(loader->error);
    case YAML_MAPPING_START_EVENT:
        node->kind = YAML_MAPPING;
        return load_mapping(loader, node, depth);
    case YAML_SEQUENCE_START_EVENT:
        node->kind = YAML_SEQUENCE;
        return load_sequence(loader, node, depth);
    default:
        return error_set(loader->error, ERROR_USAGE, "%s:%d: an alias (*name) has no meaning here: write it out",
                         loader->name, node->line);
    }
}

/* Skips the stream's and the document's start. */
static bool load_document(struct loader *loader, struct yaml_node *root)
{
    for (;;) {
        yaml_event_t event;
        if (!next(loader, &event))
            return false;
        switch (event.type) {
        case YAML_STREAM_START_EVENT:
        case YAML_DOCUMENT_START_EVENT:
            yaml_event_delete(&event);
            break;
        case YAML_STREAM_END_EVENT:
            yaml_event_delete(&event);
            return error_set(loader->error, ERROR_USAGE, "%s:1: empty: there is no YAML in it", loader->name);
        default:
            return load_node(loader, &event, root, 0);
        }
    }
}

static struct yaml_node *load_with(struct loader *loader)
{
    struct yaml_node *root = calloc(1, sizeof *root);
    if (root == NULL)
        out_of_memory(loader->error);
    else if (!load_document(loader, root)) {
        yaml_node_free(root);
        root = NULL;
    }
    yaml_parser_delete(&loader->parser);
    return root;
}

struct yaml_node *yaml_node_parse(const char *name, const char *text, size_t len, struct error *error)
{
    struct loader loader = {.name = name, .error = error};
    if (!yaml_parser_initialize(&loader.parser)) {
        out_of_memory(error);
        return NULL;
    }
    yaml_parser_set_input_string(&loader.parser, (const unsigned char *)text, len);
    return load_with(&loader);
}

struct yaml_node *yaml_node_load(const char *path, struct error *error)
{
    FILE *file = fopen(path, "rbe");
    if (file == NULL) {
        error_set(error, ERROR_USAGE, "%s: %s", path, strerror(errno));
        return NULL;
    }
    struct stat what;
    struct loader loader = {.name = path, .error = error};
    struct yaml_node *root = NULL;
    if (fstat(fileno(file), &what) == 0 && S_ISDIR(what.st_mode)) {
        error_set(error, ERROR_USAGE, "%s: a directory; expected a scenario", path);
    } else if (yaml_parser_initialize(&loader.parser)) {
        yaml_parser_set_input_file(&loader.parser, file);
        root = load_with(&loader);
    } else {
        out_of_memory(error);
    }
    fclose(file);
    return root;
}

static bool copy_into(struct yaml_node *to, const struct yaml_node *from)
{
    to->kind = from->kind;
    to->line = from->line;
    if ((from->key != NULL && (to->key = strdup(from->key)) == NULL) ||
        (from->text != NULL && (to->text = strdup(from->text)) == NULL))
        return false;
    for (size_t i = 0; i < from->count; i++) {
        struct yaml_node *child = add_child(to);
        if (child == NULL || !copy_into(child, &from->children[i]))
            return false;
    }
    return true;
}

struct yaml_node *yaml_node_copy(const struct yaml_node *root)
{
    struct yaml_node *copy = calloc(1, sizeof *copy);
    if (copy != NULL && !copy_into(copy, root)) {
        yaml_node_free(copy);
        copy = NULL;
    }
    return copy;
}

const struct yaml_node *yaml_node_get(const struct yaml_node *mapping, const char *key)
{
    for (size_t i = 0; mapping->kind == YAML_MAPPING && i < mapping->count; i++) {
        if (strcmp(mapping->children[i].key, key) == 0)
            return &mapping->children[i];
    }
    return NULL;
}

/* The child that one step of a path names: a key, or a number in a sequence; made if a mapping lacks it. */
static struct yaml_node *step_into(struct yaml_node *node, const char *step, const char *path, struct error *error)
{
    if (node->kind == YAML_SEQUENCE) {
        char *end;
        unsigned long index = strtoul(step, &end, 10);
        if (*step >= '0' && *step <= '9' && *end == '\0' && index < node->count)
            return &node->children[index];
        error_set(error, ERROR_USAGE, "'%s': '%s' is no number of an entry: there are %zu, from 0", path, step,
                  node->count);
        return NULL;
    }
    if (node->kind == YAML_SCALAR && node->text != NULL && *node->text != '\0') {
        error_set(error, ERROR_USAGE, "'%s': nothing is inside a single value, so there is no '%s'", path, step);
        return NULL;
    }
    if (node->kind == YAML_SCALAR) {
        free(node->text);
        node->text = NULL;
        node->kind = YAML_MAPPING;
    }
    for (size_t i = 0; i < node->count; i++) {
        if (strcmp(node->children[i].key, step) == 0)
            return &node->children[i];
    }
    struct yaml_node *child = add_child(node);
    if (child == NULL || (child->key = strdup(step)) == NULL) {
        out_of_memory(error);
        return NULL;
    }
    child->kind = YAML_SCALAR;
    return child;
}

bool yaml_node_set(struct yaml_node *root, const char *path, const char *value, struct error *error)
{
    struct yaml_node *parsed = yaml_node_parse(path, value, strlen(value), error);
    if (parsed == NULL)
        return false;
    struct yaml_node *at = root;
    char *steps = strdup(path);
    char *rest = steps;
    for (char *step; at != NULL && (step = strsep(&rest, ".")) != NULL;) {
        if (*step == '\0') {
            error_set(error, ERROR_USAGE, "'%s' is no path: write it like rooms.size", path);
            at = NULL;
        } else {
            at = step_into(at, step, path, error);
        }
    }
    free(steps);
    if (at != NULL) {
        char *key = at->key;
        at->key = NULL;
        clear(at);
        *at = *parsed;
        at->key = key;
        at->line = 0;
        parsed->children = NULL;
        parsed->text = NULL;
        parsed->count = 0;
    }
    yaml_node_free(parsed);
    return at != NULL;
}
