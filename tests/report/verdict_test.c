#include "report/verdict.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/suite.h"

/* Four participants in each of five rooms, all well. */
static struct result_run run_of(const char *topology, uint32_t size)
{
    bool mesh = strcmp(topology, "mesh") == 0;
    struct result_run run = {.rooms = 5,
                             .room_size = size,
                             .media_seconds = 60,
                             .clients_planned = 5u * size,
                             .clients_joined = 5u * size,
                             .latency_ms = {.count = 1000, .p95 = mesh ? 130 : 115},
                             .video_kbps = {.count = 100, .mean = mesh ? 1200 : 1100},
                             .mos_audio = mesh ? 4.2 : 4.3,
                             .streams_expected = 100,
                             .streams_received = 100};
    snprintf(run.topology, sizeof run.topology, "%s", topology);
    return run;
}

static struct result_run swept(struct result_run run, const char *sweep)
{
    snprintf(run.sweep, sizeof run.sweep, "%s", sweep);
    return run;
}

/* Video takes as long as the freezes say, in a minute each. */
static struct result_run frozen(struct result_run run, double s_per_minute)
{
    run.freeze.total_ms = s_per_minute * 1e3 * (double)run.video_kbps.count;
    return run;
}

static struct result_run priced(struct result_run run, double per_hour, double relayed)
{
    run.cost.per_hour = per_hour;
    run.turn_fallback.connections = relayed;
    return run;
}

static struct result_run audio_only(struct result_run run)
{
    run.video_kbps = (struct result_summary){0};
    return run;
}

/* No media: messages, and a file that takes so long. */
static struct result_run data_only(struct result_run run, uint64_t intact, double file_s)
{
    run = audio_only(run);
    run.mos_audio = 0;
    run.latency_ms = (struct result_summary){0};
    run.streams_expected = run.streams_received = 0;
    run.data = (struct result_data){
        .planned = true, .sent = 100, .expected = 100, .received = 100, .latency_ms = {.count = 100, .p50 = 40}};
    run.data.files.expected = 10;
    run.data.files.intact = intact;
    run.data.files.time_ms = (struct result_summary){.count = intact, .p50 = file_s * 1e3};
    return run;
}

static struct result_run hit(struct result_run run, uint64_t clients, uint64_t recovered, double gap_ms)
{
    run.faults[run.fault_count++] = (struct result_fault){.what = "sfu-1 killed",
                                                          .at_s = 8,
                                                          .clients_hit = clients,
                                                          .clients_recovered = recovered,
                                                          .media_gap_ms_p50 = gap_ms};
    return run;
}

static struct result_run joined(struct result_run run, uint64_t clients, const char *why)
{
    run.clients_joined = clients;
    if (clients == 0) {
        run.latency_ms = run.video_kbps = (struct result_summary){0};
        run.mos_audio = 0;
        run.streams_received = 0;
    }
    snprintf(run.first_error, sizeof run.first_error, "%s", why);
    return run;
}

static void says(const char *expected, struct result_run *runs, size_t count)
{
    struct result result = {.runs = runs, .run_count = count};
    verdict_write(&result);
    CU_ASSERT_STRING_EQUAL(result.verdict, expected);
    if (strcmp(result.verdict, expected) != 0)
        printf("\n    %s\n    %s\n", result.verdict, expected);
}

#define SAYS(expected, ...)                                                                                            \
    says(expected, (struct result_run[]){__VA_ARGS__},                                                                 \
         sizeof((struct result_run[]){__VA_ARGS__}) / sizeof(struct result_run))
#define MESH(size) run_of("mesh", size)
#define SFU(size) run_of("sfu", size)

