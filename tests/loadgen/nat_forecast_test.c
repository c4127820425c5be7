#include "loadgen/nat_forecast.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"
#include "tests/support/suite.h"

/* Kinds that stand for the four of the closed form: symmetric, port-restricted, open or a cone, no UDP. */
enum { S = 8, P = 2, O = 0, B = NAT_KIND_UDP_BLOCKED };

static struct nat_forecast of_population(const char *nats, const char *rooms)
{
    char text[400];
    struct error error = {0};
    struct nat_forecast forecast = {0};
    int len = snprintf(text, sizeof text, "population: {nat: %s}\nrooms: %s\n", nats, rooms);
    struct yaml_node *root = yaml_node_parse("test", text, (size_t)len, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(root);
    struct scenario *scenario = scenario_read("test", root, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(scenario);
    CU_ASSERT_TRUE(nat_forecast_of(scenario, &forecast, &error));
    free(scenario);
    yaml_node_free(root);
    return forecast;
}

static void four_kinds_have_a_formula(void)
{
    static const double shares[][4] = {
        {.10, .60, .254, .046}, {.25, .25, .25, .25}, {0, 0, 1, 0}, {.5, .1, .4, 0}, {.01, .02, .03, .94}};
    for (size_t i = 0; i < 5; i++) {
        double s = shares[i][0], p = shares[i][1], o = shares[i][2], b = shares[i][3];
        double share[NAT_KINDS] = {[S] = 7 * s, [P] = 7 * p, [O] = 4 * o, [1] = 3 * o, [B] = 7 * b};
        for (uint32_t n = 2; n <= 300; n += 1 + n / 4) {
            struct nat_forecast forecast = nat_forecast_of_kinds(share, n);
            CU_ASSERT_DOUBLE_EQUAL(forecast.pair_relayed, 1 - ((p + o) * (p + o) + 2 * s * o), 1e-12);
            CU_ASSERT_DOUBLE_EQUAL(forecast.pair_relayed_by_nat, s * s + 2 * s * p, 1e-12);
            CU_ASSERT_DOUBLE_EQUAL(forecast.pair_relayed_by_blocking, 1 - (1 - b) * (1 - b), 1e-12);
            CU_ASSERT_DOUBLE_EQUAL(forecast.room_relayed, 1 - (pow(p + o, n) + n * s * pow(o, n - 1)), 1e-12);
            CU_ASSERT_DOUBLE_EQUAL(forecast.sfu_client_relayed, b, 1e-12);
        }
    }
    double open[NAT_KINDS] = {[O] = 1};
    CU_ASSERT_EQUAL(nat_forecast_of_kinds(open, 1).room_relayed, 0);
    CU_ASSERT_EQUAL(nat_forecast_of_kinds(open, 0).room_relayed, 0);
}

/* callstats.io (2016): about 22 % of conferences need TURN. */
static void the_wild_population(void)
{
    static const struct {
        const char *rooms;
        double percent;
    } published[] = {{"{size: 2}", 22.0}, {"{size: 3}", 35.8}, {"{size: 4}", 46.2}, {"{size: 5}", 54.4},
                     {"{size: 6}", 61.1}, {"{size: 8}", 71.7}, {"{size: 10}", 79.4}};
    for (size_t i = 0; i < sizeof published / sizeof published[0]; i++) {
        struct nat_forecast forecast =
            of_population("{home: 60, open: 25.4, symmetric: 10, udp-blocked: 4.6}", published[i].rooms);
        CU_ASSERT_DOUBLE_EQUAL(100 * forecast.room_relayed, published[i].percent, .05);
        CU_ASSERT_DOUBLE_EQUAL(100 * forecast.pair_relayed, 22.0, .05);
        CU_ASSERT_DOUBLE_EQUAL(100 * forecast.pair_relayed_by_nat, 13.0, .05);
        CU_ASSERT_DOUBLE_EQUAL(100 * forecast.pair_relayed_by_blocking, 9.0, .05);
        CU_ASSERT_DOUBLE_EQUAL(100 * forecast.sfu_client_relayed, 4.6, 1e-9);
    }
}

/* Every kind there is, by drawing. */
static void any_population(void)
{
    enum { ROOMS = 20000, SIZE = 5 };
    double share[NAT_KINDS] = {.2, .15, .3, .05, .05, .05, .05, .05, .06, .04};
    struct nat_forecast forecast = nat_forecast_of_kinds(share, SIZE);
    struct rng rng = rng_of(1, "forecast", 0);
    uint64_t rooms = 0, pairs = 0;
    double squares = 0;
    for (int room = 0; room < ROOMS; room++) {
        int member[SIZE];
        uint64_t relayed = 0;
        for (int i = 0; i < SIZE; i++) {
            member[i] = (int)rng_weighted(&rng, share, NAT_KINDS);
            for (int k = 0; k < i; k++)
                relayed += !nat_kinds_direct(member[i], member[k]);
        }
        rooms += relayed > 0;
        pairs += relayed;
        squares += (double)(relayed * relayed);
    }
    struct binomial_counts expected = binomial_expect(ROOMS, forecast.room_relayed, .99);
    CU_ASSERT_TRUE(rooms >= expected.low && rooms <= expected.high);
    double mean = (double)pairs / ROOMS, deviation = sqrt(squares / ROOMS - mean * mean);
    CU_ASSERT_DOUBLE_EQUAL(mean, 10 * forecast.pair_relayed, 3 * deviation / sqrt(ROOMS));
    /* The exact interval for 1,000 rooms against a normal one with what was drawn. */
    struct error error = {0};
    struct binomial_counts range = {0};
    CU_ASSERT_TRUE(nat_forecast_pairs(&forecast, 1000, .99, &range, &error));
    double middle = 10000 * forecast.pair_relayed, reach = 2.5758 * deviation * sqrt(1000);
    CU_ASSERT_DOUBLE_EQUAL((double)range.low, middle - reach, .05 * reach);
    CU_ASSERT_DOUBLE_EQUAL((double)range.high, middle + reach, .05 * reach);
    CU_ASSERT_TRUE(range.high - range.low > binomial_expect(10000, forecast.pair_relayed, .99).high -
                                                binomial_expect(10000, forecast.pair_relayed, .99).low);
}

/* In rooms of two, pairs are rooms, so the count of relayed ones is binomial. */
static void pairs_of_two(void)
{
    struct nat_forecast forecast =
        of_population("{home: 60, open: 25.4, symmetric: 10, udp-blocked: 4.6}", "{size: 2}");
    static const uint32_t rooms[] = {1, 2, 7, 100, 1000};
    for (size_t i = 0; i < 5; i++) {
        struct binomial_counts exact = {0}, binomial = binomial_expect(rooms[i], forecast.pair_relayed, .99);
        CU_ASSERT_TRUE(nat_forecast_pairs(&forecast, rooms[i], .99, &exact, NULL));
        CU_ASSERT_EQUAL(exact.low, binomial.low);
        CU_ASSERT_EQUAL(exact.high, binomial.high);
    }
}

static void what_is_refused(void)
{
    double share[NAT_KINDS] = {[P] = .5, [S] = .5};
    struct nat_forecast forecast = nat_forecast_of_kinds(share, 40);
    struct binomial_counts counts;
    struct error error = {0};
    CU_ASSERT_FALSE(nat_forecast_pairs(&forecast, 1, .99, &counts, &error));
    CU_ASSERT_EQUAL(error.code, ERROR_UNSUPPORTED);
    forecast = nat_forecast_of_kinds(share, 10);
    CU_ASSERT_FALSE(nat_forecast_pairs(&forecast, 1000, .99, &counts, &error));
    CU_ASSERT_TRUE(nat_forecast_pairs(&forecast, 2, .99, &counts, &error));
    struct scenario *scenario = calloc(1, sizeof *scenario);
    scenario->matrix_count = 1;
    CU_ASSERT_FALSE(nat_forecast_of(scenario, &forecast, &error));
    CU_ASSERT_EQUAL(error.code, ERROR_UNSUPPORTED);
    free(scenario);
}

void nat_forecast_test(void)
{
    SUITE("nat_forecast", {"four kinds have a formula", four_kinds_have_a_formula},
          {"the wild population", the_wild_population}, {"any population", any_population},
          {"pairs of two", pairs_of_two}, {"what is refused", what_is_refused});
}
