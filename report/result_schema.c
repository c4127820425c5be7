#include "report/result_schema.h"

#include "report/load_result.h"

#define SCHEMA(list)                                                                                                   \
    {                                                                                                                  \
        list, sizeof(list) / sizeof((list)[0])                                                                         \
    }

/* --- a result ------------------------------------------------------------------------------------------------------------ */

static bool is_overloaded(const void *result) { return ((const struct result *)result)->generator.overloaded; }

#define FIELD(path, type, merge, member)                                                                               \
    {                                                                                                                  \
        path, type, merge, offsetof(struct result, member), 0, NULL                                                    \
    }
#define TEXT(path, merge, member, present)                                                                             \
    {                                                                                                                  \
        path, SCHEMA_TEXT, merge, offsetof(struct result, member), sizeof(((struct result *)0)->member), present       \
    }

static const struct schema_field result_head[] = {
    TEXT("scenario", MERGE_SAME, scenario, NULL),
    FIELD("seed", SCHEMA_COUNT, MERGE_SAME, seed),
    TEXT("world", MERGE_SAME, world, NULL),
};
static const struct schema_field result_tail[] = {
    FIELD("generator.cpu", SCHEMA_NUMBER, MERGE_MAX, generator.cpu),
    FIELD("generator.max_lag_ms", SCHEMA_NUMBER, MERGE_MAX, generator.max_lag_ms),
    FIELD("generator.drops", SCHEMA_COUNT, MERGE_ADD, generator.drops),
    FIELD("generator.overloaded", SCHEMA_FLAG, MERGE_MAX, generator.overloaded),
    TEXT("generator.why", MERGE_FIRST, generator.why, is_overloaded),
};

const struct schema schema_result_head = SCHEMA(result_head);
const struct schema schema_result_tail = SCHEMA(result_tail);

/* --- a run --------------------------------------------------------------------------------------------------------------- */

static bool is_swept(const void *run) { return ((const struct result_run *)run)->sweep[0] != '\0'; }
static bool has_data(const void *run) { return ((const struct result_run *)run)->data.planned; }
static bool has_errors(const void *run) { return ((const struct result_run *)run)->errors > 0; }

#undef FIELD
#undef TEXT
#define FIELD(path, type, merge, member)                                                                               \
    {                                                                                                                  \
        path, type, merge, offsetof(struct result_run, member), 0, NULL                                                \
    }
#define DATA(path, type, merge, member)                                                                                \
    {                                                                                                                  \
        path, type, merge, offsetof(struct result_run, member), 0, has_data                                            \
    }
#define TEXT(path, merge, member, present)                                                                             \
    {                                                                                                                  \
        path, SCHEMA_TEXT, merge, offsetof(struct result_run, member), sizeof(((struct result_run *)0)->member),       \
            present                                                                                                    \
    }

