#include "rtc/dtls.h"

#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/rng.h"
#include "rtc/dtls_record.h"
#include "sim/virtual_random.h"
#include "tests/support/dtls_pair.h"
#include "tests/support/suite.h"

#define CLIENT DTLS_PAIR_CLIENT
#define SERVER DTLS_PAIR_SERVER

static const struct dtls_config plain;

static struct dtls_pair *pair_of(const struct dtls_config *client, const struct dtls_config *server)
{
    struct dtls_pair *pair = dtls_pair_create(client, server);
    CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
    return pair;
}

static struct dtls_pair *connected_pair(void)
{
    struct dtls_pair *pair = pair_of(&plain, &plain);
    dtls_pair_run(pair, 10 * NANOS_PER_S);
    CU_ASSERT_TRUE_FATAL(pair->ends[CLIENT].connected && pair->ends[SERVER].connected);
    return pair;
}

/* --- the handshake --------------------------------------------------------------------------------------------------- */

static void both_get_the_same_keys(void)
{
    static const enum srtp_profile profiles[] = {SRTP_PROFILE_AEAD_AES_128_GCM, SRTP_PROFILE_AEAD_AES_256_GCM,
                                                 SRTP_PROFILE_AES128_CM_SHA1_80};
    for (size_t i = 0; i < 3; i++) {
        struct dtls_pair *pair = pair_of(&(struct dtls_config){.profiles = &profiles[i], .profile_count = 1}, &plain);
        struct srtp_keys keys[2];
        CU_ASSERT_FALSE(dtls_export_srtp(pair->ends[CLIENT].dtls, &keys[0], NULL));
        dtls_pair_run(pair, NANOS_PER_S);
        CU_ASSERT_TRUE(pair->ends[CLIENT].connected && pair->ends[SERVER].connected);
        CU_ASSERT_FALSE(pair->ends[CLIENT].failed || pair->ends[SERVER].failed);
        CU_ASSERT_EQUAL(pair->now, 4 * pair->delay); /* two round trips: no cookie, ICE has checked the address */
        for (int end = 0; end < 2; end++) {
            CU_ASSERT_TRUE(dtls_export_srtp(pair->ends[end].dtls, &keys[end], NULL));
            CU_ASSERT_EQUAL(keys[end].profile, profiles[i]);
            CU_ASSERT_EQUAL(dtls_deadline(pair->ends[end].dtls), NANOS_NEVER);
        }
        size_t len = srtp_profile_key_len(profiles[i]) + srtp_profile_salt_len(profiles[i]);
        CU_ASSERT_EQUAL(memcmp(keys[CLIENT].local, keys[SERVER].remote, len), 0);
        CU_ASSERT_EQUAL(memcmp(keys[CLIENT].remote, keys[SERVER].local, len), 0);
        CU_ASSERT_NOT_EQUAL(memcmp(keys[CLIENT].local, keys[CLIENT].remote, len), 0);
        dtls_pair_destroy(pair);
    }
}

static void gcm_is_preferred(void)
{
    struct dtls_pair *pair = connected_pair();
    struct srtp_keys keys;
    CU_ASSERT_TRUE(dtls_export_srtp(pair->ends[CLIENT].dtls, &keys, NULL));
    CU_ASSERT_EQUAL(keys.profile, SRTP_PROFILE_AEAD_AES_128_GCM);
    dtls_pair_destroy(pair);
}

static void no_common_profile_gives_no_keys(void)
{
    static const enum srtp_profile one[] = {SRTP_PROFILE_AEAD_AES_256_GCM};
    static const enum srtp_profile other[] = {SRTP_PROFILE_AES128_CM_SHA1_80};
    struct dtls_pair *pair = pair_of(&(struct dtls_config){.profiles = one, .profile_count = 1},
                                     &(struct dtls_config){.profiles = other, .profile_count = 1});
    dtls_pair_run(pair, NANOS_PER_S);
    CU_ASSERT_TRUE(pair->ends[CLIENT].connected && pair->ends[SERVER].connected);
    struct srtp_keys keys;
    struct error error = {0};
    CU_ASSERT_FALSE(dtls_export_srtp(pair->ends[CLIENT].dtls, &keys, &error));
    CU_ASSERT_EQUAL(error.code, ERROR_PROTOCOL);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "agreed to no SRTP profile"));
    dtls_pair_destroy(pair);
}

