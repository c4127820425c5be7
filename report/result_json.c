#include "report/result_json.h"

#include <math.h>

/* Six decimals: nobody measures finer, and the text is then the same on every machine. */
static json_t *number(double value) { return json_real(isfinite(value) ? round(value * 1e6) / 1e6 : 0); }

static json_t *count(uint64_t value) { return json_integer((json_int_t)value); }

static json_t *summary(const struct result_summary *s)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "count", count(s->count), "min", number(s->min), "mean",
                     number(s->mean), "p50", number(s->p50), "p95", number(s->p95), "p99", number(s->p99), "max",
                     number(s->max));
}

static json_t *connections(const struct result_connections *c)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "planned", count(c->planned), "connected",
                     count(c->connected), "host", count(c->host), "srflx", count(c->srflx), "prflx", count(c->prflx),
                     "relay_udp", count(c->relay_udp), "relay_tcp", count(c->relay_tcp), "relay_tls",
                     count(c->relay_tls), "failed", count(c->failed));
}

static const char *outcome_name(uint8_t outcome)
{
    static const char *const names[] = {"none", "direct", "relayed", "failed"};
    return names[outcome];
}

static json_t *matrix(const struct result_matrix *m)
{
    json_t *types = json_array();
    json_t *pairs = json_array();
    for (uint32_t i = 0; i < m->count; i++) {
        json_array_append_new(types, json_string(m->types[i]));
        for (uint32_t j = i; j < m->count; j++)
            json_array_append_new(pairs, json_pack("{s:s, s:s, s:s, s:s}", "a", m->types[i], "b", m->types[j],
                                                   "outcome", outcome_name(m->outcome[i][j]), "expected",
                                                   outcome_name(m->expected[i][j])));
    }
    return json_pack("{s:o, s:i, s:i, s:i, s:i, s:o}", "types", types, "pairs", (int)m->pairs, "as_expected",
                     (int)m->as_expected, "probed", (int)m->probed, "probes_as_expected", (int)m->probes_as_expected,
                     "outcomes", pairs);
}

static json_t *faults(const struct result_run *run)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < run->fault_count; i++) {
        const struct result_fault *f = &run->faults[i];
        json_array_append_new(list,
                              json_pack("{s:s, s:o, s:o, s:o, s:o}", "what", f->what, "at_s", number(f->at_s),
                                        "clients_hit", count(f->clients_hit), "clients_recovered",
                                        count(f->clients_recovered), "media_gap_ms_p50", number(f->media_gap_ms_p50)));
    }
    return list;
}

static json_t *rtp(const struct result_run *run)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "streams_sent", count(run->rtp.streams_sent), "streams_received",
                     count(run->rtp.streams_received), "packets_sent", count(run->rtp.packets_sent), "packets_received",
                     count(run->rtp.packets_received), "bytes_sent", count(run->rtp.bytes_sent), "bytes_received",
                     count(run->rtp.bytes_received));
}

static json_t *captures(const struct result_run *run)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < run->capture_count; i++)
        json_array_append_new(list, json_string(run->captures[i]));
    return list;
}

static json_t *data(const struct result_data *d)
{
    json_t *files =
        json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "sent", count(d->files.sent), "expected", count(d->files.expected),
                  "received", count(d->files.received), "intact", count(d->files.intact), "bytes",
                  count(d->files.bytes), "time_ms", summary(&d->files.time_ms));
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "sent", count(d->sent), "expected", count(d->expected),
                     "received", count(d->received), "corrupt", count(d->corrupt), "latency_ms",
                     summary(&d->latency_ms), "files", files);
}

