#include "analyzers/analysis_html.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "report/html.h"

#define CHART_WIDTH 160
#define CHART_HEIGHT 24

static const char STYLE[] =
    "<style>\n"
    "body{font:14px/1.4 system-ui,sans-serif;margin:2em;color:#222;background:#fff}\n"
    "table{border-collapse:collapse;margin:.5em 0 2em}\n"
    "th,td{padding:.2em .7em;text-align:right;border-bottom:1px solid #ddd;white-space:nowrap}\n"
    "th{background:#f4f4f4}td.t,th.t{text-align:left}td.bad{color:#b00020;font-weight:600}\n"
    ".copy td{color:#888}.relay{color:#b35c00}\n"
    "svg{vertical-align:middle}\n"
    "@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}th{background:#262626}th,td{border-color:#333}}\n"
    "</style>\n";

static void put_text(FILE *out, const char *text) { fprintf(out, "<td class=t>%s</td>", text == NULL ? "–" : text); }

static void put_number(FILE *out, double value, int decimals)
{
    if (isfinite(value))
        fprintf(out, "<td>%.*f</td>", decimals, value);
    else
        fputs("<td>–</td>", out);
}

static void put_count(FILE *out, uint64_t value) { fprintf(out, "<td>%" PRIu64 "</td>", value); }

static void put_ends(FILE *out, const struct address *a, const char *between, const struct address *b)
{
    char text_a[ADDRESS_TEXT_CAP];
    char text_b[ADDRESS_TEXT_CAP];
    fprintf(out, "<td class=t>%s %s %s</td>", address_format(a, text_a), between, address_format(b, text_b));
}

static void write_captures(const struct analysis *analysis, FILE *out)
{
    fputs("<table><tr><th class=t>Capture<th>Packets<th>Bytes<th>Seconds<th>Other protocols<th class=t>Damage</tr>\n",
          out);
    for (size_t i = 0; i < analysis->capture_count; i++) {
        const struct analysis_capture *capture = &analysis->captures[i];
        fputs("<tr><td class=t>", out);
        html_text(out, capture->file);
        fputs("</td>", out);
        put_count(out, capture->packets);
        put_count(out, capture->bytes);
        put_number(out, capture->duration_s, 1);
        put_count(out, capture->not_webrtc);
        fputs("<td class=t>", out);
        html_text(out, capture->damage == NULL ? "–" : capture->damage);
        fputs("</td></tr>\n", out);
    }
    fputs("</table>\n", out);
}

static void write_connections(const struct analysis *analysis, FILE *out)
{
    fprintf(out, "<h2>Connections</h2>\n<p>%zu connection%s", analysis->connection_count,
            analysis->connection_count == 1 ? "" : "s");
    if (isfinite(analysis->turn_fallback_connections))
        fprintf(out, ", %.1f %% of them through TURN", analysis->turn_fallback_connections * 100);
    fputs(
        "</p>\n<table><tr><th>#<th class=t>Between<th class=t>Path<th class=t>DTLS<th class=t>SRTP<th>ICE ms<th>DTLS ms"
        "<th class=t>Topology<th>Streams<th>RTP packets</tr>\n",
        out);
    for (size_t i = 0; i < analysis->connection_count; i++) {
        const struct analysis_connection *c = &analysis->connections[i];
        fprintf(out, "<tr><td>%zu</td>", i);
        put_ends(out, &c->a, "–", &c->b);
        const char *transport = analysis_turn_name(c->turn);
        fprintf(out, "<td class='t %s'>%s%s%s</td>", c->relayed ? "relay" : "direct", c->relayed ? "relay" : "direct",
                transport != NULL ? " by " : "", transport != NULL ? transport : "");
        put_text(out, analysis_dtls_name(c->dtls_version));
        put_text(out, analysis_srtp_name(c->srtp_profile));
        put_number(out, c->ice_ms, 1);
        put_number(out, c->dtls_ms, 1);
        put_text(out, analysis_topology_name(c->topology));
        put_count(out, c->streams);
        put_count(out, c->rtp_packets);
        fputs("</tr>\n", out);
    }
    fputs("</table>\n", out);
}

/* The bit rate of each second (or of every so many), as a line below the stream's maximum. */
static void put_chart(FILE *out, const struct analysis_stream *s)
{
    fputs("<td class=t>", out);
    uint32_t most = 1;
    for (uint32_t i = 0; i < s->window_count; i++)
        most = s->windows[i] > most ? s->windows[i] : most;
    if (s->window_count > 1) {
        fprintf(out, "<svg width=%d height=%d><polyline fill=none stroke='#3474c7' points='", CHART_WIDTH,
                CHART_HEIGHT);
        for (uint32_t i = 0; i < s->window_count; i++)
            fprintf(out, "%.1f,%.1f ", (double)i * CHART_WIDTH / (s->window_count - 1),
                    1 + (CHART_HEIGHT - 2) * (1 - (double)s->windows[i] / most));
        fputs("'/></svg>", out);
    }
    fputs("</td>", out);
}

