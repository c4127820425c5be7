/* For servers that speak no SDP: what their JSON says of transports and streams, to and from the descriptions that our
 * connections take. Two ways of naming things are in use: ORTC's (mediasoup) and Colibri's (Jitsi). */
#ifndef CONFAB_LOADGEN_ADAPTERS_TRANSLATION_H
#define CONFAB_LOADGEN_ADAPTERS_TRANSLATION_H

#include <jansson.h>
#include <stdbool.h>

#include "rtc/session_description.h"

/* What a key of theirs is called. */
struct translation_words {
    const char *codec;        /* its name: "mimeType", which is "video/VP8", or "name", which is "VP8" */
    bool codec_has_kind;      /* … the first of the two */
    const char *payload_type; /* "payloadType", "id" */
    const char *clock_rate;
    const char *feedback;       /* "rtcpFeedback" */
    const char *feedback_value; /* "parameter": the "pli" of "nack pli" */
};

extern const struct translation_words translation_ortc, translation_colibri;

/* --- transports -------------------------------------------------------------------------------------------------------------- */

/* {foundation, priority, ip (or address), port, protocol, type}; one that can't be used is left out. */
void translation_add_candidate(struct session_transport *transport, const json_t *candidate);
/* Of "sha-256" and "AB:CD:…"; one of a hash that we don't know is left out. */
void translation_add_fingerprint(struct session_transport *transport, const char *hash, const char *value);
/* Our first fingerprint in two parts; `value` has FINGERPRINT_TEXT_CAP bytes. */
void translation_fingerprint(const struct session_transport *transport, char hash[16], char *value);

/* False when one is missing (NULL) or too long. */
bool translation_read_credentials(struct session_transport *transport, const char *ufrag, const char *password);

/* The answer of a server with that transport which takes all that our offer has; what it sends is the caller's to add.
 * NULL when memory is short. */
struct session_description *translation_answer(const struct session_description *offer,
                                               const struct session_transport *theirs);

/* --- streams ------------------------------------------------------------------------------------------------------------------- */

/* A section's codecs, most wanted first: one and its retransmission, or all. */
json_t *translation_codecs(const struct session_media *media, const struct translation_words *words, bool first_only);
/* A section's header extensions, [{uri, id}], those alone that `known` (the server's own list of {uri}) has; NULL: all
 * that we know. */
json_t *translation_extensions(const struct session_media *media, const json_t *known);

/* Says in a section that this is sent in it: `rtx` 0: without retransmission. Texts may be NULL. */
bool translation_add_stream(struct session_media *media, const char *peer, const char *track, uint32_t ssrc,
                            uint32_t rtx, const char *cname);

/* The reverse: adds them to a section. False when there is a codec without name, number or clock rate. */
bool translation_read_codecs(struct session_media *media, const json_t *codecs, const struct translation_words *words);
void translation_read_extensions(struct session_media *media, const json_t *extensions);

#endif
