#include "rtc/renumbering.h"

void renumbering_start(struct renumbering *numbers, int64_t first_in, int64_t first_out)
{
    *numbers = (struct renumbering){
        .first_in = first_in, .first_out = first_out, .highest_in = first_in - 1, .highest_out = first_out - 1};
}

/* Accounts for all numbers up to `in`, as not dropped. */
static void advance(struct renumbering *numbers, int64_t in)
{
    bit_ring_clear(numbers->dropped, RENUMBERING_WINDOW, numbers->highest_in + 1, in + 1);
    numbers->highest_out += in - numbers->highest_in;
    numbers->highest_in = in;
}

static bool is_remembered(const struct renumbering *numbers, int64_t in)
{
    return in >= numbers->first_in && in > numbers->highest_in - RENUMBERING_WINDOW && in <= numbers->highest_in;
}

/* How many of [first, end) are not dropped. */
static int64_t kept(const struct renumbering *numbers, int64_t first, int64_t end)
{
    return end - first - bit_ring_count(numbers->dropped, RENUMBERING_WINDOW, first, end);
}

bool renumbering_map(struct renumbering *numbers, int64_t in, int64_t *out)
{
    if (in > numbers->highest_in)
        advance(numbers, in);
    if (!is_remembered(numbers, in) || bit_ring_get(numbers->dropped, RENUMBERING_WINDOW, in))
        return false;
    *out = numbers->highest_out - kept(numbers, in + 1, numbers->highest_in + 1);
    return true;
}

bool renumbering_drop(struct renumbering *numbers, int64_t in)
{
    if (in <= numbers->highest_in)
        return !is_remembered(numbers, in) || bit_ring_get(numbers->dropped, RENUMBERING_WINDOW, in);
    advance(numbers, in);
    numbers->highest_out--;
    bit_ring_set(numbers->dropped, RENUMBERING_WINDOW, in);
    return true;
}

bool renumbering_find(const struct renumbering *numbers, int64_t out, int64_t *in)
{
    int64_t behind = numbers->highest_out - out;
    if (behind < 0 || out < numbers->first_out)
        return false;
    int64_t oldest = numbers->highest_in - RENUMBERING_WINDOW + 1;
    oldest = oldest > numbers->first_in ? oldest : numbers->first_in;
    for (int64_t end = numbers->highest_in + 1; end > oldest;) {
        int64_t start = (end - 1) & ~(int64_t)63; /* word by word */
        start = start > oldest ? start : oldest;
        int64_t here = kept(numbers, start, end);
        if (here <= behind) {
            behind -= here;
            end = start;
        } else if (bit_ring_get(numbers->dropped, RENUMBERING_WINDOW, --end) == false && behind-- == 0) {
            *in = end;
            return true;
        }
    }
    return false;
}
