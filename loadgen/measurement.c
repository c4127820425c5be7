#include "loadgen/measurement.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loadgen/nat_matrix.h"
#include "loadgen/track_measure.h"

/* Media that stays away so long is a gap that a person notices. */
#define GAP NANOS_PER_S

bool measurement_init(struct measurement *m, const struct scenario *scenario, const struct population *population,
                      bool mesh, struct error *error)
{
    size_t links = mesh ? scenario->room_size : 1;
    size_t heard_len = (scenario->room_size * TRACK_KINDS + 7) / 8;
    memset(m, 0, sizeof *m);
    m->scenario = scenario;
    m->mesh = mesh;
    m->media_from = scenario->join_spread;
    m->media_until = scenario->join_spread + scenario->duration;
    m->client_count = population->count;
    m->clients = calloc(population->count, sizeof *m->clients);
    m->links = calloc(population->count * links, sizeof *m->links);
    m->heard = calloc(population->count, heard_len);
    if (m->clients == NULL || m->links == NULL || m->heard == NULL) {
        measurement_clear(m);
        return error_set(error, ERROR_SYSTEM, "out of memory");
    }
    for (size_t i = 0; i < population->count; i++)
        m->clients[i] = (struct client_measure){.run = m,
                                                .profile = &population->clients[i],
                                                .joined_at = NANOS_NEVER,
                                                .last_media = NANOS_NEVER,
                                                .lost_at = NANOS_NEVER,
                                                .links = &m->links[i * links],
                                                .heard = &m->heard[i * heard_len]};
    return true;
}

void measurement_clear(struct measurement *m)
{
    struct histogram *histograms[] = {
        &m->join,      &m->latency,   &m->audio_latency, &m->video_latency, &m->network_latency, &m->data_latency,
        &m->file_time, &m->client_up, &m->client_down,   &m->video_kbps,    &m->video_height,    &m->video_fps};
    for (size_t i = 0; i < sizeof histograms / sizeof histograms[0]; i++)
        histogram_clear(histograms[i]);
    for (uint32_t i = 0; i < m->fault_count; i++)
        histogram_clear(&m->fault_gap[i]);
    free(m->clients);
    free(m->links);
    free(m->heard);
    free(m->outages);
    m->outages = NULL;
    m->heard = NULL;
    m->clients = NULL;
    m->links = NULL;
}

static void note_error(struct client_measure *client, const char *reason)
{
    struct measurement *m = client->run;
    if (m->errors++ == 0)
        snprintf(m->first_error, sizeof m->first_error, "%.31s: %.120s", client->profile->name, reason);
}

/* --- joining ---------------------------------------------------------------------------------------------------------- */

static void note_joined(struct client_measure *client, nanos now)
{
    client->joined_at = now;
    histogram_record(&client->run->join, (uint64_t)(now - client->profile->joins_at));
}

static void on_joined(void *user, struct participant *participant, nanos now)
{
    struct client_measure *client = user;
    client->participant = participant;
    client->let_in = true;
    (void)now;
}

static size_t link_index(const struct client_measure *client, const struct call *call)
{
    const char *slash = strchr(call_remote_name(call), '/');
    unsigned long number = slash != NULL ? strtoul(slash + 1, NULL, 10) : 1;
    return client->run->mesh && number >= 1 && number <= client->run->scenario->room_size ? number - 1 : 0;
}

static void note_path(struct client_measure *client, struct call *call)
{
    struct link_record *link = &client->links[link_index(client, call)];
    transport_path(connection_transport(call_connection(call)), &link->path);
}

static void on_call_state(void *user, struct participant *participant, struct call *call, enum transport_state state,
                          const char *reason, nanos now)
{
    struct client_measure *client = user;
    client->participant = participant;
    struct link_record *link = &client->links[link_index(client, call)];
    if (state == TRANSPORT_FAILED)
        note_error(client, reason != NULL ? reason : "the connection failed");
    if (state != TRANSPORT_CONNECTED || link->connected)
        return;
    link->connected = true;
    link->ours = call_is_offerer(call);
    note_path(client, call);
    client->own_connected += link->ours;
    if (client->joined_at == NANOS_NEVER && link->ours && client->own_connected == participant_calls_made(participant))
        note_joined(client, now);
}

