/* ICE-TCP at the SFU: a participant whose datagrams go over a TCP connection, and connections that lead to nothing. */
#include "sfu/sfu_stream.h"

#include <string.h>

#include "rtc/tcp_framing.h"
#include "tests/support/meeting.h"
#include "tests/support/suite.h"

#define DELAY (10 * NANOS_PER_MS)

/* --- a carrier: person 0 sends UDP as ever, and what he sends to the SFU and is sent by it goes by TCP instead --------- */

struct carrier {
    struct meeting *meeting;
    struct world_tcp *tcp;
    struct world_udp *udp;
    struct address own, person; /* our UDP socket's, person 0's */
    struct tcp_framing framing;
    size_t carried;
    bool closed;
};

static void tcp_received(void *user, struct world_tcp *tcp, const uint8_t *data, size_t len, nanos now)
{
    struct carrier *carrier = user;
    uint8_t *frame;
    size_t frame_len;
    (void)tcp, (void)now;
    CU_ASSERT_TRUE_FATAL(tcp_framing_add(&carrier->framing, data, len));
    while (tcp_framing_next(&carrier->framing, &frame, &frame_len) == 1) {
        struct datagram datagram = {.remote = carrier->person, .data = frame, .len = frame_len};
        world_udp_send(carrier->udp, &datagram, 1);
        carrier->carried++;
    }
}

static void tcp_closed(void *user, struct world_tcp *tcp, const char *reason, nanos now)
{
    struct carrier *carrier = user;
    (void)reason, (void)now;
    world_tcp_close(tcp);
    carrier->tcp = NULL;
    carrier->closed = true;
}

static const struct world_tcp_callbacks tcp_callbacks = {.received = tcp_received, .closed = tcp_closed};

static bool carry(struct meeting *meeting, struct datagram *datagram, nanos now)
{
    struct carrier *carrier = meeting->spy_user;
    uint8_t header[TCP_FRAME_HEADER_LEN];
    (void)now;
    if (address_equal(&datagram->local, &carrier->own)) {
        datagram->local = meeting->sfu_address;
        return true;
    }
    if (datagram->local.ip[2] != 1 || datagram->local.ip[3] != 0)
        return true;
    carrier->person = datagram->local;
    tcp_framing_header(header, datagram->len);
    if (carrier->tcp != NULL) {
        world_tcp_send(carrier->tcp, header, sizeof header);
        world_tcp_send(carrier->tcp, datagram->data, datagram->len);
    }
    return false;
}

static void nothing(void *user, struct world_udp *udp, struct datagram *batch, size_t count, nanos now)
{
    (void)user, (void)udp, (void)batch, (void)count, (void)now;
}

static void open_carrier(struct carrier *carrier, struct meeting *meeting)
{
    struct address local = address_ipv4(5, 0, 3, 1, 0);
    struct world_host *host = wire_world_host(meeting->wire, "5.0.3.1");
    *carrier = (struct carrier){.meeting = meeting};
    carrier->udp = world_udp_open(host, &local, nothing, NULL, NULL);
    carrier->tcp = world_tcp_connect(host, &meeting->sfu_address, &tcp_callbacks, carrier, NULL);
    CU_ASSERT_FATAL(carrier->udp != NULL && carrier->tcp != NULL);
    carrier->own = world_udp_address(carrier->udp);
    meeting->spy = carry;
    meeting->spy_user = carrier;
}

static void media_goes_over_tcp(void)
{
    struct meeting *meeting = meeting_open(DELAY);
    struct carrier carrier;
    open_carrier(&carrier, meeting);
    meeting_run(meeting, 100 * NANOS_PER_MS);
    CU_ASSERT_EQUAL(sfu_statistics(meeting->sfu).tcp_connections, 1);
    meeting_enter(meeting, 0, "room", MEETING_ALL);
    meeting_enter(meeting, 1, "room", MEETING_ALL);
    meeting_run(meeting, 20 * NANOS_PER_S); /* longer than an unknown connection may stay */
    CU_ASSERT_EQUAL(sfu_statistics(meeting->sfu).tcp_connections, 1);
    CU_ASSERT_TRUE(meeting_seen(meeting, 0, 1, TRACK_VIDEO)->frames > 25 * 18);
    CU_ASSERT_TRUE(meeting_seen(meeting, 1, 0, TRACK_VIDEO)->frames > 25 * 18);
    CU_ASSERT_EQUAL(meeting_seen(meeting, 0, 1, TRACK_VIDEO)->height, 720);
    CU_ASSERT_EQUAL(meeting_seen(meeting, 1, 0, TRACK_VIDEO)->height, 720);
    CU_ASSERT_EQUAL(meeting_seen(meeting, 0, 1, TRACK_VIDEO)->nacks, 0);
    CU_ASSERT_TRUE(carrier.carried > 2000);
    CU_ASSERT_EQUAL(sfu_statistics(meeting->sfu).discarded, 0);
    /* The connection goes with whom it belongs to. */
    meeting_leave(meeting, 0);
    meeting_run(meeting, NANOS_PER_S);
    CU_ASSERT_TRUE(carrier.closed);
    CU_ASSERT_EQUAL(sfu_statistics(meeting->sfu).tcp_connections, 0);
    tcp_framing_clear(&carrier.framing);
    meeting_close(meeting);
}

