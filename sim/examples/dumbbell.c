/* Two flows through one bottleneck, with ns3c alone: a steady stream of datagrams, as of a call, and a TCP upload that
 * fills what is left. Prints what each got in each second, and writes what passes the bottleneck to a capture.
 *
 *     caller ----.                                    .---- callee
 *                 left ==== 2 Mbit/s, 30 ms ==== core
 *     client ----'                                    '---- server
 *
 *     dumbbell CAPTURE.pcapng [SEED]
 *
 * Build it against an installed ns3c with: cc dumbbell.c $(pkg-config --cflags --libs ns3c) */
#include "ns3c.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS 1000000LL
#define SECOND 1000000000LL

enum { DATAGRAM = 1000, INTERVAL_MS = 10, SECONDS = 10, UPLOAD = 4000000 };

struct flows {
    struct ns3c_udp *caller;
    struct ns3c_timer *sender;
    struct ns3c_timer *reporter;
    struct ns3c_address callee;
    uint32_t sent;
    uint32_t received;
    uint64_t call_bytes;
    uint64_t upload_bytes;
    uint64_t call_bytes_before;
    uint64_t upload_bytes_before;
};

static void must(bool ok, const struct ns3c_error *error)
{
    if (ok)
        return;
    fprintf(stderr, "dumbbell: %s\n", error->text);
    exit(EXIT_FAILURE);
}

static void send_datagram(void *context, ns3c_nanos now)
{
    struct flows *flows = context;
    uint8_t payload[DATAGRAM] = {0x80, 96}; /* an RTP header's start */
    memcpy(payload + 4, &flows->sent, sizeof flows->sent);
    struct ns3c_datagram datagram = {.remote = flows->callee, .data = payload, .len = sizeof payload};
    flows->sent += (uint32_t)ns3c_udp_send(flows->caller, &datagram, 1);
    ns3c_timer_set(flows->sender, now + INTERVAL_MS * MS);
}

static void receive_datagrams(void *context, struct ns3c_udp *udp, struct ns3c_datagram *batch, size_t count,
                              ns3c_nanos now)
{
    struct flows *flows = context;
    (void)udp;
    (void)now;
    for (size_t i = 0; i < count; i++)
        flows->call_bytes += batch[i].len;
    flows->received += (uint32_t)count;
}

static void receive_nothing(void *context, struct ns3c_udp *udp, struct ns3c_datagram *batch, size_t count,
                            ns3c_nanos now)
{
    (void)context, (void)udp, (void)batch, (void)count, (void)now;
}

static void receive_upload(void *context, struct ns3c_tcp *tcp, const uint8_t *data, size_t len, ns3c_nanos now)
{
    struct flows *flows = context;
    (void)tcp;
    (void)data;
    (void)now;
    flows->upload_bytes += len;
}

static void ended(void *context, struct ns3c_tcp *tcp, enum ns3c_tcp_end how, ns3c_nanos now)
{
    (void)context;
    (void)how;
    (void)now;
    ns3c_tcp_close(tcp);
}

static void upload(void *context, struct ns3c_tcp *tcp, ns3c_nanos now)
{
    static const uint8_t bytes[UPLOAD];
    (void)context;
    (void)now;
    ns3c_tcp_send(tcp, bytes, sizeof bytes);
    ns3c_tcp_close(tcp); /* once all of it is there */
}

static const struct ns3c_tcp_callbacks callbacks = {.connected = upload, .received = receive_upload, .ended = ended};

static void accept_upload(void *context, struct ns3c_tcp *tcp, ns3c_nanos now)
{
    (void)now;
    ns3c_tcp_adopt(tcp, &callbacks, context);
}

static void report(void *context, ns3c_nanos now)
{
    struct flows *flows = context;
    printf("%2lld s  call %5" PRIu64 " kbit/s  upload %5" PRIu64 " kbit/s\n", (long long)(now / SECOND),
           (flows->call_bytes - flows->call_bytes_before) * 8 / 1000,
           (flows->upload_bytes - flows->upload_bytes_before) * 8 / 1000);
    flows->call_bytes_before = flows->call_bytes;
    flows->upload_bytes_before = flows->upload_bytes;
    ns3c_timer_set(flows->reporter, now + SECOND);
}

static struct ns3c_host *host(struct ns3c_sim *sim, struct ns3c_router *router, const char *name, const char *text,
                              struct ns3c_address *address)
{
    struct ns3c_error error;
    must(ns3c_address_parse(address, text, &error), &error);
    struct ns3c_attachment_config ideal = {.addresses = address, .address_count = 1};
    struct ns3c_host *made = ns3c_host_create(sim, name, &error);
    must(made != NULL && ns3c_host_attach(made, router, &ideal, &error) != NULL, &error);
    return made;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fputs("usage: dumbbell CAPTURE.pcapng [SEED]\n", stderr);
        return 2;
    }
    struct ns3c_error error = {0};
    struct ns3c_sim *sim = ns3c_create(argc > 2 ? strtoull(argv[2], NULL, 10) : 1, &error);
    must(sim != NULL, &error);
    struct ns3c_router *core = ns3c_site_create(sim, "core", &error);
    must(core != NULL, &error);
    struct ns3c_link bottleneck = {.rate_bps = 2000000, .delay = 30 * MS, .queue_bytes = 30000};
    struct ns3c_attachment_config config = {.up = bottleneck, .down = bottleneck};
    struct ns3c_router *left = ns3c_router_create(core, "left", &config, NULL, NULL, &error);
    must(left != NULL, &error);

    struct flows flows = {0};
    struct ns3c_address caller;
    struct ns3c_address client;
    struct ns3c_address server;
    struct ns3c_host *caller_host = host(sim, left, "caller", "192.0.2.1", &caller);
    struct ns3c_host *client_host = host(sim, left, "client", "192.0.2.2", &client);
    struct ns3c_host *callee_host = host(sim, core, "callee", "198.51.100.1", &flows.callee);
    struct ns3c_host *server_host = host(sim, core, "server", "198.51.100.2", &server);

    flows.callee.port = 5004;
    flows.caller = ns3c_udp_open(caller_host, &caller, receive_nothing, NULL, &error);
    must(flows.caller != NULL, &error);
    must(ns3c_udp_open(callee_host, &flows.callee, receive_datagrams, &flows, &error) != NULL, &error);
    server.port = 80;
    must(ns3c_tcp_listen(server_host, &server, accept_upload, &flows, &error) != NULL, &error);
    must(ns3c_tcp_connect(client_host, &client, &server, &callbacks, &flows, &error) != NULL, &error);

    struct ns3c_capture *capture = ns3c_capture_create(sim, argv[1], 12, "dumbbell", &error);
    must(capture != NULL && ns3c_capture_router(capture, left, NS3C_OUTSIDE, &error), &error);

    flows.sender = ns3c_timer_create(sim, send_datagram, &flows);
    flows.reporter = ns3c_timer_create(sim, report, &flows);
    ns3c_timer_set(flows.sender, 0);
    ns3c_timer_set(flows.reporter, SECOND);
    must(ns3c_run_until(sim, SECONDS * SECOND, &error), &error);
    printf("call: %" PRIu32 " of %" PRIu32 " datagrams; upload: %" PRIu64 " bytes\n", flows.received, flows.sent,
           flows.upload_bytes);
    must(ns3c_capture_close(capture, &error), &error);
    ns3c_destroy(sim);
    return EXIT_SUCCESS;
}