static void on_failed(void *user, struct participant *participant, const char *reason, nanos now)
{
    (void)participant, (void)now;
    note_error(user, reason);
}

/* --- media ------------------------------------------------------------------------------------------------------------- */

static void on_track_added(void *user, struct participant *participant, struct remote_track *track, nanos now)
{
    struct track_measure *measure = calloc(1, sizeof *measure);
    (void)user, (void)participant;
    if (measure != NULL)
        track_measure_begin(measure, now);
    track->user = measure;
}

/* `gap`: NANOS_NEVER when it goes on to the end. */
static void note_outage(struct client_measure *client, uint32_t fault, nanos gap)
{
    struct measurement *m = client->run;
    m->faults[fault].clients_hit++;
    if (gap != NANOS_NEVER) {
        m->faults[fault].clients_recovered++;
        histogram_record(&m->fault_gap[fault], (uint64_t)gap);
    }
    if (m->outage_count == m->outage_cap) {
        size_t cap = m->outage_cap == 0 ? 64 : 2 * m->outage_cap;
        struct outage *grown = realloc(m->outages, cap * sizeof *grown);
        if (grown == NULL)
            return;
        m->outages = grown;
        m->outage_cap = cap;
    }
    m->outages[m->outage_count++] =
        (struct outage){.client = (uint32_t)(client - m->clients), .fault = fault, .gap = gap};
}

/* Media again after a gap: which fault does it end? The last one before it. */
static void note_recovery(struct client_measure *client, nanos now)
{
    const struct measurement *m = client->run;
    for (uint32_t i = m->fault_count; i > 0; i--) {
        if (m->fault_at[i - 1] <= client->last_media + GAP) {
            note_outage(client, i - 1, now - m->fault_at[i - 1]);
            return;
        }
    }
}

static void on_lost(void *user, struct participant *participant, const char *reason, nanos now)
{
    struct client_measure *client = user;
    struct call *call;
    (void)reason;
    client->lost_at = now;
    client->lost_videos = 0;
    for (size_t i = 0; (call = participant_call(participant, i)) != NULL; i++) {
        for (const struct remote_track *track = call_tracks(call); track != NULL; track = track->next)
            client->lost_videos += track->kind != TRACK_AUDIO && track->frame_count > 0;
    }
}

/* Its videos stood still from the moment it was lost until now, though they aren't the same tracks any more. */
static void end_standstill(struct client_measure *client, nanos now)
{
    if (client->lost_at == NANOS_NEVER)
        return;
    client->run->freezes += client->lost_videos;
    client->run->frozen += client->lost_videos * (now - client->lost_at);
    client->lost_at = NANOS_NEVER;
}

static void on_frame(void *user, struct participant *participant, struct remote_track *track,
                     const struct received_frame *frame, nanos now)
{
    struct client_measure *client = user;
    struct measurement *m = client->run;
    struct track_measure *measure = track->user;
    (void)participant;
    if (m->fault_count > 0 && client->last_media != NANOS_NEVER && now - client->last_media > GAP)
        note_recovery(client, now);
    client->last_media = now;
    if (track->kind != TRACK_AUDIO)
        end_standstill(client, now);
    if (measure == NULL)
        return;
    nanos latency = track_measure_frame(measure, track, frame, now);
    if (latency < 0)
        return;
    histogram_record(&m->latency, (uint64_t)latency);
    histogram_record(track->kind == TRACK_AUDIO ? &m->audio_latency : &m->video_latency, (uint64_t)latency);
}

/* Once, though it may come anew after its publisher, or we, have been away. */
static void note_heard(const struct client_measure *client, const struct remote_track *track)
{
    struct measurement *m = client->run;
    const char *number = strrchr(track->publisher, '_'); /* "room1_2" */
    unsigned long publisher = number != NULL ? strtoul(number + 1, NULL, 10) : 0;
    if (publisher < 1 || publisher > m->scenario->room_size)
        return;
    size_t bit = (publisher - 1) * TRACK_KINDS + track->kind;
    m->streams_received += (client->heard[bit / 8] >> bit % 8 & 1) == 0;
    client->heard[bit / 8] |= (uint8_t)(1 << bit % 8);
}

