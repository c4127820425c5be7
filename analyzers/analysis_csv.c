#include "analyzers/analysis_csv.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static void put_number(FILE *out, double value)
{
    if (isfinite(value))
        fprintf(out, ",%.6f", value);
    else
        fputc(',', out);
}

static void put_index(FILE *out, int64_t value)
{
    if (value >= 0)
        fprintf(out, ",%" PRId64, value);
    else
        fputc(',', out);
}

static void put_address(FILE *out, const struct address *address)
{
    char text[ADDRESS_TEXT_CAP];
    fprintf(out, ",%s", address->family == ADDRESS_NONE ? "" : address_format(address, text));
}

static void put_quoted(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '"')
            fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

static const char *or_empty(const char *text) { return text == NULL ? "" : text; }

static void write_captures(const struct analysis *analysis, FILE *out)
{
    fputs("file,packets,bytes,duration_s", out);
    for (int reason = PACKET_TAKEN + 1; reason < PACKET_SKIP_REASONS; reason++)
        fprintf(out, ",%s", packet_skip_name((enum packet_skip)reason));
    fputs(",not_webrtc,limit\r\n", out);
    for (size_t i = 0; i < analysis->capture_count; i++) {
        const struct analysis_capture *capture = &analysis->captures[i];
        put_quoted(out, capture->file);
        fprintf(out, ",%" PRIu64 ",%" PRIu64, capture->packets, capture->bytes);
        put_number(out, capture->duration_s);
        for (int reason = PACKET_TAKEN + 1; reason < PACKET_SKIP_REASONS; reason++)
            fprintf(out, ",%" PRIu64, capture->skipped[reason]);
        fprintf(out, ",%" PRIu64 ",%" PRIu64 "\r\n", capture->not_webrtc, capture->limited);
    }
}

static void write_streams(const struct analysis *analysis, FILE *out)
{
    fputs(
        "stream,capture,interface,src,dst,peer,ssrc,payload_type,kind,via,encrypted,connection,copy_of,moved_from,repeats,"
        "start_s,packets,expected,lost,duplicates,reordered,bytes,duration_s,bitrate_mean_kbps,bitrate_p95_kbps,"
        "bitrate_max_kbps,clock_rate,jitter_mean_ms,jitter_max_ms,jitter_last_ms,delta_min_ms,delta_mean_ms,delta_max_ms,"
        "frames,fps\r\n",
        out);
    for (size_t i = 0; i < analysis->stream_count; i++) {
        const struct analysis_stream *s = &analysis->streams[i];
        fprintf(out, "%zu,%" PRIu32 ",%" PRIu32, i, s->capture, s->interface);
        put_address(out, &s->source);
        put_address(out, &s->destination);
        put_address(out, &s->peer);
        fprintf(out, ",%" PRIu32 ",%u,%s,%s,%s", s->ssrc, s->payload_type, analysis_kind_name(s->kind),
                analysis_via_name(s->via), s->encrypted ? "true" : "false");
        put_index(out, s->connection);
        put_index(out, s->copy_of);
        put_index(out, s->moved_from);
        put_index(out, s->repeats);
        put_number(out, nanos_to_s(s->first_time));
        fprintf(out, ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64, s->packets, s->expected,
                s->lost, s->duplicates, s->reordered, s->bytes);
        put_number(out, s->duration_s);
        put_number(out, s->bitrate_mean_kbps);
        put_number(out, s->bitrate_p95_kbps);
        put_number(out, s->bitrate_max_kbps);
        put_index(out, s->clock_rate);
        put_number(out, s->jitter_mean_ms);
        put_number(out, s->jitter_max_ms);
        put_number(out, s->jitter_last_ms);
        put_number(out, s->delta_min_ms);
        put_number(out, s->delta_mean_ms);
        put_number(out, s->delta_max_ms);
        put_index(out, s->frames);
        put_number(out, s->fps);
        fputs("\r\n", out);
    }
}

static void write_connections(const struct analysis *analysis, FILE *out)
{
    fputs("connection,a,b,path,turn,dtls,srtp_profile,ice_ms,dtls_ms,topology,streams,rtp_packets\r\n", out);
    for (size_t i = 0; i < analysis->connection_count; i++) {
        const struct analysis_connection *c = &analysis->connections[i];
        fprintf(out, "%zu", i);
        put_address(out, &c->a);
        put_address(out, &c->b);
        fprintf(out, ",%s,%s,%s,%s", c->relayed ? "relay" : "direct", or_empty(analysis_turn_name(c->turn)),
                or_empty(analysis_dtls_name(c->dtls_version)), or_empty(analysis_srtp_name(c->srtp_profile)));
        put_number(out, c->ice_ms);
        put_number(out, c->dtls_ms);
        fprintf(out, ",%s,%" PRIu64 ",%" PRIu64 "\r\n", analysis_topology_name(c->topology), c->streams,
                c->rtp_packets);
    }
}

static void write_latency(const struct analysis *analysis, FILE *out)
{
    const struct {
        const char *name;
        const struct analysis_summary *summary;
    } rows[] = {
        {"stun_rtt", &analysis->stun_rtt_ms},
        {"rtcp_rtt", &analysis->rtcp_rtt_ms},
        {"one_way", &analysis->one_way_ms},
        {"forwarding", &analysis->forwarding_ms},
    };
    fputs("what,count,min_ms,mean_ms,p50_ms,p95_ms,p99_ms,max_ms\r\n", out);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct analysis_summary *s = rows[i].summary;
        fprintf(out, "%s,%" PRIu64, rows[i].name, s->count);
        put_number(out, s->min);
        put_number(out, s->mean);
        put_number(out, s->p50);
        put_number(out, s->p95);
        put_number(out, s->p99);
        put_number(out, s->max);
        fputs("\r\n", out);
    }
}

static bool write_table(const struct analysis *analysis, const char *directory, const char *name,
                        void (*write)(const struct analysis *analysis, FILE *out), struct error *error)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", directory, name) >= (int)sizeof path)
        return error_set(error, ERROR_INPUT, "%s: the name is too long", directory);
    FILE *out = fopen(path, "w");
    if (out == NULL)
        return error_set(error, ERROR_INPUT, "%s: can't be written: %s", path, strerror(errno));
    write(analysis, out);
    bool ok = ferror(out) == 0;
    ok = fclose(out) == 0 && ok;
    return ok || error_set(error, ERROR_SYSTEM, "%s: can't be written: %s", path, strerror(errno));
}

bool analysis_write_csv(const struct analysis *analysis, const char *directory, struct error *error)
{
    if (mkdir(directory, 0777) != 0 && errno != EEXIST)
        return error_set(error, ERROR_INPUT, "%s: the directory can't be made: %s", directory, strerror(errno));
    return write_table(analysis, directory, "captures.csv", write_captures, error) &&
           write_table(analysis, directory, "streams.csv", write_streams, error) &&
           write_table(analysis, directory, "connections.csv", write_connections, error) &&
           write_table(analysis, directory, "latency.csv", write_latency, error);
}
