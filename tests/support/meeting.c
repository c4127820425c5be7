#include "tests/support/meeting.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/suite.h"

#define BURST_BYTES 12000.0

static int number_of(const char *name) { return atoi(name + 1); }

struct sighting *meeting_seen(struct meeting *meeting, int viewer, int publisher, enum track_kind kind)
{
    return &meeting->people[viewer].seen[publisher][kind];
}

static struct sighting *sighting_of(struct person *person, const struct remote_track *track)
{
    return &person->seen[number_of(track->publisher)][track->kind];
}

/* --- what participants tell ----------------------------------------------------------------------------------------- */

static void on_state(void *user, struct participant *participant, struct call *call, enum transport_state state,
                     const char *reason, nanos now)
{
    (void)participant, (void)call, (void)reason, (void)now;
    ((struct person *)user)->connected += state == TRANSPORT_CONNECTED;
}

static void on_track(void *user, struct participant *participant, struct remote_track *track, nanos now)
{
    struct sighting *sighting = sighting_of(user, track);
    (void)participant;
    sighting->added++;
    sighting->added_at = now;
}

static void on_track_gone(void *user, struct participant *participant, struct remote_track *track, nanos now)
{
    (void)participant, (void)now;
    sighting_of(user, track)->removed++;
}

static void on_frame(void *user, struct participant *participant, struct remote_track *track,
                     const struct received_frame *frame, nanos now)
{
    struct sighting *sighting = sighting_of(user, track);
    (void)participant;
    if (sighting->frames == 0)
        sighting->first = now;
    else if (now - sighting->last > sighting->longest_gap)
        sighting->longest_gap = now - sighting->last;
    sighting->last = now;
    sighting->frames++;
    sighting->key_frames += frame->key;
    sighting->recovered += frame->recovered;
    sighting->height = track->height;
    sighting->nacks = (uint32_t)track->stream->nack.requested;
    double latency = nanos_to_ms(now - frame->captured);
    if (frame->has_trailer && latency > sighting->worst_latency_ms)
        sighting->worst_latency_ms = latency;
}

static void on_failed(void *user, struct participant *participant, const char *reason, nanos now)
{
    struct person *person = user;
    (void)participant, (void)now;
    snprintf(person->failure, sizeof person->failure, "%.199s", reason);
}

static void on_data(void *user, struct participant *participant, const struct data_report *report, nanos now)
{
    struct person *person = user;
    (void)participant;
    person->data.sent += report->type == DATA_REPORT_MESSAGE_SENT;
    person->data.received += report->type == DATA_REPORT_MESSAGE;
    person->data.files_sent += report->type == DATA_REPORT_FILE_SENT;
    person->data.closed += report->type == DATA_REPORT_CLOSED;
    person->data.damaged += report->type != DATA_REPORT_CLOSED && !report->intact;
    if (report->type == DATA_REPORT_FILE) {
        person->data.files++;
        person->data.file_at = now;
    }
}

static void on_told(void *user, struct participant *participant, const struct room_message *message, nanos now)
{
    struct person *person = user;
    (void)participant, (void)now;
    if (message->type == ROOM_SPEAKER) {
        snprintf(person->speaker, sizeof person->speaker, "%s", message->peer);
        person->speakers++;
    } else if (message->type == ROOM_MUTE) {
        snprintf(person->muted, sizeof person->muted, "%s %s %s", message->peer, message->track,
                 message->muted ? "off" : "on");
    }
}

static const struct participant_callbacks callbacks = {.call_state = on_state,
                                                       .track_added = on_track,
                                                       .track_removed = on_track_gone,
                                                       .frame = on_frame,
                                                       .data = on_data,
                                                       .told = on_told,
                                                       .failed = on_failed};

/* --- the network ---------------------------------------------------------------------------------------------------- */

static bool passes(struct meeting *meeting, struct narrowing *narrowing, size_t len, nanos now)
{
    if (narrowing->drop_percent > 0 && rng_below(&meeting->rng, 100) < narrowing->drop_percent)
        return false;
    if (narrowing->rate_bps == 0)
        return true;
    narrowing->tokens += (double)narrowing->rate_bps / 8 * nanos_to_s(now - narrowing->refilled);
    narrowing->refilled = now;
    if (narrowing->tokens > BURST_BYTES)
        narrowing->tokens = BURST_BYTES;
    if (narrowing->tokens < (double)len)
        return false;
    narrowing->tokens -= (double)len;
    return true;
}

static bool hook(void *user, struct datagram *datagram, nanos now)
{
    struct meeting *meeting = user;
    bool from_sfu = address_equal(&datagram->local, &meeting->sfu_address);
    const struct address *other = from_sfu ? &datagram->remote : &datagram->local;
    struct person *person = &meeting->people[other->ip[3]];
    if (meeting->spy != NULL && !meeting->spy(meeting, datagram, now))
        return false;
    if (other->ip[2] != 1 || person->meeting == NULL)
        return true;
    *(from_sfu ? &meeting->bytes_from_sfu : &meeting->bytes_to_sfu) += datagram->len;
    return !person->silenced && passes(meeting, from_sfu ? &person->down : &person->up, datagram->len, now);
}

