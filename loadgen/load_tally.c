#include "loadgen/load_tally.h"

static void record(struct load_tally *tally, enum load_figure figure, uint64_t value)
{
    histogram_record(&tally->run->load->figures[figure], value);
}

void load_tally_stage(struct load_tally *tally, enum load_figure stage, nanos since_planned)
{
    record(tally, stage, (uint64_t)nanos_max(since_planned, 0));
}

void load_tally_frame(struct load_tally *tally, enum track_kind kind, nanos latency)
{
    record(tally, LOAD_LATENCY, (uint64_t)latency);
    record(tally, kind == TRACK_AUDIO ? LOAD_AUDIO_LATENCY : LOAD_VIDEO_LATENCY, (uint64_t)latency);
    load_sample_latency(&tally->sample, (uint64_t)latency, 1);
}

void load_tally_failure(struct load_tally *tally, enum failure failure, const char *reason)
{
    tally->sample.failures++;
    load_result_fail(tally->run->load, failure_name(failure), reason);
}

static void count_path(struct load_tally *tally, struct call_count *count, struct connection *connection)
{
    struct result_connections *connections = &tally->run->connections;
    struct transport_path_info info;
    if (transport_state(connection_transport(connection)) == TRANSPORT_CONNECTED && !count->connected) {
        count->connected = true;
        connections->connected++;
    }
    if (!count->connected || !transport_path(connection_transport(connection), &info))
        return;
    enum path_kind path = path_kind_of(&info, NULL);
    if (path == count->path)
        return;
    path_kind_count(connections, count->path, -1);
    path_kind_count(connections, path, 1);
    count->path = path;
}

void load_tally_call(struct load_tally *tally, struct call_count *count, struct connection *connection)
{
    struct connection_statistics now = connection_statistics(connection);
    const struct connection_statistics *before = &count->traffic;
    struct result_run *run = tally->run;
    count_path(tally, count, connection);
    run->rtp.streams_sent += now.streams_sent - before->streams_sent;
    run->rtp.streams_received += now.streams_received - before->streams_received;
    run->rtp.packets_sent += now.packets_sent - before->packets_sent;
    run->rtp.packets_received += now.packets_received - before->packets_received;
    run->rtp.bytes_sent += now.bytes_sent - before->bytes_sent;
    run->rtp.bytes_received += now.bytes_received - before->bytes_received;
    tally->sample.bytes_up += now.bytes_sent - before->bytes_sent;
    tally->sample.bytes_down += now.bytes_received - before->bytes_received;
    count->traffic = now;
}

/* Lost ones may come yet: then there are fewer than before. */
static uint64_t risen(uint64_t now, uint64_t before) { return now > before ? now - before : 0; }

void load_tally_track(struct load_tally *tally, struct track_count *count, const struct remote_track *track)
{
    struct track_loss now = track_measure_loss(track);
    struct result_run *run = tally->run;
    tally->sample.packets_expected += risen(now.expected, count->loss.expected);
    tally->sample.packets_lost += risen(now.lost, count->loss.lost);
    run->loss.sent += now.expected - count->loss.expected;
    run->loss.lost += now.lost - count->loss.lost;
    run->load->packets_lost_after_repair += now.lost_after_repair - count->loss.lost_after_repair;
    count->loss = now;
}

struct track_summary load_tally_track_end(struct load_tally *tally, struct track_count *count,
                                          const struct remote_track *track, nanos now)
{
    struct load_result *load = tally->run->load;
    load_tally_track(tally, count, track);
    struct track_summary summary = track_measure_end(&count->measure, track, tally->camera_fps, now);
    tally->run->freeze.count += summary.freezes;
    tally->frozen += summary.frozen;
    tally->run->freeze.total_ms = nanos_to_ms(tally->frozen);
    if (summary.received && track->kind == TRACK_AUDIO) {
        load->mos_audio_sum += summary.mos;
        load->mos_audio_count++;
    }
    if (summary.seen) {
        record(tally, LOAD_VIDEO_RATE, (uint64_t)summary.bps);
        record(tally, LOAD_VIDEO_HEIGHT, track->height);
        record(tally, LOAD_VIDEO_FPS, (uint64_t)(summary.fps * 1000));
        load->mos_video_sum += summary.mos;
        load->mos_video_count++;
    }
    return summary;
}
