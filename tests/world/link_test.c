#include "world/link.h"

#include <math.h>
#include <string.h>

#include "tests/support/suite.h"

static struct link make(const struct link_config *config, uint64_t seed)
{
    struct link link;
    struct error error = {0};
    CU_ASSERT_TRUE_FATAL(link_init(&link, config, seed, 0, &error));
    return link;
}

/* 1,250 bytes at 10 Mbit/s are 1 ms; a packet that finds the transmitter busy waits for it, and the fourth finds the
 * queue full until the second has left it. */
static void drop_tail_counts_what_waits_and_not_what_is_sent(void)
{
    struct link_config config = {.rate_bps = 10000000, .delay = 20 * NANOS_PER_MS, .queue_bytes = 2500};
    struct link link = make(&config, 1);
    nanos at = 0;
    CU_ASSERT_EQUAL(link_transit(&link, NULL, 1250, 0, &at), LINK_ARRIVES);
    CU_ASSERT_EQUAL(at, 21 * NANOS_PER_MS);
    CU_ASSERT_EQUAL(link_transit(&link, NULL, 1250, 0, &at), LINK_ARRIVES);
    CU_ASSERT_EQUAL(at, 22 * NANOS_PER_MS);
    CU_ASSERT_EQUAL(link_transit(&link, NULL, 1250, 0, &at), LINK_ARRIVES);
    CU_ASSERT_EQUAL(at, 23 * NANOS_PER_MS);
    CU_ASSERT_EQUAL(link_transit(&link, NULL, 1, NANOS_PER_MS - 1, &at), LINK_OVERFLOWED);
    CU_ASSERT_EQUAL(link_transit(&link, NULL, 1250, NANOS_PER_MS, &at), LINK_ARRIVES);
    CU_ASSERT_EQUAL(at, 24 * NANOS_PER_MS);
    CU_ASSERT_EQUAL(link_deadline(&link), NANOS_NEVER);
    CU_ASSERT_EQUAL(link.counters.offered, 5);
    CU_ASSERT_EQUAL(link.counters.delivered, 4);
    CU_ASSERT_EQUAL(link.counters.delivered_bytes, 5000);
    CU_ASSERT_EQUAL(link.counters.overflowed, 1);
    CU_ASSERT_EQUAL(link.counters.queue_delay_max, 2 * NANOS_PER_MS);
    CU_ASSERT_EQUAL(link.counters.queue_delay_sum, 5 * NANOS_PER_MS);
    link_clear(&link);
}

static void an_infinite_rate_never_queues(void)
{
    struct link_config config = {.delay = 7};
    struct link link = make(&config, 1);
    for (int i = 0; i < 100; i++) {
        nanos at = 0;
        CU_ASSERT_EQUAL(link_transit(&link, NULL, 65535, 5, &at), LINK_ARRIVES);
        CU_ASSERT_EQUAL(at, 12);
    }
    CU_ASSERT_EQUAL(link.cap, 0);
    link_clear(&link);
}

static void overhead_takes_its_time(void)
{
    struct link_config config = {.rate_bps = 8000, .queue_bytes = 2000, .overhead_bytes = 100};
    struct link link = make(&config, 1);
    nanos at = 0;
    CU_ASSERT_EQUAL(link_transit(&link, NULL, 900, 0, &at), LINK_ARRIVES);
    CU_ASSERT_EQUAL(at, NANOS_PER_S);
    CU_ASSERT_EQUAL(link_transit(&link, NULL, 1900, 0, &at), LINK_ARRIVES);
    CU_ASSERT_EQUAL(link_transit(&link, NULL, 1, 0, &at), LINK_OVERFLOWED);
    CU_ASSERT_EQUAL(link.counters.delivered_bytes, 2800);
    link_clear(&link);
}

/* RFC 8868, sections 4.5.2 and 4.5.3: later than the minimum by |N(0, std)|, cut at three deviations, in order, and
 * with at least its own serialization behind the packet before. */
