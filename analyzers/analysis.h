/* What a capture, or several captures of one call, show of WebRTC: the result of `confab analyze`, and the calls that make
 * it. docs/analyze.md defines every figure. A figure that the captures can't give is NAN (doubles) or -1 (counts, where
 * said), which JSON shows as null. */
#ifndef CONFAB_ANALYZERS_ANALYSIS_H
#define CONFAB_ANALYZERS_ANALYSIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyzers/packet.h"
#include "base/address.h"
#include "base/error.h"
#include "base/nanos.h"

struct analysis_capture {
    char *file;
    uint64_t packets;
    uint64_t bytes;                        /* on the wire, all layers */
    double duration_s;                     /* from the earliest to the latest packet */
    uint64_t skipped[PACKET_SKIP_REASONS]; /* by enum packet_skip */
    uint64_t not_webrtc;                   /* UDP and TCP of some other kind */
    uint64_t limited;                      /* not looked at because a limit on memory was reached */
    char *damage;                          /* where the file breaks off, one line; NULL when it is whole */
};

/* min to max are NAN while count is 0. */
struct analysis_summary {
    uint64_t count;
    double min, mean, p50, p95, p99, max;
};

enum analysis_kind {
    ANALYSIS_UNKNOWN,
    ANALYSIS_AUDIO,
    ANALYSIS_VIDEO,
    ANALYSIS_RTX, /* retransmissions and padding in a stream of their own */
};

enum analysis_via {
    ANALYSIS_DIRECT,
    ANALYSIS_TURN_CHANNEL,
    ANALYSIS_TURN_SEND,
};

struct analysis_stream {
    struct address source; /* of the packets on the wire: with TURN, client and server */
    struct address destination;
    struct address peer; /* with TURN, whom the client exchanges it with; ADDRESS_NONE otherwise */
    uint32_t capture;    /* index of the capture */
    uint32_t interface;  /* and the interface in it */
    uint32_t ssrc;
    uint8_t payload_type; /* the one most packets have */
    enum analysis_kind kind;
    enum analysis_via via; /* most packets */
    bool encrypted;
    int64_t connection; /* index of its connection; -1 for none */
    int64_t copy_of;    /* index of the stream it is another sighting of, on another leg or capture; -1 for none */
    int64_t moved_from; /* index of the stream that it goes on from, on another path; -1 for none */
    int64_t repeats;    /* rtx: index of the stream that it repeats; -1 for none */
    nanos first_time;
    nanos last_time;

    uint64_t packets; /* duplicates included */
    uint64_t expected;
    uint64_t lost;
    uint64_t duplicates;
    uint64_t reordered;
    uint64_t bytes; /* RTP headers and payload */
    double duration_s;
    double bitrate_mean_kbps, bitrate_p95_kbps, bitrate_max_kbps;
    int64_t clock_rate;                   /* -1: unknown, and then so is the jitter */
    double jitter_mean_ms, jitter_max_ms; /* NAN also when every packet has the marker */
    double jitter_last_ms;                /* after the last packet, as a receiver report would have it */
    double delta_min_ms, delta_mean_ms, delta_max_ms;
    int64_t frames; /* video only, else -1 */
    double fps;

    /* Bytes in each second after first_time, or in every `window_stride`th one of a long stream; the last, which isn't
     * over, is left out. */
    uint32_t *windows;
    uint32_t window_count;
    uint32_t window_stride;
};

enum analysis_topology {
    ANALYSIS_TOPOLOGY_UNKNOWN,
    ANALYSIS_MESH,
    ANALYSIS_SFU,
};

struct analysis_connection {
    struct address a; /* the end that asked first, as it was seen where it was seen first */
    struct address b;
    bool relayed;          /* by TURN, at either end */
    uint8_t turn;          /* enum turn_transport_seen; TURN_SEEN_NONE when not relayed or not known */
    uint16_t dtls_version; /* enum dtls_version */
    uint16_t srtp_profile; /* 0 when unknown */
    double ice_ms;
    double dtls_ms;
    enum analysis_topology topology;
    uint64_t streams; /* copies and continuations not counted */
    uint64_t rtp_packets;
};

struct analysis_turn {
    uint64_t allocations;
    uint64_t failed;
    struct address *servers;
    size_t server_count;
    uint64_t relayed_bytes;
    uint64_t ms_turn_frames;  /* Microsoft's multiplexed TURN, not looked into */
    uint64_t tls_connections; /* TLS to a TURN server or port, not looked into */
};

struct analysis_rtcp {
    uint64_t sr, rr, nack, pli, fir, remb, twcc;
    uint64_t sdes, bye, xr;
    uint64_t datagrams;
    uint64_t encrypted; /* of them: only the first packet's type is counted */
};

struct analysis {
    struct analysis_capture *captures;
    size_t capture_count;
    struct analysis_stream *streams; /* by capture, then by first packet */
    size_t stream_count;
    struct analysis_summary stun_rtt_ms, rtcp_rtt_ms, one_way_ms, forwarding_ms;
    struct analysis_connection *connections; /* by first packet */
    size_t connection_count;
    struct analysis_turn turn;
    double turn_fallback_connections; /* share of connections that are relayed */
    struct analysis_rtcp rtcp;
    uint64_t stun_messages; /* as they passed each vantage point */
    uint64_t stun_classic;  /* RFC 3489 */
    uint64_t dtls_datagrams;
    bool decrypted; /* keys were given; the next four are 0 without */
    uint64_t decrypted_paths, decrypted_srtp, decrypted_srtcp, decryption_failures;
    bool understood; /* there was something that confab understands */
};

struct analysis_options {
    const char *keylog; /* secrets of DTLS, analyzers/keylog.h; NULL for none */
};

/* Reads the captures, all of one call or not, merging their packets by time. NULL when one can't be read at all, with a
 * line that names it; one that breaks off is analysed as far as it goes (analysis_capture.damage). */
struct analysis *analysis_of_files(const char *const *paths, size_t count, struct error *error);

/* The same, with options. */
struct analysis *analysis_of_files_with(const char *const *paths, size_t count, const struct analysis_options *options,
                                        struct error *error);

/* The same for one capture in memory. */
struct analysis *analysis_of_memory(const char *name, const uint8_t *data, size_t len, struct error *error);

void analysis_destroy(struct analysis *analysis);

/* The names that the result uses: "audio", "turn-channel", "mesh", "udp" (NULL for none), "1.2" (NULL when unknown). */
const char *analysis_kind_name(enum analysis_kind kind);
const char *analysis_via_name(enum analysis_via via);
const char *analysis_topology_name(enum analysis_topology topology);
const char *analysis_turn_name(uint8_t transport);
const char *analysis_dtls_name(uint16_t version);
/* "SRTP_AES128_CM_SHA1_80"; NULL when unknown. */
const char *analysis_srtp_name(uint16_t profile);

#endif