static void sum_up_track(struct client_measure *client, struct remote_track *track, nanos now)
{
    struct measurement *m = client->run;
    struct track_measure *measure = track->user;
    track->user = NULL;
    if (measure == NULL)
        return;
    struct track_loss loss = track_measure_loss(track);
    struct track_summary summary =
        track_measure_end(measure, track, m->scenario->media.layers[m->scenario->media.layer_count - 1].fps, now);
    m->packets_expected += loss.expected;
    m->packets_lost += loss.lost;
    m->packets_lost_after_repair += loss.lost_after_repair;
    if (summary.received)
        note_heard(client, track);
    m->freezes += summary.freezes;
    m->frozen += summary.frozen;
    if (summary.received && track->kind == TRACK_AUDIO) {
        m->mos_audio_sum += summary.mos;
        m->mos_audio_count++;
    }
    if (summary.seen) {
        histogram_record(&m->video_kbps, (uint64_t)summary.bps);
        histogram_record(&m->video_height, track->height);
        histogram_record(&m->video_fps, (uint64_t)(summary.fps * 1000));
        m->mos_video_sum += summary.mos;
        m->mos_video_count++;
    }
    free(measure);
}

static void on_track_removed(void *user, struct participant *participant, struct remote_track *track, nanos now)
{
    (void)participant;
    sum_up_track(user, track, now);
}

static void on_data(void *user, struct participant *participant, const struct data_report *report, nanos now)
{
    struct client_measure *client = user;
    struct measurement *m = client->run;
    /* In a mesh each copy is sent by itself. */
    uint64_t receivers = m->mesh ? 1 : m->scenario->room_size - 1;
    (void)participant, (void)now;
    switch (report->type) {
    case DATA_REPORT_MESSAGE_SENT:
        m->data.sent++;
        m->data.expected += receivers;
        break;
    case DATA_REPORT_MESSAGE:
        m->data.received++;
        m->data.corrupt += !report->intact;
        histogram_record(&m->data_latency, (uint64_t)nanos_max(report->latency, 0));
        break;
    case DATA_REPORT_FILE_SENT:
        m->data.files.sent++;
        m->data.files.expected += receivers;
        break;
    case DATA_REPORT_FILE:
        m->data.files.received++;
        m->data.files.intact += report->intact;
        histogram_record(&m->file_time, (uint64_t)nanos_max(report->latency, 0));
        break;
    case DATA_REPORT_CLOSED:
        break; /* whoever leaves closes them; the SFU says in words when it gives up a reader */
    }
}

const struct participant_callbacks measurement_callbacks = {
    .joined = on_joined,
    .call_state = on_call_state,
    .track_added = on_track_added,
    .track_removed = on_track_removed,
    .frame = on_frame,
    .data = on_data,
    .lost = on_lost,
    .failed = on_failed,
};

/* --- windows and faults -------------------------------------------------------------------------------------------------- */

static struct connection_statistics count_traffic(const struct client_measure *client)
{
    return client->participant != NULL ? participant_traffic(client->participant) : (struct connection_statistics){0};
}

void measurement_begin_window(struct measurement *m)
{
    for (size_t i = 0; i < m->client_count; i++) {
        struct connection_statistics traffic = count_traffic(&m->clients[i]);
        m->clients[i].up_bytes = traffic.bytes_sent;
        m->clients[i].down_bytes = traffic.bytes_received;
    }
}

void measurement_fault(struct measurement *m, const char *what, nanos now)
{
    if (m->fault_count == RESULT_FAULTS_MAX)
        return;
    struct result_fault *fault = &m->faults[m->fault_count];
    snprintf(fault->what, sizeof fault->what, "%s", what);
    fault->at_s = nanos_to_s(now);
    m->fault_at[m->fault_count++] = now;
}

/* --- the end ---------------------------------------------------------------------------------------------------------------- */

static bool relayed(const struct link_record *link)
{
    return link->path.local == ICE_RELAYED || link->path.remote == ICE_RELAYED;
}