static void keeps_to_the_mtu(void)
{
    static const uint16_t mtus[] = {256, 500, 1200};
    for (size_t i = 0; i < 3; i++) {
        struct dtls_config config = {.mtu = mtus[i]};
        struct dtls_pair *pair = pair_of(&config, &config);
        dtls_pair_run(pair, NANOS_PER_S);
        for (int end = 0; end < 2; end++) {
            CU_ASSERT_TRUE(pair->ends[end].connected);
            CU_ASSERT_TRUE(pair->ends[end].longest_sent <= mtus[i]);
            CU_ASSERT_TRUE(pair->ends[end].longest_sent > 200);
        }
        dtls_pair_destroy(pair);
    }
    /* Whatever is left for the sealed record that ends a flight. */
    for (uint16_t mtu = 440; mtu <= 640; mtu += 20) {
        struct dtls_config config = {.mtu = mtu};
        struct dtls_pair *pair = pair_of(&config, &config);
        dtls_pair_run(pair, NANOS_PER_S);
        CU_ASSERT_TRUE(pair->ends[CLIENT].connected && pair->ends[SERVER].connected);
        CU_ASSERT_TRUE(pair->ends[CLIENT].longest_sent <= mtu && pair->ends[SERVER].longest_sent <= mtu);
        dtls_pair_destroy(pair);
    }
}

