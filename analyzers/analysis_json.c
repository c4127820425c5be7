#include "analyzers/analysis_json.h"

#include <jansson.h>
#include <math.h>

#include "analyzers/dtls_observer.h"

/* Each stream and connection is made, written and forgotten, so that a capture with very many of them needs no memory for
 * the JSON of all. */
#define DUMP_FLAGS (JSON_REAL_PRECISION(12) | JSON_COMPACT)

static json_t *number(double value) { return isfinite(value) ? json_real(value) : json_null(); }
static json_t *count(uint64_t value) { return json_integer((json_int_t)value); }
static json_t *count_or_null(int64_t value) { return value < 0 ? json_null() : json_integer(value); }
static json_t *text_or_null(const char *text) { return text == NULL ? json_null() : json_string(text); }

static json_t *address(const struct address *value)
{
    char text[ADDRESS_TEXT_CAP];
    return value->family == ADDRESS_NONE ? json_null() : json_string(address_format(value, text));
}

static json_t *summary(const struct analysis_summary *s)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "count", count(s->count), "min", number(s->min), "mean",
                     number(s->mean), "p50", number(s->p50), "p95", number(s->p95), "p99", number(s->p99), "max",
                     number(s->max));
}

/* File names needn't be UTF-8; JSON strings must be. */
static json_t *file_name(const char *name)
{
    json_t *string = json_string(name);
    if (string != NULL)
        return string;
    char ascii[256];
    size_t len = 0;
    for (; name[len] != '\0' && len + 1 < sizeof ascii; len++)
        ascii[len] = name[len] >= 0x20 && name[len] < 0x7f ? name[len] : '?';
    return json_stringn(ascii, len);
}

static json_t *capture(const struct analysis_capture *capture)
{
    json_t *skipped = json_object();
    for (int reason = 0; reason < PACKET_SKIP_REASONS; reason++) {
        if (capture->skipped[reason] > 0)
            json_object_set_new(skipped, packet_skip_name((enum packet_skip)reason), count(capture->skipped[reason]));
    }
    if (capture->not_webrtc > 0)
        json_object_set_new(skipped, "not_webrtc", count(capture->not_webrtc));
    if (capture->limited > 0)
        json_object_set_new(skipped, "limit", count(capture->limited));
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "file", file_name(capture->file), "packets",
                     count(capture->packets), "bytes", count(capture->bytes), "duration_s", number(capture->duration_s),
                     "skipped", skipped, "damage", text_or_null(capture->damage));
}

static json_t *stream(const struct analysis_stream *s)
{
    json_t *bitrate = json_pack("{s:o, s:o, s:o}", "mean", number(s->bitrate_mean_kbps), "p95",
                                number(s->bitrate_p95_kbps), "max", number(s->bitrate_max_kbps));
    json_t *jitter = json_pack("{s:o, s:o, s:o}", "mean", number(s->jitter_mean_ms), "max", number(s->jitter_max_ms),
                               "last", number(s->jitter_last_ms));
    json_t *delta = json_pack("{s:o, s:o, s:o}", "min", number(s->delta_min_ms), "mean", number(s->delta_mean_ms),
                              "max", number(s->delta_max_ms));
    json_t *object = json_pack(
        "{s:o, s:o, s:I, s:i, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "src",
        address(&s->source), "dst", address(&s->destination), "ssrc", (json_int_t)s->ssrc, "payload_type",
        s->payload_type, "kind", analysis_kind_name(s->kind), "via", analysis_via_name(s->via), "encrypted",
        json_boolean(s->encrypted), "packets", count(s->packets), "expected", count(s->expected), "lost",
        count(s->lost), "duplicates", count(s->duplicates), "reordered", count(s->reordered), "bytes", count(s->bytes),
        "duration_s", number(s->duration_s), "bitrate_kbps", bitrate, "jitter_ms", jitter, "delta_ms", delta, "frames",
        count_or_null(s->frames), "fps", number(s->fps));
    if (object == NULL)
        return NULL;
    json_object_set_new(object, "clock_rate", count_or_null(s->clock_rate));
    json_object_set_new(object, "capture", count(s->capture));
    json_object_set_new(object, "interface", count(s->interface));
    json_object_set_new(object, "peer", address(&s->peer));
    json_object_set_new(object, "connection", count_or_null(s->connection));
    json_object_set_new(object, "copy_of", count_or_null(s->copy_of));
    json_object_set_new(object, "moved_from", count_or_null(s->moved_from));
    json_object_set_new(object, "repeats", count_or_null(s->repeats));
    return object;
}

