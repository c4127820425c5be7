/* Datagrams that look like RTP but may be anything: the last few of each flow and SSRC wait here until what they say
 * together, or what else was seen on their path, makes them a stream. A fixed number of them wait, so that a capture of
 * noise costs no memory. */
#ifndef CONFAB_ANALYZERS_RTP_PROBATION_H
#define CONFAB_ANALYZERS_RTP_PROBATION_H

#include <stdbool.h>
#include <stdint.h>

#include "analyzers/rtp_stream.h"
#include "analyzers/table.h"
#include "base/address.h"

#define RTP_PROBATION_SAMPLES 6 /* four in a row, with room for duplicates */
#define RTP_PROBATION_SETS TABLE_FIXED_SIZE(2048)
#define RTP_PROBATION_WAYS 8

/* Who was heard within this time isn't sent away for a newcomer, so that of very many streams that begin together some get
 * through, and then the others. Whoever has a second packet has more time. */
#define RTP_PROBATION_STAY_FIRST (200 * NANOS_PER_MS)
#define RTP_PROBATION_STAY NANOS_PER_S

/* What speaks for RTP on a path, besides the packets themselves. */
enum rtp_trust {
    RTP_TRUST_NONE, /* nothing: four packets in a row */
    RTP_TRUST_SOME, /* STUN, or an RTP stream already: two packets in a row, or one of a payload type already known */
    RTP_TRUST_FULL, /* ICE or DTLS on the same path, where only RTP can start like this (RFC 7983): one packet */
};

struct rtp_candidate {
    struct address source;
    struct address destination;
    uint32_t vantage;
    uint32_t path; /* when TURN wraps it; else PATH_NONE, as its flow may not be kept yet */
    uint32_t ssrc;
    uint8_t protocol;                           /* enum packet_protocol */
    uint8_t direction;                          /* on that path */
    uint8_t encapsulation;                      /* enum encapsulation of the last sample */
    uint8_t count;                              /* of samples; 0: a free place */
    uint8_t first_bytes[RTP_PROBATION_SAMPLES]; /* of the payload, or 0 */
    struct rtp_sample samples[RTP_PROBATION_SAMPLES];
};

struct rtp_probation {
    struct rtp_candidate candidates[RTP_PROBATION_SETS][RTP_PROBATION_WAYS];
};

/* Adds a sample to the candidate with the addresses, path, vantage and SSRC of `key`, which comes back; NULL when all
 * places are taken by better ones. When a candidate had to go for it, that is put into `evicted`, whose count is 0
 * otherwise. */
struct rtp_candidate *rtp_probation_add(struct rtp_probation *probation, const struct rtp_candidate *key,
                                        const struct rtp_sample *sample, uint8_t first_byte,
                                        struct rtp_candidate *evicted);

/* Are its samples enough for a stream, given this trust? `known_type`: its payload type is that of a stream that was
 * recognised on the path. */
bool rtp_probation_passed(const struct rtp_candidate *candidate, enum rtp_trust trust, bool known_type);

#endif
