#include "report/verdict.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/load_verdict.h"

static const char size_sweep[] = "rooms.size=";

enum choice { CHOICE_MESH, CHOICE_SFU, CHOICE_NEITHER, CHOICE_NOBODY };

/* Mesh and SFU at one point of the sweep. */
struct pair {
    const struct result_run *mesh, *sfu;
    enum choice choice;
    char mesh_falls_short[160], sfu_falls_short[160]; /* why; empty when it does not */
};

__attribute__((format(printf, 2, 3))) static void say(struct result *result, const char *format, ...)
{
    size_t at = strlen(result->verdict);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(result->verdict + at, sizeof result->verdict - at, format, arguments);
    va_end(arguments);
}

static double streams_missing(const struct result_run *run)
{
    return run->streams_expected == 0 ? 0 : 1 - (double)run->streams_received / (double)run->streams_expected;
}

static double share(uint64_t part, uint64_t whole) { return whole > 0 ? (double)part / (double)whole : 1; }

/* The same for what goes over data channels. */
static void data_shortfall(const struct result_data *data, const struct result_data *other, char *why, size_t cap)
{
    double files = share(data->files.intact, data->files.expected);
    double other_files = share(other->files.intact, other->files.expected);
    double messages = share(data->received, data->expected);
    double other_messages = share(other->received, other->expected);
    if (messages < other_messages - 0.02)
        snprintf(why, cap, "%.0f %% of the messages arrive, against %.0f %%", 100 * messages, 100 * other_messages);
    else if (files < other_files - 0.02)
        snprintf(why, cap, "%.0f %% of the files arrive in time, against %.0f %%", 100 * files, 100 * other_files);
    else if (other->files.intact > 0 && data->files.time_ms.p50 > 1.5 * other->files.time_ms.p50)
        snprintf(why, cap, "a file takes %.1f s, against %.1f", data->files.time_ms.p50 / 1e3,
                 other->files.time_ms.p50 / 1e3);
    else if (other->received > 0 && data->latency_ms.p50 > other->latency_ms.p50 + 100)
        snprintf(why, cap, "a message takes %.0f ms, against %.0f", data->latency_ms.p50, other->latency_ms.p50);
}

/* Why `run` serves worse than `other`; empty when it does not. */
static void shortfall(const struct result_run *run, const struct result_run *other, char *why, size_t cap)
{
    double frozen = result_frozen_s_per_minute(run);
    double other_frozen = result_frozen_s_per_minute(other);
    bool video = other->video_kbps.count > 0;
    why[0] = '\0';
    if (run->clients_joined < other->clients_joined)
        snprintf(why, cap, "%" PRIu64 " of %" PRIu64 " clients fail to join, against %" PRIu64,
                 run->clients_planned - run->clients_joined, run->clients_planned,
                 other->clients_planned - other->clients_joined);
    else if (streams_missing(run) > streams_missing(other) + 0.02)
        snprintf(why, cap, "%.0f %% of the media never arrive, against %.0f %%", 100 * streams_missing(run),
                 100 * streams_missing(other));
    else if (video && run->video_kbps.mean < 0.8 * other->video_kbps.mean)
        snprintf(why, cap, "each video gets %.0f kbit/s, against %.0f", run->video_kbps.mean, other->video_kbps.mean);
    else if (video && frozen > other_frozen + 1)
        snprintf(why, cap, "video freezes %.1f s a minute, against %.1f", frozen, other_frozen);
    else if (run->mos_audio > 0 && run->mos_audio < other->mos_audio - 0.3)
        snprintf(why, cap, "the audio's MOS is %.1f, against %.1f", run->mos_audio, other->mos_audio);
    else if (other->latency_ms.count > 0 && run->latency_ms.p95 > other->latency_ms.p95 + 100)
        snprintf(why, cap, "the latency's p95 is %.0f ms, against %.0f", run->latency_ms.p95, other->latency_ms.p95);
    else
        data_shortfall(&run->data, &other->data, why, cap);
}

