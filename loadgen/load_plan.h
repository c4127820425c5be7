/* What a load is to be: from the options of `confab load`, on top of a scenario file if one is given. */
#ifndef CONFAB_LOADGEN_LOAD_PLAN_H
#define CONFAB_LOADGEN_LOAD_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/error.h"
#include "base/nanos.h"
#include "loadgen/load_target.h"
#include "loadgen/scenario.h"
#include "rtc/room_message.h"

enum {
    LOAD_TURN_MAX = 4,
    LOAD_SETTINGS_MAX = 32,
    LOAD_ROOM_CAP = 40,
    LOAD_CLIENTS_MAX = 100000,
    LOAD_JOIN_TIMEOUT_S = 30,
};

/* How many videos are watched, and how large (as `lk perf load-test` has it). */
enum load_layout {
    LOAD_LAYOUT_ALL,     /* all, as large as they come */
    LOAD_LAYOUT_SPEAKER, /* 1 high, 5 low */
    LOAD_LAYOUT_3X3,     /* 9 medium */
    LOAD_LAYOUT_4X4,     /* 16 low */
    LOAD_LAYOUT_5X5,     /* 25 low */
};

struct load_turn {
    char url[96], username[96], password[64];
};

struct load_plan {
    struct load_target target;
    struct scenario *scenario; /* rooms, population, media, duration, thresholds */
    uint32_t clients;          /* in all; the last room may have fewer than the others */
    char room[LOAD_ROOM_CAP];  /* the rooms' name; with several, "-1", "-2" and so on follow */
    enum load_layout layout;
    bool emulated;    /* clients stand behind NATs and access links; else each is this machine itself */
    double rate;      /* joins a second; 0: all at once */
    uint32_t step;    /* so many at once … */
    nanos step_every; /* … and then a pause of this; 0: by rate */
    double churn;     /* clients that leave and come back, a second */
    nanos join_timeout;
    bool relay_only;
    struct load_turn turn[LOAD_TURN_MAX];
    size_t turn_count;
    struct address bind;               /* NONE: what the way to the server has */
    bool verify;                       /* the server's certificate */
    uint32_t shard_index, shard_count; /* of clients, from 1 */
    bool find_limit;
    /* While it is being put together. */
    const char *file;
    struct {
        const char *path;
        char value[512];
    } settings[LOAD_SETTINGS_MAX];
    size_t setting_count;
    bool rate_given, no_audio, no_video;
    uint32_t screens;
    char thresholds[SCENARIO_THRESHOLDS_MAX][128];
    size_t threshold_count;
    char turn_username[96], turn_password[64];
};

void load_plan_init(struct load_plan *plan);
void load_plan_clear(struct load_plan *plan);

/* Takes the option `name` ("rooms", without its dashes) with its value ("" for those that have none); texts must stay.
 * False and `error` (ERROR_USAGE) for an unknown one, or a value that makes no sense. */
bool load_plan_option(struct load_plan *plan, const char *name, const char *value, struct error *error);

/* All options are there: reads the file, and checks that it goes together. False and `error`. */
bool load_plan_finish(struct load_plan *plan, const char *url, struct error *error);

/* When client number `index` (from 0, of the whole load) is to join, after the start. */
nanos load_plan_joins_at(const struct load_plan *plan, uint32_t index);

/* When the last of them is. */
nanos load_plan_ramp(const struct load_plan *plan);

#endif
