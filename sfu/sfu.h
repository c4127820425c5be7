/* The SFU: a selective forwarding unit (RFC 7667, section 3.7) that never re-encodes.
 *
 *     publisher --> connection --> publication -- layers --> subscription --> connection --> subscriber
 *                                  (retransmission buffer,   (one for each subscriber: chooses a layer that its
 *                                   key frame requests)       downlink carries, switches at key frames, rewrites)
 *
 * Everything goes through one UDP port, whose packets are told apart by the address they come from, and before an
 * address is known by the ufrag that its STUN check names. ICE is lite. Signalling is rtc/room_message.h's: a
 * participant offers what it publishes; what others publish is offered to it. */
#ifndef CONFAB_SFU_SFU_H
#define CONFAB_SFU_SFU_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/histogram.h"
#include "base/nanos.h"
#include "rtc/certificate.h"
#include "rtc/room_message.h"
#include "world/world.h"

struct ice_candidate;
struct session_transport;
struct sfu;
struct sfu_participant;
struct sfu_siblings_config;

struct sfu_config {
    struct world_host *host;
    const struct address *addresses; /* to listen on, with ports; at least one, at most TRANSPORT_SOCKETS_MAX */
    size_t address_count;
    const struct address
        *announced; /* what participants are told instead, one for each: behind a 1:1 NAT (port 0: the same); NULL: the
                                        addresses themselves, which then have to be reachable ones, not 0.0.0.0 */
    bool tcp;       /* listen for ICE-TCP as well, on the same addresses (RFC 6544) */
    bool always_show; /* nobody goes without the smallest layer, however narrow his downlink seems */
    const struct certificate *certificate; /* must outlive the SFU */
    uint64_t seed;
    uint64_t ntp_origin;
    struct histogram *network_latency;            /* as connection_config's */
    void (*keylog)(void *user, const char *line); /* DTLS keys as an NSS key log; NULL: nobody is told */
    /* What becomes of a participant's connection, for a log: "connected", "failed" (with the reason) or "closed". NULL:
     * nobody is told. */
    void (*note)(void *user, const char *event, const char *room, const char *peer, const char *detail, nanos now);
    void *user;
    const struct sfu_siblings_config *siblings; /* who listen on the same addresses; NULL: nobody does */
};

/* NULL and `error` when a socket can't be opened. */
struct sfu *sfu_create(const struct sfu_config *config, struct error *error);

/* Where it listens: the address_count addresses of its configuration, with the ports that they got. */
struct address sfu_address(const struct sfu *sfu, size_t index);

/* For whom somebody else listens: participants are told that ICE-TCP is to be had on this port of each address; once,
 * before they come. What comes in there is given to sfu_accept_tcp, not yet adopted. */
void sfu_announce_tcp(struct sfu *sfu, uint16_t port);
void sfu_accept_tcp(struct sfu *sfu, struct world_tcp *tcp, nanos now);

/* Everyone leaves without a word. NULL is allowed. */
void sfu_destroy(struct sfu *sfu);

/* A participant enters `room`. Messages for it go through `say`, which may be called until sfu_leave. NULL when out of
 * memory. */
struct sfu_participant *sfu_join(struct sfu *sfu, const char *room, const char *name,
                                 void (*say)(void *user, const struct room_message *message), void *user, nanos now);

/* An offer, answer or candidate from a participant; what is wrong with it is said to the participant. */
void sfu_message(struct sfu_participant *participant, const struct room_message *message, nanos now);

/* Candidates that came other than by messages. */
void sfu_add_candidates(struct sfu_participant *participant, const struct ice_candidate *candidates, size_t count,
                        nanos now);

/* An ICE restart other than by an offer: `remote` has the new credentials and the fingerprints as they were. False and
 * `error` when it can't be. */
bool sfu_restart(struct sfu_participant *participant, const struct session_transport *remote, nanos now,
                 struct error *error);

void sfu_leave(struct sfu_participant *participant, nanos now);

struct sfu_statistics {
    uint64_t participants, publications, subscriptions; /* now */
    uint64_t starved;                                   /* videos that a downlink is too narrow for, now */
    uint64_t packets_received, bytes_received;          /* as connection_statistics' */
    uint64_t packets_sent, bytes_sent;                  /* likewise: the egress */
    uint64_t key_frames_requested;                      /* of publishers */
    uint64_t layer_switches;
    uint64_t data_bytes_sent; /* SCTP packets, as DTLS carries them */
    uint64_t data_messages_received, data_messages_sent;
    uint64_t data_messages_dropped;  /* too long for a subscriber, or too many */
    uint64_t data_channels_given_up; /* of subscribers that did not read */
    uint64_t discarded;              /* datagrams that belong to nobody */
    uint64_t passed;                 /* datagrams that belong to siblings */
    uint64_t pass_overflowed;        /* lost: there was no room on the way to a sibling */
    uint64_t tcp_connections;        /* now, those included that have not told whose they are */
};
struct sfu_statistics sfu_statistics(const struct sfu *sfu);

#endif
