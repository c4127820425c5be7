#include "tests/support/made_load.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/nanos.h"
#include "base/rng.h"
#include "report/load_result.h"
#include "report/threshold.h"
#include "report/verdict.h"

enum { ROOM_SIZE = 10, SECONDS = 60 };

/* Around `middle`, with a long tail above. */
static uint64_t draw(struct rng *rng, double middle) { return (uint64_t)(middle * exp(0.25 * rng_normal(rng)) * 1e6); }

static void count_path(struct result_run *run, struct load_client *client, uint32_t number)
{
    static const char *const paths[] = {"host", "srflx", "srflx", "srflx", "prflx", "relay-udp", "relay-tcp"};
    struct result_connections *c = &run->connections;
    uint64_t *const counts[] = {&c->host, &c->srflx, &c->srflx, &c->srflx, &c->prflx, &c->relay_udp, &c->relay_tcp};
    snprintf(client->path, sizeof client->path, "%s", paths[number % 7]);
    ++*counts[number % 7];
    c->connected++;
    run->load->clients_relayed += number % 7 >= 5;
}

static void join(struct result_run *run, struct load_client *client, struct rng *rng, uint32_t second)
{
    struct load_sample sample = {.joins = 1};
    uint64_t at = 0;
    static const double steps[LOAD_STAGES] = {40, 60, 30, 20, 90};
    for (int stage = 0; stage < LOAD_STAGES; stage++) {
        at += draw(rng, steps[stage]);
        histogram_record(&run->load->figures[stage], at);
        if (stage == LOAD_DTLS) {
            histogram_record(&run->load->figures[LOAD_JOIN], at);
            client->join_ms = (double)at / 1e6;
        }
    }
    run->clients_joined++;
    run->load->series.samples[second].joins += sample.joins;
}

/* A second of a client in the call: 20 frames each of audio and video. */
static void live(struct result_run *run, struct load_client *client, struct rng *rng, uint32_t second)
{
    struct load_sample *sample = &run->load->series.samples[second];
    sample->clients++;
    sample->bytes_up += 70000;
    sample->bytes_down += 9 * 68000;
    sample->packets_expected += 9 * 80;
    run->loss.sent += 9 * 80;
    if (rng_unit(rng) < 0.1) {
        run->loss.lost += 3;
        sample->packets_lost += 3;
        run->load->packets_lost_after_repair++;
    }
    for (int frame = 0; frame < 40; frame++) {
        uint64_t latency = draw(rng, 45 + 20 * sin(second / 9.0));
        histogram_record(&run->load->figures[LOAD_LATENCY], latency);
        histogram_record(&run->load->figures[frame % 2 == 0 ? LOAD_AUDIO_LATENCY : LOAD_VIDEO_LATENCY], latency);
        load_sample_latency(sample, latency, 1);
        client->latency_ms_p95 = fmax(client->latency_ms_p95, (double)latency / 1e6);
    }
}

static void add_client(struct result_run *run, uint32_t number, uint32_t clients)
{
    static const char *const nats[] = {"home", "open", "symmetric", "udp-blocked"};
    struct load_client client = {.tracks_expected = 18, .tracks_got = 18, .watched_ms = 30000};
    uint32_t second = number * (SECONDS / 2) / clients;
    struct rng rng = rng_of(1, "client", number);
    snprintf(client.name, sizeof client.name, "room%u/%u", number / ROOM_SIZE + 1, number % ROOM_SIZE + 1);
    snprintf(client.nat, sizeof client.nat, "%s", nats[number % 4]);
    snprintf(client.access, sizeof client.access, "cable");
    run->clients_planned++;
    run->connections.planned++;
    run->load->joins_planned++;
    run->streams_expected += client.tracks_expected;
    if (number % 50 == 49) {
        const char *class = number % 100 == 49 ? "full" : "ice";
        run->clients_failed++;
        run->connections.failed++;
        run->load->series.samples[second].failures++;
        client.tracks_got = 0;
        snprintf(client.why, sizeof client.why, "%s", class);
        load_result_fail(run->load, class, class[0] == 'f' ? "the room has 10 of 10 publishers" : "no pair answered");
    } else {
        count_path(run, &client, number);
        join(run, &client, &rng, second);
        for (uint32_t s = second; s < SECONDS; s++)
            live(run, &client, &rng, s);
        client.frozen_ms = number % 30 == 7 ? 1500 : 0;
        client.loss = number % 9 == 8 ? 0.01 : 0;
        run->streams_received += client.tracks_got;
        histogram_record(&run->load->figures[LOAD_CLIENT_UP], draw(&rng, 0.55));
        histogram_record(&run->load->figures[LOAD_CLIENT_DOWN], draw(&rng, 4.9));
        histogram_record(&run->load->figures[LOAD_VIDEO_RATE], draw(&rng, 0.5));
        histogram_record(&run->load->figures[LOAD_VIDEO_HEIGHT], number % 2 == 0 ? 360 : 180);
        histogram_record(&run->load->figures[LOAD_VIDEO_FPS], 29500);
        run->load->mos_audio_sum += 4.25;
        run->load->mos_audio_count++;
    }
    load_result_judge(run->load, &client);
}

void made_load(struct result *result, uint32_t clients, uint32_t index, uint32_t count)
{
    *result = (struct result){.seed = 1, .scenario = "made", .world = "live"};
    result->runs = calloc(1, sizeof *result->runs);
    result->thresholds = calloc(2, sizeof *result->thresholds);
    result->run_count = 1;
    struct result_run *run = &result->runs[0];
    struct load_result *load = run->load = load_result_create();
    snprintf(run->topology, sizeof run->topology, "load");
    snprintf(load->server, sizeof load->server, "janus+ws://127.0.0.1:8188/");
    snprintf(load->adapter, sizeof load->adapter, "janus");
    load->shard_index = index;
    load->shard_count = count;
    run->room_size = ROOM_SIZE;
    run->rooms = (clients + ROOM_SIZE - 1) / ROOM_SIZE;
    run->media_seconds = SECONDS / 2.0;
    load->series.count = SECONDS;
    for (uint32_t room = index - 1; room * ROOM_SIZE < clients; room += count) {
        load->rooms_relayed++;
        for (uint32_t i = 0; i < ROOM_SIZE && room * ROOM_SIZE + i < clients; i++)
            add_client(run, room * ROOM_SIZE + i, clients);
    }
    for (uint32_t s = 0; s < SECONDS; s++) {
        load->series.samples[s].seconds = 1;
        load->series.samples[s].cpu = 0.05 + 0.6 * (s < 30 ? s / 30.0 : 1);
        load->series.samples[s].lag_ms = 1 + s % 7;
    }
    load->clients_peak = run->clients_joined;
    load->memory_bytes = run->clients_joined * 150000;
    load->cpu_seconds = (double)run->clients_joined * 0.06;
    load->seconds = SECONDS;
    result->generator.cpu = 0.65;
    result->generator.max_lag_ms = 7;
    load_result_sum_up(run);
    result->thresholds[result->threshold_count++] = threshold_apply("load.latency_ms.p95 < 250", result);
    result->thresholds[result->threshold_count++] = threshold_apply("load.funnel.first_frame.p95 < 200", result);
    verdict_write(result);
}