/* `other`: the same link as its other end has it; NULL at an SFU. */
static enum path_kind link_path(const struct link_record *link, const struct link_record *other)
{
    return link->connected ? path_kind_of(&link->path, other != NULL ? &other->path : NULL) : PATH_NONE;
}

enum path_kind measurement_path(const struct measurement *m, size_t client, uint32_t other)
{
    const struct client_measure *here = &m->clients[client];
    size_t room = client - here->profile->number;
    return link_path(&here->links[other], m->mesh ? &m->clients[room + other].links[here->profile->number] : NULL);
}

bool measurement_offered(const struct measurement *m, size_t client, uint32_t other)
{
    return m->clients[client].links[other].ours;
}

static void finish_client(struct measurement *m, struct client_measure *client, nanos now, struct result_run *run)
{
    struct call *call;
    struct connection_statistics traffic = count_traffic(client);
    double seconds = nanos_to_s(now - m->media_from);
    for (size_t i = 0; client->participant != NULL && (call = participant_call(client->participant, i)) != NULL; i++) {
        if (client->links[link_index(client, call)].connected)
            note_path(client, call);
        for (struct remote_track *track = call_tracks(call); track != NULL; track = track->next)
            sum_up_track(client, track, now);
    }
    end_standstill(client, now);
    if (client->participant != NULL && participant_trouble(client->participant) != NULL)
        note_error(client, participant_trouble(client->participant));
    run->rtp.streams_sent += traffic.streams_sent;
    run->rtp.streams_received += traffic.streams_received;
    run->rtp.packets_sent += traffic.packets_sent;
    run->rtp.packets_received += traffic.packets_received;
    run->rtp.bytes_sent += traffic.bytes_sent;
    run->rtp.bytes_received += traffic.bytes_received;
    if (client->let_in && seconds > 0) {
        uint64_t up = traffic.bytes_sent > client->up_bytes ? traffic.bytes_sent - client->up_bytes : 0;
        uint64_t down = traffic.bytes_received > client->down_bytes ? traffic.bytes_received - client->down_bytes : 0;
        histogram_record(&m->client_up, (uint64_t)((double)up * 8 / seconds));
        histogram_record(&m->client_down, (uint64_t)((double)down * 8 / seconds));
    }
    if (m->fault_count > 0 && client->last_media != NANOS_NEVER && now - client->last_media > GAP)
        note_outage(client, m->fault_count - 1, NANOS_NEVER);
}

/* The paths of one room: in a mesh each pair, counted at the offerer's end. Returns whether any is relayed. */
static bool finish_room(struct measurement *m, struct client_measure *room, uint32_t size, struct result_run *run,
                        uint64_t *relaying_clients)
{
    bool any = false;
    for (uint32_t i = 0; i < size; i++) {
        bool relays = false;
        bool complete = room[i].let_in;
        for (uint32_t j = 0; j < (m->mesh ? size : 1); j++) {
            const struct link_record *link = &room[i].links[j];
            if (m->mesh && j == i)
                continue;
            complete = complete && link->connected;
            relays = relays || (link->connected && relayed(link));
            if (link->connected && link->ours) {
                run->connections.connected++;
                path_kind_count(&run->connections, link_path(link, m->mesh ? &room[j].links[i] : NULL), 1);
            }
        }
        run->clients_joined += complete;
        *relaying_clients += relays;
        any = any || relays;
    }
    return any;
}

static double share(double part, double whole) { return whole > 0 ? part / whole : 0; }

static void finish_connections(struct measurement *m, struct result_run *run)
{
    const struct scenario *s = m->scenario;
    uint64_t relaying_clients = 0;
    uint64_t relaying_rooms = 0;
    for (uint32_t room = 0; room < s->rooms; room++) {
        uint64_t before = run->connections.connected;
        bool relays = finish_room(m, &m->clients[(size_t)room * s->room_size], s->room_size, run, &relaying_clients);
        bool connected = run->connections.connected > before;
        relaying_rooms += relays;
        if (s->matrix_count > 0 && m->mesh)
            nat_matrix_note(&run->matrix, room,
                            !connected ? OUTCOME_FAILED
                            : relays   ? OUTCOME_RELAYED
                                       : OUTCOME_DIRECT);
    }
    struct result_connections *c = &run->connections;
    c->planned = m->mesh ? (uint64_t)s->rooms * s->room_size * (s->room_size - 1) / 2 : m->client_count;
    c->failed = c->planned - c->connected;
    run->turn_fallback.connections = share((double)(c->relay_udp + c->relay_tcp + c->relay_tls), (double)c->connected);
    run->turn_fallback.clients = share((double)relaying_clients, (double)run->clients_joined);
    run->turn_fallback.rooms = share((double)relaying_rooms, s->rooms);
}

