/* DTLS 1.2 (RFC 6347) between two WebRTC peers: both show a certificate, each checks the other's against the
 * fingerprints that signalling brought (RFC 8827, section 6.5), and SRTP's keys come out (RFC 5764). It owns no socket:
 * datagrams go in and out.
 *
 * The caller hands it datagrams of the ICE-validated path only. After each call that takes `now`, drain dtls_write and
 * dtls_event. */
#ifndef CONFAB_RTC_DTLS_H
#define CONFAB_RTC_DTLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/nanos.h"
#include "rtc/certificate.h"
#include "rtc/srtp.h"

struct dtls;

/* What the SDP setup attribute comes to (RFC 8842, section 5.2): active is the client. */
enum dtls_role {
    DTLS_CLIENT,
    DTLS_SERVER,
};

#define DTLS_FINGERPRINTS_MAX 8
#define DTLS_PROFILES_MAX 3
#define DTLS_MTU_DEFAULT 1200

struct dtls_config {
    const struct certificate *certificate; /* must outlive the connection */
    enum dtls_role role;
    const struct fingerprint *fingerprints; /* the peer's, at least one, copied */
    size_t fingerprint_count;
    const enum srtp_profile *profiles; /* most wanted first; NULL: AES-128-GCM, AES-256-GCM, AES-128-CM with SHA-1 */
    size_t profile_count;
    uint16_t mtu;          /* UDP payload bytes at most, 256 and up; 0: DTLS_MTU_DEFAULT */
    nanos initial_timeout; /* before the first retransmission, then doubled up to 3.2 s; 0: 200 ms */
    /* Told each line of the NSS key log, without line end, so that a capture can be decrypted; NULL: nobody. */
    void (*keylog)(void *user, const char *line);
    void *keylog_user;
};

enum dtls_event_type {
    DTLS_EVENT_CONNECTED, /* the peer is who it should be; keys can be exported */
    DTLS_EVENT_FAILED,    /* it is not, or doesn't answer, or broke the protocol: see reason; the end */
    DTLS_EVENT_CLOSED,    /* the peer sent close_notify: the end */
    DTLS_EVENT_DATA,      /* application data, one record */
};

struct dtls_event {
    enum dtls_event_type type;
    const char *reason;  /* FAILED: a line of text */
    const uint8_t *data; /* DATA: valid until the next call on this connection */
    size_t len;
};

/* Does it look like DTLS (RFC 7983: first byte 20 to 63)? */
static inline bool dtls_is(const uint8_t *data, size_t len) { return len > 0 && data[0] >= 20 && data[0] <= 63; }

/* NULL, with `error` filled, for a bad configuration or when out of memory. A client speaks first, at the first
 * dtls_write. */
struct dtls *dtls_create(const struct dtls_config *config, struct error *error);

/* Sends nothing: see dtls_close. NULL is ignored. */
void dtls_destroy(struct dtls *dtls);

/* A datagram arrived. 0: taken; -1: not DTLS, without a valid record, or the connection is over. Invalid records are
 * discarded silently (RFC 6347, section 4.1.2.7). */
int dtls_read(struct dtls *dtls, const uint8_t *data, size_t len, nanos now);

/* The next datagram to send, copied into `buf` (which needs room for the MTU); its length, 0 when there is none. Also
 * starts the handshake and retransmits. */
ssize_t dtls_write(struct dtls *dtls, uint8_t *buf, size_t cap, nanos now);

/* When to call dtls_write; 0 when something waits. */
nanos dtls_deadline(const struct dtls *dtls);

bool dtls_event(struct dtls *dtls, struct dtls_event *event);

/* Application data (RFC 8261 has SCTP in it): one datagram, one record, `len` at most dtls_payload_max. False when not
 * connected, too long, or too much is waiting to be sent. */
bool dtls_send(struct dtls *dtls, const uint8_t *data, size_t len, nanos now);
size_t dtls_payload_max(const struct dtls *dtls);

/* Says close_notify; then drain dtls_write a last time. */
void dtls_close(struct dtls *dtls, nanos now);

/* The keys of RFC 5764, section 4.2, sorted into local and remote. False before DTLS_EVENT_CONNECTED, and when the peer
 * agreed to no profile. */
bool dtls_export_srtp(const struct dtls *dtls, struct srtp_keys *keys, struct error *error);

#endif