static void refuses_bad_configurations(void)
{
    struct certificate *certificate = certificate_create(&(struct certificate_config){0}, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(certificate);
    struct fingerprint fingerprint = certificate_fingerprint(certificate, FINGERPRINT_SHA_256);
    static const enum srtp_profile unknown[] = {(enum srtp_profile)0x0005};
    const struct {
        struct dtls_config config;
        const char *says;
    } bad[] = {
        {{.certificate = certificate}, "0 fingerprints of the peer, 1 to 8 are needed"},
        {{.certificate = certificate, .fingerprints = &fingerprint, .fingerprint_count = 9}, "9 fingerprints"},
        {{.certificate = certificate, .fingerprints = &fingerprint, .fingerprint_count = 1, .mtu = 255},
         "MTU of 255 bytes (at least 256)"},
        {{.certificate = certificate,
          .fingerprints = &fingerprint,
          .fingerprint_count = 1,
          .profiles = unknown,
          .profile_count = 1},
         "profile 0x0005 is unknown"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct error error = {0};
        CU_ASSERT_PTR_NULL(dtls_create(&bad[i].config, &error));
        CU_ASSERT_PTR_NOT_NULL(strstr(error.text, bad[i].says));
    }
    certificate_destroy(certificate);
}

/* --- who the peer is -------------------------------------------------------------------------------------------------- */

static void a_wrong_fingerprint_ends_it(void)
{
    struct fingerprint wrong = fingerprint_of(FINGERPRINT_SHA_256, "someone else", 12);
    struct dtls_config suspicious = {.fingerprints = &wrong, .fingerprint_count = 1};
    for (int end = 0; end < 2; end++) {
        struct dtls_pair *pair = end == CLIENT ? pair_of(&suspicious, &plain) : pair_of(&plain, &suspicious);
        dtls_pair_run(pair, 60 * NANOS_PER_S);
        CU_ASSERT_TRUE(pair->ends[end].failed);
        CU_ASSERT_FALSE(pair->ends[end].connected || pair->ends[1 - end].connected);
        CU_ASSERT_PTR_NOT_NULL(strstr(pair->ends[end].reason, "the peer's certificate is sha-256"));
        CU_ASSERT_PTR_NOT_NULL(strstr(pair->ends[end].reason, "announced sha-256"));
        /* The other is told by an alert, and does not wait for a timeout. */
        CU_ASSERT_TRUE(pair->ends[1 - end].failed);
        CU_ASSERT_PTR_NOT_NULL(strstr(pair->ends[1 - end].reason, "alert bad certificate"));
        CU_ASSERT_TRUE(pair->now <= 4 * pair->delay);
        struct srtp_keys keys;
        CU_ASSERT_FALSE(dtls_export_srtp(pair->ends[end].dtls, &keys, NULL));
        CU_ASSERT_FALSE(dtls_send(pair->ends[end].dtls, (const uint8_t *)"x", 1, pair->now));
        CU_ASSERT_EQUAL(dtls_read(pair->ends[end].dtls, (const uint8_t[]){22}, 1, pair->now), -1);
        dtls_pair_destroy(pair);
    }
}

/* A raw OpenSSL client on memory BIOs: can do what our own would not. */
struct raw_client {
    SSL_CTX *context;
    SSL *ssl;
    BIO *in, *out;
};

static struct raw_client raw_client_of(const struct certificate *certificate)
{
    struct raw_client raw = {.context = SSL_CTX_new(DTLS_client_method())};
    CU_ASSERT_PTR_NOT_NULL_FATAL(raw.context);
    if (certificate != NULL) {
        SSL_CTX_use_certificate(raw.context, certificate_x509(certificate));
        SSL_CTX_use_PrivateKey(raw.context, certificate_private_key(certificate));
    }
    SSL_CTX_set_options(raw.context, SSL_OP_NO_QUERY_MTU);
    raw.ssl = SSL_new(raw.context);
    raw.in = BIO_new(BIO_s_mem());
    raw.out = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(raw.in, -1);
    SSL_set_bio(raw.ssl, raw.in, raw.out);
    SSL_set_connect_state(raw.ssl);
    SSL_set_mtu(raw.ssl, 1200);
    return raw;
}

static void raw_client_free(struct raw_client *raw)
{
    SSL_free(raw->ssl);
    SSL_CTX_free(raw->context);
}

static void a_peer_must_show_a_certificate(void)
{
    for (int shows = 0; shows < 2; shows++) {
        struct dtls_pair *pair = pair_of(&plain, &plain);
        struct raw_client raw = raw_client_of(shows ? pair->ends[CLIENT].certificate : NULL);
        struct dtls_pair_end *server = &pair->ends[SERVER];
        struct dtls_event event = {.type = DTLS_EVENT_DATA};
        for (int round = 0; round < 6; round++) {
            SSL_do_handshake(raw.ssl);
            uint8_t buf[4096];
            int len = BIO_read(raw.out, buf, sizeof buf); /* the whole flight as one datagram */
            if (len > 0)
                CU_ASSERT_EQUAL(dtls_read(server->dtls, buf, (size_t)len, 0), 0);
            ssize_t written;
            while ((written = dtls_write(server->dtls, buf, sizeof buf, 0)) > 0)
                BIO_write(raw.in, buf, (int)written);
            if (dtls_event(server->dtls, &event))
                break;
        }
        CU_ASSERT_EQUAL(event.type, shows ? DTLS_EVENT_CONNECTED : DTLS_EVENT_FAILED);
        if (!shows)
            CU_ASSERT_PTR_NOT_NULL(strstr(event.reason, "peer did not return a certificate"));
        raw_client_free(&raw);
        dtls_pair_destroy(pair);
    }
}

/* --- a network that is one -------------------------------------------------------------------------------------------- */

struct loss {
    int from;
    size_t number;
    struct rng rng;
    double rate;
};

static bool lose_one(struct dtls_pair *pair, int from, size_t number, uint8_t *data, size_t *len, nanos *delay)
{
    (void)data, (void)len, (void)delay;
    const struct loss *loss = pair->user;
    return from != loss->from || number != loss->number;
}

static void any_datagram_may_get_lost(void)
{
    for (int from = 0; from < 2; from++) {
        for (size_t number = 0; number < 3; number++) {
            struct dtls_config small = {.mtu = 500}; /* so that there are some */
            struct dtls_pair *pair = pair_of(&small, &small);
            struct loss loss = {.from = from, .number = number};
            pair->tamper = lose_one;
            pair->user = &loss;
            dtls_pair_run(pair, 60 * NANOS_PER_S);
            CU_ASSERT_TRUE(pair->ends[CLIENT].connected && pair->ends[SERVER].connected);
            CU_ASSERT_TRUE(pair->now >= 4 * pair->delay + 180 * NANOS_PER_MS); /* one timeout of 200 ms */
            CU_ASSERT_TRUE(pair->now < 600 * NANOS_PER_MS);
            dtls_pair_destroy(pair);
        }
    }
}

static bool lose_some(struct dtls_pair *pair, int from, size_t number, uint8_t *data, size_t *len, nanos *delay)
{
    (void)number;
    struct loss *loss = pair->user;
    if (rng_unit(&loss->rng) < 0.2)
        dtls_pair_inject(pair, 1 - from, data, *len, pair->now + *delay + (nanos)rng_below(&loss->rng, 50000000));
    *delay += (nanos)rng_below(&loss->rng, 50000000);
    return rng_unit(&loss->rng) >= loss->rate;
}

/* 30 % of datagrams lost, 20 % doubled, all of them reordered at random. */
static void gets_through_a_bad_network(void)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct dtls_pair *pair = pair_of(&plain, &plain);
        struct loss loss = {.rng = rng_of(seed, "dtls test", 0), .rate = 0.3};
        pair->tamper = lose_some;
        pair->user = &loss;
        dtls_pair_run(pair, 120 * NANOS_PER_S);
        CU_ASSERT_TRUE(pair->ends[CLIENT].connected && pair->ends[SERVER].connected);
        dtls_pair_destroy(pair);
    }
}