static json_t *connection(const struct analysis_connection *c)
{
    return json_pack("{s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:o}", "a", address(&c->a), "b",
                     address(&c->b), "path", c->relayed ? "relay" : "direct", "turn",
                     text_or_null(analysis_turn_name(c->turn)), "dtls",
                     text_or_null(analysis_dtls_name(c->dtls_version)), "srtp_profile",
                     text_or_null(analysis_srtp_name(c->srtp_profile)), "ice_ms", number(c->ice_ms), "dtls_ms",
                     number(c->dtls_ms), "topology", analysis_topology_name(c->topology), "streams", count(c->streams),
                     "rtp_packets", count(c->rtp_packets));
}

static json_t *turn(const struct analysis_turn *t)
{
    json_t *servers = json_array();
    for (size_t i = 0; i < t->server_count; i++)
        json_array_append_new(servers, address(&t->servers[i]));
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "allocations", count(t->allocations), "failed", count(t->failed),
                     "servers", servers, "relayed_bytes", count(t->relayed_bytes), "ms_turn_frames",
                     count(t->ms_turn_frames), "tls_connections", count(t->tls_connections));
}

static json_t *rtcp(const struct analysis_rtcp *r)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "sr", count(r->sr), "rr",
                     count(r->rr), "nack", count(r->nack), "pli", count(r->pli), "fir", count(r->fir), "remb",
                     count(r->remb), "twcc", count(r->twcc), "sdes", count(r->sdes), "bye", count(r->bye), "xr",
                     count(r->xr), "datagrams", count(r->datagrams), "encrypted", count(r->encrypted));
}

static json_t *decryption(const struct analysis *analysis)
{
    if (!analysis->decrypted)
        return json_null();
    return json_pack("{s:o, s:o, s:o, s:o}", "paths", count(analysis->decrypted_paths), "srtp",
                     count(analysis->decrypted_srtp), "srtcp", count(analysis->decrypted_srtcp), "failed",
                     count(analysis->decryption_failures));
}

/* Writes and forgets a value. */
static bool put(FILE *out, const char *before, json_t *value)
{
    bool ok = value != NULL && fputs(before, out) >= 0 && json_dumpf(value, out, DUMP_FLAGS | JSON_ENCODE_ANY) == 0;
    json_decref(value);
    return ok;
}

bool analysis_write_json(const struct analysis *analysis, FILE *out)
{
    bool ok = fputs("{\"schema\":\"confab.analysis/1\",\n\"captures\":[", out) >= 0;
    for (size_t i = 0; ok && i < analysis->capture_count; i++)
        ok = put(out, i == 0 ? "\n " : ",\n ", capture(&analysis->captures[i]));
    ok = ok && fputs("],\n\"streams\":[", out) >= 0;
    for (size_t i = 0; ok && i < analysis->stream_count; i++)
        ok = put(out, i == 0 ? "\n " : ",\n ", stream(&analysis->streams[i]));
    json_t *latency = json_pack("{s:o, s:o, s:o, s:o}", "stun_rtt", summary(&analysis->stun_rtt_ms), "rtcp_rtt",
                                summary(&analysis->rtcp_rtt_ms), "one_way", summary(&analysis->one_way_ms),
                                "forwarding", summary(&analysis->forwarding_ms));
    ok = put(out, "],\n\"latency_ms\":", latency) && ok;
    ok = ok && fputs(",\n\"connections\":[", out) >= 0;
    for (size_t i = 0; ok && i < analysis->connection_count; i++)
        ok = put(out, i == 0 ? "\n " : ",\n ", connection(&analysis->connections[i]));
    return ok && put(out, "],\n\"turn\":", turn(&analysis->turn)) &&
           put(out, ",\n\"turn_fallback\":",
               json_pack("{s:o}", "connections", number(analysis->turn_fallback_connections))) &&
           put(out, ",\n\"rtcp\":", rtcp(&analysis->rtcp)) &&
           put(out, ",\n\"seen\":",
               json_pack("{s:o, s:o, s:o}", "stun", count(analysis->stun_messages), "stun_classic",
                         count(analysis->stun_classic), "dtls", count(analysis->dtls_datagrams))) &&
           put(out, ",\n\"decryption\":", decryption(analysis)) && fputs("}\n", out) >= 0;
}
