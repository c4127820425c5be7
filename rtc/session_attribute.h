/* What each SDP attribute says of a session: used by rtc/session_parse.c alone. */
#ifndef CONFAB_RTC_SESSION_ATTRIBUTE_H
#define CONFAB_RTC_SESSION_ATTRIBUTE_H

#include "rtc/session_description.h"

/* Where attributes stand, as bits. */
enum session_place {
    PLACE_SESSION = 1,
    PLACE_MEDIA = 2,
    PLACE_FRAGMENT = 4, /* what trickling brings (RFC 8840, section 9) */
};

struct session_reader {
    unsigned where;              /* enum session_place */
    const struct sdp_line *line; /* being read */
    struct session_media *media; /* NULL at session level */
    struct session_transport *transport;
    uint8_t *direction;
    bool *rejects_fingerprints; /* there was one, with a hash function that we don't know */
    struct session_description *description;
    struct error *error;
};

/* Reads the attributes of a section into the reader's structures. False, with the reader's `error` naming the line, when
 * one that we know is malformed; those that we don't know are skipped. */
bool session_read_attributes(struct session_reader *reader, const struct sdp_section *section);

/* The a=extmap of `reader->line`. */
bool session_read_extmap(struct session_reader *reader);

/* Marks and orders the rids that a=simulcast names, once all are known (RFC 8853, section 5.1). */
void session_read_simulcast(struct session_media *media, const char *value);

#endif