/* Who takes nothing from his connection is sent less, and the server keeps little for him. */
static void a_slow_connection_holds_nobody_up(void)
{
    struct meeting *meeting = meeting_open(DELAY);
    struct carrier carrier;
    open_carrier(&carrier, meeting);
    meeting_enter(meeting, 0, "room", MEETING_ALL);
    meeting_enter(meeting, 1, "room", MEETING_ALL);
    meeting_enter(meeting, 2, "room", MEETING_ALL);
    meeting_run(meeting, 5 * NANOS_PER_S);
    wire_world_stall_tcp(meeting->wire, true);
    meeting_look_anew(meeting);
    meeting_run(meeting, 10 * NANOS_PER_S);
    size_t carried = carrier.carried;
    CU_ASSERT_TRUE(meeting_seen(meeting, 1, 2, TRACK_VIDEO)->longest_gap < 150 * NANOS_PER_MS);
    wire_world_stall_tcp(meeting->wire, false);
    meeting_run(meeting, DELAY + NANOS_PER_MS);
    /* SFU_STREAM_WAITING_MAX of packets of about a kilobyte, or of small ones of audio. */
    CU_ASSERT_TRUE(carrier.carried - carried < SFU_STREAM_WAITING_MAX / 100);
    uint32_t frames = meeting_seen(meeting, 0, 1, TRACK_VIDEO)->frames;
    meeting_run(meeting, 20 * NANOS_PER_S);
    CU_ASSERT_TRUE(meeting_seen(meeting, 0, 1, TRACK_VIDEO)->frames > frames + 25);
    tcp_framing_clear(&carrier.framing);
    meeting_close(meeting);
}

/* --- connections that lead to nothing ------------------------------------------------------------------------------------- */

static void count_close(void *user, struct world_tcp *tcp, const char *reason, nanos now)
{
    (void)reason, (void)now;
    world_tcp_close(tcp);
    ++*(size_t *)user;
}

static const struct world_tcp_callbacks counting = {.closed = count_close};

static void who_says_nothing_is_sent_away(void)
{
    enum { COUNT = SFU_STREAMS_UNKNOWN_MAX + 200 };
    struct meeting *meeting = meeting_open(DELAY);
    struct world_host *host = wire_world_host(meeting->wire, "5.0.3.1");
    size_t closed = 0;
    for (int i = 0; i < COUNT; i++)
        CU_ASSERT_PTR_NOT_NULL(world_tcp_connect(host, &meeting->sfu_address, &counting, &closed, NULL));
    meeting_run(meeting, NANOS_PER_S);
    CU_ASSERT_EQUAL(closed, 200); /* the oldest */
    CU_ASSERT_EQUAL(sfu_statistics(meeting->sfu).tcp_connections, SFU_STREAMS_UNKNOWN_MAX);
    meeting_run(meeting, SFU_STREAM_TIMEOUT_S * NANOS_PER_S);
    CU_ASSERT_EQUAL(closed, COUNT);
    CU_ASSERT_EQUAL(sfu_statistics(meeting->sfu).tcp_connections, 0);
    meeting_close(meeting);
}

static void noise_is_discarded(void)
{
    struct meeting *meeting = meeting_open(DELAY);
    struct world_host *host = wire_world_host(meeting->wire, "5.0.3.1");
    struct rng rng = rng_of(5, "noise", 0);
    size_t closed = 0;
    uint8_t noise[600];
    for (int i = 0; i < 300; i++) {
        struct world_tcp *tcp = world_tcp_connect(host, &meeting->sfu_address, &counting, &closed, NULL);
        rng_bytes(&rng, noise, sizeof noise);
        meeting_run(meeting, 3 * DELAY);
        for (size_t at = 0; i % 2 == 0 && at < sizeof noise; at += 60)
            tcp_framing_header(noise + at, 58); /* whole frames of noise; else what a length may be */
        world_tcp_send(tcp, noise, sizeof noise);
    }
    meeting_run(meeting, NANOS_PER_S);
    CU_ASSERT_TRUE(closed > 100 && closed < 200);
    CU_ASSERT_TRUE(sfu_statistics(meeting->sfu).discarded >= 150 * 10);
    meeting_run(meeting, SFU_STREAM_TIMEOUT_S * NANOS_PER_S);
    CU_ASSERT_EQUAL(sfu_statistics(meeting->sfu).tcp_connections, 0);
    meeting_close(meeting);
}

void sfu_stream_test(void)
{
    SUITE("sfu_stream", {"media goes over TCP", media_goes_over_tcp},
          {"a slow connection holds nobody up", a_slow_connection_holds_nobody_up},
          {"who says nothing is sent away", who_says_nothing_is_sent_away}, {"noise is discarded", noise_is_discarded});
}
