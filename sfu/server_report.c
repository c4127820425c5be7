/* How the reference server is: for those who look after it. */
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "sfu/server_state.h"
#include "sfu/turn_server.h"

static double seconds(nanos duration) { return (double)duration / (double)NANOS_PER_S; }

/* What is reported on, and where to. */
struct report {
    const struct server *server;
    const struct server_statistics *workers;
    size_t worker_count;
    FILE *out;
};

static uint64_t count_at(const struct server_statistics *worker, size_t offset)
{
    uint64_t value;
    memcpy(&value, (const char *)worker + offset, sizeof value);
    return value;
}

static uint64_t sum_at(const struct report *report, size_t offset)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < report->worker_count; i++)
        sum += count_at(&report->workers[i], offset);
    return sum;
}

/* Over all workers, of a member that is a uint64_t. */
#define SUM(report, member) sum_at(report, offsetof(struct server_statistics, member))

static json_t *describe_workers(const struct report *report)
{
    json_t *list = json_array();
    for (size_t i = 0; i < report->worker_count; i++) {
        const struct server_statistics *worker = &report->workers[i];
        json_array_append_new(list, json_pack("{s:I, s:I, s:I}", "rooms", (json_int_t)worker->signalling.rooms,
                                              "participants", (json_int_t)worker->sfu.participants, "publications",
                                              (json_int_t)worker->sfu.publications));
    }
    return list;
}

void server_report_health(const struct server *server, const struct server_statistics *workers, size_t count,
                          struct http_response *response, nanos now)
{
    const struct report report = {.server = server, .workers = workers, .worker_count = count};
    json_t *health = json_pack("{s:s, s:s, s:f, s:I, s:I, s:I, s:o}", "status", server->stopping ? "stopping" : "ok",
                               "version", CONFAB_VERSION, "uptime_s", seconds(now - server->started), "rooms",
                               (json_int_t)SUM(&report, signalling.rooms), "participants",
                               (json_int_t)SUM(&report, sfu.participants), "publications",
                               (json_int_t)SUM(&report, sfu.publications), "workers", describe_workers(&report));
    char *text = health != NULL ? json_dumps(health, JSON_REAL_PRECISION(6)) : NULL;
    if (text != NULL)
        http_response_set(response, server->stopping ? HTTP_SERVICE_UNAVAILABLE : HTTP_OK, "application/json", text,
                          strlen(text));
    http_response_add(response, "Cache-Control", "no-store");
    free(text);
    json_decref(health);
}

/* --- OpenMetrics 1.0 ------------------------------------------------------------------------------------------------------ */

struct metric {
    const char *name; /* without confab_ and _total */
    const char *type;
    const char *unit; /* NULL: none */
    const char *help;
};

static void begin(FILE *out, const struct metric *metric)
{
    fprintf(out, "# TYPE confab_%s %s\n", metric->name, metric->type);
    if (metric->unit != NULL)
        fprintf(out, "# UNIT confab_%s %s\n", metric->name, metric->unit);
    fprintf(out, "# HELP confab_%s %s\n", metric->name, metric->help);
}

static void gauge(FILE *out, const char *name, const char *help, uint64_t value)
{
    begin(out, &(struct metric){name, "gauge", NULL, help});
    fprintf(out, "confab_%s %" PRIu64 "\n", name, value);
}

static void counter(FILE *out, const char *name, const char *unit, const char *help, uint64_t value)
{
    begin(out, &(struct metric){name, "counter", unit, help});
    fprintf(out, "confab_%s_total %" PRIu64 "\n", name, value);
}

/* What a worker has of something. */
static void by_worker(const struct report *report, const struct metric *metric, size_t offset)
{
    const char *suffix = strcmp(metric->type, "counter") == 0 ? "_total" : "";
    begin(report->out, metric);
    for (size_t i = 0; i < report->worker_count; i++)
        fprintf(report->out, "confab_%s%s{worker=\"%zu\"} %" PRIu64 "\n", metric->name, suffix, i,
                count_at(&report->workers[i], offset));
}