static bool lose_all(struct dtls_pair *pair, int from, size_t number, uint8_t *data, size_t *len, nanos *delay)
{
    (void)from, (void)data, (void)len, (void)delay;
    nanos *times = pair->user;
    times[number] = pair->now;
    return false;
}

/* At 0, then after 0.2, 0.4, 0.8, 1.6 and 3.2 s, and so on; twelve times more, and the thirteenth timeout ends it. */
static void gives_up_on_silence(void)
{
    struct dtls_pair *pair = pair_of(&plain, &plain);
    nanos times[64] = {0};
    pair->tamper = lose_all;
    pair->user = times;
    dtls_pair_run(pair, 600 * NANOS_PER_S);
    CU_ASSERT_TRUE(pair->ends[CLIENT].failed);
    CU_ASSERT_STRING_EQUAL(pair->ends[CLIENT].reason, "the peer does not answer the handshake");
    CU_ASSERT_EQUAL(pair->ends[CLIENT].sent_count, 13);
    nanos gap = 200 * NANOS_PER_MS;
    for (size_t i = 1; i < 13; i++) {
        /* Timers are kept to the microsecond, and OpenSSL takes what is due within 15 ms as due. */
        CU_ASSERT_TRUE(llabs(times[i] - times[i - 1] - gap) <= 15 * NANOS_PER_MS);
        gap = nanos_min(2 * gap, 3200 * NANOS_PER_MS);
    }
    CU_ASSERT_TRUE(pair->now > 28 * NANOS_PER_S && pair->now < 33 * NANOS_PER_S);
    CU_ASSERT_EQUAL(dtls_deadline(pair->ends[CLIENT].dtls), NANOS_NEVER);
    dtls_pair_destroy(pair);
}

/* --- application data --------------------------------------------------------------------------------------------------- */

static void carries_data_both_ways(void)
{
    struct dtls_pair *pair = pair_of(&plain, &plain);
    uint8_t message[1500];
    for (size_t i = 0; i < sizeof message; i++)
        message[i] = (uint8_t)(i * 31);
    CU_ASSERT_FALSE(dtls_send(pair->ends[CLIENT].dtls, message, 5, 0));
    CU_ASSERT_EQUAL(dtls_payload_max(pair->ends[CLIENT].dtls), 0);
    dtls_pair_run(pair, NANOS_PER_S);
    size_t max = dtls_payload_max(pair->ends[CLIENT].dtls);
    CU_ASSERT_EQUAL(max, 1200 - 13 - 8 - 16); /* record header, explicit nonce and tag of AES-GCM */
    const size_t sizes[] = {1, 2, 100, max};
    for (int from = 0; from < 2; from++) {
        for (size_t i = 0; i < 4; i++)
            CU_ASSERT_TRUE(dtls_send(pair->ends[from].dtls, message + i, sizes[i], pair->now));
        CU_ASSERT_FALSE(dtls_send(pair->ends[from].dtls, message, max + 1, pair->now));
        CU_ASSERT_FALSE(dtls_send(pair->ends[from].dtls, message, 0, pair->now));
        CU_ASSERT_EQUAL(dtls_deadline(pair->ends[from].dtls), 0);
    }
    dtls_pair_run(pair, 2 * NANOS_PER_S);
    for (int to = 0; to < 2; to++) {
        CU_ASSERT_EQUAL(pair->ends[to].longest_sent, 1200);
        CU_ASSERT_EQUAL_FATAL(pair->ends[to].data_count, 4);
        for (size_t i = 0; i < 4; i++) {
            CU_ASSERT_EQUAL(pair->ends[to].data_len[i], sizes[i]);
            CU_ASSERT_EQUAL(memcmp(pair->ends[to].data[i], message + i, sizes[i]), 0);
        }
    }
    dtls_pair_destroy(pair);
}