static void jitter_is_bounded_and_keeps_the_order(void)
{
    struct link_config config = {
        .rate_bps = 10000000, .delay = 20 * NANOS_PER_MS, .jitter = 5 * NANOS_PER_MS, .queue_bytes = 100000};
    struct link link = make(&config, 7);
    const nanos serialization = NANOS_PER_MS;
    nanos last = 0;
    double sum = 0;
    nanos most = 0;
    enum { COUNT = 20000 };
    for (int i = 0; i < COUNT; i++) {
        /* Pairs, 100 ms apart: the second of a pair is often held up by the first. */
        nanos now = (i / 2) * 100 * NANOS_PER_MS;
        nanos at = 0;
        CU_ASSERT_EQUAL_FATAL(link_transit(&link, NULL, 1250, now, &at), LINK_ARRIVES);
        if (at < last + serialization || at < now + config.delay + serialization)
            CU_FAIL_FATAL("a packet came too early");
        last = at;
        if (i % 2 == 0) {
            nanos late = at - now - config.delay - serialization;
            sum += (double)late;
            most = nanos_max(most, late);
        }
    }
    /* The mean of |N(0, std)| is std * sqrt(2 / pi). */
    double mean = sum / (COUNT / 2);
    CU_ASSERT_DOUBLE_EQUAL(mean, 5e6 * sqrt(2 / M_PI), 0.1e6);
    CU_ASSERT_TRUE(most <= 15 * NANOS_PER_MS && most > 14 * NANOS_PER_MS);
    link_clear(&link);
}

struct losses {
    double share;
    double burst; /* mean length of a run */
};

static struct losses lose(double loss, double loss_burst, uint64_t seed)
{
    struct link_config config = {.loss = loss, .loss_burst = loss_burst};
    struct link link = make(&config, seed);
    enum { COUNT = 200000 };
    int runs = 0;
    bool was_lost = false;
    for (int i = 0; i < COUNT; i++) {
        nanos at;
        bool lost = link_transit(&link, NULL, 100, i, &at) == LINK_LOST;
        runs += lost && !was_lost;
        was_lost = lost;
    }
    struct losses losses = {(double)link.counters.lost / COUNT, (double)link.counters.lost / (runs > 0 ? runs : 1)};
    CU_ASSERT_EQUAL(link.counters.lost + link.counters.delivered, COUNT);
    link_clear(&link);
    return losses;
}

static void loss_has_the_share_and_burst_length_asked_for(void)
{
    struct losses alone = lose(0.05, 0, 1);
    CU_ASSERT_DOUBLE_EQUAL(alone.share, 0.05, 0.002);
    CU_ASSERT_DOUBLE_EQUAL(alone.burst, 1 / 0.95, 0.02);
    struct losses bursts = lose(0.05, 4, 1);
    CU_ASSERT_DOUBLE_EQUAL(bursts.share, 0.05, 0.003);
    CU_ASSERT_DOUBLE_EQUAL(bursts.burst, 4, 0.2);
    CU_ASSERT_EQUAL(lose(1, 3, 1).share, 1);
    CU_ASSERT_EQUAL(lose(0, 3, 1).share, 0);
}

static void a_lost_packet_still_took_its_time(void)
{
    struct link_config config = {.rate_bps = 8000, .queue_bytes = 10000, .loss = 1};
    struct link link = make(&config, 1);
    nanos at = 0;
    CU_ASSERT_EQUAL(link_transit(&link, NULL, 1000, 0, &at), LINK_LOST);
    config.loss = 0;
    CU_ASSERT_TRUE(link_configure(&link, &config, 0, NULL));
    CU_ASSERT_EQUAL(link_transit(&link, NULL, 1000, 0, &at), LINK_ARRIVES);
    CU_ASSERT_EQUAL(at, 2 * NANOS_PER_S);
    link_clear(&link);
}

