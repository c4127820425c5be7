#include "analyzers/analysis_text.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* More than these are summed up in a line. */
#define STREAMS_SHOWN 60
#define CONNECTIONS_SHOWN 40

#define CELL_CAP 32

static const char *number(double value, int decimals, char text[CELL_CAP])
{
    if (isfinite(value))
        snprintf(text, CELL_CAP, "%.*f", decimals, value);
    else
        snprintf(text, CELL_CAP, "-");
    return text;
}

static const char *or_dash(const char *text) { return text == NULL ? "-" : text; }

static const char *plural(uint64_t count) { return count == 1 ? "" : "s"; }

static void write_captures(const struct analysis *analysis, FILE *out)
{
    for (size_t i = 0; i < analysis->capture_count; i++) {
        const struct analysis_capture *capture = &analysis->captures[i];
        fprintf(out, "%s: %" PRIu64 " packet%s, %" PRIu64 " bytes, %.1f s", capture->file, capture->packets,
                plural(capture->packets), capture->bytes, capture->duration_s);
        const char *before = "; not looked at: ";
        for (int reason = 0; reason < PACKET_SKIP_REASONS; reason++) {
            if (capture->skipped[reason] == 0)
                continue;
            fprintf(out, "%s%" PRIu64 " %s", before, capture->skipped[reason],
                    packet_skip_name((enum packet_skip)reason));
            before = ", ";
        }
        if (capture->not_webrtc > 0) {
            fprintf(out, "%s%" PRIu64 " of other protocols", before, capture->not_webrtc);
            before = ", ";
        }
        if (capture->limited > 0)
            fprintf(out, "%s%" PRIu64 " past the limit on memory", before, capture->limited);
        fputc('\n', out);
    }
}

static void write_connections(const struct analysis *analysis, FILE *out)
{
    if (analysis->connection_count == 0)
        return;
    fprintf(out, "\n%-44s %-11s %-5s %-23s %8s %8s  %-8s %7s\n", "CONNECTIONS", "path", "DTLS", "SRTP", "ICE ms",
            "DTLS ms", "topology", "packets");
    for (size_t i = 0; i < analysis->connection_count && i < CONNECTIONS_SHOWN; i++) {
        const struct analysis_connection *connection = &analysis->connections[i];
        char a[ADDRESS_TEXT_CAP];
        char b[ADDRESS_TEXT_CAP];
        char ends[2 * ADDRESS_TEXT_CAP + 8];
        char path[CELL_CAP];
        char ice[CELL_CAP];
        char dtls[CELL_CAP];
        snprintf(ends, sizeof ends, "%s - %s", address_format(&connection->a, a), address_format(&connection->b, b));
        snprintf(path, sizeof path, "%s%s%s", connection->relayed ? "relay" : "direct",
                 connection->turn != 0 ? " by " : "",
                 connection->turn != 0 ? analysis_turn_name(connection->turn) : "");
        fprintf(out, "%-44s %-11s %-5s %-23s %8s %8s  %-8s %7" PRIu64 "\n", ends, path,
                or_dash(analysis_dtls_name(connection->dtls_version)),
                or_dash(analysis_srtp_name(connection->srtp_profile)), number(connection->ice_ms, 1, ice),
                number(connection->dtls_ms, 1, dtls), analysis_topology_name(connection->topology),
                connection->rtp_packets);
    }
    if (analysis->connection_count > CONNECTIONS_SHOWN)
        fprintf(out, "… and %zu more: --format json lists them\n", analysis->connection_count - CONNECTIONS_SHOWN);
    char share[CELL_CAP];
    fprintf(out, "%s %% of %zu connection%s went through TURN\n",
            number(analysis->turn_fallback_connections * 100.0, 1, share), analysis->connection_count,
            plural(analysis->connection_count));
}

static void write_stream(const struct analysis *analysis, size_t index, FILE *out)
{
    const struct analysis_stream *stream = &analysis->streams[index];
    char source[ADDRESS_TEXT_CAP];
    char destination[ADDRESS_TEXT_CAP];
    char way[2 * ADDRESS_TEXT_CAP + 8];
    char kbps[CELL_CAP];
    char jitter[CELL_CAP];
    char gap[CELL_CAP];
    char fps[CELL_CAP];
    char note[64] = "";
    snprintf(way, sizeof way, "%s > %s", address_format(&stream->source, source),
             address_format(&stream->destination, destination));
    if (stream->copy_of >= 0)
        snprintf(note, sizeof note, " = #%" PRId64, stream->copy_of);
    else if (stream->moved_from >= 0)
        snprintf(note, sizeof note, " from #%" PRId64, stream->moved_from);
    else if (stream->repeats >= 0)
        snprintf(note, sizeof note, " of #%" PRId64, stream->repeats);
    fprintf(out, "#%-4zu %-44s %08" PRIx32 " %3u %-7s %-12s %8" PRIu64 " %6" PRIu64 " %5" PRIu64 " %7s %7s %8s %5s%s\n",
            index, way, stream->ssrc, stream->payload_type, analysis_kind_name(stream->kind),
            analysis_via_name(stream->via), stream->packets, stream->lost, stream->reordered,
            number(stream->bitrate_mean_kbps, 0, kbps), number(stream->jitter_mean_ms, 2, jitter),
            number(stream->delta_max_ms, 1, gap), number(stream->fps, 1, fps), note);
}

struct ranked {
    uint64_t packets;
    size_t index;
};

static int compare_ranked(const void *a, const void *b)
{
    const struct ranked *left = a;
    const struct ranked *right = b;
    if (left->packets != right->packets)
        return left->packets > right->packets ? -1 : 1;
    return left->index < right->index ? -1 : left->index > right->index;
}