static void what_waits_is_bounded(void)
{
    struct dtls_pair *pair = connected_pair();
    uint8_t message[1000] = {0};
    size_t sent = 0;
    while (sent < 10000 && dtls_send(pair->ends[CLIENT].dtls, message, sizeof message, pair->now))
        sent++;
    CU_ASSERT_TRUE(sent > 100 && sent < 300); /* 256 KiB */
    uint8_t buf[2048];
    CU_ASSERT_TRUE(dtls_write(pair->ends[CLIENT].dtls, buf, sizeof buf, pair->now) > 1000);
    CU_ASSERT_TRUE(dtls_write(pair->ends[CLIENT].dtls, buf, sizeof buf, pair->now) > 1000);
    CU_ASSERT_TRUE(dtls_send(pair->ends[CLIENT].dtls, message, sizeof message, pair->now));
    dtls_pair_destroy(pair);
}

static void close_is_told_to_the_peer(void)
{
    struct dtls_pair *pair = connected_pair();
    CU_ASSERT_TRUE(dtls_send(pair->ends[CLIENT].dtls, (const uint8_t *)"bye", 3, pair->now));
    dtls_close(pair->ends[CLIENT].dtls, pair->now);
    dtls_pair_run(pair, 2 * NANOS_PER_S);
    CU_ASSERT_EQUAL(pair->ends[SERVER].data_count, 1);
    CU_ASSERT_TRUE(pair->ends[SERVER].closed);
    CU_ASSERT_FALSE(pair->ends[SERVER].failed || pair->ends[CLIENT].failed || pair->ends[CLIENT].closed);
    CU_ASSERT_FALSE(dtls_send(pair->ends[SERVER].dtls, (const uint8_t *)"x", 1, pair->now));
    CU_ASSERT_EQUAL(dtls_deadline(pair->ends[SERVER].dtls), NANOS_NEVER);
    dtls_pair_destroy(pair);
}

/* --- key log and determinism ---------------------------------------------------------------------------------------------- */

static void the_key_log_is_nss_format(void)
{
    struct dtls_pair *pair = connected_pair();
    const char *line = pair->ends[CLIENT].keylog;
    CU_ASSERT_STRING_EQUAL(line, pair->ends[SERVER].keylog);
    CU_ASSERT_EQUAL(strncmp(line, "CLIENT_RANDOM ", 14), 0);
    CU_ASSERT_EQUAL(strspn(line + 14, "0123456789abcdef"), 64);
    CU_ASSERT_EQUAL(line[78], ' ');
    CU_ASSERT_EQUAL(strspn(line + 79, "0123456789abcdef"), 96);
    CU_ASSERT_STRING_EQUAL(line + 175, "\n");
    dtls_pair_destroy(pair);
}

static uint64_t wire_of(uint64_t seed, uint64_t network_seed)
{
    CU_ASSERT_TRUE_FATAL(virtual_random_install(seed, NULL));
    struct dtls_pair *pair = pair_of(&plain, &plain);
    struct loss loss = {.rng = rng_of(network_seed, "dtls test", 0), .rate = 0.3};
    pair->tamper = lose_some;
    pair->user = &loss;
    dtls_pair_run(pair, 60 * NANOS_PER_S);
    CU_ASSERT_TRUE(pair->ends[CLIENT].connected && pair->ends[SERVER].connected);
    CU_ASSERT_TRUE(dtls_send(pair->ends[CLIENT].dtls, (const uint8_t *)"data", 4, pair->now));
    dtls_close(pair->ends[CLIENT].dtls, pair->now);
    dtls_pair_run(pair, 120 * NANOS_PER_S);
    uint64_t hash = pair->wire_hash;
    dtls_pair_destroy(pair);
    virtual_random_remove();
    return hash;
}

