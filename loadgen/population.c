#include "loadgen/population.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "loadgen/nat_matrix.h"
#include "loadgen/presets.h"

static const char *draw_name(const struct scenario_weights *weights, struct rng *rng)
{
    double values[SCENARIO_WEIGHTS_MAX];
    for (size_t i = 0; i < weights->count; i++)
        values[i] = weights->entries[i].weight;
    return weights->entries[rng_weighted(rng, values, weights->count)].name;
}

static void take_nat(struct client_profile *client, const struct scenario *scenario, const char *name, struct rng *rng)
{
    struct nat_preset room;
    const struct nat_preset *preset = presets_nat(scenario, name, &room);
    preset = nat_preset_draw(preset, rng);
    client->nat = name;
    client->nat_count = preset->count;
    memcpy(client->nats, preset->nats, sizeof client->nats);
}

static int draw_site(const struct scenario *scenario, struct rng *rng)
{
    if (scenario->sites.count == 0)
        return 0;
    if (scenario->site.count == 0)
        return (int)rng_below(rng, scenario->sites.count);
    const char *name = draw_name(&scenario->site, rng);
    for (size_t i = 0; i < scenario->sites.count; i++) {
        if (strcmp(scenario->sites.names[i], name) == 0)
            return (int)i;
    }
    return 0;
}

static const char *matrix_nat(const struct scenario *scenario, uint32_t room, uint32_t number)
{
    uint32_t row, column;
    nat_matrix_pair((uint32_t)scenario->matrix_count, room, &row, &column);
    return scenario->matrix[number == 0 ? row : column];
}

bool population_draw(struct population *population, const struct scenario *scenario, struct error *error)
{
    size_t count = (size_t)scenario->rooms * scenario->room_size;
    population->clients = calloc(count, sizeof *population->clients);
    population->count = count;
    if (population->clients == NULL)
        return error_set(error, ERROR_SYSTEM, "out of memory for %zu clients", count);
    for (size_t i = 0; i < count; i++) {
        struct client_profile *client = &population->clients[i];
        /* A stream for each client and purpose: one more client, or another access mix, leaves the rest as it was. */
        struct rng nat = rng_of(scenario->seed, "population nat", i);
        struct rng access = rng_of(scenario->seed, "population access", i);
        struct rng site = rng_of(scenario->seed, "population site", i);
        struct rng ipv6 = rng_of(scenario->seed, "population ipv6", i);
        struct rng join = rng_of(scenario->seed, "population join", i);
        client->room = (uint32_t)(i / scenario->room_size);
        client->number = (uint32_t)(i % scenario->room_size);
        snprintf(client->name, sizeof client->name, "room%u/%u", client->room + 1, client->number + 1);
        const char *name = scenario->matrix_count > 0 ? matrix_nat(scenario, client->room, client->number)
                                                      : draw_name(&scenario->nat, &nat);
        take_nat(client, scenario, name, &nat);
        client->access = presets_access(scenario, draw_name(&scenario->access, &access));
        client->site = draw_site(scenario, &site);
        client->ipv6 = rng_unit(&ipv6) < scenario->ipv6;
        client->publishes = scenario->publishers == 0 || client->number < scenario->publishers;
        client->shares_screen = scenario->media.has_screen && client->number < scenario->media.screen_sharers;
        client->joins_at = scenario->join_spread > 0 ? (nanos)rng_below(&join, (uint64_t)scenario->join_spread) : 0;
    }
    return true;
}

void population_clear(struct population *population)
{
    free(population->clients);
    memset(population, 0, sizeof *population);
}

/* --- what they send ---------------------------------------------------------------------------------------------------- */

/* Messages begin when everyone should be there, and end before the call does, so that all can arrive. */
#define DATA_MARGIN NANOS_PER_S

static struct data_plan data_plan_of(const struct scenario *scenario, const struct client_profile *profile)
{
    const struct scenario_media *media = &scenario->media;
    return (struct data_plan){
        .enabled = media->has_data,
        .messages_per_s = profile->publishes ? media->data_messages : 0,
        .message_bytes = (uint32_t)media->data_size,
        .from = scenario->join_spread + DATA_MARGIN,
        .until = scenario->join_spread + scenario->duration - DATA_MARGIN,
        .file_bytes = profile->number == 0 ? media->data_file : 0,
        .file_at = media->data_at,
        .file_seed = scenario->seed ^ (uint64_t)profile->room << 32,
    };
}

struct media_plan population_media_plan(const struct scenario *scenario, const struct client_profile *profile)
{
    const struct scenario_media *media = &scenario->media;
    struct media_plan plan = {.audio = media->has_audio && profile->publishes,
                              .video = media->has_video && profile->publishes,
                              .screen = profile->shares_screen,
                              .clips = media->source == SCENARIO_CLIP,
                              .audio_bps = media->audio_bitrate,
                              .layer_count = media->layer_count,
                              .screen_bps = media->screen_bitrate,
                              .data = data_plan_of(scenario, profile)};
    for (size_t i = 0; i < media->layer_count; i++)
        plan.layers[i] = (struct media_layer){
            .height = (uint16_t)media->layers[i].height, .fps = media->layers[i].fps, .bps = media->layers[i].bitrate};
    return plan;
}