static void one_size(void)
{
    SAYS(
        "Mesh is the better choice here with 4 participants: as good as the SFU (video 1200 against 1100 kbit/s, latency "
        "p95 130 against 115 ms) without an SFU.",
        MESH(4), SFU(4));
    SAYS(
        "Mesh is the better choice here with 4 participants: as good as the SFU (audio MOS 4.2 against 4.3, latency p95 "
        "130 against 115 ms) without an SFU.",
        audio_only(MESH(4)), audio_only(SFU(4)));
    SAYS("Choose the SFU here with 4 participants: in a mesh video freezes 9.0 s a minute, against 2.0.",
         frozen(MESH(4), 9), frozen(SFU(4), 2));
    SAYS("Mesh is the better choice here with 4 participants: at the SFU video freezes 9.0 s a minute, against 2.0.",
         frozen(MESH(4), 2), frozen(SFU(4), 9));
    struct result_run late = MESH(4);
    late.latency_ms.p95 = 900;
    SAYS("Choose the SFU here with 4 participants: in a mesh the latency's p95 is 900 ms, against 115.", late, SFU(4));
    struct result_run garbled = audio_only(MESH(4));
    garbled.mos_audio = 3.1;
    SAYS("Choose the SFU here with 4 participants: in a mesh the audio's MOS is 3.1, against 4.3.", garbled,
         audio_only(SFU(4)));
    struct result_run thin = MESH(4);
    thin.video_kbps.mean = 300;
    SAYS(
        "Neither is the better choice here with 4 participants: in a mesh each video gets 300 kbit/s, against 1100, at "
        "the SFU video freezes 9.0 s a minute, against 0.0.",
        thin, frozen(SFU(4), 9));
    SAYS(
        "Mesh is the better choice here with 4 participants: as good as the SFU (a file in 4.0 against 5.0 s) without an "
        "SFU.",
        data_only(MESH(4), 10, 4), data_only(SFU(4), 10, 5));
    SAYS("Choose the SFU here with 4 participants: in a mesh a file takes 9.0 s, against 5.0.",
         data_only(MESH(4), 10, 9), data_only(SFU(4), 10, 5));
    SAYS("Choose the SFU here with 4 participants: in a mesh 50 % of the files arrive in time, against 100 %.",
         data_only(MESH(4), 5, 4), data_only(SFU(4), 10, 5));
    struct result_run deaf = MESH(4);
    deaf.streams_received = 90;
    SAYS("Choose the SFU here with 4 participants: in a mesh 10 % of the media never arrive, against 0 %.", deaf,
         SFU(4));
}

static void money(void)
{
    SAYS(
        "Mesh is the better choice here with 2 participants: as good as the SFU (video 1200 against 1100 kbit/s, latency "
        "p95 130 against 115 ms) at 0.25 against 0.72 an hour, TURN for 20 % of its connections included.",
        priced(MESH(2), 0.25, 0.2), priced(SFU(2), 0.72, 0.05));
    SAYS(
        "Mesh is the better choice here with 2 participants: as good as the SFU (video 1200 against 1100 kbit/s, latency "
        "p95 130 against 115 ms) without an SFU, TURN for 20 % of its connections still needed.",
        priced(MESH(2), 0, 0.2), priced(SFU(2), 0, 0.05));
    /* All of a mesh through TURN may cost more than an SFU. */
    SAYS(
        "Choose the SFU here with 2 participants: as good as the mesh (video 1100 against 1200 kbit/s, latency p95 115 "
        "against 130 ms) at 0.72 against 1.25 an hour.",
        priced(MESH(2), 1.25, 1), priced(SFU(2), 0.72, 0));
}

static void sweeps(void)
{
    static const char *const sizes[] = {"rooms.size=2", "rooms.size=4", "rooms.size=6"};
    SAYS(
        "Mesh is the better choice here up to 4 participants: as good as the SFU (video 1200 against 1100 kbit/s, latency "
        "p95 130 against 115 ms) without an SFU; from 6 on choose the SFU: in a mesh video freezes 5.0 s a minute, "
        "against 0.0.",
        swept(MESH(2), sizes[0]), swept(SFU(2), sizes[0]), swept(MESH(4), sizes[1]), swept(SFU(4), sizes[1]),
        frozen(swept(MESH(6), sizes[2]), 5), swept(SFU(6), sizes[2]));
    SAYS(
        "Mesh is the better choice here at every size tried, up to 4 participants: as good as the SFU (video 1200 against "
        "1100 kbit/s, latency p95 130 against 115 ms) without an SFU.",
        swept(MESH(2), sizes[0]), swept(SFU(2), sizes[0]), swept(MESH(4), sizes[1]), swept(SFU(4), sizes[1]));
    SAYS(
        "Choose the SFU here at every size tried, from 2 participants on: in a mesh video freezes 5.0 s a minute, against "
        "0.0.",
        frozen(swept(MESH(2), sizes[0]), 5), swept(SFU(2), sizes[0]), frozen(swept(MESH(4), sizes[1]), 8),
        swept(SFU(4), sizes[1]));
    SAYS("Mesh is the better choice here with every value tried: as good as the SFU (video 1200 against 1100 kbit/s, "
         "latency p95 130 against 115 ms) without an SFU.",
         swept(MESH(4), "seed=1"), swept(SFU(4), "seed=1"), swept(MESH(4), "seed=2"), swept(SFU(4), "seed=2"));
    SAYS(
        "Mesh is the better choice here with core=1: as good as the SFU (video 1200 against 1100 kbit/s, latency p95 130 "
        "against 115 ms) without an SFU; with core=2 choose the SFU: in a mesh video freezes 5.0 s a minute, against "
        "0.0.",
        swept(MESH(4), "core=1"), swept(SFU(4), "core=1"), frozen(swept(MESH(4), "core=2"), 5),
        swept(SFU(4), "core=2"));
}