/* --- the meeting ---------------------------------------------------------------------------------------------------- */

struct meeting *meeting_open(nanos delay)
{
    struct error error;
    struct meeting *meeting = calloc(1, sizeof *meeting);
    CU_ASSERT_PTR_NOT_NULL_FATAL(meeting);
    meeting->rng = rng_of(9, "meeting", 0);
    meeting->wire = wire_world_create(&(struct wire_world_config){.delay = delay});
    wire_world_set_hook(meeting->wire, hook, meeting);
    meeting->certificate = certificate_create(&(struct certificate_config){.not_before_unix_s = 1700000000}, &error);
    CU_ASSERT_TRUE(address_parse(&meeting->signalling_address, "5.0.0.9:8443"));
    CU_ASSERT_TRUE(address_parse(&meeting->sfu_address, "5.0.0.9:5000"));
    struct world_host *host = wire_world_host(meeting->wire, "5.0.0.9");
    const struct sfu_config sfu = {.host = host,
                                   .addresses = &meeting->sfu_address,
                                   .address_count = 1,
                                   .tcp = true,
                                   .certificate = meeting->certificate,
                                   .seed = 3,
                                   .ntp_origin = (uint64_t)3900000000 << 32};
    meeting->sfu = sfu_create(&sfu, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(meeting->sfu);
    const struct signalling_server_config signalling = {
        .host = host, .address = meeting->signalling_address, .sfu = meeting->sfu};
    meeting->signalling = signalling_server_create(&signalling, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(meeting->signalling);
    return meeting;
}

struct person *meeting_enter(struct meeting *meeting, int who, const char *room, unsigned media)
{
    struct error error;
    struct person *person = &meeting->people[who];
    char name[16];
    char address[16];
    snprintf(name, sizeof name, "p%d", who);
    snprintf(address, sizeof address, "5.0.1.%d", who);
    if (person->meeting == NULL) {
        person->host = wire_world_host(meeting->wire, address);
        person->seen = calloc(MEETING_PEOPLE_MAX, sizeof *person->seen);
    }
    CU_ASSERT_PTR_NOT_NULL_FATAL(person->seen);
    person->meeting = meeting;
    struct data_plan data = meeting->data;
    data.enabled = (media & MEETING_DATA) != 0;
    data.file_bytes = who == 0 ? data.file_bytes : 0;
    const struct participant_config config = {
        .host = person->host,
        .server = meeting->signalling_address,
        .room = room,
        .name = name,
        .shape = CALL_SFU,
        .plan = {.audio = (media & MEETING_AUDIO) != 0,
                 .video = (media & MEETING_VIDEO) != 0,
                 .screen = (media & MEETING_SCREEN) != 0,
                 .audio_bps = 32000,
                 .layers = {{180, 15, 150000}, {360, 30, 500000}, {720, 30, 1500000}},
                 .layer_count = (media & MEETING_SIMULCAST) != 0 ? 3 : 1,
                 .screen_bps = 500000,
                 .data = data},
        .conversation = {.people = 3},
        .number = (uint32_t)who,
        .certificate = meeting->certificate,
        .seed = (uint64_t)who + 1,
        .ntp_origin = (uint64_t)3900000000 << 32,
        .callbacks = &callbacks,
        .user = person,
    };
    person->participant = participant_create(&config, wire_world_now(meeting->wire), &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(person->participant);
    return person;
}

void meeting_leave(struct meeting *meeting, int who)
{
    participant_leave(meeting->people[who].participant, wire_world_now(meeting->wire));
    wire_world_run_for(meeting->wire, NANOS_PER_MS);
    meeting_vanish(meeting, who);
}

void meeting_vanish(struct meeting *meeting, int who)
{
    participant_destroy(meeting->people[who].participant);
    meeting->people[who].participant = NULL;
}

void meeting_run(struct meeting *meeting, nanos duration) { wire_world_run_for(meeting->wire, duration); }

void meeting_look_anew(struct meeting *meeting)
{
    for (int i = 0; i < MEETING_PEOPLE_MAX; i++) {
        for (int j = 0; j < MEETING_PEOPLE_MAX && meeting->people[i].seen != NULL; j++) {
            for (int kind = 0; kind < MEETING_KINDS; kind++) {
                meeting->people[i].seen[j][kind].longest_gap = 0;
                meeting->people[i].seen[j][kind].worst_latency_ms = 0;
            }
        }
    }
}

void meeting_close(struct meeting *meeting)
{
    for (int i = 0; i < MEETING_PEOPLE_MAX; i++) {
        participant_destroy(meeting->people[i].participant);
        free(meeting->people[i].seen);
    }
    signalling_server_destroy(meeting->signalling);
    sfu_destroy(meeting->sfu);
    wire_world_destroy(meeting->wire);
    certificate_destroy(meeting->certificate);
    free(meeting);
}