static enum choice choose(const struct pair *pair)
{
    bool mesh = pair->mesh_falls_short[0] == '\0';
    bool sfu = pair->sfu_falls_short[0] == '\0';
    if (pair->mesh->clients_joined == 0 && pair->sfu->clients_joined == 0)
        return CHOICE_NOBODY;
    if (mesh && sfu)
        return pair->mesh->cost.per_hour <= pair->sfu->cost.per_hour ? CHOICE_MESH : CHOICE_SFU;
    return mesh ? CHOICE_MESH : sfu ? CHOICE_SFU : CHOICE_NEITHER;
}

static bool is_mesh(const struct result_run *run) { return strcmp(run->topology, "mesh") == 0; }

static const struct result_run *sfu_beside(const struct result *result, const struct result_run *mesh)
{
    for (size_t i = 0; i < result->run_count; i++) {
        if (strcmp(result->runs[i].sweep, mesh->sweep) == 0 && !is_mesh(&result->runs[i]))
            return &result->runs[i];
    }
    return NULL;
}

static size_t find_pairs(const struct result *result, struct pair *pairs)
{
    size_t count = 0;
    for (size_t i = 0; i < result->run_count; i++) {
        const struct result_run *mesh = &result->runs[i];
        struct pair *pair = &pairs[count];
        *pair = (struct pair){.mesh = mesh, .sfu = is_mesh(mesh) ? sfu_beside(result, mesh) : NULL};
        if (pair->sfu == NULL)
            continue;
        shortfall(pair->mesh, pair->sfu, pair->mesh_falls_short, sizeof pair->mesh_falls_short);
        shortfall(pair->sfu, pair->mesh, pair->sfu_falls_short, sizeof pair->sfu_falls_short);
        pair->choice = choose(pair);
        count++;
    }
    return count;
}

/* --- phrases --------------------------------------------------------------------------------------------------------- */

static void say_quality(struct result *result, const struct result_run *run, const struct result_run *other)
{
    if (run->video_kbps.count > 0 && other->video_kbps.count > 0)
        say(result, "video %.0f against %.0f kbit/s", run->video_kbps.mean, other->video_kbps.mean);
    else if (run->latency_ms.count == 0 && run->data.files.intact > 0)
        say(result, "a file in %.1f against %.1f s", run->data.files.time_ms.p50 / 1e3,
            other->data.files.time_ms.p50 / 1e3);
    else if (run->latency_ms.count == 0 && run->data.received > 0)
        say(result, "messages in %.0f against %.0f ms", run->data.latency_ms.p50, other->data.latency_ms.p50);
    else
        say(result, "audio MOS %.1f against %.1f", run->mos_audio, other->mos_audio);
    if (run->latency_ms.count > 0)
        say(result, ", latency p95 %.0f against %.0f ms", run->latency_ms.p95, other->latency_ms.p95);
}

static void say_cost(struct result *result, const struct result_run *run, const struct result_run *other)
{
    if (other->cost.per_hour > 0)
        say(result, " at %.2f against %.2f an hour", run->cost.per_hour, other->cost.per_hour);
    else if (is_mesh(run))
        say(result, " without an SFU");
    if (is_mesh(run) && run->turn_fallback.connections > 0)
        say(result, ", TURN for %.0f %% of its connections %s", 100 * run->turn_fallback.connections,
            other->cost.per_hour > 0 ? "included" : "still needed");
}