static void a_changed_config_holds_from_the_next_packet_and_keeps_the_order(void)
{
    struct link_config config = {.rate_bps = 8000000, .delay = 50 * NANOS_PER_MS, .queue_bytes = 10000};
    struct link link = make(&config, 1);
    nanos first = 0;
    nanos second = 0;
    CU_ASSERT_EQUAL(link_transit(&link, NULL, 1000, 0, &first), LINK_ARRIVES);
    config.delay = 0;
    config.rate_bps = 4000000;
    CU_ASSERT_TRUE(link_configure(&link, &config, 0, NULL));
    CU_ASSERT_EQUAL(link_transit(&link, NULL, 1000, 0, &second), LINK_ARRIVES);
    CU_ASSERT_EQUAL(first, 51 * NANOS_PER_MS);
    CU_ASSERT_EQUAL(second, first + 2 * NANOS_PER_MS);
    CU_ASSERT_EQUAL(link_transit(&link, NULL, 1000, 80 * NANOS_PER_MS, &second), LINK_ARRIVES);
    CU_ASSERT_EQUAL(second, 82 * NANOS_PER_MS);
    /* To an infinite rate while something is still being sent: in order all the same. */
    config.rate_bps = 0;
    CU_ASSERT_TRUE(link_configure(&link, &config, 80 * NANOS_PER_MS, NULL));
    CU_ASSERT_EQUAL(link_transit(&link, NULL, 1000, 80 * NANOS_PER_MS, &second), LINK_ARRIVES);
    CU_ASSERT_EQUAL(second, 82 * NANOS_PER_MS);
    link_clear(&link);
}

static void the_same_seed_gives_the_same_fates(void)
{
    struct link_config config = {
        .rate_bps = 3000000, .jitter = NANOS_PER_MS, .loss = 0.1, .loss_burst = 3, .queue_bytes = 20000};
    struct link links[3] = {make(&config, 5), make(&config, 5), make(&config, 6)};
    int same = 0;
    for (int i = 0; i < 1000; i++) {
        nanos at[3] = {0};
        enum link_fate fates[3];
        for (int k = 0; k < 3; k++)
            fates[k] = link_transit(&links[k], NULL, 1000, i * 4 * NANOS_PER_MS, &at[k]);
        CU_ASSERT_TRUE(fates[0] == fates[1] && at[0] == at[1]);
        same += fates[0] == fates[2] && at[0] == at[2];
    }
    CU_ASSERT_TRUE(same < 200);
    for (int k = 0; k < 3; k++)
        link_clear(&links[k]);
}

/* 1,500-byte packets at twice the rate of a 12 Mbit/s link, for `duration`, then nothing. The packets' time in the queue
 * is their `arrives_at` less when they were offered and the 1 ms of transmission. */
struct codel_run {
    nanos sojourn_after; /* mean over the last second */
    nanos sojourn_most;
    nanos first_shed;
    nanos second_shed;
    uint64_t sent;
};

static struct codel_run codel_run(nanos interval_between, nanos duration)
{
    struct link_config config = {.rate_bps = 12000000, .queue_bytes = 10000000, .discipline = LINK_CODEL};
    struct link link = make(&config, 1);
    struct codel_run run = {.first_shed = NANOS_NEVER, .second_shed = NANOS_NEVER};
    nanos sum = 0;
    nanos count = 0;
    nanos next = 0;
    nanos last_arrival = 0;
    for (;;) {
        nanos deadline = link_deadline(&link);
        if (next >= duration && deadline == NANOS_NEVER)
            break;
        struct link_departure departure = {0};
        if (deadline <= next || next >= duration) {
            CU_ASSERT_FALSE(link_depart(&link, deadline - 1, &departure));
            CU_ASSERT_TRUE_FATAL(link_depart(&link, deadline, &departure));
        } else {
            departure.packet = (void *)(uintptr_t)(next + 1);
            departure.fate = link_transit(&link, departure.packet, 1500, next, &departure.arrives_at);
            next += interval_between;
        }
        nanos offered = (nanos)(uintptr_t)departure.packet - 1;
        if (departure.fate == LINK_SHED) {
            if (run.first_shed == NANOS_NEVER)
                run.first_shed = deadline;
            else if (run.second_shed == NANOS_NEVER)
                run.second_shed = deadline;
        } else if (departure.fate == LINK_ARRIVES) {
            nanos sojourn = departure.arrives_at - offered - NANOS_PER_MS;
            CU_ASSERT_TRUE(departure.arrives_at > last_arrival);
            last_arrival = departure.arrives_at;
            run.sent++;
            run.sojourn_most = nanos_max(run.sojourn_most, sojourn);
            if (offered > duration - NANOS_PER_S) {
                sum += sojourn;
                count++;
            }
        }
    }
    run.sojourn_after = count > 0 ? sum / count : 0;
    CU_ASSERT_EQUAL(run.sent, link.counters.delivered);
    CU_ASSERT_EQUAL(link.counters.delivered + link.counters.shed, link.counters.offered);
    link_clear(&link);
    return run;
}

