/* How the fields of a result are called in its JSON form, and what becomes of them when results merge: the tables that the
 * writer (result_json), the reader (result_reader) and the merger (result_merge) walk. */
#ifndef CONFAB_REPORT_RESULT_SCHEMA_H
#define CONFAB_REPORT_RESULT_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>

#define RESULT_SCHEMA "confab.result/1"

enum schema_type {
    SCHEMA_COUNT,   /* uint64_t */
    SCHEMA_COUNT32, /* uint32_t */
    SCHEMA_NUMBER,  /* double */
    SCHEMA_FLAG,    /* bool */
    SCHEMA_TEXT,    /* char[cap] */
    SCHEMA_SUMMARY, /* struct result_summary */
};

enum schema_merge {
    MERGE_FIRST, /* the first one's; or it follows from others and is summed up anew */
    MERGE_ADD,
    MERGE_MAX,
    MERGE_SAME, /* what differs in it doesn't belong together */
};

struct schema_field {
    const char *path; /* "clients.planned" */
    enum schema_type type;
    enum schema_merge merge;
    size_t offset;
    size_t cap;                             /* of a text */
    bool (*present)(const void *structure); /* is there something to say? NULL: always */
};

struct schema {
    const struct schema_field *fields;
    size_t count;
};

/* Of struct result: before its runs, and after them. */
extern const struct schema schema_result_head, schema_result_tail;
extern const struct schema schema_run;  /* struct result_run, but for lists and what follows */
extern const struct schema schema_load; /* struct load_result, likewise */
/* Elements of lists. */
extern const struct schema schema_fault;   /* struct result_fault */
extern const struct schema schema_failure; /* struct load_failure */
extern const struct schema schema_client;  /* struct load_client */
extern const struct schema schema_sample;  /* struct load_sample: a column each */

#endif
