#include "rtc/data_channel.h"

#include <openssl/sha.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tests/support/data_pair.h"
#include "tests/support/suite.h"

enum { TEXT_CAP = 64, CHANNELS_CAP = 8 };

/* What an end was told. */
struct told {
    size_t incoming, opened, closed, low, messages, bytes;
    struct data_channel *channels[CHANNELS_CAP]; /* those that the peer opened */
    char last[TEXT_CAP];
    bool last_text;
    size_t last_len;
    char reason[TEXT_CAP];
    SHA256_CTX sha;
    uint32_t numbers[DATA_PAIR_LOG]; /* the first four bytes of each message */
    bool echo;
};

struct tale {
    struct told ends[2];
};

static void note(struct data_pair *pair, int end, const struct data_channel_event *event)
{
    struct told *told = &((struct tale *)pair->config.user)->ends[end];
    switch (event->type) {
    case DATA_CHANNEL_INCOMING:
        if (told->incoming < CHANNELS_CAP)
            told->channels[told->incoming] = event->channel;
        told->incoming++;
        break;
    case DATA_CHANNEL_OPEN:
        told->opened++;
        break;
    case DATA_CHANNEL_MESSAGE:
        if (told->messages < DATA_PAIR_LOG && event->len >= 4)
            memcpy(&told->numbers[told->messages], event->data, 4);
        told->messages++;
        told->bytes += event->len;
        told->last_text = event->text;
        told->last_len = event->len;
        snprintf(told->last, sizeof told->last, "%.*s", (int)(event->len < 60 ? event->len : 60),
                 (const char *)event->data);
        SHA256_Update(&told->sha, event->data, event->len);
        if (told->echo)
            data_channel_send(event->channel, event->text, event->data, event->len, pair->now);
        break;
    case DATA_CHANNEL_LOW:
        told->low++;
        break;
    case DATA_CHANNEL_CLOSED:
        told->closed++;
        snprintf(told->reason, sizeof told->reason, "%.63s", event->reason != NULL ? event->reason : "");
        break;
    }
}

static struct tale *tale;

static struct data_pair *pair_of(struct data_pair_config config)
{
    tale = calloc(1, sizeof *tale);
    SHA256_Init(&tale->ends[0].sha);
    SHA256_Init(&tale->ends[1].sha);
    if (config.seed == 0)
        config.seed = 1;
    config.event = note;
    config.user = tale;
    return data_pair_create(&config);
}

static void finish(struct data_pair *pair)
{
    data_pair_destroy(pair);
    free(tale);
}