/* Bytes and times of everything sent, retransmissions included. */
static void the_same_seed_sends_the_same_bytes(void)
{
    uint64_t hash = wire_of(1, 1);
    CU_ASSERT_EQUAL(hash, wire_of(1, 1));
    CU_ASSERT_NOT_EQUAL(hash, wire_of(2, 1));
    CU_ASSERT_NOT_EQUAL(hash, wire_of(1, 2));
}

/* --- hostile input -------------------------------------------------------------------------------------------------------- */

static bool add_garbage(struct dtls_pair *pair, int from, size_t number, uint8_t *data, size_t *len, nanos *delay)
{
    (void)number;
    struct loss *loss = pair->user;
    for (int i = 0; i < 5; i++) {
        /* Random bytes behind a plausible record header; and the tail of what is really sent. */
        uint8_t garbage[200];
        rng_bytes(&loss->rng, garbage, sizeof garbage);
        garbage[0] = (uint8_t)(20 + rng_below(&loss->rng, 6));
        garbage[1] = 0xfe;
        garbage[2] = 0xfd;
        bytes_put16(garbage + 3, (uint16_t)rng_below(&loss->rng, 3)); /* epoch: in the clear, sealed, never */
        bytes_put16(garbage + 11, (uint16_t)rng_below(&loss->rng, 200));
        dtls_pair_inject(pair, 1 - from, garbage, 1 + rng_below(&loss->rng, sizeof garbage), pair->now + *delay);
    }
    if (*len > 20)
        dtls_pair_inject(pair, 1 - from, data, *len - 1 - rng_below(&loss->rng, 12), pair->now + *delay);
    return true;
}

static void garbage_changes_nothing(void)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct dtls_pair *pair = pair_of(&plain, &plain);
        struct loss loss = {.rng = rng_of(seed, "garbage", 0)};
        pair->tamper = add_garbage;
        pair->user = &loss;
        dtls_pair_run(pair, 60 * NANOS_PER_S); /* some flights are lost among the garbage */
        CU_ASSERT_TRUE_FATAL(pair->ends[CLIENT].connected && pair->ends[SERVER].connected);
        CU_ASSERT_TRUE(dtls_send(pair->ends[CLIENT].dtls, (const uint8_t *)"data", 4, pair->now));
        dtls_pair_run(pair, 70 * NANOS_PER_S);
        CU_ASSERT_EQUAL(pair->ends[SERVER].data_count, 1);
        CU_ASSERT_FALSE(pair->ends[CLIENT].failed || pair->ends[SERVER].failed);
        CU_ASSERT_EQUAL(dtls_read(pair->ends[CLIENT].dtls, (const uint8_t *)"\x80", 1, pair->now), -1);
        CU_ASSERT_EQUAL(dtls_read(pair->ends[CLIENT].dtls, NULL, 0, pair->now), -1);
        dtls_pair_destroy(pair);
    }
}

static size_t sealed_record(uint8_t *record, uint8_t type, uint64_t sequence, size_t len)
{
    memset(record, 0, DTLS_RECORD_HEADER_LEN + len);
    bytes_put64(record + 3, (uint64_t)1 << 48 | sequence); /* epoch 1 */
    record[0] = type;
    bytes_put16(record + 1, 0xfefd);
    bytes_put16(record + 11, (uint16_t)len);
    return DTLS_RECORD_HEADER_LEN + len;
}

