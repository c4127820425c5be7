/* One WebRTC transport: ICE finds a path, through TURN if need be, DTLS authenticates the peer on it, SRTP protects what
 * is sent (RFC 8834, 8835, 8827). Everything of a call is bundled on it, RTCP multiplexed with RTP.
 *
 *          sockets, streams                                                      plain RTP and RTCP
 *     ------- datagrams ------> [ TURN clients ] -> [ demultiplexer ] -> SRTP -> media()
 *                                                   STUN |     | DTLS
 *                                                       ICE   DTLS
 *
 * It owns no socket. The owner gives it a number for each UDP socket it may use, opens TCP connections when asked to
 * (TRANSPORT_EVENT_OPEN_STREAM: TURN over TCP and TLS) and carries what it writes. After each call that takes `now`,
 * drain transport_write and transport_event. */
#ifndef CONFAB_RTC_TRANSPORT_H
#define CONFAB_RTC_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/address.h"
#include "base/error.h"
#include "base/nanos.h"
#include "rtc/certificate.h"
#include "rtc/dtls.h"
#include "rtc/fingerprint.h"
#include "rtc/ice_agent.h"
#include "rtc/srtp.h"
#include "rtc/turn_client.h"

enum {
    TRANSPORT_SOCKETS_MAX = 4,
    TRANSPORT_TURN_SERVERS_MAX = 6,
    TRANSPORT_RELAYS_MAX = 12,
    TRANSPORT_FINGERPRINTS_MAX = 4,
};

/* A TURN server as `iceServers` names one. */
struct transport_turn_server {
    struct address address;
    enum turn_transport transport;
    char username[96];
    char password[64];
};

enum transport_media {
    TRANSPORT_RTP,
    TRANSPORT_RTCP,
};

struct transport_config {
    bool lite;        /* ICE lite: a server on a public address */
    bool controlling; /* the offerer, unless the other side is lite and this one is not (RFC 8445, 6.1.1) */
    bool relay_only;  /* use no path but through TURN */
    const struct certificate *certificate; /* must outlive the transport */
    const struct address *stun_servers;
    size_t stun_server_count;
    const struct transport_turn_server *turn_servers;
    size_t turn_server_count;
    struct tls_context *tls; /* for TURN over TLS; must outlive the transport */
    uint64_t seed;
    char ufrag_mark;                              /* as ice_config's */
    void (*keylog)(void *user, const char *line); /* DTLS keys as an NSS key log; NULL: nobody is told */
    void *keylog_user;
    /* An authentic packet arrived; it is in the clear, and may be changed in place. */
    void (*media)(void *user, enum transport_media kind, uint8_t *data, size_t len, nanos now);
    void *media_user;
    /* A DTLS record arrived, with SCTP in it (RFC 8261). NULL: nobody wants it. */
    void (*data)(void *user, const uint8_t *data, size_t len, nanos now);
    void *data_user;
};

enum transport_state {
    TRANSPORT_NEW,
    TRANSPORT_CHECKING,     /* ICE looks for a path */
    TRANSPORT_SECURING,     /* DTLS shakes hands on it */
    TRANSPORT_CONNECTED,    /* media flows */
    TRANSPORT_DISCONNECTED, /* the path went silent; it may come back, or an ICE restart find another */
    TRANSPORT_FAILED,
    TRANSPORT_CLOSED, /* the peer said goodbye */
};

enum transport_event_type {
    TRANSPORT_EVENT_CANDIDATE,    /* one of ours, to be signalled: candidate */
    TRANSPORT_EVENT_GATHERED,     /* there will be no more of them */
    TRANSPORT_EVENT_STATE,        /* state, and reason when it failed */
    TRANSPORT_EVENT_PATH,         /* media goes another way: transport_path_info */
    TRANSPORT_EVENT_OPEN_STREAM,  /* connect to `server` by TCP, as stream number `stream` */
    TRANSPORT_EVENT_CLOSE_STREAM, /* close it */
};

struct transport_event {
    enum transport_event_type type;
    struct ice_candidate candidate;
    enum transport_state state;
    const char *reason; /* one line, valid until the next call; NULL when there is nothing to say */
    int stream;
    struct address server;
};

/* Where a datagram, or a piece of a stream, goes. */
struct transport_route {
    int stream; /* ≥ 0: that TCP connection, and the rest doesn't matter; −1: a datagram */
    int socket;
    struct address remote;
};

