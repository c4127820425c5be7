/* SRTP and SRTCP (RFC 3711; AES-GCM: RFC 7714; keys from DTLS: RFC 5764): packets are protected and unprotected in
 * place. A session is one direction of one transport; its SSRCs come by themselves and share its ciphers.
 *
 * On OpenSSL's ciphers, because Debian's libsrtp2 is built on NSS, which looks through a list of everything that is
 * open for each packet: with 2,000 connections one packet costs 21 us. libsrtp2 is what the tests compare with. */
#ifndef CONFAB_RTC_SRTP_H
#define CONFAB_RTC_SRTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* The numbers are those of the use_srtp extension (RFC 5764, section 4.1.2; RFC 7714, section 14.2). */
enum srtp_profile {
    SRTP_PROFILE_NONE = 0,
    SRTP_PROFILE_AES128_CM_SHA1_80 = 0x0001,
    SRTP_PROFILE_AEAD_AES_128_GCM = 0x0007,
    SRTP_PROFILE_AEAD_AES_256_GCM = 0x0008,
};

/* As OpenSSL and SDP name it: "SRTP_AEAD_AES_128_GCM". */
const char *srtp_profile_name(enum srtp_profile profile);

/* Bytes of master key and of master salt: 16 + 14, 16 + 12 or 32 + 12. 0 when the profile is unknown. */
size_t srtp_profile_key_len(enum srtp_profile profile);
size_t srtp_profile_salt_len(enum srtp_profile profile);

/* Bytes of authentication tag behind each packet: 10 or 16. */
size_t srtp_profile_tag_len(enum srtp_profile profile);

#define SRTP_KEYING_CAP 46 /* the longest master key and salt */

struct srtp_keys {
    enum srtp_profile profile;
    uint8_t local[SRTP_KEYING_CAP];  /* what we protect with: master key, then master salt */
    uint8_t remote[SRTP_KEYING_CAP]; /* what the peer protects with */
};

enum srtp_direction {
    SRTP_OUTBOUND, /* protects, with the local keys */
    SRTP_INBOUND,  /* unprotects, with the remote keys */
};

enum srtp_status {
    SRTP_STATUS_OK = 0,
    SRTP_STATUS_REPLAYED,  /* seen already, or 512 packets (RTCP: 64) old (RFC 3711, section 3.3.2) */
    SRTP_STATUS_FORGED,    /* the authentication tag is wrong */
    SRTP_STATUS_MALFORMED, /* too short, or its header reaches past its end */
    SRTP_STATUS_NO_ROOM,   /* `cap` leaves no room for the tag */
    SRTP_STATUS_TOO_MANY,  /* one more SSRC than the session's limit */
    SRTP_STATUS_EXPIRED,   /* the key has protected as many packets as it may */
    SRTP_STATUS_FAILED,    /* anything else: out of memory, the crypto library */
};
const char *srtp_status_text(enum srtp_status status);

/* What protection adds at most: SRTP a tag of 16, SRTCP a tag and the index word. */
#define SRTP_RTP_OVERHEAD 16
#define SRTP_RTCP_OVERHEAD 20

struct srtp_session;

struct srtp_session_config {
    enum srtp_direction direction;
    uint32_t ssrc_limit; /* so many SSRCs at most, so that a peer can't fill memory; 0: 1,024 */
    bool allow_repeat;   /* outbound: the same packet may be protected again, byte for byte the same */
};

/* NULL, with `error` filled, when the profile is unknown or the library can't. */
struct srtp_session *srtp_session_create(const struct srtp_keys *keys, const struct srtp_session_config *config,
                                         struct error *error);
void srtp_session_destroy(struct srtp_session *session);

/* `buf` holds a whole packet of *len bytes and has room for `cap`. On SRTP_STATUS_OK *len is the new length; otherwise
 * *len is unchanged and `buf` is to be thrown away. A packet that fails changes nothing in the session. */
enum srtp_status srtp_session_protect_rtp(struct srtp_session *session, uint8_t *buf, size_t *len, size_t cap);
enum srtp_status srtp_session_protect_rtcp(struct srtp_session *session, uint8_t *buf, size_t *len, size_t cap);
enum srtp_status srtp_session_unprotect_rtp(struct srtp_session *session, uint8_t *buf, size_t *len);
enum srtp_status srtp_session_unprotect_rtcp(struct srtp_session *session, uint8_t *buf, size_t *len);

#endif