static void report_workers(const struct report *report)
{
    static const struct {
        struct metric metric;
        size_t offset;
    } each[] = {
        {{"worker_rooms", "gauge", NULL, "Rooms that somebody is in, by the thread that has them."},
         offsetof(struct server_statistics, signalling.rooms)},
        {{"worker_participants", "gauge", NULL, "Participants of SFU rooms, by thread."},
         offsetof(struct server_statistics, sfu.participants)},
        {{"worker_received_packets", "counter", NULL, "SRTP packets received, by thread."},
         offsetof(struct server_statistics, sfu.packets_received)},
        {{"worker_sent_packets", "counter", NULL, "SRTP packets sent, by thread."},
         offsetof(struct server_statistics, sfu.packets_sent)},
        {{"worker_passed_datagrams", "counter", NULL, "Datagrams that a thread received for another one."},
         offsetof(struct server_statistics, sfu.passed)},
        {{"worker_overflowed_datagrams", "counter", NULL,
          "Datagrams lost, as another thread was too slow to take them."},
         offsetof(struct server_statistics, sfu.pass_overflowed)},
    };
    for (size_t i = 0; i < sizeof each / sizeof each[0]; i++)
        by_worker(report, &each[i].metric, each[i].offset);
}

static void report_sfu(const struct report *report)
{
    FILE *out = report->out;
    gauge(out, "sfu_participants", "Participants of SFU rooms.", SUM(report, sfu.participants));
    gauge(out, "sfu_publications", "Tracks that are published.", SUM(report, sfu.publications));
    gauge(out, "sfu_subscriptions", "Tracks that are forwarded to someone.", SUM(report, sfu.subscriptions));
    gauge(out, "sfu_starved_videos", "Videos that a subscriber's downlink is too narrow for.",
          SUM(report, sfu.starved));
    counter(out, "sfu_received_packets", NULL, "SRTP packets received.", SUM(report, sfu.packets_received));
    counter(out, "sfu_received_bytes", "bytes", "SRTP bytes received.", SUM(report, sfu.bytes_received));
    counter(out, "sfu_sent_packets", NULL, "SRTP packets sent.", SUM(report, sfu.packets_sent));
    counter(out, "sfu_sent_bytes", "bytes", "SRTP bytes sent.", SUM(report, sfu.bytes_sent));
    counter(out, "sfu_key_frames_requested", NULL, "Key frames asked of publishers.",
            SUM(report, sfu.key_frames_requested));
    counter(out, "sfu_layer_switches", NULL, "Subscriptions that went to another simulcast layer.",
            SUM(report, sfu.layer_switches));
    gauge(out, "sfu_tcp_connections", "ICE-TCP connections.", SUM(report, sfu.tcp_connections));
    counter(out, "sfu_discarded_datagrams", NULL, "Datagrams that belong to nobody.", SUM(report, sfu.discarded));
}

static void by_transport(FILE *out, const char *name, const char *suffix, const uint64_t values[3])
{
    static const char *const transports[] = {"udp", "tcp", "tls"};
    for (size_t i = 0; i < 3; i++)
        fprintf(out, "confab_%s%s{transport=\"%s\"} %" PRIu64 "\n", name, suffix, transports[i], values[i]);
}

static void report_turn(const struct server *server, FILE *out)
{
    if (server->turn == NULL)
        return;
    const struct turn_server_statistics *turn = turn_server_statistics(server->turn);
    begin(out, &(struct metric){"turn_allocations", "gauge", NULL, "TURN allocations."});
    by_transport(out, "turn_allocations", "", turn->allocations);
    begin(out, &(struct metric){"turn_allocated", "counter", NULL, "TURN allocations ever made."});
    by_transport(out, "turn_allocated", "_total", turn->allocations_total);
    counter(out, "turn_refused_allocations", NULL, "Allocate requests of known users that were refused.",
            turn->allocations_refused);
    counter(out, "turn_to_peers_bytes", "bytes", "Payload relayed to peers.", turn->bytes_to_peers);
    counter(out, "turn_to_clients_bytes", "bytes", "Payload relayed to clients.", turn->bytes_to_clients);
    counter(out, "turn_dropped_packets", NULL, "Packets that could not be relayed.", turn->packets_dropped);
    counter(out, "stun_bindings", NULL, "Binding requests answered.", turn->bindings);
    counter(out, "turn_challenges", NULL, "Requests answered with 401 or 438.", turn->challenges);
    counter(out, "turn_suppressed_replies", NULL, "Answers that a source's limit suppressed.",
            turn->replies_suppressed);
    gauge(out, "turn_connections", "TCP and TLS connections to the TURN server.", turn->connections);
}