static const struct schema_field run[] = {
    TEXT("topology", MERGE_SAME, topology, NULL),
    TEXT("sweep", MERGE_SAME, sweep, is_swept),
    FIELD("rooms", SCHEMA_COUNT32, MERGE_SAME, rooms),
    FIELD("room_size", SCHEMA_COUNT32, MERGE_SAME, room_size),
    FIELD("clients.planned", SCHEMA_COUNT, MERGE_ADD, clients_planned),
    FIELD("clients.joined", SCHEMA_COUNT, MERGE_ADD, clients_joined),
    FIELD("clients.failed", SCHEMA_COUNT, MERGE_ADD, clients_failed),
    FIELD("connections.planned", SCHEMA_COUNT, MERGE_ADD, connections.planned),
    FIELD("connections.connected", SCHEMA_COUNT, MERGE_ADD, connections.connected),
    FIELD("connections.host", SCHEMA_COUNT, MERGE_ADD, connections.host),
    FIELD("connections.srflx", SCHEMA_COUNT, MERGE_ADD, connections.srflx),
    FIELD("connections.prflx", SCHEMA_COUNT, MERGE_ADD, connections.prflx),
    FIELD("connections.relay_udp", SCHEMA_COUNT, MERGE_ADD, connections.relay_udp),
    FIELD("connections.relay_tcp", SCHEMA_COUNT, MERGE_ADD, connections.relay_tcp),
    FIELD("connections.relay_tls", SCHEMA_COUNT, MERGE_ADD, connections.relay_tls),
    FIELD("connections.failed", SCHEMA_COUNT, MERGE_ADD, connections.failed),
    FIELD("turn_fallback.connections", SCHEMA_NUMBER, MERGE_FIRST, turn_fallback.connections),
    FIELD("turn_fallback.clients", SCHEMA_NUMBER, MERGE_FIRST, turn_fallback.clients),
    FIELD("turn_fallback.rooms", SCHEMA_NUMBER, MERGE_FIRST, turn_fallback.rooms),
    FIELD("join_ms", SCHEMA_SUMMARY, MERGE_FIRST, join_ms),
    FIELD("latency_ms", SCHEMA_SUMMARY, MERGE_FIRST, latency_ms),
    FIELD("audio_latency_ms", SCHEMA_SUMMARY, MERGE_FIRST, audio_latency_ms),
    FIELD("video_latency_ms", SCHEMA_SUMMARY, MERGE_FIRST, video_latency_ms),
    FIELD("network_latency_ms", SCHEMA_SUMMARY, MERGE_FIRST, network_latency_ms),
    FIELD("bitrate_kbps.client_up", SCHEMA_SUMMARY, MERGE_FIRST, client_up_kbps),
    FIELD("bitrate_kbps.client_down", SCHEMA_SUMMARY, MERGE_FIRST, client_down_kbps),
    FIELD("bitrate_kbps.sfu_egress", SCHEMA_NUMBER, MERGE_ADD, sfu_egress_kbps),
    FIELD("bitrate_kbps.turn_egress", SCHEMA_NUMBER, MERGE_ADD, turn_egress_kbps),
    FIELD("rtp.streams_sent", SCHEMA_COUNT, MERGE_ADD, rtp.streams_sent),
    FIELD("rtp.streams_received", SCHEMA_COUNT, MERGE_ADD, rtp.streams_received),
    FIELD("rtp.packets_sent", SCHEMA_COUNT, MERGE_ADD, rtp.packets_sent),
    FIELD("rtp.packets_received", SCHEMA_COUNT, MERGE_ADD, rtp.packets_received),
    FIELD("rtp.bytes_sent", SCHEMA_COUNT, MERGE_ADD, rtp.bytes_sent),
    FIELD("rtp.bytes_received", SCHEMA_COUNT, MERGE_ADD, rtp.bytes_received),
    FIELD("loss.sent", SCHEMA_COUNT, MERGE_ADD, loss.sent),
    FIELD("loss.lost", SCHEMA_COUNT, MERGE_ADD, loss.lost),
    FIELD("loss.rate", SCHEMA_NUMBER, MERGE_FIRST, loss.rate),
    FIELD("loss.after_repair", SCHEMA_NUMBER, MERGE_FIRST, loss.after_repair),
    FIELD("freeze.count", SCHEMA_COUNT, MERGE_ADD, freeze.count),
    FIELD("freeze.total_ms", SCHEMA_NUMBER, MERGE_ADD, freeze.total_ms),
    FIELD("mos.audio", SCHEMA_NUMBER, MERGE_FIRST, mos_audio),
    FIELD("mos.video", SCHEMA_NUMBER, MERGE_FIRST, mos_video),
    FIELD("encodings_per_client", SCHEMA_NUMBER, MERGE_MAX, encodings_per_client),
    FIELD("video_received.kbps", SCHEMA_SUMMARY, MERGE_FIRST, video_kbps),
    FIELD("video_received.height", SCHEMA_SUMMARY, MERGE_FIRST, video_height),
    FIELD("video_received.fps", SCHEMA_SUMMARY, MERGE_FIRST, video_fps),
    FIELD("streams.expected", SCHEMA_COUNT, MERGE_ADD, streams_expected),
    FIELD("streams.received", SCHEMA_COUNT, MERGE_ADD, streams_received),
    FIELD("cost.sfu_egress_gb_per_hour", SCHEMA_NUMBER, MERGE_ADD, cost.sfu_egress_gb_per_hour),
    FIELD("cost.turn_egress_gb_per_hour", SCHEMA_NUMBER, MERGE_ADD, cost.turn_egress_gb_per_hour),
    FIELD("cost.per_hour", SCHEMA_NUMBER, MERGE_ADD, cost.per_hour),
    DATA("data.sent", SCHEMA_COUNT, MERGE_ADD, data.sent),
    DATA("data.expected", SCHEMA_COUNT, MERGE_ADD, data.expected),
    DATA("data.received", SCHEMA_COUNT, MERGE_ADD, data.received),
    DATA("data.corrupt", SCHEMA_COUNT, MERGE_ADD, data.corrupt),
    DATA("data.latency_ms", SCHEMA_SUMMARY, MERGE_FIRST, data.latency_ms),
    DATA("data.files.sent", SCHEMA_COUNT, MERGE_ADD, data.files.sent),
    DATA("data.files.expected", SCHEMA_COUNT, MERGE_ADD, data.files.expected),
    DATA("data.files.received", SCHEMA_COUNT, MERGE_ADD, data.files.received),
    DATA("data.files.intact", SCHEMA_COUNT, MERGE_ADD, data.files.intact),
    DATA("data.files.bytes", SCHEMA_COUNT, MERGE_FIRST, data.files.bytes),
    DATA("data.files.time_ms", SCHEMA_SUMMARY, MERGE_FIRST, data.files.time_ms),
    {"errors.count", SCHEMA_COUNT, MERGE_ADD, offsetof(struct result_run, errors), 0, has_errors},
    TEXT("errors.first", MERGE_FIRST, first_error, has_errors),
    FIELD("media_seconds", SCHEMA_NUMBER, MERGE_MAX, media_seconds),
};
const struct schema schema_run = SCHEMA(run);

