/* The data channels of two connections and a network between them that delays and loses, in virtual time and with
 * seeded randomness, which usrsctp sees too while a pair exists. */
#ifndef CONFAB_TESTS_DATA_PAIR_H
#define CONFAB_TESTS_DATA_PAIR_H

#include "base/rng.h"
#include "rtc/data_channel.h"

enum { DATA_PAIR_MTU = 1150, DATA_PAIR_FLIGHT = 256, DATA_PAIR_LOG = 4096 };

struct data_pair;

struct data_pair_config {
    uint64_t seed;
    nanos delay;      /* one way; 0: 20 ms */
    double loss;      /* of packets, each way */
    int64_t rate_bps; /* each way; 0: any */
    nanos late;       /* the second end starts so much later */
    struct data_channels_config ends[2];
    /* An event of an end; `event->channel` may be used. */
    void (*event)(struct data_pair *pair, int end, const struct data_channel_event *event);
    /* May veto (false) what is on its way. */
    bool (*pass)(struct data_pair *pair, int from, const uint8_t *data, size_t len);
    void *user;
};

struct data_pair_end {
    struct data_channels *channels;
    struct data_pair_datagram {
        nanos at;
        size_t len;
        uint8_t bytes[DATA_PAIR_MTU];
    } flight[DATA_PAIR_FLIGHT]; /* to the other end, a ring */
    size_t head, count;
    nanos line_free;
    size_t sent, longest; /* packets, bytes */
    size_t runs;          /* how often it was called for its deadline */
};

struct data_pair {
    struct data_pair_config config;
    nanos now;
    struct rng rng;
    struct data_pair_end ends[2];
    uint64_t wire_hash; /* FNV-1a over everything sent, with sender and time */
};

/* Both start at once; the first end is the DTLS client. */
struct data_pair *data_pair_create(const struct data_pair_config *config);
void data_pair_destroy(struct data_pair *pair);

/* Sends what there is to send and tells what there is to tell. */
void data_pair_flush(struct data_pair *pair, int end);

/* Lets everything happen until `until`, or until nothing is left to happen. */
void data_pair_run(struct data_pair *pair, nanos until);

#endif
