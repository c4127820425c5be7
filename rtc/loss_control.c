#include "rtc/loss_control.h"

#include <math.h>

#define OBSERVATION_DURATION (250 * NANOS_PER_MS)
#define OBSERVATIONS_MIN 3
#define TEMPORAL_WEIGHT 0.9
#define INHERENT_LOSS_START 0.01
#define INHERENT_LOSS_MIN 1e-3
#define INHERENT_LOSS_OFFSET 0.05 /* the most inherent loss that is plausible is this … */
#define INHERENT_LOSS_KBPS 75.0   /* … plus this divided by the bandwidth */
#define UPPER_BOUND_LOSS_OFFSET 0.05
#define UPPER_BOUND_KBPS 75.0
#define NEWTON_STEP 0.75
#define BIAS_PER_KBPS 0.0002
#define BIAS_PER_LOG_KBPS 0.02
#define BIAS_LOSS_THRESHOLD 0.15 /* below, more bandwidth is preferred, above, less */
#define BIAS_SMOOTHING 0.002
#define INCREASE_MAX 1.3 /* in each … */
#define INCREASE_WINDOW (300 * NANOS_PER_MS)
#define FLOOR_KBPS 5.0

static const double candidate_factors[] = {1.02, 1.0, 0.95};
#define FACTORS 3
#define CANDIDATES (FACTORS + 2) /* and the acknowledged and the delay-based rate */

void loss_control_reset(struct loss_control *control, int64_t start_bps, int64_t min_bps, int64_t max_bps)
{
    *control = (struct loss_control){.min_bps = min_bps,
                                     .max_bps = max_bps,
                                     .bps = start_bps,
                                     .bandwidth_kbps = (double)start_bps / 1000,
                                     .inherent_loss = INHERENT_LOSS_START,
                                     .window_limit_kbps = INFINITY,
                                     .recovering_since = -INCREASE_WINDOW - 1};
}

void loss_control_set(struct loss_control *control, int64_t bps)
{
    control->bps = bps;
    control->bandwidth_kbps = (double)bps / 1000;
    control->state = LOSS_UNLIMITED;
}

bool loss_control_ready(const struct loss_control *control) { return control->count >= OBSERVATIONS_MIN; }

static int observation_count(const struct loss_control *control)
{
    return control->count < LOSS_OBSERVATIONS ? (int)control->count : LOSS_OBSERVATIONS;
}

/* The observation made `age` observations ago. */
static const struct loss_observation *observation(const struct loss_control *control, int age)
{
    return &control->observations[(control->count - 1 - (uint64_t)age) % LOSS_OBSERVATIONS];
}

static double average_loss(const struct loss_control *control)
{
    double packets = 0;
    double lost = 0;
    double weight = 1;
    for (int age = 0; age < observation_count(control); age++, weight *= TEMPORAL_WEIGHT) {
        packets += weight * observation(control, age)->packets;
        lost += weight * observation(control, age)->lost;
    }
    return packets > 0 ? lost / packets : 0;
}

/* Adds the report to what is being collected; true when that completed an observation. */
static bool observe(struct loss_control *control, const struct loss_report *report)
{
    struct loss_report *partial = &control->partial;
    if (!control->started && report->packets > 0) {
        control->started = true;
        control->observed = report->first_sent;
    }
    partial->packets += report->packets;
    partial->lost += report->lost;
    partial->lost -= report->late < partial->lost ? report->late : partial->lost;
    partial->bytes += report->bytes;
    if (report->packets == 0) /* then it has no times */
        return false;
    nanos duration = report->last_sent - control->observed;
    if (duration < OBSERVATION_DURATION)
        return false;
    control->observed = report->last_sent;
    control->observations[control->count++ % LOSS_OBSERVATIONS] =
        (struct loss_observation){.sent_kbps = 8.0 * (double)partial->bytes / nanos_to_ms(duration),
                                  .packets = partial->packets,
                                  .lost = partial->lost};
    *partial = (struct loss_report){0};
    control->average_loss = average_loss(control);
    return true;
}

struct candidate {
    double kbps;
    double inherent_loss;
};

static double feasible_loss(double loss, double kbps)
{
    double most = kbps > 0 ? fmin(INHERENT_LOSS_OFFSET + INHERENT_LOSS_KBPS / kbps, 1) : 1;
    return fmin(fmax(loss, INHERENT_LOSS_MIN), most);
}

static double loss_probability(const struct candidate *candidate, double sent_kbps)
{
    double probability = candidate->inherent_loss;
    if (sent_kbps > candidate->kbps)
        probability += (1 - probability) * (sent_kbps - candidate->kbps) / sent_kbps;
    return fmin(fmax(probability, 1e-6), 1 - 1e-6);
}

/* One Newton step towards the inherent loss that makes the observations likeliest. */
static void fit_inherent_loss(const struct loss_control *control, struct candidate *candidate)
{
    double first = 0;
    double second = 0;
    double weight = 1;
    for (int age = 0; age < observation_count(control); age++, weight *= TEMPORAL_WEIGHT) {
        const struct loss_observation *seen = observation(control, age);
        double lost = seen->lost;
        double received = seen->packets - lost;
        double p = loss_probability(candidate, seen->sent_kbps);
        first += weight * (lost / p - received / (1 - p));
        second -= weight * (lost / (p * p) + received / ((1 - p) * (1 - p)));
    }
    if (second < 0)
        candidate->inherent_loss =
            feasible_loss(candidate->inherent_loss - NEWTON_STEP * first / second, candidate->kbps);
}