/* --- a load -------------------------------------------------------------------------------------------------------------- */

#undef FIELD
#undef TEXT
#define FIELD(path, type, merge, member)                                                                               \
    {                                                                                                                  \
        path, type, merge, offsetof(struct load_result, member), 0, NULL                                               \
    }
#define TEXT(path, merge, member)                                                                                      \
    {                                                                                                                  \
        path, SCHEMA_TEXT, merge, offsetof(struct load_result, member), sizeof(((struct load_result *)0)->member),     \
            NULL                                                                                                       \
    }

#define LIMIT(path, type, member)                                                                                      \
    {                                                                                                                  \
        path, type, MERGE_FIRST, offsetof(struct load_result, member), sizeof(((struct load_result *)0)->member),      \
            has_limit                                                                                                  \
    }

static bool has_limit(const void *load) { return ((const struct load_result *)load)->limit_why[0] != '\0'; }

static const struct schema_field load[] = {
    TEXT("server", MERGE_SAME, server),
    TEXT("adapter", MERGE_SAME, adapter),
    FIELD("shard.index", SCHEMA_COUNT32, MERGE_FIRST, shard_index),
    FIELD("shard.count", SCHEMA_COUNT32, MERGE_SAME, shard_count),
    FIELD("funnel.planned", SCHEMA_COUNT, MERGE_ADD, joins_planned),
    FIELD("funnel.signalled", SCHEMA_SUMMARY, MERGE_FIRST, funnel[LOAD_SIGNALLED]),
    FIELD("funnel.ice", SCHEMA_SUMMARY, MERGE_FIRST, funnel[LOAD_ICE]),
    FIELD("funnel.dtls", SCHEMA_SUMMARY, MERGE_FIRST, funnel[LOAD_DTLS]),
    FIELD("funnel.first_packet", SCHEMA_SUMMARY, MERGE_FIRST, funnel[LOAD_FIRST_PACKET]),
    FIELD("funnel.first_frame", SCHEMA_SUMMARY, MERGE_FIRST, funnel[LOAD_FIRST_FRAME]),
    FIELD("behind.clients_relayed", SCHEMA_COUNT, MERGE_ADD, clients_relayed),
    FIELD("behind.rooms_relayed", SCHEMA_COUNT, MERGE_ADD, rooms_relayed),
    FIELD("behind.packets_lost_after_repair", SCHEMA_COUNT, MERGE_ADD, packets_lost_after_repair),
    FIELD("behind.mos_audio_sum", SCHEMA_NUMBER, MERGE_ADD, mos_audio_sum),
    FIELD("behind.mos_audio_count", SCHEMA_COUNT, MERGE_ADD, mos_audio_count),
    FIELD("behind.mos_video_sum", SCHEMA_NUMBER, MERGE_ADD, mos_video_sum),
    FIELD("behind.mos_video_count", SCHEMA_COUNT, MERGE_ADD, mos_video_count),
    LIMIT("limit.clients", SCHEMA_COUNT32, limit_clients),
    LIMIT("limit.why", SCHEMA_TEXT, limit_why),
    FIELD("resources.clients_peak", SCHEMA_COUNT, MERGE_ADD, clients_peak),
    FIELD("resources.memory_bytes", SCHEMA_COUNT, MERGE_ADD, memory_bytes),
    FIELD("resources.cpu_seconds", SCHEMA_NUMBER, MERGE_ADD, cpu_seconds),
    FIELD("resources.seconds", SCHEMA_NUMBER, MERGE_MAX, seconds),
};
const struct schema schema_load = SCHEMA(load);

