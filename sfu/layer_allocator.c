#include "sfu/layer_allocator.h"

/* A layer must fit so much more than once to be moved up to. */
#define UPGRADE_MARGIN 1.15

/* The next layer above `layer` that is sent and wanted; LAYER_NONE when there is none. */
static int next_up(const struct layer_demand *demand, int layer)
{
    for (int next = layer + 1; next <= demand->highest && next < LAYERS_MAX; next++) {
        if (demand->bitrate_bps[next] > 0)
            return next;
    }
    return LAYER_NONE;
}

static int64_t rate_of(const struct layer_demand *demand, int layer)
{
    return layer == LAYER_NONE ? 0 : demand->bitrate_bps[layer];
}

/* Moves one demand a layer up if `left` allows. */
static bool raise_layer(struct layer_demand *demand, int64_t *left, bool for_free)
{
    int next = next_up(demand, demand->chosen);
    if (next == LAYER_NONE)
        return false;
    int64_t cost = rate_of(demand, next) - rate_of(demand, demand->chosen);
    double margin = next > demand->current ? UPGRADE_MARGIN : 1;
    if (!for_free && (double)cost * margin > (double)*left)
        return false;
    *left -= cost;
    demand->chosen = next;
    return true;
}

int64_t layer_allocate(struct layer_demand *demands, size_t count, int64_t budget_bps, bool keep_lowest)
{
    int64_t left = budget_bps;
    for (size_t i = 0; i < count; i++)
        demands[i].chosen = LAYER_NONE;
    for (size_t i = 0; i < count; i++)
        raise_layer(&demands[i], &left, keep_lowest);
    for (int round = 1; round < LAYERS_MAX; round++) {
        for (size_t i = 0; i < count; i++) {
            if (demands[i].chosen != LAYER_NONE)
                raise_layer(&demands[i], &left, false);
        }
    }
    return budget_bps - left;
}

int64_t layer_wanted_bps(const struct layer_demand *demands, size_t count)
{
    int64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        int top = LAYER_NONE;
        for (int next = next_up(&demands[i], top); next != LAYER_NONE; next = next_up(&demands[i], next))
            top = next;
        sum += rate_of(&demands[i], top);
    }
    return sum;
}
