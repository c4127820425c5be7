/* What an SDP offer or answer means to WebRTC (JSEP, RFC 8829): one bundled transport (RFC 8843) with RTP and RTCP on
 * one port (RFC 5761), and the media sections over it.
 *
 * Everything is open: make one with session_description_create or _offer, change it, write it. Lists are arrays that
 * the adding functions grow; texts are in the structures. */
#ifndef CONFAB_RTC_SESSION_DESCRIPTION_H
#define CONFAB_RTC_SESSION_DESCRIPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "rtc/fingerprint.h"
#include "rtc/ice_candidate.h"
#include "rtc/rtp_extensions.h"
#include "rtc/sdp.h"

/* What is longer in somebody's SDP is refused; what is more is left out. */
#define SESSION_MID_CAP 33
#define SESSION_ID_CAP 65 /* of a media stream or track */
#define SESSION_CNAME_CAP 65
#define SESSION_FMTP_CAP 400
#define SESSION_FINGERPRINTS_MAX 8
#define SESSION_CANDIDATES_MAX 64
#define SESSION_EXTENSIONS_MAX 64
#define SESSION_SSRCS_MAX 256
#define SESSION_RIDS_MAX 16

/* --- transport -------------------------------------------------------------------------------------------------------- */

/* a=setup (RFC 8842, section 5.2). */
enum session_setup {
    SESSION_SETUP_NONE, /* not given */
    SESSION_SETUP_ACTPASS,
    SESSION_SETUP_ACTIVE,  /* is the DTLS client */
    SESSION_SETUP_PASSIVE, /* is the DTLS server */
};

struct session_transport {
    char ufrag[ICE_UFRAG_CAP]; /* RFC 8839, section 5.4 */
    char password[ICE_PASSWORD_CAP];
    bool ice_lite; /* RFC 8839, section 5.3 */
    bool trickle;  /* a=ice-options:trickle (RFC 8838) */
    uint8_t setup; /* enum session_setup */
    struct fingerprint fingerprints[SESSION_FINGERPRINTS_MAX];
    size_t fingerprint_count;
    struct ice_candidate *candidates;
    size_t candidate_count;
    bool end_of_candidates; /* RFC 8840, section 8.2 */
};

/* --- media ------------------------------------------------------------------------------------------------------------ */

enum session_kind {
    SESSION_AUDIO,
    SESSION_VIDEO,
    SESSION_DATA,  /* m=application, data channels (RFC 8841) */
    SESSION_OTHER, /* nothing that we do: always rejected */
};

/* Bits, from the point of view of whose description it is. */
enum session_direction {
    SESSION_INACTIVE = 0,
    SESSION_SENDONLY = 1,
    SESSION_RECVONLY = 2,
    SESSION_SENDRECV = 3,
};

/* The same as the other side sees it. */
static inline uint8_t session_direction_reverse(uint8_t direction)
{
    return (uint8_t)((direction & 1) << 1 | (direction & 2) >> 1);
}

/* a=rtcp-fb, as bits (RFC 4585, RFC 5104, goog-remb and transport-cc by their drafts). */
enum session_feedback {
    SESSION_FEEDBACK_NACK = 1,
    SESSION_FEEDBACK_NACK_PLI = 2,
    SESSION_FEEDBACK_CCM_FIR = 4,
    SESSION_FEEDBACK_GOOG_REMB = 8,
    SESSION_FEEDBACK_TRANSPORT_CC = 16,
};

#define SESSION_NO_PAYLOAD_TYPE 0xff

struct session_codec {
    uint8_t payload_type;
    uint8_t
        repairs; /* "rtx": apt, the payload type that it retransmits (RFC 4588, section 8.1); else …NO_PAYLOAD_TYPE */
    uint8_t channels; /* 1 when not given */
    uint8_t feedback; /* bits of enum session_feedback */
    uint32_t clock_rate;
    char name[32]; /* as written: "opus", "VP8", "rtx" */
    char fmtp[SESSION_FMTP_CAP];
};

/* a=extmap (RFC 8285, section 8). */
struct session_extension {
    uint8_t id;        /* 1 to 255; up to 14 for the one-byte form */
    uint8_t kind;      /* enum rtp_extension_kind */
    uint8_t direction; /* enum session_direction */
    char uri[128];
};

/* a=ssrc and a=ssrc-group:FID (RFC 5576). */
struct session_ssrc {
    uint32_t ssrc;
    bool has_retransmission;
    uint32_t retransmission; /* the SSRC on which it is retransmitted */
    char cname[SESSION_CNAME_CAP];
    char stream_id[SESSION_ID_CAP]; /* a=ssrc:… msid, from before a=msid */
    char track_id[SESSION_ID_CAP];
};

