/* Two DTLS connections and a network between them that delays, loses, doubles and reorders, in virtual time (which
 * OpenSSL's timer sees too, while a pair exists). */
#ifndef CONFAB_TESTS_DTLS_PAIR_H
#define CONFAB_TESTS_DTLS_PAIR_H

#include "rtc/dtls.h"

#define DTLS_PAIR_FLIGHT_MAX 512

enum { DTLS_PAIR_CLIENT = 0, DTLS_PAIR_SERVER = 1 };

struct dtls_pair_end {
    struct dtls *dtls;
    struct certificate *certificate;
    bool connected, failed, closed;
    char reason[300];
    char keylog[4096];
    uint8_t data[32][1500]; /* what arrived */
    size_t data_len[32];
    size_t data_count;
    size_t sent_count;   /* datagrams */
    size_t longest_sent; /* bytes */
};

struct dtls_pair {
    nanos now;
    nanos delay; /* one way; set by dtls_pair_create to 20 ms */
    struct dtls_pair_end ends[2];
    /* May change or veto (false) what is on its way; `number` counts each sender's datagrams from 0. */
    bool (*tamper)(struct dtls_pair *pair, int from, size_t number, uint8_t *data, size_t *len, nanos *delay);
    void *user;
    struct dtls_pair_datagram {
        nanos at;
        int to;
        size_t len;
        uint8_t bytes[2048];
    } flight[DTLS_PAIR_FLIGHT_MAX];
    size_t in_flight;
    uint64_t wire_hash; /* FNV-1a over everything sent, with sender and time */
};

/* Fills what the configs leave out (certificates, roles, fingerprints of each other). NULL when that fails. */
struct dtls_pair *dtls_pair_create(const struct dtls_config *client, const struct dtls_config *server);
void dtls_pair_destroy(struct dtls_pair *pair);

/* Lets everything happen until `until`, or until nothing is left to happen. */
void dtls_pair_run(struct dtls_pair *pair, nanos until);

/* Puts a datagram on its way to an end, as if the other had sent it. */
void dtls_pair_inject(struct dtls_pair *pair, int to, const uint8_t *data, size_t len, nanos at);

#endif
