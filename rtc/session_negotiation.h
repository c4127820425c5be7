/* Offer and answer (RFC 3264, RFC 8829): what we can do, the offers that say so, and the answers to others' offers. */
#ifndef CONFAB_RTC_SESSION_NEGOTIATION_H
#define CONFAB_RTC_SESSION_NEGOTIATION_H

#include "rtc/session_description.h"

/* What we can do for one kind of media. Codecs carry the payload types, and extensions the numbers, of our own offers;
 * an answer uses those of the offer it answers. */
struct session_abilities {
    const struct session_codec *codecs; /* most wanted first, each "rtx" behind what it repairs */
    size_t codec_count;
    const struct session_extension *extensions;
    size_t extension_count;
    uint8_t direction;          /* at most; enum session_direction */
    uint8_t simulcast_received; /* so many encodings at most; 0: one stream without rids */
    uint8_t simulcast_sent;
};

struct session_capabilities {
    const struct session_transport *transport; /* ours. In an answer to actpass, `setup` says which we would be: ACTIVE
                                                  when it is NONE or ACTPASS (RFC 8842, section 5.3) */
    uint64_t session_id;                       /* of o= */
    struct session_abilities audio, video;
    bool data_channels;
    uint16_t sctp_port;        /* 0: 5000 */
    uint32_t max_message_size; /* that we can take; 0: 262,144 */
};

/* What confab itself can do: Opus; VP8, H.264 (constrained baseline, packetization mode 1), VP9 and AV1, each with
 * retransmission; all the feedback and extensions of our headers, sendrecv, simulcast of three; no data channels. The
 * caller sets transport and session_id, and narrows it as he likes. */
struct session_capabilities session_capabilities_default(void);

/* What we can do with one codec alone (and its "rtx"): `name` as in SDP, any case. 0 codecs when it is none of ours. */
struct session_abilities session_abilities_of_codec(const struct session_abilities *abilities, const char *name);

/* Adds a section to an offer: mid is its number, direction at most what we can. NULL when out of memory. The first call
 * on an empty description gives it our transport (setup actpass). */
struct session_media *session_offer_media(struct session_description *offer, const struct session_capabilities *ours,
                                          enum session_kind kind, uint8_t direction);

/* Adds our simulcast encodings to a section of an offer, most wanted first. False when out of memory. */
bool session_offer_simulcast(struct session_media *media, const char *const *rids, size_t rid_count);

/* The answer to an offer, section for section. What we can't do is rejected: a kind of media that is not ours, no codec
 * in common, a section outside the BUNDLE group, one without rtcp-mux. Its SSRCs and msid are the caller's to add. NULL,
 * with `error` filled, when out of memory. */
struct session_description *session_answer(const struct session_description *offer,
                                           const struct session_capabilities *ours, struct error *error);

/* Is this an answer to that offer of ours (RFC 3264, section 6; RFC 8829, section 5.10): as many sections, of the same
 * kind and mid, no actpass, payload types that were offered? False, and `error` says what is not. */
bool session_check_answer(const struct session_description *offer, const struct session_description *answer,
                          struct error *error);

/* Which DTLS role do we have, once both are known? True: the client. */
bool session_is_dtls_client(const struct session_transport *local, const struct session_transport *remote);

#endif