/* Shorter than what sealing adds, which older versions of OpenSSL end the connection over; or empty. */
static void short_sealed_records_change_nothing(void)
{
    for (int early = 0; early < 2; early++) {
        struct dtls_pair *pair = pair_of(&plain, &plain);
        /* At 50 ms the client has a ServerHello, and so a cipher, and waits for the server's Finished. */
        dtls_pair_run(pair, early ? 50 * NANOS_PER_MS : NANOS_PER_S);
        CU_ASSERT_EQUAL(pair->ends[CLIENT].connected, !early);
        for (uint8_t type = 20; type < 24; type++) {
            for (size_t len = 0; len <= 24; len++) {
                uint8_t record[64];
                size_t record_len = sealed_record(record, type, 1000 + len, len);
                CU_ASSERT_EQUAL(dtls_read(pair->ends[CLIENT].dtls, record, record_len, pair->now), -1);
            }
        }
        dtls_pair_run(pair, 10 * NANOS_PER_S);
        CU_ASSERT_TRUE(pair->ends[CLIENT].connected && pair->ends[SERVER].connected);
        CU_ASSERT_TRUE(dtls_send(pair->ends[SERVER].dtls, (const uint8_t *)"data", 4, pair->now));
        dtls_pair_run(pair, 20 * NANOS_PER_S);
        CU_ASSERT_EQUAL(pair->ends[CLIENT].data_count, 1);
        CU_ASSERT_FALSE(pair->ends[CLIENT].failed || pair->ends[SERVER].failed);
        dtls_pair_destroy(pair);
    }
}

/* Anyone on the path can send sealed records in advance. With a cipher agreed they are kept until its keys are there, but
 * only so many. */
static void early_records_are_bounded(void)
{
    struct dtls_pair *pair = pair_of(&plain, &plain);
    uint8_t record[64];
    CU_ASSERT_EQUAL(dtls_read(pair->ends[SERVER].dtls, record, sealed_record(record, 23, 1, 37), 0), -1);
    dtls_pair_run(pair, 50 * NANOS_PER_MS);
    for (size_t i = 0; i < 40; i++) {
        size_t len = sealed_record(record, 23, i, 37);
        CU_ASSERT_EQUAL(dtls_read(pair->ends[CLIENT].dtls, record, len, pair->now), i < 32 ? 0 : -1);
    }
    dtls_pair_destroy(pair);
}

/* As Chromium 156 sends it (shared by a capture): DTLS 1.3 wanted, 1.2 accepted; a post-quantum key share that makes it
 * 1,413 bytes, in two fragments. */
static size_t chromium_client_hello(uint8_t *body, size_t cap)
{
    struct writer w = writer_of(body, cap);
    writer_u16(&w, 0xfefd);
    writer_bytes(&w, "\xbb\x70\xe6\xad\x09\x28\x0f\xee\x51\xfb\xd5\x04\xfd\x12\x5f\xc0", 16);
    writer_bytes(&w, "\x29\xf0\x22\x0c\x9e\xe0\x03\xe9\x04\xba\x21\x58\xb2\x4f\xa9\xa7", 16);
    writer_u16(&w, 0); /* no session, no cookie */
    static const uint16_t ciphers[] = {0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xcca9, 0xcca8,
                                       0xc009, 0xc013, 0xc00a, 0xc014, 0x009c, 0x002f, 0x0035};
    writer_u16(&w, sizeof ciphers);
    for (size_t i = 0; i < sizeof ciphers / sizeof ciphers[0]; i++)
        writer_u16(&w, ciphers[i]);
    writer_u16(&w, 0x0100); /* null compression */
    writer_u16(&w, 1343);
    writer_bytes(&w, "\xff\x01\x00\x01\x00", 5);                                      /* renegotiation_info */
    writer_bytes(&w, "\x00\x0a\x00\x0a\x00\x08\x11\xec\x00\x1d\x00\x17\x00\x18", 14); /* supported_groups */
    writer_bytes(&w, "\x00\x0e\x00\x09\x00\x06\x00\x01\x00\x08\x00\x07\x00", 13);     /* use_srtp */
    writer_bytes(&w, "\x00\x2b\x00\x05\x04\xfe\xfc\xfe\xfd", 9);                      /* supported_versions */
    writer_bytes(&w, "\x00\x0b\x00\x02\x01\x00", 6);                                  /* ec_point_formats */
    writer_bytes(&w, "\x00\x33\x04\xea\x04\xe8\x11\xec\x04\xc0", 10);                 /* key_share */
    for (int i = 0; i < 1216; i++)
        writer_u8(&w, (uint8_t)(i * 37));
    writer_bytes(&w, "\x00\x1d\x00\x20", 4);
    for (int i = 0; i < 32; i++)
        writer_u8(&w, (uint8_t)(i * 41));
    writer_bytes(&w, "\x00\x17\x00\x00", 4); /* extended_master_secret */
    writer_bytes(&w, "\x00\x0d\x00\x14\x00\x12\x04\x03\x08\x04\x04\x01\x05\x03\x08\x05\x05\x01\x08\x06\x06\x01\x02\x01",
                 24);                                /* signature_algorithms */
    writer_bytes(&w, "\x00\x2d\x00\x02\x01\x01", 6); /* psk_key_exchange_modes */
    return w.failed ? 0 : w.len;
}

