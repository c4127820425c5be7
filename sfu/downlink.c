#include "sfu/downlink.h"

#include <stdlib.h>
#include <utlist.h>

#include "sfu/layer_allocator.h"
#include "sfu/layout.h"
#include "sfu/publication.h"
#include "sfu/sfu_participant.h"
#include "sfu/sfu_state.h"
#include "sfu/subscription.h"

#define TICK (250 * NANOS_PER_MS)
#define YOUTH (3 * NANOS_PER_S) /* so long the estimate may be far too low, and everyone is shown at least small */
/* Of the estimate, so much is for media: retransmissions and reports take the rest. */
#define MEDIA_SHARE 0.95
/* Congestion control hears of what could be used only when that changes by so much: each rise makes it probe. */
#define WANTED_RISE 1.15
#define WANTED_FALL 0.7

/* The most important first: a shared screen, then whoever spoke last (sfu_room_hear has them in that order). */
enum { RANKS = 2 };

static int rank_of(const struct subscription *s) { return s->publication->kind == PUBLICATION_SCREEN ? 0 : 1; }

static bool make_room(struct sfu *sfu, size_t count)
{
    if (count <= sfu->demand_cap)
        return true;
    size_t cap = count * 2;
    struct layer_demand *demands = realloc(sfu->demands, cap * sizeof *demands);
    if (demands != NULL)
        sfu->demands = demands;
    struct subscription **demanding = realloc(sfu->demanding, cap * sizeof(struct subscription *));
    if (demanding != NULL)
        sfu->demanding = demanding;
    if (demands == NULL || demanding == NULL)
        return false;
    sfu->demand_cap = cap;
    return true;
}

static struct layer_demand demand_of(const struct subscription *s, nanos now)
{
    int count = (int)s->publication->layer_count;
    struct layer_demand demand = {.highest = LAYER_NONE, .current = s->current};
    for (int i = 0; i < count; i++)
        demand.bitrate_bps[i] = publication_layer_bps(s->publication, i, now);
    if (s->height == 0)
        return demand;
    demand.highest =
        s->height == LAYOUT_HEIGHT_ANY ? count - 1 : publication_layer_of_height(s->publication, s->height);
    int lowest_sent = 0;
    while (lowest_sent < count - 1 && demand.bitrate_bps[lowest_sent] == 0)
        lowest_sent++;
    if (demand.highest < lowest_sent)
        demand.highest = lowest_sent;
    return demand;
}

static void tell_wanted(struct sfu_participant *p, int64_t wanted_bps, nanos now)
{
    double before = (double)p->wanted_bps;
    if ((double)wanted_bps <= before * WANTED_RISE && (double)wanted_bps >= before * WANTED_FALL)
        return;
    p->wanted_bps = wanted_bps;
    connection_set_allocated(p->connection, wanted_bps, now);
}

nanos downlink_share(struct sfu_participant *p, nanos now)
{
    struct sfu *sfu = p->sfu;
    struct subscription *s;
    size_t videos = 0;
    int64_t audio_bps = 0;
    if (p->connection == NULL || p->connected_at == NANOS_NEVER)
        return NANOS_NEVER;
    DL_FOREACH2(p->subscriptions, s, of_subscriber.next)
    {
        if (s->stream == NULL)
            continue;
        if (s->publication->kind == PUBLICATION_AUDIO)
            audio_bps += publication_layer_bps(s->publication, 0, now);
        else
            videos++;
    }
    if (videos == 0 || !make_room(sfu, videos))
        return NANOS_NEVER;
    layout_apply(p);
    size_t count = 0;
    for (int rank = 0; rank < RANKS; rank++) {
        DL_FOREACH2(p->subscriptions, s, of_subscriber.next)
        {
            if (s->stream == NULL || s->publication->kind == PUBLICATION_AUDIO || rank_of(s) != rank)
                continue;
            sfu->demanding[count] = s;
            sfu->demands[count++] = demand_of(s, now);
        }
    }
    int64_t budget = (int64_t)((double)connection_target_bps(p->connection) * MEDIA_SHARE) - audio_bps;
    layer_allocate(sfu->demands, count, budget, sfu->always_show || now - p->connected_at < YOUTH);
    for (size_t i = 0; i < count; i++)
        subscription_want(sfu->demanding[i], sfu->demands[i].chosen, now);
    tell_wanted(p, layer_wanted_bps(sfu->demands, count) + audio_bps, now);
    return now + TICK;
}
