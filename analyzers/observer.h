/* Takes the packets of all captures in the order of their times and keeps what they show: flows, paths, TURN allocations,
 * streams, round-trip times. analysis.c makes the result of it.
 *
 * Memory: fixed tables of about 9 MB, and what the capture is really about: 200 bytes for each flow, 300 for each path,
 * up to 1,000 for each RTP stream; each kind is limited in number. */
#ifndef CONFAB_ANALYZERS_OBSERVER_H
#define CONFAB_ANALYZERS_OBSERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyzers/address_book.h"
#include "analyzers/capture.h"
#include "analyzers/decryptor.h"
#include "analyzers/flow.h"
#include "analyzers/fragments.h"
#include "analyzers/media_stream.h"
#include "analyzers/packet.h"
#include "analyzers/path.h"
#include "analyzers/rtp_probation.h"
#include "analyzers/sightings.h"
#include "analyzers/stun_transactions.h"
#include "analyzers/tcp_stream.h"
#include "analyzers/turn_allocation.h"
#include "analyzers/vantage.h"
#include "base/histogram.h"
#include "rtc/stun.h"

#define RTCP_TYPE_FIRST 192 /* RFC 5761, section 4 */
#define RTCP_TYPES 32

struct rtcp_counts {
    uint64_t types[RTCP_TYPES]; /* by packet type, from RTCP_TYPE_FIRST on */
    uint64_t nack, pli, fir, remb, twcc;
    uint64_t compounds;
    uint64_t encrypted; /* of them; only the first packet's type is known */
};

struct frame_owner;
struct report_sent;

struct observer {
    struct vantages vantages;
    struct flows flows;
    struct paths paths;
    struct media_streams streams;
    struct turn_allocations allocations;
    struct address_book book;
    struct tcp_streams tcp;
    struct fragments *fragments;
    struct stun_transactions *transactions;
    struct rtp_probation *probation;
    struct sightings *sightings;
    struct sightings *rtcp_sightings;
    struct frame_owner *frame_owners; /* which stream a recent frame was first seen in */
    struct report_sent *reports;      /* recent sender reports */
    struct decryptor *decryptor;      /* the caller's; NULL without keys */

    uint64_t stun_messages;
    uint64_t stun_classic;
    uint64_t ms_turn_frames;
    uint64_t dtls_datagrams;
    uint64_t limited; /* packets that no memory was spent on */
    struct rtcp_counts rtcp;

    /* nanoseconds */
    struct histogram stun_rtt;
    struct histogram rtcp_rtt;
    struct histogram one_way;
    struct histogram forwarding;
};

/* Where a datagram was found: passed down through its wrappings. */
struct place {
    nanos now;
    uint32_t vantage;
    uint32_t flow; /* FLOW_NONE when there is none yet */
    uint32_t path; /* PATH_NONE when there is none yet */
    uint8_t direction;
    uint8_t protocol;             /* enum packet_protocol */
    uint8_t encapsulation;        /* enum encapsulation */
    const struct address *source; /* of the packet, not of what is wrapped */
    const struct address *destination;
};

/* NULL when out of memory. */
struct observer *observer_create(void);
void observer_destroy(struct observer *observer);

/* What became of a packet. */
enum observed {
    OBSERVED,
    OBSERVED_NOT_WEBRTC, /* UDP or TCP of some other kind */
    OBSERVED_LIMIT,      /* there was no more room for it */
};
enum observed observer_packet(struct observer *observer, uint32_t vantage, const struct packet *packet);

/* Call once after the last packet: what was still waiting is decided. */
void observer_finish(struct observer *observer);

/* Was there anything at all: STUN, TURN, DTLS, RTP or RTCP? */
bool observer_understood(const struct observer *observer);

/* --- for the files that make up the observer --- */

/* Makes the flow and the path of `place` if they aren't there; false when there is no room. */
bool observer_need_flow(struct observer *observer, struct place *place);
bool observer_need_path(struct observer *observer, struct place *place);

/* A datagram, or what TURN wrapped: tells which protocol it is. */
enum observed observer_datagram(struct observer *observer, struct place *place, const uint8_t *data, size_t captured,
                                size_t len);

/* stun_observer.c */
enum observed observer_stun(struct observer *observer, struct place *place, const uint8_t *data, size_t captured,
                            size_t len);
enum observed observer_channel_data(struct observer *observer, struct place *place, const uint8_t *data,
                                    size_t captured, size_t len);

void observer_finish_stun(struct observer *observer);

/* media_observer.c */
enum observed observer_rtp(struct observer *observer, struct place *place, const uint8_t *data, size_t captured,
                           size_t len);
enum observed observer_rtcp(struct observer *observer, struct place *place, const uint8_t *data, size_t captured,
                            size_t len);
void observer_finish_media(struct observer *observer);
bool observer_create_media(struct observer *observer); /* its tables; false when out of memory */

#endif