static void codel_leaves_a_link_alone_that_is_not_overloaded(void)
{
    struct codel_run run = codel_run(NANOS_PER_MS, 10 * NANOS_PER_S);
    CU_ASSERT_EQUAL(run.sent, 10000);
    CU_ASSERT_EQUAL(run.sojourn_most, 0);
    CU_ASSERT_EQUAL(run.first_shed, NANOS_NEVER);
}

/* RFC 8289, sections 4.1 and 4.3: a queue above target for a whole interval loses its first packet then, the next one
 * an interval later, and from there on faster, until a 5 % overload is held near the target. */
static void codel_brings_the_sojourn_time_down(void)
{
    struct codel_run run = codel_run(NANOS_PER_MS * 95 / 100, 30 * NANOS_PER_S);
    /* The queue grows by 5 %: it is 5 ms long after 100 ms, and the first drop comes an interval later. */
    CU_ASSERT_TRUE(run.first_shed >= 195 * NANOS_PER_MS && run.first_shed <= 210 * NANOS_PER_MS);
    CU_ASSERT_TRUE(run.second_shed - run.first_shed >= 100 * NANOS_PER_MS &&
                   run.second_shed - run.first_shed <= 102 * NANOS_PER_MS);
    CU_ASSERT_TRUE(run.sojourn_most < 120 * NANOS_PER_MS);
    /* The sender does not slow down, so it hovers a little above. */
    CU_ASSERT_TRUE(run.sojourn_after < 10 * NANOS_PER_MS);
    CU_ASSERT_TRUE(run.sent > 29900);
}

/* Ten packets of 1 ms each are offered at once; after 2.5 ms the link is ten times slower. The third goes out as it began,
 * the others take 10 ms each, and those lost with them. */
static void what_waits_follows_a_new_rate(void)
{
    struct link_config config = {.rate_bps = 8000000, .delay = 50 * NANOS_PER_MS, .queue_bytes = 100000};
    struct link link = make(&config, 1);
    int packets[10];
    nanos at = 0;
    for (int i = 0; i < 10; i++) {
        CU_ASSERT_EQUAL(link_transit(&link, &packets[i], 1000, 0, &at), LINK_ARRIVES);
        CU_ASSERT_EQUAL(at, (51 + i) * NANOS_PER_MS);
        if (i == 5)
            link_forget(&link);
    }
    CU_ASSERT_EQUAL(link.counters.queue_delay_max, 9 * NANOS_PER_MS);
    nanos now = 2500 * NANOS_PER_US;
    config.rate_bps /= 10;
    config.delay = 60 * NANOS_PER_MS;
    CU_ASSERT_TRUE(link_configure(&link, &config, now, NULL));
    for (int i = 3; i < 10; i++) {
        void **packet = link_waiting(&link, (uint32_t)i - 3, &at);
        CU_ASSERT_PTR_NOT_NULL_FATAL(packet);
        CU_ASSERT_PTR_EQUAL(*packet, i == 5 ? NULL : &packets[i]);
        CU_ASSERT_EQUAL(at, (3 + (i - 2) * 10 + 60) * NANOS_PER_MS);
    }
    CU_ASSERT_PTR_NULL(link_waiting(&link, 7, &at));
    CU_ASSERT_EQUAL(link.counters.queue_delay_max, 63 * NANOS_PER_MS);
    CU_ASSERT_EQUAL(link.counters.queue_delay_sum, (0 + 1 + 2 + 3 + 13 + 23 + 33 + 43 + 53 + 63) * NANOS_PER_MS);
    /* And back: what would have waited long is soon there. */
    config.rate_bps *= 100;
    CU_ASSERT_TRUE(link_configure(&link, &config, 14 * NANOS_PER_MS, NULL));
    CU_ASSERT_PTR_EQUAL(*link_waiting(&link, 0, &at), NULL);
    CU_ASSERT_PTR_EQUAL(*link_waiting(&link, 1, &at), &packets[6]);
    CU_ASSERT_EQUAL(at, (23 + 60) * NANOS_PER_MS + 200 * NANOS_PER_US);
    CU_ASSERT_EQUAL(link_transit(&link, NULL, 1000, 14 * NANOS_PER_MS, &at), LINK_ARRIVES);
    CU_ASSERT_EQUAL(at, (23 + 60) * NANOS_PER_MS + 600 * NANOS_PER_US);
    /* Nothing waits any more. */
    CU_ASSERT_TRUE(link_configure(&link, &config, 40 * NANOS_PER_MS, NULL));
    CU_ASSERT_PTR_NULL(link_waiting(&link, 0, &at));
    link_clear(&link);
}