/* Why it is the one chosen. */
static void say_reason(struct result *result, const struct pair *pair)
{
    bool mesh = pair->choice == CHOICE_MESH;
    const char *other_falls_short = mesh ? pair->sfu_falls_short : pair->mesh_falls_short;
    if (pair->choice == CHOICE_NEITHER) {
        say(result, "in a mesh %s, at the SFU %s", pair->mesh_falls_short, pair->sfu_falls_short);
    } else if (other_falls_short[0] != '\0') {
        say(result, "%s %s", mesh ? "at the SFU" : "in a mesh", other_falls_short);
    } else {
        const struct result_run *run = mesh ? pair->mesh : pair->sfu;
        const struct result_run *other = mesh ? pair->sfu : pair->mesh;
        say(result, "as good as the %s (", mesh ? "SFU" : "mesh");
        say_quality(result, run, other);
        say(result, ")");
        say_cost(result, run, other);
    }
}

static const char *plural(uint64_t count) { return count == 1 ? "" : "s"; }

/* What the fault that hit most did to one topology; a mesh doesn't even notice that an SFU dies. */
static void say_damage(struct result *result, const struct result_run *run, const char *what)
{
    const char *where = is_mesh(run) ? "in the mesh" : "at the SFU";
    for (uint32_t i = 0; i < run->fault_count; i++) {
        const struct result_fault *fault = &run->faults[i];
        if (strcmp(fault->what, what) != 0 || fault->clients_hit == 0)
            continue;
        say(result, " %" PRIu64 " of %" PRIu64 " clients %s lost their media", fault->clients_hit, run->clients_planned,
            where);
        if (fault->clients_recovered == 0)
            say(result, " for good");
        else if (fault->clients_recovered < fault->clients_hit)
            say(result, ", %" PRIu64 " of them for good", fault->clients_hit - fault->clients_recovered);
        else
            say(result, " for %.1f s", fault->media_gap_ms_p50 / 1e3);
        return;
    }
    say(result, " nobody %s lost media", where);
}

static const struct result_fault *worst_fault(const struct result_run *run)
{
    const struct result_fault *worst = NULL;
    for (uint32_t i = 0; run != NULL && i < run->fault_count; i++) {
        if (worst == NULL || run->faults[i].clients_hit > worst->clients_hit)
            worst = &run->faults[i];
    }
    return worst;
}

static void say_faults(struct result *result, const struct result_run *run, const struct result_run *other)
{
    const struct result_fault *fault = worst_fault(run);
    const struct result_fault *also = worst_fault(other);
    if (fault == NULL || (also != NULL && also->clients_hit > fault->clients_hit))
        fault = also;
    if (fault == NULL)
        return;
    say(result, "; with %s at %.1f s", fault->what, fault->at_s);
    say_damage(result, run, fault->what);
    if (other != NULL) {
        say(result, " and");
        say_damage(result, other, fault->what);
    }
}

static bool sweeps_size(const struct result_run *run)
{
    return strncmp(run->sweep, size_sweep, sizeof size_sweep - 1) == 0;
}

static void say_size(struct result *result, const struct result_run *run)
{
    if (run->sweep[0] != '\0' && !sweeps_size(run))
        say(result, " with %s", run->sweep);
    else
        say(result, " with %" PRIu32 " participant%s", run->room_size, plural(run->room_size));
}

/* --- sentences ------------------------------------------------------------------------------------------------------- */

static void say_choice(struct result *result, enum choice choice, bool first)
{
    static const char *const begins[] = {"Mesh is the better choice here", "Choose the SFU here",
                                         "Neither is the better choice here", "Nobody can join here"};
    static const char *const goes_on[] = {"mesh is the better choice", "choose the SFU", "neither is the better choice",
                                          "nobody can join"};
    say(result, "%s", first ? begins[choice] : goes_on[choice]);
}

static void say_why(struct result *result, const struct pair *pair)
{
    if (pair->choice == CHOICE_NOBODY && pair->mesh->first_error[0] != '\0')
        say(result, " (%s)", pair->mesh->first_error);
    else if (pair->choice != CHOICE_NOBODY)
        say(result, ": ");
    if (pair->choice != CHOICE_NOBODY)
        say_reason(result, pair);
}