/* The front's world, and those of the workers that have one of their own. */
static uint64_t udp(const struct report *report, size_t offset)
{
    const struct server_statistics front = {.live = *live_world_statistics(report->server->options.live)};
    size_t at = offsetof(struct server_statistics, live) + offset;
    return count_at(&front, at) + (report->worker_count > 1 ? sum_at(report, at) : 0);
}

static void report_web(const struct report *report)
{
    const struct http_server_statistics http = http_server_statistics(report->server->http);
    FILE *out = report->out;
    gauge(out, "rooms", "Rooms that somebody is in.", SUM(report, signalling.rooms));
    gauge(out, "signalling_channels", "WebSocket connections that speak the room protocol.", http.channels);
    counter(out, "joins", NULL, "Joins of rooms.", SUM(report, signalling.joins));
    counter(out, "refusals", NULL, "Messages of the room protocol that were refused.",
            SUM(report, signalling.refusals));
    gauge(out, "whip_sessions", "Sessions of WHIP publishers.", SUM(report, whip.publishers));
    gauge(out, "whep_sessions", "Sessions of WHEP viewers.", SUM(report, whip.viewers));
    counter(out, "whip_whep_created_sessions", NULL, "WHIP and WHEP sessions ever made.", SUM(report, whip.sessions));
    counter(out, "whip_whep_refused_sessions", NULL, "Offers by WHIP and WHEP that were refused.",
            SUM(report, whip.refused));
    counter(out, "whip_whep_expired_sessions", NULL, "WHIP and WHEP sessions whose connection ended.",
            SUM(report, whip.expired));
    gauge(out, "http_connections", "TCP connections to the web port.", http.connections);
    gauge(out, "http_silent_connections", "Those that have said nothing yet.", http.silent);
    counter(out, "http_accepted", NULL, "TCP connections ever taken.", http.accepted);
    counter(out, "http_refused", NULL, "TCP connections refused at the limit.", http.refused);
    counter(out, "http_timed_out", NULL, "TCP connections that took too long.", http.timed_out);
    counter(out, "http_displaced", NULL, "Silent connections that made room for new ones.", http.displaced);
    counter(out, "http_requests", NULL, "HTTP requests answered.", http.requests);
    counter(out, "udp_sent_datagrams", NULL, "UDP datagrams sent.",
            udp(report, offsetof(struct live_statistics, udp_sent)));
    counter(out, "udp_received_datagrams", NULL, "UDP datagrams received.",
            udp(report, offsetof(struct live_statistics, udp_received)));
    counter(out, "udp_overflowed_datagrams", NULL, "UDP datagrams lost in full receive buffers.",
            udp(report, offsetof(struct live_statistics, udp_overflowed)));
}

void server_report_metrics(const struct server *server, const struct server_statistics *workers, size_t count,
                           struct http_response *response, nanos now)
{
    struct report report = {.server = server, .workers = workers, .worker_count = count};
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    if (out == NULL)
        return;
    report.out = out;
    begin(out, &(struct metric){"uptime_seconds", "gauge", "seconds", "Time since the start."});
    fprintf(out, "confab_uptime_seconds %.3f\n", seconds(now - server->started));
    begin(out, &(struct metric){"build", "info", NULL, "What this is."});
    fprintf(out, "confab_build_info{version=\"%s\"} 1\n", CONFAB_VERSION);
    report_sfu(&report);
    report_workers(&report);
    report_turn(server, out);
    report_web(&report);
    fputs("# EOF\n", out);
    fclose(out);
    http_response_set(response, HTTP_OK, "application/openmetrics-text; version=1.0.0; charset=utf-8", text, len);
    free(text);
}