/* a=rid (RFC 8851) and its place in a=simulcast (RFC 8853). A limit of 0 is none. */
struct session_rid {
    char id[RTP_TOKEN_CAP];
    uint8_t direction; /* SESSION_SENDONLY or SESSION_RECVONLY */
    bool simulcast;    /* in a=simulcast, where the order is that of the array */
    bool paused;       /* with '~' */
    uint32_t max_width, max_height, max_fps;
    uint32_t max_bitrate_bps;
};

struct session_media {
    uint8_t kind;      /* enum session_kind */
    uint8_t direction; /* enum session_direction */
    bool rejected;     /* port 0, without bundle-only */
    bool bundled;      /* in the BUNDLE group */
    bool bundle_only;  /* RFC 8843, section 6: port 0 though wanted */
    bool rtcp_mux;
    bool rtcp_reduced_size;         /* RFC 5506 */
    bool rtcp_receiver_rtt;         /* a=rtcp-xr:rcvr-rtt (RFC 3611) */
    char mid[SESSION_MID_CAP];      /* RFC 5888; "" when not given */
    char kind_name[32];             /* of m=, as written */
    char protocol[32];              /* of m= */
    char format[32];                /* of m=, the first */
    uint32_t max_bitrate_bps;       /* b=TIAS or b=AS; 0 when not given */
    char stream_id[SESSION_ID_CAP]; /* a=msid (RFC 8830); "-" is no stream, "" no msid */
    char track_id[SESSION_ID_CAP];
    struct session_codec *codecs; /* most wanted first */
    size_t codec_count;
    struct session_extension *extensions;
    size_t extension_count;
    struct session_ssrc *ssrcs; /* those that retransmit are in `retransmission` alone */
    size_t ssrc_count;
    struct session_rid *rids;
    size_t rid_count;
    uint16_t sctp_port;        /* RFC 8841, section 5 */
    uint32_t max_message_size; /* RFC 8841, section 6: 65,536 when not given; 0 is any */
};

struct session_description {
    uint64_t session_id; /* of o= */
    uint64_t version;
    bool extmap_allow_mixed; /* RFC 8285, section 6: one-byte and two-byte extensions in one stream */
    struct session_transport transport;
    struct session_media *media;
    size_t media_count;
};

/* An empty one; NULL when out of memory. */
struct session_description *session_description_create(void);
void session_description_destroy(struct session_description *description);

/* Reads an offer or answer. The transport is that of the first section in the BUNDLE group, or without a group that of
 * the first section; `error` names the SDP line that is at fault. NULL then. */
struct session_description *session_description_parse(const char *text, size_t len, struct error *error);

/* Reads a fragment with trickled candidates (RFC 8840, section 9; WHIP's PATCH): its ufrag, password and candidates,
 * and the mid of its section. False, with `error` filled, when it isn't one; otherwise free transport->candidates. */
bool session_fragment_parse(const char *text, size_t len, struct session_transport *transport,
                            char mid[SESSION_MID_CAP], struct error *error);

/* As SDP, in the order in which browsers write it; to be freed by the caller; NULL when out of memory. */
char *session_description_write(const struct session_description *description);
char *session_fragment_write(const struct session_transport *transport, const char *mid);

/* A name as the id of a media stream, which is a token of at most 64 characters (RFC 8830, section 2): what a token can't
 * have becomes '_'. */
void session_stream_id(char out[SESSION_ID_CAP], const char *name);

/* Each adds a zeroed element and returns it, NULL when out of memory or past its bound. Pointers into the same list are
 * invalid after that. */
struct session_media *session_add_media(struct session_description *description);
struct session_codec *session_add_codec(struct session_media *media);
struct session_extension *session_add_extension(struct session_media *media);
struct session_ssrc *session_add_ssrc(struct session_media *media);
struct session_rid *session_add_rid(struct session_media *media);
bool session_add_candidate(struct session_transport *transport, const struct ice_candidate *candidate);

const struct session_media *session_media_of_mid(const struct session_description *description, const char *mid);
const struct session_codec *session_codec_of(const struct session_media *media, uint8_t payload_type);
/* The "rtx" that retransmits `payload_type`; NULL when there is none. */
const struct session_codec *session_retransmission_of(const struct session_media *media, uint8_t payload_type);
/* The numbers of the extensions that may be sent (or received) by whose description it is. */
struct rtp_extension_map session_extension_map(const struct session_media *media, enum session_direction direction);

#endif