static double bandwidth_bias(const struct loss_control *control, double kbps)
{
    double below = BIAS_LOSS_THRESHOLD - control->average_loss;
    return below / (BIAS_SMOOTHING + fabs(below)) * (BIAS_PER_KBPS * kbps + BIAS_PER_LOG_KBPS * log1p(kbps));
}

/* The logarithm of the likelihood, and the bias. */
static double objective(const struct loss_control *control, const struct candidate *candidate)
{
    double bias = bandwidth_bias(control, candidate->kbps);
    double sum = 0;
    double weight = 1;
    for (int age = 0; age < observation_count(control); age++, weight *= TEMPORAL_WEIGHT) {
        const struct loss_observation *seen = observation(control, age);
        double p = loss_probability(candidate, seen->sent_kbps);
        sum += weight * (seen->lost * log(p) + (seen->packets - seen->lost) * log(1 - p) + bias * seen->packets);
    }
    return sum;
}

static struct candidate best_candidate(const struct loss_control *control, double acknowledged_kbps,
                                       double delay_based_kbps, bool application_limited)
{
    double kbps[CANDIDATES];
    int count = 0;
    for (; count < FACTORS; count++)
        kbps[count] = candidate_factors[count] * control->bandwidth_kbps;
    if (acknowledged_kbps > 0 && !application_limited)
        kbps[count++] = acknowledged_kbps;
    if (delay_based_kbps > control->bandwidth_kbps)
        kbps[count++] = delay_based_kbps;
    double most = (double)control->max_bps / 1000;
    if (control->state != LOSS_UNLIMITED)
        most = fmin(most, control->window_limit_kbps);
    most = fmax(most, control->bandwidth_kbps);

    struct candidate best = {.kbps = control->bandwidth_kbps, .inherent_loss = control->inherent_loss};
    double highest = -INFINITY;
    for (int i = 0; i < count; i++) {
        struct candidate candidate = {.kbps = fmin(kbps[i], most)};
        candidate.inherent_loss = feasible_loss(control->inherent_loss, candidate.kbps);
        fit_inherent_loss(control, &candidate);
        double value = objective(control, &candidate);
        if (value > highest) {
            highest = value;
            best = candidate;
        }
    }
    return best;
}

/* The loss that the candidate would have made of what was sent, weighted as the average is. */
static double expected_loss(const struct loss_control *control, const struct candidate *candidate)
{
    double packets = 0;
    double lost = 0;
    double weight = 1;
    for (int age = 0; age < observation_count(control); age++, weight *= TEMPORAL_WEIGHT) {
        const struct loss_observation *seen = observation(control, age);
        packets += weight * seen->packets;
        lost += weight * seen->packets * loss_probability(candidate, seen->sent_kbps);
    }
    return packets > 0 ? lost / packets : 0;
}

static bool recovering(const struct loss_control *control)
{
    return control->observed - control->recovering_since < INCREASE_WINDOW;
}

void loss_control_update(struct loss_control *control, const struct loss_report *report, int64_t acknowledged_bps,
                         int64_t delay_based_bps, bool application_limited)
{
    if (!observe(control, report))
        return;
    double delay_based_kbps = (double)delay_based_bps / 1000;
    struct candidate best =
        best_candidate(control, (double)acknowledged_bps / 1000, delay_based_kbps, application_limited);
    /* More is lost than the best explanation has it: no time to rise. */
    if (control->average_loss > expected_loss(control, &best) && best.kbps > control->bandwidth_kbps)
        best.kbps = control->bandwidth_kbps;
    if (control->state != LOSS_UNLIMITED && recovering(control))
        best.kbps = fmin(best.kbps, control->window_limit_kbps);
    control->bandwidth_kbps = best.kbps;
    control->inherent_loss = best.inherent_loss;

    double bound = (double)control->max_bps / 1000;
    if (control->average_loss > UPPER_BOUND_LOSS_OFFSET)
        bound = fmin(bound, UPPER_BOUND_KBPS / (control->average_loss - UPPER_BOUND_LOSS_OFFSET));
    int64_t bps = (int64_t)(fmin(fmin(best.kbps, bound), delay_based_kbps) * 1000);
    bps = bps > control->min_bps ? bps : control->min_bps;
    bool limited = bps < delay_based_bps && bps < control->max_bps;
    bool rising = control->state != LOSS_UNLIMITED &&
                  (bps > control->bps || (bps == control->bps && control->state == LOSS_INCREASING));
    control->state = !limited ? LOSS_UNLIMITED : rising ? LOSS_INCREASING : LOSS_DECREASING;
    control->bps = bps;
    if (control->state != LOSS_UNLIMITED && !recovering(control)) {
        control->window_limit_kbps = fmax(FLOOR_KBPS, best.kbps * INCREASE_MAX);
        control->recovering_since = control->observed;
    }
}