static void write_streams(const struct analysis *analysis, FILE *out)
{
    fputs(
        "<h2>Streams</h2>\n<table><tr><th>#<th class=t>Way<th>SSRC<th>PT<th class=t>Kind<th class=t>Via<th>Packets<th>Lost"
        "<th>Late<th>kbit/s<th class=t>over time<th>Jitter ms<th>Max gap ms<th>fps<th class=t>Note</tr>\n",
        out);
    for (size_t i = 0; i < analysis->stream_count; i++) {
        const struct analysis_stream *s = &analysis->streams[i];
        fprintf(out, "<tr%s><td>%zu</td>", s->copy_of >= 0 ? " class=copy" : "", i);
        put_ends(out, &s->source, "→", &s->destination);
        fprintf(out, "<td>%08" PRIx32 "</td><td>%u</td>", s->ssrc, s->payload_type);
        put_text(out, analysis_kind_name(s->kind));
        put_text(out, analysis_via_name(s->via));
        put_count(out, s->packets);
        fprintf(out, "<td%s>%" PRIu64 "</td>", s->lost > 0 ? " class=bad" : "", s->lost);
        put_count(out, s->reordered);
        put_number(out, s->bitrate_mean_kbps, 0);
        put_chart(out, s);
        put_number(out, s->jitter_mean_ms, 2);
        put_number(out, s->delta_max_ms, 1);
        put_number(out, s->fps, 1);
        fputs("<td class=t>", out);
        if (s->copy_of >= 0)
            fprintf(out, "same packets as #%" PRId64, s->copy_of);
        else if (s->moved_from >= 0)
            fprintf(out, "goes on from #%" PRId64, s->moved_from);
        else if (s->repeats >= 0)
            fprintf(out, "repeats #%" PRId64, s->repeats);
        fputs("</td></tr>\n", out);
    }
    fputs("</table>\n", out);
}

static void write_latency(const struct analysis *analysis, FILE *out)
{
    const struct {
        const char *name;
        const struct analysis_summary *summary;
    } rows[] = {
        {"STUN round trip", &analysis->stun_rtt_ms},
        {"RTCP round trip", &analysis->rtcp_rtt_ms},
        {"One way between vantage points", &analysis->one_way_ms},
        {"Forwarding by a relay or server", &analysis->forwarding_ms},
    };
    fputs(
        "<h2>Latency, ms</h2>\n<table><tr><th class=t>What<th>Count<th>Min<th>Mean<th>p50<th>p95<th>p99<th>Max</tr>\n",
        out);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct analysis_summary *s = rows[i].summary;
        const double values[] = {s->min, s->mean, s->p50, s->p95, s->p99, s->max};
        fputs("<tr>", out);
        put_text(out, rows[i].name);
        put_count(out, s->count);
        for (size_t v = 0; v < sizeof values / sizeof values[0]; v++)
            put_number(out, values[v], 3);
        fputs("</tr>\n", out);
    }
    fputs("</table>\n", out);
}

static void write_rest(const struct analysis *analysis, FILE *out)
{
    const struct analysis_turn *turn = &analysis->turn;
    const struct analysis_rtcp *rtcp = &analysis->rtcp;
    fprintf(out,
            "<h2>TURN and RTCP</h2>\n<p>TURN: %" PRIu64 " allocations, %" PRIu64 " failed, %" PRIu64
            " bytes relayed, %" PRIu64 " TLS connections that can't be looked into",
            turn->allocations, turn->failed, turn->relayed_bytes, turn->tls_connections);
    for (size_t i = 0; i < turn->server_count; i++) {
        char text[ADDRESS_TEXT_CAP];
        fprintf(out, "%s%s", i == 0 ? "; servers " : ", ", address_format(&turn->servers[i], text));
    }
    fprintf(out,
            ".</p>\n<p>RTCP: %" PRIu64 " datagrams (%" PRIu64 " encrypted): SR %" PRIu64 ", RR %" PRIu64
            ", NACK %" PRIu64 ", PLI %" PRIu64 ", FIR %" PRIu64 ", REMB %" PRIu64 ", TWCC %" PRIu64 ".</p>\n",
            rtcp->datagrams, rtcp->encrypted, rtcp->sr, rtcp->rr, rtcp->nack, rtcp->pli, rtcp->fir, rtcp->remb,
            rtcp->twcc);
}

bool analysis_write_html(const struct analysis *analysis, FILE *out)
{
    fputs("<!doctype html>\n<html lang=en><meta charset=utf-8><title>confab analyze</title>\n", out);
    fputs(STYLE, out);
    fputs("<h1>What happened in this call</h1>\n", out);
    write_captures(analysis, out);
    write_connections(analysis, out);
    write_streams(analysis, out);
    write_latency(analysis, out);
    write_rest(analysis, out);
    fputs("</html>\n", out);
    return ferror(out) == 0;
}

bool analysis_save_html(const struct analysis *analysis, const char *path, struct error *error)
{
    FILE *out = fopen(path, "w");
    if (out == NULL)
        return error_set(error, ERROR_INPUT, "%s: can't be written: %s", path, strerror(errno));
    bool ok = analysis_write_html(analysis, out);
    ok = fclose(out) == 0 && ok;
    return ok || error_set(error, ERROR_SYSTEM, "%s: can't be written: %s", path, strerror(errno));
}
