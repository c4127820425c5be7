/* One peer connection below its signalling: a transport (rtc/transport.h) with everything that RTP needs around it
 * (RFC 8834): streams each way, sender and receiver reports, NACK and RTX, transport-wide feedback, congestion control
 * and a pacer. Clients and the SFU use the same.
 *
 *     send_stream -- header extensions --> pacer -- transport-wide number --> SRTP --> connection_write
 *                                            ^ rates
 *     connection_read --> SRTP --> RTCP --> congestion control, reports, key frame requests, NACK -> RTX
 *                              --> RTP --> receive_stream: statistics, NACK, RTX undone --> packet()
 *                    --> DTLS --> SCTP --> data channels (rtc/data_channel.h) --> data()
 *
 * The owner carries datagrams and streams as rtc/transport.h says, calls connection_write until it gives 0 after
 * everything that it does to a connection, and again at connection_deadline. */
#ifndef CONFAB_RTC_CONNECTION_H
#define CONFAB_RTC_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/histogram.h"
#include "base/nanos.h"
#include "rtc/congestion_control.h"
#include "rtc/data_channel.h"
#include "rtc/media_receiver.h"
#include "rtc/media_sender.h"
#include "rtc/receive_stream.h"
#include "rtc/rtp.h"
#include "rtc/rtp_extensions.h"
#include "rtc/send_stream.h"
#include "rtc/transport.h"

struct connection;

/* What a connection tells its owner, from inside the call that brought it about. None of them may destroy the
 * connection. Each may be NULL. */
struct connection_callbacks {
    /* A packet of a stream, in the clear, its first arrival. `recovered`: by retransmission. */
    void (*packet)(void *user, struct receive_stream *stream, const struct rtp_packet *packet,
                   const struct rtp_extensions *extensions, bool recovered, nanos now);
    /* The receiver needs a key frame (PLI or FIR). */
    void (*key_frame_wanted)(void *user, struct send_stream *stream, nanos now);
    /* The receiver lacks this packet, and the stream keeps no packets of its own (buffer_window 0). */
    void (*packet_wanted)(void *user, struct send_stream *stream, uint16_t sequence, nanos now);
    /* How fast to send in all has changed. */
    void (*rate)(void *user, int64_t target_bps, nanos now);
    /* Too much was lost for NACK to mend: ask for a key frame with connection_request_key_frame. */
    void (*stuck)(void *user, struct receive_stream *stream, nanos now);
    /* Something about a data channel. */
    void (*data)(void *user, const struct data_channel_event *event, nanos now);
};

struct connection_config {
    struct transport_config transport; /* its `media` and `data` are the connection's own */
    struct congestion_control_config congestion;
    struct rtp_extension_map extensions; /* as negotiated; connection_set_extensions changes it */
    const char *cname;                   /* RFC 8834, section 4.9; copied */
    uint32_t ssrc;                       /* of our reports while we send nothing */
    uint64_t ntp_origin;                 /* NTP time of 0 nanos */
    uint64_t seed;
    const struct connection_callbacks *callbacks; /* must outlive the connection */
    void *user;
    /* Takes the time that each packet of RTP spent on the network, from its abs-send-time to its arrival, in nanos. For
     * worlds in which both ends have one clock; it must outlive the connection. NULL: nobody asks. */
    struct histogram *network_latency;
};

struct connection *connection_create(const struct connection_config *config, struct error *error);
void connection_destroy(struct connection *connection);

/* For signalling, state and path: everything of rtc/transport.h but read, write, seal and deadline. */
struct transport *connection_transport(struct connection *connection);

void connection_set_extensions(struct connection *connection, const struct rtp_extension_map *extensions);

/* --- streams ------------------------------------------------------------------------------------------------------------- */

/* NULL when out of memory or when the SSRC is taken. The stream is the connection's. */
struct send_stream *connection_add_send_stream(struct connection *connection, const struct send_stream_config *config);
void connection_remove_send_stream(struct connection *connection, struct send_stream *stream);

/* NULL when out of memory, when the SSRC is taken or there are 1,024 already. With SSRC 0 the stream is recognised by
 * the MID and RID of its first packets (RFC 9143, section 9.2). */
struct receive_stream *connection_add_receive_stream(struct connection *connection,
                                                     const struct receive_stream_config *config);
void connection_remove_receive_stream(struct connection *connection, struct receive_stream *stream);

/* --- out ------------------------------------------------------------------------------------------------------------------ */

/* Queues a packet for its turn. False when it was dropped: not connected, or too much is queued. */
bool connection_send(struct connection *connection, struct send_stream *stream, const struct media_packet *packet,
                     nanos now);

/* Queues a packet that was sent before, as RTX when the stream has it (RFC 4588), else as it was; at most so many as
 * the retransmission guard allows. */
bool connection_resend(struct connection *connection, struct send_stream *stream, const struct media_packet *packet,
                       nanos now);

/* Asks the sender of a stream for a key frame, by PLI, not more often than every 300 ms. */
void connection_request_key_frame(struct connection *connection, struct receive_stream *stream, nanos now);

/* The next datagram, or piece of a stream, to send; 0 when there is none. `cap` at least 2,048. */
ssize_t connection_write(struct connection *connection, struct transport_route *route, uint8_t *buf, size_t cap,
                         nanos now);
nanos connection_deadline(const struct connection *connection);

/* Nothing but media has come since connection_write had nothing to say: it still hasn't until connection_deadline, and
 * the transport has no events. So a packet of media that is received costs nothing on the sending side. */
bool connection_is_calm(const struct connection *connection);

/* --- in ------------------------------------------------------------------------------------------------------------------- */

int connection_read(struct connection *connection, int socket, const struct address *remote, uint8_t *data, size_t len,
                    nanos now);

/* --- data channels ------------------------------------------------------------------------------------------------------- */

/* They were agreed on. Again: nothing changes. The association begins when DTLS stands. */
bool connection_enable_data(struct connection *connection, const struct data_channels_config *config,
                            struct error *error);

/* To open channels by; NULL before connection_enable_data. */
struct data_channels *connection_data(struct connection *connection);

/* Says goodbye: SCTP's abort, DTLS' close_notify, and relays are given back; then drain connection_write a last time. */
void connection_close(struct connection *connection, nanos now);

/* --- rates and statistics ------------------------------------------------------------------------------------------------- */

/* What the encoders or layers could use at most, so that probing knows where to stop. */
void connection_set_allocated(struct connection *connection, int64_t bps, nanos now);
int64_t connection_target_bps(const struct connection *connection);

/* By RTCP, else by ICE; 0 while unknown. */
nanos connection_rtt(const struct connection *connection);

struct connection_statistics {
    /* SRTP as it was on the wire: header, payload and authentication tag, of media, retransmissions and padding. */
    uint64_t packets_sent, bytes_sent;
    uint64_t packets_received, bytes_received; /* authentic ones */
    uint64_t streams_sent, streams_received;   /* that had a packet; retransmissions belong to what they repeat */
    uint64_t padding_sent, retransmitted_packets, retransmitted_bytes;
    uint64_t packets_dropped;                      /* that were to be sent: no path, queue full */
    uint64_t data_bytes_sent, data_bytes_received; /* SCTP packets, as DTLS carries them */
    nanos rtt;                                     /* connection_rtt */
    size_t queued_bytes;                           /* in the pacer */
};
struct connection_statistics connection_statistics(const struct connection *connection);

#endif
