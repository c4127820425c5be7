#include "cli/load_watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "report/open_metrics.h"
#include "world/http_server.h"
#include "world/live_world.h"

#define PROGRESS_EVERY (5 * NANOS_PER_MS) /* by shared memory MPI moves some kilobytes each time */

/* --- metrics ------------------------------------------------------------------------------------------------------------------ */

static void answer(void *user, const struct http_request *request, struct http_response *response, nanos now)
{
    struct load_watch *watch = user;
    char *text = NULL;
    size_t len = 0;
    (void)now;
    if (strcmp(request->path, "/metrics") != 0 || watch->status.load == NULL)
        return;
    FILE *out = open_memstream(&text, &len);
    if (out == NULL)
        return;
    open_metrics_write(&watch->status, out);
    if (fclose(out) == 0)
        http_response_set(response, HTTP_OK, OPEN_METRICS_TYPE, text, len);
    free(text);
}

static bool open_metrics(struct load_watch *watch, struct load *load, struct error *error)
{
    char text[ADDRESS_TEXT_CAP];
    const struct http_server_config config = {
        .addresses = &watch->metrics, .address_count = 1, .handle = answer, .user = watch};
    struct web *web = live_world_web(load_world(load), error);
    return (web != NULL && http_server_create(web, &config, error) != NULL) ||
           error_prefix(error, "--metrics %s", address_format(&watch->metrics, text));
}

/* --- seconds ------------------------------------------------------------------------------------------------------------------ */

static void look(struct load_watch *watch, struct load *load)
{
    struct load_clients clients = load_count(load);
    struct load_counts *counts = &watch->status.counts;
    load_status_of(&watch->status, load_result_of(load));
    counts->planned = clients.planned;
    counts->joining = clients.joining;
    counts->joined = clients.joined;
    counts->failed = clients.failed;
    watch->status.peaks.elapsed_ms = (uint64_t)nanos_to_ms(nanos_max(load_elapsed(load), 0));
    watch->status.peaks.remaining_ms = (uint64_t)nanos_to_ms(nanos_max(load_remaining(load), 0));
    watch->status.rate = watch->rate;
    watch->status.paused = watch->paused;
    if (watch->cluster != NULL)
        cluster_share(watch->cluster, &watch->status);
}

static void obey(struct load_watch *watch, struct load *load)
{
    enum live_view_key key;
    while ((key = live_view_key(&watch->view)) != LIVE_VIEW_NONE) {
        watch->quit = watch->quit || key == LIVE_VIEW_QUIT;
        if (key == LIVE_VIEW_PAUSE)
            load_pause(load, watch->paused = !watch->paused);
        if (key == LIVE_VIEW_FASTER || key == LIVE_VIEW_SLOWER)
            load_set_rate(load, watch->rate = live_view_rate(watch->rate, key));
    }
}

static void progress(void *user, nanos now)
{
    struct load_watch *watch = user;
    cluster_progress(watch->cluster);
    world_timer_set(watch->timer, now + PROGRESS_EVERY);
}

/* All begin together. */
static bool begin(struct load_watch *watch, struct load *load, struct error *error)
{
    watch->begun = true;
    if (!cluster_begin(watch->cluster, true))
        return error_set(error, ERROR_SYSTEM, "another process could not begin");
    watch->timer = world_timer_open(load_machine(load), progress, watch);
    if (watch->timer == NULL)
        return error_set(error, ERROR_SYSTEM, "out of memory");
    world_timer_set(watch->timer, 0);
    return true;
}

bool load_watch_started(void *user, struct load *load, struct error *error)
{
    struct load_watch *watch = user;
    watch->rate = load_plan_of(load)->rate;
    if (watch->metrics.family != ADDRESS_NONE && !open_metrics(watch, load, error))
        return false;
    if (watch->cluster != NULL && !begin(watch, load, error))
        return false;
    watch->opened = watch->drawing;
    if (watch->drawing)
        live_view_open(&watch->view, stderr, STDIN_FILENO, getenv("NO_COLOR") == NULL);
    return true;
}

bool load_watch_second(void *user, struct load *load)
{
    struct load_watch *watch = user;
    look(watch, load);
    if (watch->drawing) {
        obey(watch, load);
        live_view_draw(&watch->view, &watch->status);
    }
    return !watch->quit;
}

void load_watch_close(struct load_watch *watch)
{
    if (watch->opened)
        live_view_close(&watch->view);
    watch->opened = false;
}
