#include "peer/participant.h"

#include <stdio.h>
#include <string.h>

#include "sfu/signalling_server.h"
#include "tests/support/suite.h"
#include "tests/support/wire_world.h"

enum { PEOPLE_MAX = 4 };

struct person {
    struct participant *participant;
    uint32_t connected, frames[3], tracks, removed;
    double worst_latency_ms;
    char failure[120];
};

struct meeting {
    struct wire_world *wire;
    struct certificate *certificate;
    struct world_host *server_hosts[2];
    struct signalling_server *servers[2]; /* the second only where asked for */
    struct address addresses[2];
    struct person people[PEOPLE_MAX];
    uint64_t seed;
};

static void on_state(void *user, struct participant *participant, struct call *call, enum transport_state state,
                     const char *reason, nanos now)
{
    struct person *person = user;
    (void)participant, (void)call, (void)reason, (void)now;
    person->connected += state == TRANSPORT_CONNECTED;
}

static void on_track(void *user, struct participant *participant, struct remote_track *track, nanos now)
{
    (void)participant, (void)track, (void)now;
    ((struct person *)user)->tracks++;
}

static void on_track_gone(void *user, struct participant *participant, struct remote_track *track, nanos now)
{
    (void)participant, (void)track, (void)now;
    ((struct person *)user)->removed++;
}

static void on_frame(void *user, struct participant *participant, struct remote_track *track,
                     const struct received_frame *frame, nanos now)
{
    struct person *person = user;
    (void)participant;
    double latency = nanos_to_ms(now - frame->captured);
    person->frames[track->kind]++;
    if (frame->has_trailer && latency > person->worst_latency_ms)
        person->worst_latency_ms = latency;
}

static void on_failed(void *user, struct participant *participant, const char *reason, nanos now)
{
    (void)participant, (void)now;
    snprintf(((struct person *)user)->failure, sizeof((struct person *)0)->failure, "%s", reason);
}

static const struct participant_callbacks callbacks = {.call_state = on_state,
                                                       .track_added = on_track,
                                                       .track_removed = on_track_gone,
                                                       .frame = on_frame,
                                                       .failed = on_failed};

