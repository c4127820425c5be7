#include "rtc/full_queue.h"

#define PERIOD (250 * NANOS_PER_MS)
#define PACKETS_MIN 10
#define LOSS_MIN 0.02
#define DELAY_MIN (10 * NANOS_PER_MS)
#define BASELINE_TURN (30 * NANOS_PER_S)
/* If the queue still stands after so many times, it is no queue: the path got longer. */
#define VERDICTS_MAX 5

static void note_delay(struct full_queue *queue, nanos delay, nanos now)
{
    if (!queue->has_baseline || now - queue->turned > 2 * BASELINE_TURN) {
        queue->has_baseline = true;
        queue->least[0] = queue->least[1] = delay;
        queue->turned = now;
    } else if (now - queue->turned > BASELINE_TURN) {
        queue->least[1] = queue->least[0];
        queue->least[0] = delay;
        queue->turned = now;
    }
    queue->least[0] = nanos_min(queue->least[0], delay);
    queue->baseline = nanos_min(queue->least[0], queue->least[1]);
}

static void begin(struct full_queue *queue, nanos since)
{
    queue->since = since;
    queue->packets = 0;
    queue->lost = 0;
    queue->delay = NANOS_NEVER;
}

bool full_queue_add(struct full_queue *queue, const struct twcc_result *result, nanos now)
{
    bool lost = result->received == NANOS_NEVER;
    if (!lost)
        note_delay(queue, result->received - result->sent, now);
    if (queue->packets == 0 && queue->since == 0)
        begin(queue, result->sent);
    if (result->sent < queue->since)
        return false;
    queue->packets++;
    queue->lost += lost;
    if (!lost)
        queue->delay = nanos_min(queue->delay, result->received - result->sent);
    if (result->sent - queue->since < PERIOD || queue->packets < PACKETS_MIN)
        return false;
    bool lossy = queue->lost > LOSS_MIN * queue->packets;
    bool stands = queue->delay != NANOS_NEVER && queue->delay - queue->baseline > DELAY_MIN;
    queue->in_a_row = lossy && stands ? queue->in_a_row + 1 : 0;
    if (queue->in_a_row > VERDICTS_MAX) {
        queue->least[0] = queue->least[1] = queue->delay;
        queue->in_a_row = 0;
    }
    bool full = queue->in_a_row > 0;
    begin(queue, full ? now : result->sent);
    return full;
}