static void answers_chromium(void)
{
    uint8_t body[1600];
    size_t len = chromium_client_hello(body, sizeof body);
    CU_ASSERT_EQUAL_FATAL(len, 1413);
    struct dtls_pair *pair = pair_of(&plain, &plain);
    struct dtls *server = pair->ends[SERVER].dtls;
    for (int fragment = 0; fragment < 2; fragment++) {
        size_t offset = fragment == 0 ? 0 : 1175;
        size_t fragment_len = fragment == 0 ? 1175 : len - 1175;
        uint8_t datagram[1300];
        struct writer w = writer_of(datagram, sizeof datagram);
        writer_u8(&w, 22);
        writer_u16(&w, 0xfeff);
        writer_u64(&w, (uint64_t)fragment); /* epoch 0, sequence number */
        writer_u16(&w, (uint16_t)(12 + fragment_len));
        writer_u8(&w, 1);
        writer_u24(&w, (uint32_t)len);
        writer_u16(&w, 0);
        writer_u24(&w, (uint32_t)offset);
        writer_u24(&w, (uint32_t)fragment_len);
        writer_bytes(&w, body + offset, fragment_len);
        CU_ASSERT_EQUAL(dtls_read(server, datagram, w.len, 0), 0);
    }
    uint8_t answer[2048];
    ssize_t answer_len = dtls_write(server, answer, sizeof answer, 0);
    CU_ASSERT_TRUE_FATAL(answer_len > 25 + 2 + 32 + 1 + 2);
    CU_ASSERT_EQUAL(answer[13], 2);                    /* ServerHello */
    CU_ASSERT_EQUAL(bytes_get16(answer + 25), 0xfefd); /* DTLS 1.2 */
    size_t after_session = 25 + 2 + 32 + 1 + answer[25 + 2 + 32];
    CU_ASSERT_EQUAL(bytes_get16(answer + after_session), 0xc02b); /* ECDHE-ECDSA-AES128-GCM-SHA256 */
    CU_ASSERT_PTR_NOT_NULL(memmem(answer, (size_t)answer_len, "\x00\x0e\x00\x05\x00\x02\x00\x07\x00", 9));
    dtls_pair_destroy(pair);
}

void dtls_test(void)
{
    SUITE("dtls", {"both get the same keys", both_get_the_same_keys}, {"GCM is preferred", gcm_is_preferred},
          {"no common profile gives no keys", no_common_profile_gives_no_keys}, {"keeps to the MTU", keeps_to_the_mtu},
          {"refuses bad configurations", refuses_bad_configurations},
          {"a wrong fingerprint ends it", a_wrong_fingerprint_ends_it},
          {"a peer must show a certificate", a_peer_must_show_a_certificate},
          {"any datagram may get lost", any_datagram_may_get_lost},
          {"gets through a bad network", gets_through_a_bad_network}, {"gives up on silence", gives_up_on_silence},
          {"carries data both ways", carries_data_both_ways}, {"what waits is bounded", what_waits_is_bounded},
          {"close is told to the peer", close_is_told_to_the_peer},
          {"the key log is in NSS format", the_key_log_is_nss_format},
          {"the same seed sends the same bytes", the_same_seed_sends_the_same_bytes},
          {"garbage changes nothing", garbage_changes_nothing},
          {"short sealed records change nothing", short_sealed_records_change_nothing},
          {"early records are bounded", early_records_are_bounded}, {"answers Chromium", answers_chromium});
}