static void start_server(struct meeting *meeting, int which)
{
    struct error error;
    const struct signalling_server_config config = {
        .host = meeting->server_hosts[which],
        .address = meeting->addresses[which],
        .ice_servers = {{.url = "stun:5.0.0.9:3478"}},
        .ice_server_count = 1,
    };
    meeting->servers[which] = signalling_server_create(&config, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(meeting->servers[which]);
}

static void stop_server(struct meeting *meeting, int which)
{
    signalling_server_destroy(meeting->servers[which]);
    meeting->servers[which] = NULL;
}

static struct meeting *open_meeting(void)
{
    static struct meeting meeting;
    struct error error;
    memset(&meeting, 0, sizeof meeting);
    meeting.wire = wire_world_create(&(struct wire_world_config){.delay = 15 * NANOS_PER_MS});
    meeting.certificate = certificate_create(&(struct certificate_config){.not_before_unix_s = 1700000000}, &error);
    CU_ASSERT_TRUE(address_parse(&meeting.addresses[0], "5.0.0.9:8443"));
    CU_ASSERT_TRUE(address_parse(&meeting.addresses[1], "5.0.0.10:8443"));
    meeting.server_hosts[0] = wire_world_host(meeting.wire, "5.0.0.9");
    meeting.server_hosts[1] = wire_world_host(meeting.wire, "5.0.0.10");
    start_server(&meeting, 0);
    return &meeting;
}

static void enter(struct meeting *meeting, int who, const char *room, bool screen)
{
    struct error error;
    char name[16];
    char address[16];
    snprintf(name, sizeof name, "p%d", who);
    snprintf(address, sizeof address, "5.0.1.%d", who + 1);
    const struct participant_config config = {
        .host = wire_world_host(meeting->wire, address),
        .server = meeting->addresses[0],
        .meeting_places = meeting->addresses,
        .meeting_place_count = 2,
        .room = room,
        .name = name,
        .shape = CALL_MESH,
        .plan = {.audio = true,
                 .video = true,
                 .screen = screen,
                 .audio_bps = 32000,
                 .layers = {{180, 15, 150000}, {360, 30, 500000}},
                 .layer_count = 2,
                 .screen_bps = 500000},
        .room_has_screen = true,
        .conversation = {.people = 3},
        .number = (uint32_t)who,
        .certificate = meeting->certificate,
        .seed = ++meeting->seed,
        .callbacks = &callbacks,
        .user = &meeting->people[who],
    };
    meeting->people[who].participant = participant_create(&config, wire_world_now(meeting->wire), &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(meeting->people[who].participant);
}

static void close_meeting(struct meeting *meeting)
{
    for (int i = 0; i < PEOPLE_MAX; i++)
        participant_destroy(meeting->people[i].participant);
    stop_server(meeting, 0);
    stop_server(meeting, 1);
    wire_world_destroy(meeting->wire);
    certificate_destroy(meeting->certificate);
}

static void everyone_sees_everyone_in_a_mesh(void)
{
    struct meeting *meeting = open_meeting();
    for (int i = 0; i < 3; i++) {
        enter(meeting, i, "room", i == 1);
        wire_world_run_for(meeting->wire, NANOS_PER_S / 2);
    }
    wire_world_run_for(meeting->wire, 8 * NANOS_PER_S);
    for (int i = 0; i < 3; i++) {
        const struct person *person = &meeting->people[i];
        CU_ASSERT_EQUAL(person->connected, 2);
        CU_ASSERT_STRING_EQUAL(person->failure, "");
        CU_ASSERT_EQUAL(person->tracks, i == 1 ? 4 : 5);
        /* 50 packets of audio a second and at least 15 frames of video, of two others, for about seven seconds. */
        CU_ASSERT_TRUE(person->frames[TRACK_AUDIO] > 2 * 50 * 7);
        CU_ASSERT_TRUE(person->frames[TRACK_VIDEO] > 2 * 15 * 6);
        CU_ASSERT_TRUE(i == 1 ? person->frames[TRACK_SCREEN] == 0 : person->frames[TRACK_SCREEN] > 10);
        CU_ASSERT_TRUE(person->worst_latency_ms >= 15 && person->worst_latency_ms < 1500);
        CU_ASSERT_PTR_NOT_NULL(participant_call(person->participant, 1));
    }
    /* One says goodbye; the others notice. */
    participant_leave(meeting->people[2].participant, wire_world_now(meeting->wire));
    wire_world_run_for(meeting->wire, NANOS_PER_S);
    CU_ASSERT_PTR_NULL(participant_call(meeting->people[0].participant, 1));
    CU_ASSERT_EQUAL(meeting->people[0].removed, 2);
    close_meeting(meeting);
}

static void rooms_are_apart_and_names_are_taken_once(void)
{
    struct meeting *meeting = open_meeting();
    enter(meeting, 0, "red", false);
    enter(meeting, 1, "blue", false);
    wire_world_run_for(meeting->wire, 2 * NANOS_PER_S);
    CU_ASSERT_PTR_NULL(participant_call(meeting->people[0].participant, 0));
    CU_ASSERT_PTR_NULL(participant_call(meeting->people[1].participant, 0));
    struct error error;
    const struct participant_config twin = {.host = wire_world_host(meeting->wire, "5.0.2.1"),
                                            .server = meeting->addresses[0],
                                            .room = "red",
                                            .name = "p0",
                                            .certificate = meeting->certificate,
                                            .callbacks = &callbacks,
                                            .user = &meeting->people[2]};
    meeting->people[2].participant = participant_create(&twin, wire_world_now(meeting->wire), &error);
    wire_world_run_for(meeting->wire, NANOS_PER_S);
    CU_ASSERT_STRING_EQUAL(meeting->people[2].failure, "someone of that name is in the room");
    close_meeting(meeting);
}

/* Everyone of the first `count` has so many calls, that stand, and hears something. */
static void check_all(struct meeting *meeting, int count, uint32_t connected_so_far)
{
    uint32_t frames[PEOPLE_MAX];
    for (int i = 0; i < count; i++)
        frames[i] = meeting->people[i].frames[TRACK_AUDIO];
    wire_world_run_for(meeting->wire, NANOS_PER_S);
    for (int i = 0; i < count; i++) {
        const struct person *person = &meeting->people[i];
        CU_ASSERT_STRING_EQUAL(person->failure, "");
        CU_ASSERT_EQUAL(person->connected, connected_so_far);
        CU_ASSERT_EQUAL(person->removed, 0);
        CU_ASSERT_TRUE(person->frames[TRACK_AUDIO] - frames[i] >= 48 * ((uint32_t)count - 1));
        CU_ASSERT_PTR_NOT_NULL(participant_call(person->participant, (size_t)count - 2));
        CU_ASSERT_PTR_NULL(participant_call(person->participant, (size_t)count - 1));
    }
}

/* The server of a mesh goes and comes back: calls go on meanwhile, all the same ones, and who comes later finds everyone. */
static void a_mesh_outlives_its_server(void)
{
    struct meeting *meeting = open_meeting();
    for (int i = 0; i < 3; i++)
        enter(meeting, i, "room", false);
    wire_world_run_for(meeting->wire, 5 * NANOS_PER_S);
    check_all(meeting, 3, 2);
    stop_server(meeting, 0);
    wire_world_run_for(meeting->wire, 5 * NANOS_PER_S);
    check_all(meeting, 3, 2);
    for (int i = 0; i < 3; i++)
        CU_ASSERT_PTR_NOT_NULL(participant_trouble(meeting->people[i].participant));
    start_server(meeting, 0);
    wire_world_run_for(meeting->wire, 20 * NANOS_PER_S);
    for (int i = 0; i < 3; i++)
        CU_ASSERT_PTR_NULL(participant_trouble(meeting->people[i].participant));
    check_all(meeting, 3, 2);
    enter(meeting, 3, "room", false);
    wire_world_run_for(meeting->wire, 5 * NANOS_PER_S);
    check_all(meeting, 4, 3);
    close_meeting(meeting);
}

/* The room goes on at another server. When the first is back, someone new comes there; the others follow. */
static void a_room_does_not_stay_split(void)
{
    struct meeting *meeting = open_meeting();
    bool sfu;
    start_server(meeting, 1);
    for (int i = 0; i < 3; i++)
        enter(meeting, i, "room", false);
    wire_world_run_for(meeting->wire, 5 * NANOS_PER_S);
    stop_server(meeting, 0);
    wire_world_run_for(meeting->wire, 15 * NANOS_PER_S);
    CU_ASSERT_EQUAL(signalling_server_room(meeting->servers[1], "room", &sfu), 3);
    check_all(meeting, 3, 2);
    start_server(meeting, 0);
    enter(meeting, 3, "room", false);
    wire_world_run_for(meeting->wire, 20 * NANOS_PER_S);
    CU_ASSERT_EQUAL(signalling_server_room(meeting->servers[0], "room", &sfu), 4);
    CU_ASSERT_EQUAL(signalling_server_room(meeting->servers[1], "room", &sfu), 0);
    check_all(meeting, 4, 3);
    close_meeting(meeting);
}

/* Who is gone without a word is dropped as soon as its call is silent; who was away so long and comes back, under the same
 * name, is called anew. */
static void who_comes_back_is_called_anew(void)
{
    struct meeting *meeting = open_meeting();
    enter(meeting, 0, "room", false);
    enter(meeting, 1, "room", false);
    wire_world_run_for(meeting->wire, 3 * NANOS_PER_S);
    participant_destroy(meeting->people[1].participant);
    wire_world_run_for(meeting->wire, NANOS_PER_S);
    CU_ASSERT_PTR_NOT_NULL(participant_call(meeting->people[0].participant, 0));
    CU_ASSERT_EQUAL(meeting->people[0].removed, 0);
    /* Back at once, before the other has noticed anything: its new offer takes the place of the old call. */
    enter(meeting, 1, "room", false);
    wire_world_run_for(meeting->wire, 3 * NANOS_PER_S);
    CU_ASSERT_EQUAL(meeting->people[0].connected, 2);
    CU_ASSERT_EQUAL(meeting->people[0].removed, 2);
    CU_ASSERT_PTR_NULL(participant_call(meeting->people[0].participant, 1));
    participant_destroy(meeting->people[1].participant);
    meeting->people[1].participant = NULL;
    wire_world_run_for(meeting->wire, 15 * NANOS_PER_S);
    CU_ASSERT_PTR_NULL(participant_call(meeting->people[0].participant, 0));
    CU_ASSERT_EQUAL(meeting->people[0].removed, 4);
    CU_ASSERT_STRING_EQUAL(meeting->people[0].failure, "");
    close_meeting(meeting);
}

void participant_test(void)
{
    SUITE("participant", {"everyone sees everyone in a mesh", everyone_sees_everyone_in_a_mesh},
          {"rooms are apart and names are taken once", rooms_are_apart_and_names_are_taken_once},
          {"a mesh outlives its server", a_mesh_outlives_its_server},
          {"a room does not stay split", a_room_does_not_stay_split},
          {"who comes back is called anew", who_comes_back_is_called_anew});
}