/* How many of the pairs, from the first, come to the same choice. */
static size_t run_length(const struct pair *pairs, size_t count)
{
    size_t length = 1;
    while (length < count && pairs[length].choice == pairs[0].choice)
        length++;
    return length;
}

/* The first stretch of sizes with one answer, then the next. Of a sweep of something else, the same by its values. */
static void compare(struct result *result, const struct pair *pairs, size_t count)
{
    size_t same = run_length(pairs, count);
    const struct pair *last = &pairs[same - 1];
    bool sizes = sweeps_size(pairs[0].mesh);
    say_choice(result, pairs[0].choice, true);
    if (count == 1)
        say_size(result, last->mesh);
    else if (same == count && !sizes)
        say(result, " with every value tried");
    else if (sizes && pairs[0].choice == CHOICE_MESH)
        say(result, " %sup to %" PRIu32 " participants", same == count ? "at every size tried, " : "",
            last->mesh->room_size);
    else if (same == count)
        say(result, " at every size tried, from %" PRIu32 " participants on", pairs[0].mesh->room_size);
    else
        say_size(result, last->mesh);
    /* Of a stretch the hardest case speaks: for mesh the largest room, for the SFU the smallest. */
    const struct pair *speaks = pairs[0].choice == CHOICE_MESH ? last : &pairs[0];
    say_why(result, speaks);
    say_faults(result, speaks->mesh, speaks->sfu);
    if (same == count) {
        say(result, ".");
        return;
    }
    const struct pair *next = &pairs[same];
    if (sizes)
        say(result, "; from %" PRIu32 " on ", next->mesh->room_size);
    else
        say(result, "; with %s ", next->mesh->sweep);
    say_choice(result, next->choice, false);
    say_why(result, next);
    say(result, ".");
}

/* One topology alone: how it fares, at both ends of a sweep. */
static void describe(struct result *result)
{
    const struct result_run *first = &result->runs[0];
    const struct result_run *last = &result->runs[result->run_count - 1];
    bool sweep = first != last;
    say(result, "%s", is_mesh(first) ? "In a mesh" : "At the SFU");
    say_size(result, last);
    if (last->clients_joined == last->clients_planned)
        say(result, " everyone joins");
    else if (last->clients_joined == 0)
        say(result, " nobody joins");
    else
        say(result, " %" PRIu64 " of %" PRIu64 " clients join", last->clients_joined, last->clients_planned);
    if (last->clients_joined == 0 && last->first_error[0] != '\0')
        say(result, " (%s)", last->first_error);
    if (last->video_kbps.count > 0) {
        say(result, "; each video gets %.0f kbit/s", last->video_kbps.mean);
        if (sweep && first->video_kbps.count > 0)
            say(result, " (%.0f with %s)", first->video_kbps.mean, first->sweep);
        say(result, " and freezes %.1f s a minute", result_frozen_s_per_minute(last));
    } else if (last->mos_audio > 0) {
        say(result, "; the audio's MOS is %.1f", last->mos_audio);
    }
    if (last->latency_ms.count > 0)
        say(result, ", latency p95 %.0f ms", last->latency_ms.p95);
    if (last->turn_fallback.connections > 0)
        say(result, ", TURN relays %.0f %% of the connections", 100 * last->turn_fallback.connections);
    if (last->cost.per_hour > 0)
        say(result, ", at %.2f an hour", last->cost.per_hour);
    say_faults(result, last, NULL);
    say(result, ".");
}

void verdict_write(struct result *result)
{
    result->verdict[0] = '\0';
    if (result->run_count == 0 || result->runs[0].matrix.count > 0)
        return;
    if (result->runs[0].load != NULL) {
        load_verdict_write(result);
        return;
    }
    struct pair *pairs = calloc(result->run_count, sizeof *pairs);
    size_t count = pairs != NULL ? find_pairs(result, pairs) : 0;
    if (count > 0)
        compare(result, pairs, count);
    else if (pairs != NULL)
        describe(result);
    free(pairs);
}