/* How media goes at the moment. */
struct transport_path_info {
    enum ice_candidate_type local, remote;
    enum ice_relay_transport local_relay; /* by which we reach our TURN server, if local is relayed */
    struct address local_address;         /* the local candidate's */
    struct address remote_address;
    nanos rtt; /* of the last check; 0 while unknown */
};

/* When things happened, for statistics; NANOS_NEVER for what did not. */
struct transport_times {
    nanos started, ice_connected, dtls_connected;
};

struct transport;

struct transport *transport_create(const struct transport_config *config, struct error *error);
void transport_destroy(struct transport *transport);

/* Says which socket number has which local address; once for each, before anything else. Gathering starts with the
 * first transport_write. */
bool transport_add_socket(struct transport *transport, int socket, const struct address *local, struct error *error);

const char *transport_ufrag(const struct transport *transport);
const char *transport_password(const struct transport *transport);

/* What the other side's description says (RFC 8839, RFC 8842); `role` is ours. Again with another ufrag: the other side
 * restarts ICE. */
struct transport_remote {
    const char *ufrag;
    const char *password;
    bool lite;
    enum dtls_role role;
    const struct fingerprint *fingerprints;
    size_t fingerprint_count;
};
bool transport_set_remote(struct transport *transport, const struct transport_remote *remote, nanos now,
                          struct error *error);
void transport_add_candidate(struct transport *transport, const struct ice_candidate *candidate, nanos now);
void transport_end_of_candidates(struct transport *transport, nanos now);

/* New credentials and candidates; the old path serves until there is a new one (RFC 8445, section 9). */
void transport_restart(struct transport *transport, nanos now);

/* A datagram arrived on `socket`; it may be decrypted in place. 0: taken; −1: nothing of ours, or not authentic. */
int transport_read(struct transport *transport, int socket, const struct address *remote, uint8_t *data, size_t len,
                   nanos now);

/* The TCP connection of stream number `stream` stands, delivered bytes, or ended. `waiting`: bytes that it has yet to
 * get rid of, so that media is dropped rather than queued. */
void transport_stream_connected(struct transport *transport, int stream, nanos now);
void transport_stream_read(struct transport *transport, int stream, const uint8_t *data, size_t len, nanos now);
void transport_stream_closed(struct transport *transport, int stream, const char *reason, nanos now);
void transport_stream_waiting(struct transport *transport, int stream, size_t waiting);

/* The next datagram or piece of a stream that the protocols want to send, other than media; 0 when there is none. `cap`
 * must be at least 2,048. Also does what timeouts ask for. */
ssize_t transport_write(struct transport *transport, struct transport_route *route, uint8_t *buf, size_t cap,
                        nanos now);

/* Protects a packet in place, `buf` having room for `cap`. SENT: send *len bytes of `buf` by `route`. RELAYED: it went
 * to a TURN client and comes out of transport_write. DROPPED: there is no path, no consent to use it, or the way to the TURN server is
 * congested. */
enum transport_seal {
    TRANSPORT_SENT,
    TRANSPORT_RELAYED,
    TRANSPORT_DROPPED,
};
enum transport_seal transport_seal(struct transport *transport, enum transport_media kind, uint8_t *buf, size_t *len,
                                   size_t cap, struct transport_route *route, nanos now);

/* Data channels were agreed on: the peer, if it has no media, need not agree on keys for SRTP. */
void transport_expect_data(struct transport *transport);

/* Sends a DTLS record of application data, which comes out of transport_write; at most transport_data_max bytes (0 before
 * DTLS stands). False when it was dropped: not connected, no consent, too much waits. */
bool transport_send_data(struct transport *transport, const uint8_t *data, size_t len, nanos now);
size_t transport_data_max(const struct transport *transport);
/* Ours, once the other side's description is known. */
bool transport_has_relays(const struct transport *transport); /* or has had any */
enum dtls_role transport_role(const struct transport *transport);

nanos transport_deadline(const struct transport *transport);

/* False when there is nothing new. */
bool transport_event(struct transport *transport, struct transport_event *event);

enum transport_state transport_state(const struct transport *transport);

/* False while no path is chosen. */
bool transport_path(const struct transport *transport, struct transport_path_info *info);

struct transport_times transport_times(const struct transport *transport);
enum srtp_profile transport_profile(const struct transport *transport);

/* Says goodbye to the peer (DTLS close_notify) and gives back its relays; then drain transport_write a last time. */
void transport_close(struct transport *transport, nanos now);

#endif
