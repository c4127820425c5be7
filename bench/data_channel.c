/* What data channels cost: memory of an association, a small message, bulk, and the idle ones while others talk. Both
 * ends of each connection are in here, without DTLS, 10 ms apart in virtual time. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "rtc/data_channel.h"

enum { PAIRS = 500, MTU = 1150, MESSAGE = 200, ROUNDS = 20, PIECE = 16384, PIECES = 3000, TICKS = 1000 };
#define DELAY (10 * NANOS_PER_MS)

struct pair {
    struct data_channels *ends[2];
    struct data_channel *channel;
};

static nanos now;
static size_t messages;

static double seconds(void)
{
    struct timespec at;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static double kib_in_use(void)
{
    struct mallinfo2 info = mallinfo2();
    return (double)(info.uordblks + info.hblkhd) / 1024;
}

/* Each end's packets to the other, in turns, until both are silent. */
static void talk(struct pair *pair)
{
    bool any = true;
    while (any) {
        any = false;
        for (int i = 0; i < 2; i++) {
            uint8_t buf[MTU];
            struct data_channel_event event;
            ssize_t len;
            while (data_channels_event(pair->ends[i], &event, now))
                messages += event.type == DATA_CHANNEL_MESSAGE;
            while ((len = data_channels_write(pair->ends[i], buf, sizeof buf, now)) > 0) {
                data_channels_read(pair->ends[1 - i], buf, (size_t)len, now);
                any = true;
            }
        }
    }
}

int main(void)
{
    static struct pair pairs[PAIRS];
    static uint8_t bytes[PIECE];
    double before = kib_in_use();
    double began = seconds();
    struct data_channels *first = data_channels_create(&(struct data_channels_config){0}, NULL);
    data_channels_start(first, true, MTU, now, NULL);
    printf("usrsctp itself, with one association     %6.0f KiB %8.1f ms\n", kib_in_use() - before,
           (seconds() - began) * 1e3);

    before = kib_in_use();
    began = seconds();
    for (int i = 0; i < PAIRS; i++) {
        struct pair *pair = &pairs[i];
        for (int end = 0; end < 2; end++) {
            pair->ends[end] = data_channels_create(&(struct data_channels_config){0}, NULL);
            data_channels_start(pair->ends[end], end == 0, MTU, now, NULL);
        }
        pair->channel = data_channel_open(pair->ends[0], &(struct data_channel_config){.label = "x"}, now, NULL);
        talk(pair);
    }
    printf("an association, up, with a channel       %6.1f KiB %8.1f us\n", (kib_in_use() - before) / 2 / PAIRS,
           (seconds() - began) * 1e6 / 2 / PAIRS);

    began = seconds();
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < PAIRS; i++) {
            data_channel_send(pairs[i].channel, false, bytes, MESSAGE, now);
            talk(&pairs[i]);
        }
        now += DELAY;
    }
    printf("a message of %d bytes, both ends                      %8.1f us\n", MESSAGE,
           (seconds() - began) * 1e6 / messages);

    messages = 0;
    began = seconds();
    for (int i = 0; i < PIECES; i++) {
        data_channel_send(pairs[0].channel, false, bytes, PIECE, now);
        talk(&pairs[0]);
    }
    double took = seconds() - began;
    printf("bulk, both ends: %.0f MB/s, a full packet                %8.2f us (%zu messages)\n",
           (double)PIECES * PIECE / 1e6 / took, took * 1e6 / ((double)PIECES * PIECE / (MTU - 28)), messages);

    began = seconds();
    for (int i = 0; i < TICKS; i++) {
        now += DELAY;
        talk(&pairs[0]);
    }
    printf("time goes on by 10 ms, with %d idle associations    %8.2f us\n", 2 * PAIRS,
           (seconds() - began) * 1e6 / TICKS);
    for (int i = 0; i < PAIRS; i++) {
        data_channels_destroy(pairs[i].ends[0]);
        data_channels_destroy(pairs[i].ends[1]);
    }
    data_channels_destroy(first);
    return 0;
}
