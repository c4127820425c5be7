/* Synthetic participants in a room of `confab serve` on 127.0.0.1, who send clips (peer/clip.h), until standard input
 * ends:
 *
 *     people PORT ROOM HOW-MANY */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "peer/participant.h"
#include "world/live_world.h"

enum { PEOPLE_MAX = 32 };

static void die(const char *what, const char *why)
{
    fprintf(stderr, "people: %s: %s\n", what, why);
    exit(1);
}

static void on_failed(void *user, struct participant *participant, const char *reason, nanos now)
{
    (void)user, (void)now;
    fprintf(stderr, "people: %s: %s\n", participant_name(participant), reason);
}

static bool goes_on(void *user, nanos now)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    char byte;
    (void)user, (void)now;
    return poll(&input, 1, 0) == 0 || read(STDIN_FILENO, &byte, 1) > 0;
}

int main(int argc, char **argv)
{
    static const struct participant_callbacks callbacks = {.failed = on_failed};
    static const char *const names[] = {"red", "green", "blue", "yellow", "violet"};
    struct participant *people[PEOPLE_MAX];
    struct error error;
    uint32_t count = argc == 4 ? (uint32_t)strtoul(argv[3], NULL, 10) : 0;
    if (count < 1 || count > PEOPLE_MAX)
        die("usage", "people PORT ROOM HOW-MANY");
    struct live_world *live = live_world_create(&(struct live_world_config){.loopback_only = true}, &error);
    if (live == NULL)
        die("world", error.text);
    const struct address own = address_ipv4(127, 0, 0, 1, 0);
    struct world_host *host = live_world_add_host(
        live, &(struct live_host_config){.name = "people", .addresses = &own, .address_count = 1}, &error);
    struct certificate *certificate = certificate_create(
        &(struct certificate_config){.not_before_unix_s = live_world_unix_origin_s(live) - 3600}, &error);
    if (host == NULL || certificate == NULL)
        die("host", error.text);
    struct world *world = live_world_of(live);
    for (uint32_t i = 0; i < count; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s-%u", names[i % 5], i);
        const struct participant_config config = {
            .host = host,
            .server = address_ipv4(127, 0, 0, 1, (uint16_t)strtoul(argv[1], NULL, 10)),
            .room = argv[2],
            .name = name,
            .shape = CALL_SFU,
            .plan = {.audio = true,
                     .video = true,
                     .clips = true,
                     .audio_bps = 32000,
                     .layers = {{180, 15, 150000}, {360, 30, 500000}, {720, 30, 1700000}},
                     .layer_count = 3},
            .conversation = {.seed = 1, .people = count},
            .number = i,
            .certificate = certificate,
            .seed = 7 + i,
            .ntp_origin = live_world_ntp_origin(live),
            .callbacks = &callbacks,
        };
        people[i] = participant_create(&config, world_now(world), &error);
        if (people[i] == NULL)
            die("participant", error.text);
    }
    live_world_run_until(live, world_now(world) + 300 * NANOS_PER_S, 50 * NANOS_PER_MS, goes_on, NULL, &error);
    for (uint32_t i = 0; i < count; i++)
        participant_destroy(people[i]);
    live_world_destroy(live);
    certificate_destroy(certificate);
    return 0;
}