static void codel_follows_a_new_rate(void)
{
    struct link_config config = {.rate_bps = 12000000, .queue_bytes = 100000, .discipline = LINK_CODEL};
    struct link link = make(&config, 1);
    int packets[3];
    nanos at = 0;
    CU_ASSERT_EQUAL(link_transit(&link, &packets[0], 1500, 0, &at), LINK_ARRIVES);
    CU_ASSERT_EQUAL(link_transit(&link, &packets[1], 1500, 0, &at), LINK_QUEUED);
    CU_ASSERT_EQUAL(link_transit(&link, &packets[2], 1500, 0, &at), LINK_QUEUED);
    CU_ASSERT_EQUAL(link_deadline(&link), NANOS_PER_MS);
    config.rate_bps /= 10;
    CU_ASSERT_TRUE(link_configure(&link, &config, 0, NULL));
    struct link_departure departure;
    CU_ASSERT_TRUE(link_depart(&link, NANOS_PER_MS, &departure));
    CU_ASSERT_PTR_EQUAL(departure.packet, &packets[1]);
    CU_ASSERT_EQUAL(departure.arrives_at, 11 * NANOS_PER_MS);
    CU_ASSERT_FALSE(link_depart(&link, NANOS_PER_MS, &departure));
    CU_ASSERT_PTR_EQUAL(link_abandon(&link), &packets[2]);
    CU_ASSERT_PTR_NULL(link_abandon(&link));
    config.discipline = LINK_DROP_TAIL;
    CU_ASSERT_FALSE(link_configure(&link, &config, 0, NULL));
    link_clear(&link);
}

static void refuses_what_cannot_be(void)
{
    static const struct {
        struct link_config config;
        const char *names;
    } cases[] = {
        {{.rate_bps = -1}, "rate_bps"},
        {{.rate_bps = 1000}, "queue_bytes"},
        {{.delay = -1}, "delay"},
        {{.jitter = -1}, "jitter"},
        {{.loss = 1.01}, "loss"},
        {{.loss = NAN}, "loss"},
        {{.loss = -0.1}, "loss"},
        {{.loss_burst = NAN}, "loss_burst"},
        {{.loss = 0.8, .loss_burst = 2}, "burst"},
        {{.discipline = (enum link_discipline)7}, "discipline"},
        {{.overhead_bytes = 70000}, "overhead_bytes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct error error = {0};
        struct link link;
        CU_ASSERT_FALSE(link_init(&link, &cases[i].config, 1, 0, &error));
        CU_ASSERT_EQUAL(error.code, ERROR_USAGE);
        CU_ASSERT_PTR_NOT_NULL(strstr(error.text, cases[i].names));
    }
}

void link_test(void)
{
    SUITE("link",
          {"drop-tail counts what waits and not what is sent", drop_tail_counts_what_waits_and_not_what_is_sent},
          {"an infinite rate never queues", an_infinite_rate_never_queues},
          {"overhead takes its time", overhead_takes_its_time},
          {"jitter is bounded and keeps the order", jitter_is_bounded_and_keeps_the_order},
          {"loss has the share and burst length asked for", loss_has_the_share_and_burst_length_asked_for},
          {"a lost packet still took its time", a_lost_packet_still_took_its_time},
          {"a changed config holds from the next packet and keeps the order",
           a_changed_config_holds_from_the_next_packet_and_keeps_the_order},
          {"the same seed gives the same fates", the_same_seed_gives_the_same_fates},
          {"CoDel leaves a link alone that is not overloaded", codel_leaves_a_link_alone_that_is_not_overloaded},
          {"CoDel brings the sojourn time down", codel_brings_the_sojourn_time_down},
          {"what waits follows a new rate", what_waits_follows_a_new_rate},
          {"CoDel follows a new rate", codel_follows_a_new_rate}, {"refuses what can't be", refuses_what_cannot_be});
}