static struct data_channel *open_channel(struct data_pair *pair, int end, struct data_channel_config config)
{
    struct data_channel *channel = data_channel_open(pair->ends[end].channels, &config, pair->now, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(channel);
    return channel;
}

static void opens_and_carries(void)
{
    struct data_pair *pair = pair_of((struct data_pair_config){0});
    struct data_channel *channel = open_channel(pair, 0,
                                                (struct data_channel_config){.label = "chat",
                                                                             .protocol = "json",
                                                                             .unordered = true,
                                                                             .reliability = SCTP_MAX_RETRANSMITS,
                                                                             .limit = 3,
                                                                             .priority = DCEP_PRIORITY_HIGH});
    tale->ends[1].echo = true;
    CU_ASSERT_TRUE(data_channel_send(channel, true, "Grüße", 7, pair->now)); /* before there is anything */
    data_pair_run(pair, NANOS_PER_S);
    CU_ASSERT_EQUAL(data_channel_id(channel), 0); /* the client's are even */
    CU_ASSERT_EQUAL(tale->ends[0].opened, 1);
    CU_ASSERT_EQUAL_FATAL(tale->ends[1].incoming, 1);
    struct data_channel *other = tale->ends[1].channels[0];
    struct data_channel_config seen = data_channel_configuration(other);
    CU_ASSERT_STRING_EQUAL(data_channel_label(other), "chat");
    CU_ASSERT_STRING_EQUAL(data_channel_protocol(other), "json");
    CU_ASSERT_TRUE(seen.unordered);
    CU_ASSERT_EQUAL(seen.reliability, SCTP_MAX_RETRANSMITS);
    CU_ASSERT_EQUAL(seen.limit, 3);
    CU_ASSERT_EQUAL(seen.priority, DCEP_PRIORITY_HIGH);
    CU_ASSERT_STRING_EQUAL(tale->ends[1].last, "Grüße");
    CU_ASSERT_STRING_EQUAL(tale->ends[0].last, "Grüße"); /* echoed */
    CU_ASSERT_TRUE(tale->ends[0].last_text);
    CU_ASSERT_TRUE(data_channel_send(channel, false, "\0\1\2", 3, pair->now));
    data_pair_run(pair, 2 * NANOS_PER_S);
    CU_ASSERT_FALSE(tale->ends[1].last_text);
    CU_ASSERT_EQUAL(tale->ends[1].last_len, 3);
    CU_ASSERT_TRUE(data_channel_send(channel, true, "", 0, pair->now));
    data_pair_run(pair, 3 * NANOS_PER_S);
    CU_ASSERT_TRUE(tale->ends[0].last_text);
    CU_ASSERT_EQUAL(tale->ends[0].last_len, 0);
    CU_ASSERT_EQUAL(tale->ends[0].messages, 3);
    CU_ASSERT_EQUAL(data_channel_buffered(channel), 0);
    finish(pair);
}

/* Ids by role, also when both open at once; and channels that both know of beforehand. */
static void numbers_channels(void)
{
    struct data_pair *pair = pair_of((struct data_pair_config){0});
    struct data_channel *channels[2][3];
    for (int end = 0; end < 2; end++) {
        for (int i = 0; i < 2; i++)
            channels[end][i] = open_channel(pair, end, (struct data_channel_config){.label = "a"});
        channels[end][2] = open_channel(pair, end, (struct data_channel_config){.negotiated = true, .id = 2});
    }
    CU_ASSERT_PTR_NULL(
        data_channel_open(pair->ends[0].channels, &(struct data_channel_config){.negotiated = true, .id = 2}, 0, NULL));
    data_pair_run(pair, NANOS_PER_S);
    CU_ASSERT_EQUAL(data_channel_id(channels[0][0]), 0);
    CU_ASSERT_EQUAL(data_channel_id(channels[0][1]), 4); /* 2 is taken */
    CU_ASSERT_EQUAL(data_channel_id(channels[1][0]), 1);
    CU_ASSERT_EQUAL(data_channel_id(channels[1][1]), 3);
    CU_ASSERT_EQUAL(tale->ends[0].incoming, 2);
    CU_ASSERT_EQUAL(tale->ends[1].incoming, 2);
    CU_ASSERT_EQUAL(tale->ends[0].opened, 3);
    CU_ASSERT_TRUE(data_channel_send(channels[1][2], true, "known", 5, pair->now));
    data_pair_run(pair, 2 * NANOS_PER_S);
    CU_ASSERT_STRING_EQUAL(tale->ends[0].last, "known");
    finish(pair);
}

static void refuses_too_much(void)
{
    static char text[DCEP_TEXT_MAX + 2];
    memset(text, 'x', sizeof text - 1);
    struct data_pair *pair =
        pair_of((struct data_pair_config){.ends = {{.remote_message_max = 100, .queue_max = 250}, {0}}});
    struct data_channels *channels = pair->ends[0].channels;
    CU_ASSERT_PTR_NULL(data_channel_open(channels, &(struct data_channel_config){.label = text}, 0, NULL));
    struct data_channel *channel = open_channel(pair, 0, (struct data_channel_config){0});
    CU_ASSERT_FALSE(data_channel_send(channel, true, text, 101, 0));
    CU_ASSERT_TRUE(data_channel_send(channel, true, text, 100, 0));
    CU_ASSERT_TRUE(data_channel_send(channel, true, text, 100, 0));
    CU_ASSERT_FALSE(data_channel_send(channel, true, text, 51, 0)); /* the queue is full, for other channels too */
    CU_ASSERT_FALSE(data_channel_send(open_channel(pair, 0, (struct data_channel_config){0}), true, text, 51, 0));
    for (int i = 2; i < DATA_CHANNELS_MAX; i++)
        open_channel(pair, 0, (struct data_channel_config){0});
    CU_ASSERT_PTR_NULL(data_channel_open(channels, &(struct data_channel_config){0}, 0, NULL));
    data_pair_run(pair, NANOS_PER_S);
    CU_ASSERT_EQUAL(tale->ends[1].incoming, DATA_CHANNELS_MAX);
    CU_ASSERT_EQUAL(tale->ends[1].messages, 2);
    CU_ASSERT_PTR_NULL(data_channel_open(pair->ends[1].channels, &(struct data_channel_config){0}, 0, NULL));
    finish(pair);
}

/* --- reliability ------------------------------------------------------------------------------------------------------------- */

enum { NUMBERED = 500 };

static void send_numbers(struct data_pair *pair, struct data_channel_config config)
{
    struct data_channel *channel = open_channel(pair, 0, config);
    uint8_t message[300] = {0};
    data_pair_run(pair, NANOS_PER_S);
    for (uint32_t i = 0; i < NUMBERED; i++) {
        memcpy(message, &i, sizeof i);
        CU_ASSERT_TRUE(data_channel_send(channel, false, message, sizeof message, pair->now));
        data_pair_run(pair, pair->now + 5 * NANOS_PER_MS);
    }
    data_pair_run(pair, pair->now + 20 * NANOS_PER_S);
}

static size_t out_of_order(const struct told *told)
{
    size_t count = 0;
    for (size_t i = 1; i < told->messages; i++)
        count += told->numbers[i] < told->numbers[i - 1];
    return count;
}

static void delivers_all_in_order(void)
{
    struct data_pair *pair = pair_of((struct data_pair_config){.loss = 0.05});
    send_numbers(pair, (struct data_channel_config){0});
    CU_ASSERT_EQUAL(tale->ends[1].messages, NUMBERED);
    CU_ASSERT_EQUAL(out_of_order(&tale->ends[1]), 0);
    finish(pair);
}

static void delivers_all_unordered(void)
{
    struct data_pair *pair = pair_of((struct data_pair_config){.loss = 0.05});
    send_numbers(pair, (struct data_channel_config){.unordered = true});
    CU_ASSERT_EQUAL(tale->ends[1].messages, NUMBERED);
    CU_ASSERT_TRUE(out_of_order(&tale->ends[1]) > 0);
    finish(pair);
}

/* Without retransmissions about as many are lost as packets are; with a few, hardly any. */
static void gives_up_after_retransmissions(void)
{
    size_t arrived[2];
    for (uint32_t limit = 0; limit < 2; limit++) {
        struct data_pair *pair = pair_of((struct data_pair_config){.loss = 0.1});
        send_numbers(pair, (struct data_channel_config){.reliability = SCTP_MAX_RETRANSMITS, .limit = limit * 4});
        arrived[limit] = tale->ends[1].messages;
        CU_ASSERT_EQUAL(out_of_order(&tale->ends[1]), 0);
        finish(pair);
    }
    CU_ASSERT_TRUE(arrived[0] > NUMBERED * 80 / 100 && arrived[0] < NUMBERED * 97 / 100);
    CU_ASSERT_TRUE(arrived[1] >= NUMBERED - 2);
}

/* A message that is older than its lifetime isn't sent again: nothing arrives very late. */
static void gives_up_after_a_lifetime(void)
{
    struct data_pair *pair = pair_of((struct data_pair_config){.loss = 0.1});
    send_numbers(pair, (struct data_channel_config){.reliability = SCTP_MAX_LIFETIME, .limit = 50});
    CU_ASSERT_TRUE(tale->ends[1].messages > NUMBERED * 80 / 100 && tale->ends[1].messages < NUMBERED * 97 / 100);
    finish(pair);
}

/* --- much at once ------------------------------------------------------------------------------------------------------------ */

enum { FILE_BYTES = 5000000, PIECE = 16384 };

struct file {
    uint8_t *bytes;
    size_t sent;
};

/* As an application with back-pressure does it: no more than a little waits. */
static void send_pieces(struct data_pair *pair, struct data_channel *channel, struct file *file)
{
    while (file->sent < FILE_BYTES && data_channel_buffered(channel) < 4 * PIECE) {
        size_t len = FILE_BYTES - file->sent < PIECE ? FILE_BYTES - file->sent : PIECE;
        CU_ASSERT_TRUE_FATAL(data_channel_send(channel, false, file->bytes + file->sent, len, pair->now));
        file->sent += len;
    }
}

static void transfers_a_file(void)
{
    struct data_pair *pair = pair_of((struct data_pair_config){.loss = 0.01, .rate_bps = 20000000});
    struct data_channel *channel = open_channel(pair, 0, (struct data_channel_config){.label = "file"});
    struct file file = {.bytes = malloc(FILE_BYTES)};
    struct rng rng = rng_of(7, "file", 0);
    rng_bytes(&rng, file.bytes, FILE_BYTES);
    uint8_t sent[SHA256_DIGEST_LENGTH];
    uint8_t got[SHA256_DIGEST_LENGTH];
    SHA256(file.bytes, FILE_BYTES, sent);
    data_channel_set_low(channel, 2 * PIECE);
    data_pair_run(pair, NANOS_PER_S);
    size_t most = 0;
    while (tale->ends[1].bytes < FILE_BYTES && pair->now < 120 * NANOS_PER_S) {
        send_pieces(pair, channel, &file);
        most = data_channel_buffered(channel) > most ? data_channel_buffered(channel) : most;
        data_pair_run(pair, pair->now + 10 * NANOS_PER_MS);
    }
    SHA256_Final(got, &tale->ends[1].sha);
    CU_ASSERT_EQUAL(tale->ends[1].bytes, FILE_BYTES);
    CU_ASSERT_EQUAL(memcmp(sent, got, sizeof sent), 0);
    CU_ASSERT_TRUE(most <= 5 * PIECE);
    CU_ASSERT_TRUE(tale->ends[0].low > 10);
    CU_ASSERT_TRUE(pair->now < 60 * NANOS_PER_S);
    CU_ASSERT_TRUE(pair->ends[0].longest > DATA_PAIR_MTU - 8 && pair->ends[0].longest <= DATA_PAIR_MTU);
    free(file.bytes);
    finish(pair);
}

/* A message longer than any buffer between, beside one of another channel that doesn't wait for all of it to be sent. */
static void carries_large_messages(void)
{
    struct data_pair *pair = pair_of(
        (struct data_pair_config){.rate_bps = 20000000, .ends = {{.message_max = 2000000}, {.message_max = 2000000}}});
    struct data_channel *channel = open_channel(pair, 0, (struct data_channel_config){0});
    uint8_t *bytes = calloc(1, 1500000);
    CU_ASSERT_TRUE(data_channel_send(channel, false, bytes, 1500000, 0));
    CU_ASSERT_TRUE(data_channel_send(channel, false, bytes, 10, 0));
    data_pair_run(pair, 5 * NANOS_PER_S);
    CU_ASSERT_EQUAL(tale->ends[1].messages, 2);
    CU_ASSERT_EQUAL(tale->ends[1].bytes, 1500010);
    free(bytes);
    finish(pair);
}

/* Whoever sends more than was announced is cut off. */
static void ends_with_a_message_too_long(void)
{
    struct data_pair *pair = pair_of((struct data_pair_config){.ends = {{0}, {.message_max = 1000}}});
    struct data_channel *channel = open_channel(pair, 0, (struct data_channel_config){0});
    uint8_t bytes[2000] = {0};
    CU_ASSERT_TRUE(data_channel_send(channel, false, bytes, 1000, 0));
    CU_ASSERT_TRUE(data_channel_send(channel, false, bytes, sizeof bytes, 0));
    data_pair_run(pair, NANOS_PER_S);
    CU_ASSERT_EQUAL(tale->ends[1].messages, 1);
    CU_ASSERT_EQUAL(tale->ends[1].closed, 1);
    CU_ASSERT_STRING_EQUAL(tale->ends[1].reason, "the peer sent a message longer than we take");
    CU_ASSERT_EQUAL(tale->ends[0].closed, 1);
    finish(pair);
}

/* A reader that doesn't read: its window fills, the sender's queue too, and no more. Then it reads on. */
static void waits_for_a_slow_reader(void)
{
    struct data_pair *pair = pair_of((struct data_pair_config){.ends = {{.queue_max = 100000}, {0}}});
    struct data_channel *channel = open_channel(pair, 0, (struct data_channel_config){0});
    uint8_t bytes[1000] = {0};
    size_t sent = 0;
    data_pair_run(pair, NANOS_PER_S);
    data_channels_hold(pair->ends[1].channels, true);
    while (pair->now < 10 * NANOS_PER_S) {
        while (data_channel_send(channel, false, bytes, sizeof bytes, pair->now))
            sent++;
        data_pair_run(pair, pair->now + 100 * NANOS_PER_MS);
    }
    CU_ASSERT_EQUAL(tale->ends[1].messages, 0);
    CU_ASSERT_TRUE(sent < 700); /* two buffers of 256 KiB, and the queue */
    data_channels_hold(pair->ends[1].channels, false);
    data_pair_run(pair, 30 * NANOS_PER_S);
    CU_ASSERT_EQUAL(tale->ends[1].messages, sent);
    finish(pair);
}

/* --- closing ------------------------------------------------------------------------------------------------------------------- */

/* What was sent arrives before the channel closes on either side, and its id can be had again. */
static void closes_in_order(void)
{
    struct data_pair *pair = pair_of((struct data_pair_config){.loss = 0.05, .rate_bps = 5000000});
    struct data_channel *first = open_channel(pair, 0, (struct data_channel_config){.label = "1"});
    open_channel(pair, 0, (struct data_channel_config){.label = "2"});
    uint8_t bytes[1000] = {0};
    data_pair_run(pair, NANOS_PER_S);
    for (int i = 0; i < 600; i++)
        CU_ASSERT_TRUE(data_channel_send(first, false, bytes, sizeof bytes, pair->now));
    data_channel_close(first, pair->now);
    CU_ASSERT_FALSE(data_channel_send(first, false, bytes, sizeof bytes, pair->now));
    data_pair_run(pair, 10 * NANOS_PER_S);
    CU_ASSERT_EQUAL(tale->ends[1].messages, 600);
    CU_ASSERT_EQUAL(tale->ends[0].closed, 1);
    CU_ASSERT_EQUAL(tale->ends[1].closed, 1);
    CU_ASSERT_STRING_EQUAL(tale->ends[0].reason, "");
    struct data_channel *again = open_channel(pair, 0, (struct data_channel_config){.label = "3"});
    data_pair_run(pair, 12 * NANOS_PER_S);
    CU_ASSERT_EQUAL(data_channel_id(again), 0);
    CU_ASSERT_EQUAL(tale->ends[1].incoming, 3);
    CU_ASSERT_TRUE(data_channel_send(again, true, "again", 5, pair->now));
    data_pair_run(pair, 14 * NANOS_PER_S);
    CU_ASSERT_STRING_EQUAL(tale->ends[1].last, "again");
    data_channel_close(tale->ends[1].channels[1], pair->now); /* by the one who didn't open it */
    data_pair_run(pair, 16 * NANOS_PER_S);
    CU_ASSERT_EQUAL(tale->ends[0].closed, 2);
    CU_ASSERT_EQUAL(tale->ends[1].closed, 2);
    finish(pair);
}

/* All at once, by both, and much is lost: each is closed on both sides all the same. */
static void closes_all_at_once(void)
{
    struct data_pair *pair = pair_of((struct data_pair_config){.loss = 0.3});
    struct data_channel *channels[10];
    for (int i = 0; i < 10; i++)
        channels[i] = open_channel(pair, i % 2, (struct data_channel_config){0});
    data_pair_run(pair, 20 * NANOS_PER_S);
    for (int i = 0; i < 10; i++) {
        data_channel_close(channels[i], pair->now);
        if (i < 4)
            data_channel_close(tale->ends[1 - i % 2].channels[i / 2], pair->now);
    }
    data_pair_run(pair, 60 * NANOS_PER_S);
    CU_ASSERT_EQUAL(tale->ends[0].closed, 10);
    CU_ASSERT_EQUAL(tale->ends[1].closed, 10);
    CU_ASSERT_EQUAL(data_channels_deadline(pair->ends[0].channels), NANOS_NEVER);
    CU_ASSERT_EQUAL(data_channels_deadline(pair->ends[1].channels), NANOS_NEVER);
    finish(pair);
}

/* Many come and go: nothing stays behind. */
static void opens_and_closes_often(void)
{
    struct data_pair *pair = pair_of((struct data_pair_config){0});
    for (size_t i = 0; i < 200; i++) {
        struct data_channel *channel = open_channel(pair, (int)(i % 2), (struct data_channel_config){0});
        data_channel_send(channel, true, "x", 1, pair->now);
        data_pair_run(pair, pair->now + 500 * NANOS_PER_MS);
        data_channel_close(channel, pair->now);
        data_pair_run(pair, pair->now + 500 * NANOS_PER_MS);
    }
    CU_ASSERT_EQUAL(tale->ends[0].closed, 200);
    CU_ASSERT_EQUAL(tale->ends[1].closed, 200);
    CU_ASSERT_EQUAL(tale->ends[0].messages + tale->ends[1].messages, 200);
    finish(pair);
}

static void aborts(void)
{
    struct data_pair *pair = pair_of((struct data_pair_config){0});
    open_channel(pair, 0, (struct data_channel_config){0});
    data_pair_run(pair, NANOS_PER_S);
    data_channels_abort(pair->ends[1].channels, pair->now);
    data_pair_run(pair, 2 * NANOS_PER_S);
    CU_ASSERT_EQUAL(tale->ends[0].closed, 1);
    CU_ASSERT_STRING_EQUAL(tale->ends[0].reason, "the peer ended the SCTP association, or doesn't answer");
    CU_ASSERT_PTR_NULL(data_channel_open(pair->ends[0].channels, &(struct data_channel_config){0}, pair->now, NULL));
    finish(pair);
}

/* A slow subscriber is let go: what waits is dropped but for the message in the middle of which SCTP is. */
static void drops_what_waits(void)
{
    struct data_pair *pair = pair_of((struct data_pair_config){.rate_bps = 1000000});
    struct data_channel *channel = open_channel(pair, 0, (struct data_channel_config){0});
    uint8_t *bytes = calloc(1, 200000);
    data_pair_run(pair, NANOS_PER_S);
    for (int i = 0; i < 10; i++)
        data_channel_send(channel, false, bytes, 200000, pair->now);
    data_pair_run(pair, pair->now + 300 * NANOS_PER_MS);
    data_channel_drop(channel, pair->now);
    data_pair_run(pair, 20 * NANOS_PER_S);
    CU_ASSERT_TRUE(tale->ends[1].messages >= 1 && tale->ends[1].messages <= 3);
    CU_ASSERT_EQUAL(tale->ends[0].closed, 1);
    CU_ASSERT_EQUAL(tale->ends[1].closed, 1);
    free(bytes);
    finish(pair);
}

/* --- the association ----------------------------------------------------------------------------------------------------------- */

static bool lose_all(struct data_pair *pair, int from, const uint8_t *data, size_t len)
{
    (void)pair, (void)from, (void)data, (void)len;
    return false;
}

static void waits_for_a_late_peer(void)
{
    struct data_pair *pair = pair_of((struct data_pair_config){.late = 1500 * NANOS_PER_MS, .loss = 0.2});
    open_channel(pair, 0, (struct data_channel_config){0});
    data_pair_run(pair, 10 * NANOS_PER_S);
    CU_ASSERT_EQUAL(tale->ends[0].opened, 1);
    CU_ASSERT_EQUAL(tale->ends[1].incoming, 1);
    finish(pair);
}

static void gives_up_in_the_end(void)
{
    struct data_pair *pair = pair_of((struct data_pair_config){.pass = lose_all});
    open_channel(pair, 0, (struct data_channel_config){0});
    data_pair_run(pair, 300 * NANOS_PER_S);
    CU_ASSERT_EQUAL(tale->ends[0].closed, 1);
    CU_ASSERT_STRING_EQUAL(tale->ends[0].reason, "no SCTP association came about");
    CU_ASSERT_EQUAL(data_channels_deadline(pair->ends[0].channels), NANOS_NEVER);
    finish(pair);
}

/* Nobody calls an idle association, and a message costs a few calls, not one every 10 ms. */
static void sleeps_when_idle(void)
{
    struct data_pair *pair = pair_of((struct data_pair_config){0});
    struct data_channel *channel = open_channel(pair, 0, (struct data_channel_config){0});
    data_pair_run(pair, 2 * NANOS_PER_S);
    CU_ASSERT_EQUAL(data_channels_deadline(pair->ends[0].channels), NANOS_NEVER);
    CU_ASSERT_EQUAL(data_channels_deadline(pair->ends[1].channels), NANOS_NEVER);
    size_t sent = pair->ends[0].sent + pair->ends[1].sent;
    pair->ends[0].runs = pair->ends[1].runs = 0;
    data_pair_run(pair, 600 * NANOS_PER_S);
    CU_ASSERT_EQUAL(pair->ends[0].sent + pair->ends[1].sent, sent);
    data_channel_send(channel, true, "hello", 5, pair->now);
    data_pair_run(pair, 601 * NANOS_PER_S);
    CU_ASSERT_EQUAL(tale->ends[1].messages, 1);
    CU_ASSERT_EQUAL(pair->ends[0].sent + pair->ends[1].sent, sent + 2); /* it, and its acknowledgement */
    CU_ASSERT_TRUE(pair->ends[0].runs + pair->ends[1].runs <= 3);
    finish(pair);
}

/* A lost packet at the end, which only a timer can mend, is there within the shortest timeout. */
static bool lose_the_next;
static bool lose_one(struct data_pair *pair, int from, const uint8_t *data, size_t len)
{
    (void)pair, (void)data, (void)len;
    bool pass = from != 0 || !lose_the_next;
    if (from == 0)
        lose_the_next = false;
    return pass;
}

static void repeats_what_was_lost(void)
{
    struct data_pair *pair = pair_of((struct data_pair_config){.pass = lose_one});
    struct data_channel *channel = open_channel(pair, 0, (struct data_channel_config){0});
    data_pair_run(pair, 2 * NANOS_PER_S);
    lose_the_next = true;
    data_channel_send(channel, true, "hello", 5, pair->now);
    data_pair_run(pair, pair->now + 300 * NANOS_PER_MS);
    CU_ASSERT_EQUAL(tale->ends[1].messages, 1);
    finish(pair);
}

static uint64_t hash_of_run(uint64_t seed)
{
    struct data_pair *pair = pair_of((struct data_pair_config){.seed = seed, .loss = 0.03, .rate_bps = 10000000});
    struct data_channel *channel = open_channel(pair, 0, (struct data_channel_config){0});
    uint8_t bytes[5000] = {0};
    for (int i = 0; i < 100; i++) {
        data_channel_send(channel, false, bytes, sizeof bytes, pair->now);
        data_pair_run(pair, pair->now + 20 * NANOS_PER_MS);
    }
    data_channel_close(channel, pair->now);
    data_pair_run(pair, 10 * NANOS_PER_S);
    uint64_t hash = pair->wire_hash;
    finish(pair);
    return hash;
}

/* Tags, sequence numbers, cookies, retransmissions: all the same with one seed. */
static void repeats_byte_for_byte(void)
{
    uint64_t one = hash_of_run(5);
    CU_ASSERT_EQUAL(hash_of_run(5), one);
    CU_ASSERT_NOT_EQUAL(hash_of_run(6), one);
}

/* Several threads, each with connections of its own, on one clock: they share usrsctp, and don't notice. */
enum { THREADS = 3, MESSAGES = 300 };

static nanos monotonic(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * NANOS_PER_S + at.tv_nsec;
}

static void *talk_for_a_while(void *arrived)
{
    struct data_channels *ends[2];
    struct data_channel *channel = NULL;
    size_t *messages = arrived;
    nanos began = monotonic();
    for (int i = 0; i < 2; i++) {
        ends[i] = data_channels_create(&(struct data_channels_config){0}, NULL);
        data_channels_start(ends[i], i == 0, DATA_PAIR_MTU, monotonic(), NULL);
    }
    channel = data_channel_open(ends[0], &(struct data_channel_config){0}, monotonic(), NULL);
    for (int i = 0; i < MESSAGES; i++)
        data_channel_send(channel, false, ends, sizeof ends, monotonic());
    while (*messages < MESSAGES && monotonic() < began + 10 * NANOS_PER_S) {
        for (int i = 0; i < 2; i++) {
            uint8_t buf[DATA_PAIR_MTU];
            struct data_channel_event event;
            ssize_t len;
            while (data_channels_event(ends[i], &event, monotonic()))
                *messages += event.type == DATA_CHANNEL_MESSAGE;
            while ((len = data_channels_write(ends[i], buf, sizeof buf, monotonic())) > 0)
                data_channels_read(ends[1 - i], buf, (size_t)len, monotonic());
        }
    }
    data_channels_destroy(ends[0]);
    data_channels_destroy(ends[1]);
    return NULL;
}

static void threads_share_it(void)
{
    pthread_t threads[THREADS];
    size_t arrived[THREADS] = {0};
    for (int i = 0; i < THREADS; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, talk_for_a_while, &arrived[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        CU_ASSERT_EQUAL(arrived[i], MESSAGES);
    }
}

/* --- DCEP ------------------------------------------------------------------------------------------------------------------------- */

/* A message as Chromium sends it for createDataChannel("chat", {ordered: false, maxRetransmits: 5}). */
static void reads_an_open(void)
{
    static const uint8_t message[] = {0x03, 0x81, 0x01, 0x00, 0, 0, 0, 5, 0, 4, 0, 0, 'c', 'h', 'a', 't'};
    struct dcep_open open;
    uint8_t written[DCEP_OPEN_MAX];
    CU_ASSERT_TRUE_FATAL(dcep_read_open(&open, message, sizeof message, NULL));
    CU_ASSERT_TRUE(open.unordered);
    CU_ASSERT_EQUAL(open.reliability, SCTP_MAX_RETRANSMITS);
    CU_ASSERT_EQUAL(open.limit, 5);
    CU_ASSERT_EQUAL(open.priority, DCEP_PRIORITY_NORMAL);
    CU_ASSERT_EQUAL(open.label_len, 4);
    CU_ASSERT_EQUAL(open.protocol_len, 0);
    CU_ASSERT_EQUAL(dcep_write_open(&open, written), sizeof message);
    CU_ASSERT_EQUAL(memcmp(written, message, sizeof message), 0);
}

static void refuses_bad_opens(void)
{
    static const uint8_t good[] = {0x03, 0x00, 0x01, 0x00, 0, 0, 0, 0, 0, 2, 0, 1, 'a', 'b', 'c'};
    struct dcep_open open;
    uint8_t bad[sizeof good + 1];
    for (size_t len = 0; len < sizeof good; len++)
        CU_ASSERT_FALSE(dcep_read_open(&open, good, len, NULL));
    memcpy(bad, good, sizeof good);
    bad[sizeof good] = 0;
    CU_ASSERT_FALSE(dcep_read_open(&open, bad, sizeof bad, NULL)); /* longer than it says */
    bad[0] = 0x04;
    CU_ASSERT_FALSE(dcep_read_open(&open, bad, sizeof good, NULL));
    bad[0] = 0x03;
    bad[1] = 0x03;
    CU_ASSERT_FALSE(dcep_read_open(&open, bad, sizeof good, NULL));
}

void data_channel_test(void)
{
    SUITE("data_channel", {"opens and carries", opens_and_carries}, {"numbers channels", numbers_channels},
          {"refuses too much", refuses_too_much}, {"delivers all in order", delivers_all_in_order},
          {"delivers all unordered", delivers_all_unordered},
          {"gives up after retransmissions", gives_up_after_retransmissions},
          {"gives up after a lifetime", gives_up_after_a_lifetime}, {"transfers a file", transfers_a_file},
          {"carries large messages", carries_large_messages},
          {"ends with a message too long", ends_with_a_message_too_long},
          {"waits for a slow reader", waits_for_a_slow_reader}, {"closes in order", closes_in_order},
          {"closes all at once", closes_all_at_once}, {"opens and closes often", opens_and_closes_often},
          {"aborts", aborts}, {"drops what waits", drops_what_waits}, {"waits for a late peer", waits_for_a_late_peer},
          {"gives up in the end", gives_up_in_the_end}, {"sleeps when idle", sleeps_when_idle},
          {"repeats what was lost", repeats_what_was_lost}, {"repeats byte for byte", repeats_byte_for_byte},
          {"threads share it", threads_share_it}, {"reads an open", reads_an_open},
          {"refuses bad opens", refuses_bad_opens});
}
