#include "world/access.h"

#include <string.h>

#include "tests/support/suite.h"

static void direction_is_sane(const struct link_config *link)
{
    struct error error;
    CU_ASSERT_TRUE(link_config_check(link, &error));
    CU_ASSERT_TRUE(link->rate_bps >= 500000 && link->rate_bps <= 1000000000);
    CU_ASSERT_TRUE(link->delay >= NANOS_PER_MS / 10 && link->delay <= 400 * NANOS_PER_MS);
    CU_ASSERT_TRUE(link->jitter <= 10 * NANOS_PER_MS);
    CU_ASSERT_TRUE(link->loss <= 0.02);
    nanos queue = link_serialization(link->rate_bps, (uint64_t)link->queue_bytes);
    CU_ASSERT_TRUE(queue >= 9 * NANOS_PER_MS && queue <= 1001 * NANOS_PER_MS);
    CU_ASSERT_TRUE(link->queue_bytes > 20 * 1500);
}

static void presets_are_sane_and_unique(void)
{
    size_t count = 0;
    for (; access_preset_at(count) != NULL; count++) {
        const struct access_preset *preset = access_preset_at(count);
        CU_ASSERT_PTR_EQUAL(access_preset_find(preset->name), preset);
        CU_ASSERT_TRUE(strlen(preset->source) > 20);
        for (size_t other = 0; other < count; other++)
            CU_ASSERT_TRUE(memcmp(&access_preset_at(other)->up, &preset->up, sizeof preset->up) != 0);
        if (strcmp(preset->name, "ideal") == 0)
            continue;
        direction_is_sane(&preset->up);
        direction_is_sane(&preset->down);
        CU_ASSERT_TRUE(preset->up.rate_bps <= preset->down.rate_bps);
    }
    CU_ASSERT_EQUAL(count, 11);
    CU_ASSERT_PTR_NULL(access_preset_find("carrier pigeon"));
}

/* What somebody else measured, as a round trip without load in milliseconds. */
static void round_trips_are_the_published_ones(void)
{
    static const struct {
        const char *name;
        double rtt_ms;
    } published[] = {{"ideal", 0},  {"cable", 28},     {"dsl", 44}, {"fibre", 17},
                     {"lte", 53.1}, {"satellite", 40}, {"3g", 150}, {"satellite-geostationary", 744}};
    for (size_t i = 0; i < sizeof published / sizeof published[0]; i++) {
        const struct access_preset *preset = access_preset_find(published[i].name);
        CU_ASSERT_DOUBLE_EQUAL(nanos_to_ms(preset->up.delay + preset->down.delay), published[i].rtt_ms, 0.001);
    }
}

void access_test(void)
{
    SUITE("access", {"presets are sane and unique", presets_are_sane_and_unique},
          {"round trips are the published ones", round_trips_are_the_published_ones});
}
