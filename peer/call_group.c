#include "peer/call_group.h"

#include <stdlib.h>
#include <string.h>

enum { AUDIO_CAP = 1500 };

struct call_group {
    struct call_group_config config;
    struct world_timer *timer;
    nanos timer_at;
    struct call **calls;
    size_t count;
    struct audio_source audio;
    bool talks; /* the audio source runs */
};

void call_group_update(struct call_group *group)
{
    nanos deadline = group->talks ? audio_source_deadline(&group->audio) : NANOS_NEVER;
    for (size_t i = 0; i < group->count; i++)
        deadline = nanos_min(deadline, call_deadline(group->calls[i]));
    if (deadline != group->timer_at) {
        group->timer_at = deadline;
        world_timer_set(group->timer, deadline);
    }
}

static void send_audio(struct call_group *group, nanos now)
{
    struct audio_frame frame;
    while (group->talks && audio_source_next(&group->audio, &frame, now)) {
        uint8_t payload[AUDIO_CAP];
        size_t len = audio_frame_write(&frame, payload, sizeof payload);
        for (size_t i = 0; i < group->count && len > 0; i++)
            call_send_audio(group->calls[i], &frame, payload, len, now);
    }
}

static void timer_fired(void *user, nanos now)
{
    struct call_group *group = user;
    group->timer_at = NANOS_NEVER;
    send_audio(group, now);
    for (size_t i = 0; i < group->count; i++) {
        if (call_deadline(group->calls[i]) <= now)
            call_run(group->calls[i], now);
    }
    call_group_update(group);
}

void call_group_talk(struct call_group *group, nanos now)
{
    const struct audio_source_config config = {
        .bitrate_bps = group->config.plan->audio_bps,
        .vbr = true,
        .plays_clip = group->config.plan->clips,
        .conversation = group->config.conversation,
        .who = group->config.number,
        .start = now,
    };
    audio_source_init(&group->audio, &config);
    group->talks = group->config.plan->audio;
    call_group_update(group);
}

bool call_group_add(struct call_group *group, struct call *call)
{
    struct call **grown = realloc(group->calls, (group->count + 1) * sizeof *grown);
    if (grown == NULL)
        return false;
    group->calls = grown;
    group->calls[group->count++] = call;
    call_group_update(group);
    return true;
}

void call_group_remove(struct call_group *group, struct call *call)
{
    size_t i = 0;
    while (i < group->count && group->calls[i] != call)
        i++;
    if (i == group->count)
        return;
    memmove(&group->calls[i], &group->calls[i + 1], (group->count - i - 1) * sizeof(struct call *));
    group->count--;
}

struct call *call_group_at(const struct call_group *group, size_t index)
{
    return index < group->count ? group->calls[index] : NULL;
}

struct call_group *call_group_create(const struct call_group_config *config, struct error *error)
{
    struct call_group *group = calloc(1, sizeof *group);
    if (group == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    group->config = *config;
    group->timer_at = NANOS_NEVER;
    group->timer = world_timer_open(config->host, timer_fired, group);
    if (group->timer == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        call_group_destroy(group);
        return NULL;
    }
    return group;
}

void call_group_destroy(struct call_group *group)
{
    if (group == NULL)
        return;
    for (size_t i = 0; i < group->count; i++)
        call_destroy(group->calls[i]);
    free(group->calls);
    if (group->timer != NULL)
        world_timer_close(group->timer);
    free(group);
}