static void faults(void)
{
    SAYS(
        "Mesh is the better choice here with 4 participants: at the SFU video freezes 9.0 s a minute, against 0.0; with "
        "sfu-1 killed at 8.0 s nobody in the mesh lost media and 16 of 20 clients at the SFU lost their media for good.",
        MESH(4), hit(frozen(SFU(4), 9), 16, 0, 0));
    SAYS(
        "Mesh is the better choice here with 4 participants: as good as the SFU (video 1200 against 1100 kbit/s, latency "
        "p95 130 against 115 ms) without an SFU; with sfu-1 killed at 8.0 s nobody in the mesh lost media and 16 of 20 "
        "clients at the SFU lost their media for 2.9 s.",
        MESH(4), hit(SFU(4), 16, 16, 2900));
    SAYS(
        "At the SFU with 4 participants everyone joins; each video gets 1100 kbit/s and freezes 0.0 s a minute, latency "
        "p95 115 ms; with sfu-1 killed at 8.0 s 16 of 20 clients at the SFU lost their media, 4 of them for good.",
        hit(SFU(4), 16, 12, 2900));
}

static void not_everyone(void)
{
    SAYS("Nobody can join here with 4 participants (room1/1: no way out).", joined(MESH(4), 0, "room1/1: no way out"),
         joined(SFU(4), 0, "room1/1: no way out"));
    SAYS("Choose the SFU here with 4 participants: in a mesh 20 of 20 clients fail to join, against 0.",
         joined(MESH(4), 0, ""), SFU(4));
    SAYS("Mesh is the better choice here with 4 participants: at the SFU 3 of 20 clients fail to join, against 0.",
         MESH(4), joined(SFU(4), 17, ""));
    SAYS("In a mesh with 4 participants nobody joins (room1/1: no way out).",
         joined(MESH(4), 0, "room1/1: no way out"));
}

static void one_topology(void)
{
    SAYS(
        "At the SFU with 26 participants everyone joins; each video gets 1100 kbit/s and freezes 0.4 s a minute, latency "
        "p95 115 ms, TURN relays 5 % of the connections, at 0.70 an hour.",
        priced(frozen(SFU(26), 0.4), 0.7, 0.05));
    SAYS("In a mesh with 4 participants 17 of 20 clients join; the audio's MOS is 4.2, latency p95 130 ms.",
         joined(audio_only(MESH(4)), 17, ""));
    SAYS(
        "In a mesh with 4 participants everyone joins; each video gets 1200 kbit/s (1200 with rooms.size=2) and freezes "
        "5.0 s a minute, latency p95 130 ms.",
        swept(MESH(2), "rooms.size=2"), frozen(swept(MESH(4), "rooms.size=4"), 5));
}

static void nothing_to_say(void)
{
    says("", NULL, 0);
    struct result_run matrix = MESH(2);
    matrix.matrix.count = 27;
    SAYS("", matrix);
}

void verdict_test(void)
{
    SUITE("verdict", {"one size", one_size}, {"money", money}, {"sweeps", sweeps}, {"faults", faults},
          {"not everyone", not_everyone}, {"one topology", one_topology}, {"nothing to say", nothing_to_say});
}
