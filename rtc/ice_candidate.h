/* ICE candidates (RFC 8445, section 5.1): what they are, how they are ranked, and their text in SDP (RFC 8839, section
 * 5.1), as `a=candidate` and as browsers' RTCIceCandidate.candidate write it. */
#ifndef CONFAB_RTC_ICE_CANDIDATE_H
#define CONFAB_RTC_ICE_CANDIDATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/error.h"

enum ice_candidate_type {
    ICE_HOST,
    ICE_SERVER_REFLEXIVE,
    ICE_PEER_REFLEXIVE,
    ICE_RELAYED,
};

/* How the client of a relayed candidate reaches its TURN server. */
enum ice_relay_transport {
    ICE_RELAY_NONE,
    ICE_RELAY_UDP,
    ICE_RELAY_TCP,
    ICE_RELAY_TLS,
};

enum ice_transport {
    ICE_UDP,
    ICE_TCP,
    ICE_OTHER_TRANSPORT,
};

/* RFC 6544, section 4.5. */
enum ice_tcp_type {
    ICE_TCP_NONE,
    ICE_TCP_ACTIVE,
    ICE_TCP_PASSIVE,
    ICE_TCP_SIMULTANEOUS_OPEN,
};

#define ICE_FOUNDATION_CAP 33       /* 32 characters (RFC 8839, section 5.1) and a terminator */
#define ICE_UFRAG_CAP 257           /* 256 when receiving (section 5.4) */
#define ICE_PASSWORD_CAP 257        /* section 5.4 */
#define ICE_HOSTNAME_CAP 256        /* a DNS name and its terminator */
#define ICE_CANDIDATE_TEXT_CAP 1024 /* room for every candidate there can be, as text */

struct ice_candidate {
    struct address address; /* family ADDRESS_NONE when it is a name: see `hostname` */
    struct address related; /* raddr and rport; ADDRESS_NONE when there is none */
    uint32_t priority;
    uint8_t type;      /* enum ice_candidate_type */
    uint8_t transport; /* enum ice_transport */
    uint8_t tcp_type;  /* enum ice_tcp_type */
    uint8_t relay;     /* enum ice_relay_transport; local candidates only, not part of the text */
    uint16_t component;
    uint16_t generation; /* libwebrtc's extension; 0 when absent */
    uint16_t network_id; /* libwebrtc's extensions; 0 when absent */
    uint16_t network_cost;
    char foundation[ICE_FOUNDATION_CAP];
    char ufrag[ICE_UFRAG_CAP];       /* the `ufrag` extension (RFC 8838, section 9): whose generation; "" when absent */
    char hostname[ICE_HOSTNAME_CAP]; /* a name instead of an address, "" otherwise; `port` is in `address` */
};

/* Type preferences (RFC 8445, section 5.1.2.1); those of relayed candidates are libwebrtc's, which tell TURN's
 * transports apart (the RFC recommends 0). */
#define ICE_PREFERENCE_HOST 126
#define ICE_PREFERENCE_PEER_REFLEXIVE 110
#define ICE_PREFERENCE_SERVER_REFLEXIVE 100
#define ICE_PREFERENCE_RELAY_UDP 2
#define ICE_PREFERENCE_RELAY_TCP 1
#define ICE_PREFERENCE_RELAY_TLS 0

uint8_t ice_type_preference(enum ice_candidate_type type, enum ice_relay_transport relay);

/* RFC 8445, section 5.1.2.1; `component` from 1. */
uint32_t ice_candidate_priority(uint8_t type_preference, uint16_t local_preference, uint16_t component);

/* A pair's priority from those of its candidates at the controlling and the controlled agent (section 6.1.2.3). */
uint64_t ice_pair_priority(uint32_t controlling, uint32_t controlled);

/* "host", "srflx", "prflx", "relay". */
const char *ice_candidate_type_name(enum ice_candidate_type type);

/* Reads "candidate:…", with or without "a=" in front and a line end behind. Extensions we don't know are skipped. False,
 * and `error` (may be NULL) names the field, when the text breaks the grammar. A hostname (mDNS `.local` or other) is
 * fine, but nobody resolves it here: `address.family` is ADDRESS_NONE then. */
bool ice_candidate_parse(struct ice_candidate *candidate, const char *text, struct error *error);

/* Is its address an mDNS name (draft-ietf-mmusic-mdns-ice-candidates)? */
bool ice_candidate_is_mdns(const struct ice_candidate *candidate);

/* Writes "candidate:…" and a terminator. Returns its length, 0 when `cap` is too small. */
size_t ice_candidate_format(const struct ice_candidate *candidate, char *text, size_t cap);

/* May this be a ufrag or password by its characters and length (RFC 8839, section 5.4)? */
bool ice_ufrag_valid(const char *ufrag);
bool ice_password_valid(const char *password);

#endif