json_t *result_run_json(const struct result_run *run)
{
    json_t *json = json_object();
    json_object_set_new(json, "topology", json_string(run->topology));
    if (run->sweep[0] != '\0')
        json_object_set_new(json, "sweep", json_string(run->sweep));
    json_object_set_new(json, "rooms", json_integer(run->rooms));
    json_object_set_new(json, "room_size", json_integer(run->room_size));
    json_object_set_new(json, "clients",
                        json_pack("{s:o, s:o, s:o}", "planned", count(run->clients_planned), "joined",
                                  count(run->clients_joined), "failed", count(run->clients_failed)));
    json_object_set_new(json, "connections", connections(&run->connections));
    json_object_set_new(json, "turn_fallback",
                        json_pack("{s:o, s:o, s:o}", "connections", number(run->turn_fallback.connections), "clients",
                                  number(run->turn_fallback.clients), "rooms", number(run->turn_fallback.rooms)));
    json_object_set_new(json, "join_ms", summary(&run->join_ms));
    json_object_set_new(json, "latency_ms", summary(&run->latency_ms));
    json_object_set_new(json, "audio_latency_ms", summary(&run->audio_latency_ms));
    json_object_set_new(json, "video_latency_ms", summary(&run->video_latency_ms));
    json_object_set_new(json, "network_latency_ms", summary(&run->network_latency_ms));
    json_object_set_new(json, "bitrate_kbps",
                        json_pack("{s:o, s:o, s:o, s:o}", "client_up", summary(&run->client_up_kbps), "client_down",
                                  summary(&run->client_down_kbps), "sfu_egress", number(run->sfu_egress_kbps),
                                  "turn_egress", number(run->turn_egress_kbps)));
    json_object_set_new(json, "rtp", rtp(run));
    json_object_set_new(json, "loss",
                        json_pack("{s:o, s:o, s:o, s:o}", "sent", count(run->loss.sent), "lost", count(run->loss.lost),
                                  "rate", number(run->loss.rate), "after_repair", number(run->loss.after_repair)));
    json_object_set_new(
        json, "freeze",
        json_pack("{s:o, s:o}", "count", count(run->freeze.count), "total_ms", number(run->freeze.total_ms)));
    json_object_set_new(json, "mos",
                        json_pack("{s:o, s:o}", "audio", number(run->mos_audio), "video", number(run->mos_video)));
    json_object_set_new(json, "encodings_per_client", number(run->encodings_per_client));
    json_object_set_new(json, "video_received",
                        json_pack("{s:o, s:o, s:o}", "kbps", summary(&run->video_kbps), "height",
                                  summary(&run->video_height), "fps", summary(&run->video_fps)));
    json_object_set_new(
        json, "streams",
        json_pack("{s:o, s:o}", "expected", count(run->streams_expected), "received", count(run->streams_received)));
    json_object_set_new(json, "cost",
                        json_pack("{s:o, s:o, s:o}", "sfu_egress_gb_per_hour", number(run->cost.sfu_egress_gb_per_hour),
                                  "turn_egress_gb_per_hour", number(run->cost.turn_egress_gb_per_hour), "per_hour",
                                  number(run->cost.per_hour)));
    if (run->data.planned)
        json_object_set_new(json, "data", data(&run->data));
    if (run->fault_count > 0)
        json_object_set_new(json, "faults", faults(run));
    if (run->matrix.count > 0)
        json_object_set_new(json, "matrix", matrix(&run->matrix));
    if (run->errors > 0)
        json_object_set_new(json, "errors",
                            json_pack("{s:o, s:s}", "count", count(run->errors), "first", run->first_error));
    json_object_set_new(json, "captures", captures(run));
    return json;
}

json_t *result_json(const struct result *result)
{
    json_t *runs = json_array();
    for (size_t i = 0; i < result->run_count; i++)
        json_array_append_new(runs, result_run_json(&result->runs[i]));
    json_t *thresholds = json_array();
    for (size_t i = 0; i < result->threshold_count; i++) {
        const struct result_threshold *t = &result->thresholds[i];
        json_array_append_new(thresholds,
                              json_pack("{s:s, s:o, s:b}", "expr", t->expr, "value",
                                        t->measured ? number(t->value) : json_null(), "passed", (int)t->passed));
    }
    return json_pack("{s:s, s:s, s:I, s:s, s:s, s:o, s:{s:o, s:o, s:b}, s:o, s:s}", "schema", "confab.result/1",
                     "scenario", result->scenario, "seed", (json_int_t)result->seed, "world", result->world, "confab",
                     CONFAB_VERSION, "runs", runs, "generator", "cpu", number(result->generator.cpu), "max_lag_ms",
                     number(result->generator.max_lag_ms), "overloaded", (int)result->generator.overloaded,
                     "thresholds", thresholds, "verdict", result->verdict);
}
