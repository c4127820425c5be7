/* SDP (RFC 8866) as text: lines, sections and attributes, all kept in their order, known or not. What they mean to
 * WebRTC is rtc/session_description.h's. */
#ifndef CONFAB_RTC_SDP_H
#define CONFAB_RTC_SDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Bounds, so that nobody's SDP costs more than a few MiB. */
#define SDP_TEXT_MAX ((size_t)1024 * 1024)
#define SDP_LINE_MAX ((size_t)64 * 1024)
#define SDP_LINES_MAX ((size_t)65536)
#define SDP_MEDIA_MAX ((size_t)1024)

struct sdp_line {
    char type;         /* 'v', 'o', … */
    uint32_t number;   /* in the text, from 1 */
    const char *name;  /* of an attribute (type 'a'), NULL for other lines */
    const char *value; /* behind "a=name:" or "x="; NULL for an attribute without a colon */
};

struct sdp_section {
    const struct sdp_line *lines;
    size_t count;
};

/* m=KIND PORT[/PORT_COUNT] PROTOCOL FORMAT … (RFC 8866, section 5.14) */
struct sdp_media {
    const char *kind;
    const char *protocol;
    const char *const *formats; /* at least one */
    size_t format_count;
    uint32_t number; /* of the m= line */
    uint16_t port;
    uint16_t port_count;        /* 1 when not given */
    struct sdp_section section; /* the lines behind it */
};

/* o=USERNAME SESSION-ID VERSION IN IP4 ADDRESS (RFC 8866, section 5.2) */
struct sdp_origin {
    const char *username;
    const char *session_id; /* digits, as many as somebody likes */
    const char *version;
    const char *address; /* "IN IP4 127.0.0.1" */
};

enum sdp_form {
    SDP_WHOLE,    /* with v=, o=, s= and t= */
    SDP_FRAGMENT, /* attributes and m= sections alone, as trickled candidates come (RFC 8840, section 9) */
};

struct sdp {
    struct sdp_origin origin; /* zero in a fragment */
    struct sdp_section session;
    const struct sdp_media *media;
    size_t media_count;
};

/* Reads `len` bytes, which need no terminator. Lines end in CR LF or in LF alone. NULL, and `error` names the line, when
 * it is not SDP or breaks a bound. */
struct sdp *sdp_parse(const char *text, size_t len, enum sdp_form form, struct error *error);
void sdp_destroy(struct sdp *sdp);

/* The same as text, with CR LF, to be freed by the caller; NULL when out of memory. */
char *sdp_write(const struct sdp *sdp);

/* The first attribute of that name, NULL when there is none. */
const struct sdp_line *sdp_find(const struct sdp_section *section, const char *name);

#endif