static uint64_t streams_expected(const struct measurement *m)
{
    const struct scenario *s = m->scenario;
    uint64_t publishers = s->publishers == 0 ? s->room_size : s->publishers;
    uint64_t sharers =
        s->media.has_screen ? (s->media.screen_sharers < s->room_size ? s->media.screen_sharers : s->room_size) : 0;
    uint64_t kinds = (uint64_t)s->media.has_audio + s->media.has_video;
    return s->rooms * (publishers * kinds + sharers) * (s->room_size - 1);
}

void measurement_finish(struct measurement *m, nanos now, struct result_run *run)
{
    uint64_t encodings = 0;
    uint64_t senders = 0;
    for (size_t i = 0; i < m->client_count; i++) {
        struct client_measure *client = &m->clients[i];
        struct call *call;
        finish_client(m, client, now, run);
        for (size_t k = 0; client->participant != NULL && (call = participant_call(client->participant, k)) != NULL;
             k++)
            encodings += call_video_encodings(call);
        senders += client->let_in && client->profile->publishes;
    }
    run->media_seconds = nanos_to_s(m->scenario->duration);
    run->clients_planned = m->client_count;
    finish_connections(m, run);
    run->clients_failed = run->clients_planned - run->clients_joined;
    run->join_ms = result_summarize(&m->join, 1e6);
    run->latency_ms = result_summarize(&m->latency, 1e6);
    run->audio_latency_ms = result_summarize(&m->audio_latency, 1e6);
    run->video_latency_ms = result_summarize(&m->video_latency, 1e6);
    run->network_latency_ms = result_summarize(&m->network_latency, 1e6);
    run->client_up_kbps = result_summarize(&m->client_up, 1e3);
    run->client_down_kbps = result_summarize(&m->client_down, 1e3);
    run->video_kbps = result_summarize(&m->video_kbps, 1e3);
    run->video_height = result_summarize(&m->video_height, 1);
    run->video_fps = result_summarize(&m->video_fps, 1e3);
    run->loss.sent = m->packets_expected;
    run->loss.lost = m->packets_lost;
    run->loss.rate = share((double)m->packets_lost, (double)m->packets_expected);
    run->loss.after_repair = share((double)m->packets_lost_after_repair, (double)m->packets_expected);
    run->freeze.count = m->freezes;
    run->freeze.total_ms = nanos_to_ms(m->frozen);
    run->mos_audio = share(m->mos_audio_sum, (double)m->mos_audio_count);
    run->mos_video = share(m->mos_video_sum, (double)m->mos_video_count);
    run->encodings_per_client = share((double)encodings, (double)senders);
    run->streams_expected = streams_expected(m);
    run->streams_received = m->streams_received;
    run->data = m->data;
    run->data.planned = m->scenario->media.has_data;
    run->data.latency_ms = result_summarize(&m->data_latency, 1e6);
    run->data.files.bytes = (uint64_t)m->scenario->media.data_file;
    run->data.files.time_ms = result_summarize(&m->file_time, 1e6);
    run->errors = m->errors;
    memcpy(run->first_error, m->first_error, sizeof run->first_error);
    run->fault_count = m->fault_count;
    for (uint32_t i = 0; i < m->fault_count; i++) {
        run->faults[i] = m->faults[i];
        run->faults[i].media_gap_ms_p50 = histogram_quantile(&m->fault_gap[i], 0.5) / 1e6;
        run->faults[i].media_gap_ms_max = histogram_quantile(&m->fault_gap[i], 1) / 1e6;
    }
}