static void write_streams(const struct analysis *analysis, FILE *out)
{
    size_t count = analysis->stream_count;
    if (count == 0)
        return;
    fprintf(out, "\n%-50s %-8s %3s %-7s %-12s %8s %6s %5s %7s %7s %8s %5s\n", "STREAMS", "SSRC", "PT", "kind", "via",
            "packets", "lost", "late", "kbps", "jitter", "max gap", "fps");
    struct ranked *ranked = count > STREAMS_SHOWN ? malloc(count * sizeof *ranked) : NULL;
    for (size_t i = 0; ranked != NULL && i < count; i++)
        ranked[i] = (struct ranked){.packets = analysis->streams[i].packets, .index = i};
    if (ranked != NULL)
        qsort(ranked, count, sizeof *ranked, compare_ranked);
    for (size_t i = 0; i < count && i < STREAMS_SHOWN; i++)
        write_stream(analysis, ranked != NULL ? ranked[i].index : i, out);
    free(ranked);
    if (count > STREAMS_SHOWN)
        fprintf(out, "… and %zu smaller ones: --format json lists them\n", count - STREAMS_SHOWN);
    fputs("jitter (mean) and gaps in ms; = #n: the same packets as stream n, on another leg or in another capture; "
          "from #n: goes on from it on another path; of #n: repeats it\n",
          out);
}

static void write_summary(const char *name, const struct analysis_summary *summary, FILE *out)
{
    if (summary->count > 0)
        fprintf(out, "  %-12s %8" PRIu64 " %9.3f %9.3f %9.3f %9.3f %9.3f %9.3f\n", name, summary->count, summary->min,
                summary->mean, summary->p50, summary->p95, summary->p99, summary->max);
}

static void write_latency(const struct analysis *analysis, FILE *out)
{
    if (analysis->stun_rtt_ms.count + analysis->rtcp_rtt_ms.count + analysis->one_way_ms.count +
            analysis->forwarding_ms.count ==
        0)
        return;
    fprintf(out, "\n%-14s %8s %9s %9s %9s %9s %9s %9s\n", "LATENCY ms", "count", "min", "mean", "p50", "p95", "p99",
            "max");
    write_summary("STUN RTT", &analysis->stun_rtt_ms, out);
    write_summary("RTCP RTT", &analysis->rtcp_rtt_ms, out);
    write_summary("one way", &analysis->one_way_ms, out);
    write_summary("forwarding", &analysis->forwarding_ms, out);
}

static void write_turn(const struct analysis_turn *turn, FILE *out)
{
    if (turn->allocations + turn->failed + turn->relayed_bytes + turn->ms_turn_frames + turn->tls_connections == 0)
        return;
    fprintf(out, "\nTURN: %" PRIu64 " allocation%s, %" PRIu64 " failed, %" PRIu64 " bytes relayed", turn->allocations,
            plural(turn->allocations), turn->failed, turn->relayed_bytes);
    if (turn->tls_connections > 0)
        fprintf(out, ", %" PRIu64 " TLS connection%s that can't be looked into", turn->tls_connections,
                plural(turn->tls_connections));
    if (turn->ms_turn_frames > 0)
        fprintf(out, ", %" PRIu64 " frame%s of Microsoft's TURN", turn->ms_turn_frames, plural(turn->ms_turn_frames));
    for (size_t i = 0; i < turn->server_count; i++) {
        char text[ADDRESS_TEXT_CAP];
        fprintf(out, "%s%s", i == 0 ? "; servers " : ", ", address_format(&turn->servers[i], text));
    }
    fputc('\n', out);
}

static void write_rtcp(const struct analysis_rtcp *rtcp, FILE *out)
{
    if (rtcp->datagrams == 0)
        return;
    const struct {
        const char *name;
        uint64_t count;
    } types[] = {
        {"SR", rtcp->sr},     {"RR", rtcp->rr},     {"NACK", rtcp->nack}, {"PLI", rtcp->pli}, {"FIR", rtcp->fir},
        {"REMB", rtcp->remb}, {"TWCC", rtcp->twcc}, {"SDES", rtcp->sdes}, {"BYE", rtcp->bye}, {"XR", rtcp->xr},
    };
    fprintf(out, "\nRTCP: %" PRIu64 " datagram%s", rtcp->datagrams, plural(rtcp->datagrams));
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (types[i].count > 0)
            fprintf(out, ", %s %" PRIu64, types[i].name, types[i].count);
    }
    if (rtcp->encrypted > 0)
        fprintf(out, " (%" PRIu64 " encrypted: only what comes first in each is known)", rtcp->encrypted);
    fputc('\n', out);
}

static void write_decryption(const struct analysis *analysis, FILE *out)
{
    if (analysis->decrypted)
        fprintf(out,
                "\nDECRYPTED with the key log: %" PRIu64 " path%s, %" PRIu64 " SRTP and %" PRIu64
                " SRTCP packets, %" PRIu64 " failed\n",
                analysis->decrypted_paths, plural(analysis->decrypted_paths), analysis->decrypted_srtp,
                analysis->decrypted_srtcp, analysis->decryption_failures);
}

bool analysis_write_text(const struct analysis *analysis, FILE *out)
{
    write_captures(analysis, out);
    write_connections(analysis, out);
    write_streams(analysis, out);
    write_latency(analysis, out);
    write_turn(&analysis->turn, out);
    write_rtcp(&analysis->rtcp, out);
    write_decryption(analysis, out);
    return ferror(out) == 0;
}