/* --- elements of lists ----------------------------------------------------------------------------------------------------- */

#undef FIELD
#undef TEXT
#define FIELD(path, type, member)                                                                                      \
    {                                                                                                                  \
        path, type, MERGE_FIRST, offsetof(struct result_fault, member), 0, NULL                                        \
    }

static const struct schema_field fault[] = {
    {"what", SCHEMA_TEXT, MERGE_FIRST, offsetof(struct result_fault, what), RESULT_NAME_CAP, NULL},
    FIELD("at_s", SCHEMA_NUMBER, at_s),
    FIELD("clients_hit", SCHEMA_COUNT, clients_hit),
    FIELD("clients_recovered", SCHEMA_COUNT, clients_recovered),
    FIELD("media_gap_ms_p50", SCHEMA_NUMBER, media_gap_ms_p50),
    FIELD("media_gap_ms_max", SCHEMA_NUMBER, media_gap_ms_max),
};
const struct schema schema_fault = SCHEMA(fault);

#undef FIELD
#define FIELD(path, type, member)                                                                                      \
    {                                                                                                                  \
        path, type, MERGE_FIRST, offsetof(struct load_failure, member), sizeof(((struct load_failure *)0)->member),    \
            NULL                                                                                                       \
    }

static const struct schema_field failure[] = {
    FIELD("class", SCHEMA_TEXT, class),
    FIELD("count", SCHEMA_COUNT, count),
    FIELD("example", SCHEMA_TEXT, example),
};
const struct schema schema_failure = SCHEMA(failure);

#undef FIELD
#define FIELD(path, type, member)                                                                                      \
    {                                                                                                                  \
        path, type, MERGE_FIRST, offsetof(struct load_client, member), sizeof(((struct load_client *)0)->member), NULL \
    }

static const struct schema_field client[] = {
    FIELD("name", SCHEMA_TEXT, name),
    FIELD("nat", SCHEMA_TEXT, nat),
    FIELD("access", SCHEMA_TEXT, access),
    FIELD("path", SCHEMA_TEXT, path),
    FIELD("why", SCHEMA_TEXT, why),
    FIELD("tracks_expected", SCHEMA_COUNT, tracks_expected),
    FIELD("tracks_got", SCHEMA_COUNT, tracks_got),
    FIELD("join_ms", SCHEMA_NUMBER, join_ms),
    FIELD("latency_ms_p95", SCHEMA_NUMBER, latency_ms_p95),
    FIELD("loss", SCHEMA_NUMBER, loss),
    FIELD("frozen_ms", SCHEMA_NUMBER, frozen_ms),
    FIELD("watched_ms", SCHEMA_NUMBER, watched_ms),
};
const struct schema schema_client = SCHEMA(client);

#undef FIELD
#define FIELD(path, type, merge, member)                                                                               \
    {                                                                                                                  \
        path, type, merge, offsetof(struct load_sample, member), 0, NULL                                               \
    }

static const struct schema_field sample[] = {
    FIELD("seconds", SCHEMA_COUNT32, MERGE_MAX, seconds),
    FIELD("clients", SCHEMA_COUNT, MERGE_ADD, clients),
    FIELD("joins", SCHEMA_COUNT, MERGE_ADD, joins),
    FIELD("failures", SCHEMA_COUNT, MERGE_ADD, failures),
    FIELD("bytes_up", SCHEMA_COUNT, MERGE_ADD, bytes_up),
    FIELD("bytes_down", SCHEMA_COUNT, MERGE_ADD, bytes_down),
    FIELD("packets_expected", SCHEMA_COUNT, MERGE_ADD, packets_expected),
    FIELD("packets_lost", SCHEMA_COUNT, MERGE_ADD, packets_lost),
    FIELD("cpu", SCHEMA_NUMBER, MERGE_MAX, cpu),
    FIELD("lag_ms", SCHEMA_NUMBER, MERGE_MAX, lag_ms),
};
const struct schema schema_sample = SCHEMA(sample);
