#include "tests/support/dtls_pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/virtual_clock.h"

static nanos read_now(void *user) { return ((struct dtls_pair *)user)->now; }

static void keep_keylog(void *user, const char *line)
{
    struct dtls_pair_end *end = user;
    size_t used = strlen(end->keylog);
    snprintf(end->keylog + used, sizeof end->keylog - used, "%s\n", line);
}

struct dtls_pair *dtls_pair_create(const struct dtls_config *client, const struct dtls_config *server)
{
    struct dtls_pair *pair = calloc(1, sizeof *pair);
    if (pair == NULL)
        return NULL;
    pair->delay = 20 * NANOS_PER_MS;
    pair->wire_hash = 0xcbf29ce484222325u;
    virtual_clock_install(read_now, pair);
    struct fingerprint fingerprints[2];
    for (int i = 0; i < 2; i++) {
        pair->ends[i].certificate = certificate_create(&(struct certificate_config){.serial = 1 + (uint64_t)i}, NULL);
        if (pair->ends[i].certificate == NULL)
            abort();
        fingerprints[i] = certificate_fingerprint(pair->ends[i].certificate, FINGERPRINT_SHA_256);
    }
    for (int i = 0; i < 2; i++) {
        struct dtls_config config = i == DTLS_PAIR_CLIENT ? *client : *server;
        config.role = i == DTLS_PAIR_CLIENT ? DTLS_CLIENT : DTLS_SERVER;
        config.certificate = pair->ends[i].certificate;
        if (config.fingerprint_count == 0) {
            config.fingerprints = &fingerprints[1 - i];
            config.fingerprint_count = 1;
        }
        config.keylog = keep_keylog;
        config.keylog_user = &pair->ends[i];
        struct error error = {0};
        pair->ends[i].dtls = dtls_create(&config, &error);
        if (pair->ends[i].dtls == NULL) {
            fprintf(stderr, "%s\n", error.text);
            dtls_pair_destroy(pair);
            return NULL;
        }
    }
    return pair;
}

void dtls_pair_destroy(struct dtls_pair *pair)
{
    virtual_clock_remove();
    for (int i = 0; i < 2; i++) {
        dtls_destroy(pair->ends[i].dtls);
        certificate_destroy(pair->ends[i].certificate);
    }
    free(pair);
}

static void hash_bytes(struct dtls_pair *pair, const void *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        pair->wire_hash = (pair->wire_hash ^ ((const uint8_t *)data)[i]) * 0x100000001b3u;
}

void dtls_pair_inject(struct dtls_pair *pair, int to, const uint8_t *data, size_t len, nanos at)
{
    if (pair->in_flight == DTLS_PAIR_FLIGHT_MAX || len > sizeof pair->flight[0].bytes)
        abort();
    struct dtls_pair_datagram *datagram = &pair->flight[pair->in_flight++];
    datagram->at = at;
    datagram->to = to;
    datagram->len = len;
    memcpy(datagram->bytes, data, len);
}

static void take_events(struct dtls_pair_end *end)
{
    struct dtls_event event;
    while (dtls_event(end->dtls, &event)) {
        switch (event.type) {
        case DTLS_EVENT_CONNECTED:
            end->connected = true;
            break;
        case DTLS_EVENT_CLOSED:
            end->closed = true;
            break;
        case DTLS_EVENT_FAILED:
            end->failed = true;
            snprintf(end->reason, sizeof end->reason, "%s", event.reason);
            break;
        case DTLS_EVENT_DATA:
            if (end->data_count < 32 && event.len <= sizeof end->data[0]) {
                memcpy(end->data[end->data_count], event.data, event.len);
                end->data_len[end->data_count++] = event.len;
            }
            break;
        }
    }
}

static void pump(struct dtls_pair *pair, int from)
{
    struct dtls_pair_end *end = &pair->ends[from];
    uint8_t buf[2048];
    ssize_t written;
    while ((written = dtls_write(end->dtls, buf, sizeof buf, pair->now)) > 0) {
        size_t len = (size_t)written;
        end->longest_sent = len > end->longest_sent ? len : end->longest_sent;
        hash_bytes(pair, &from, sizeof from);
        hash_bytes(pair, &pair->now, sizeof pair->now);
        hash_bytes(pair, buf, len);
        size_t number = end->sent_count++;
        nanos delay = pair->delay;
        if (pair->tamper == NULL || pair->tamper(pair, from, number, buf, &len, &delay))
            dtls_pair_inject(pair, 1 - from, buf, len, pair->now + delay);
    }
    take_events(end);
}

/* The earliest datagram in flight, of several the one that was sent first; in_flight when there is none. */
static size_t next_arrival(const struct dtls_pair *pair)
{
    size_t first = 0;
    for (size_t i = 1; i < pair->in_flight; i++)
        first = pair->flight[i].at < pair->flight[first].at ? i : first;
    return pair->in_flight == 0 ? 0 : first;
}

void dtls_pair_run(struct dtls_pair *pair, nanos until)
{
    for (;;) {
        pump(pair, DTLS_PAIR_CLIENT);
        pump(pair, DTLS_PAIR_SERVER);
        size_t first = next_arrival(pair);
        nanos arrival = pair->in_flight > 0 ? pair->flight[first].at : NANOS_NEVER;
        nanos timer = nanos_min(dtls_deadline(pair->ends[0].dtls), dtls_deadline(pair->ends[1].dtls));
        nanos next = nanos_min(arrival, timer);
        if (next == NANOS_NEVER || next > until)
            return;
        pair->now = nanos_max(pair->now, next);
        if (arrival <= timer) {
            struct dtls_pair_datagram datagram = pair->flight[first];
            memmove(&pair->flight[first], &pair->flight[first + 1],
                    (--pair->in_flight - first) * sizeof pair->flight[0]);
            dtls_read(pair->ends[datagram.to].dtls, datagram.bytes, datagram.len, pair->now);
        }
    }
}
