#include "tests/support/data_pair.h"

#include <stdlib.h>
#include <string.h>

#include "sim/virtual_clock.h"
#include "sim/virtual_random.h"

static nanos read_now(void *user) { return ((struct data_pair *)user)->now; }

static void start(struct data_pair *pair, int end)
{
    if (!data_channels_start(pair->ends[end].channels, end == 0, DATA_PAIR_MTU, pair->now, NULL))
        abort();
}

struct data_pair *data_pair_create(const struct data_pair_config *config)
{
    struct data_pair *pair = calloc(1, sizeof *pair);
    if (pair == NULL)
        abort();
    pair->config = *config;
    pair->rng = rng_of(config->seed, "network", 0);
    pair->wire_hash = 0xcbf29ce484222325u;
    if (pair->config.delay == 0)
        pair->config.delay = 20 * NANOS_PER_MS;
    virtual_clock_install(read_now, pair);
    if (!virtual_random_install(config->seed, NULL))
        abort();
    for (int i = 0; i < 2; i++) {
        pair->ends[i].channels = data_channels_create(&config->ends[i], NULL);
        if (pair->ends[i].channels == NULL)
            abort();
    }
    start(pair, 0);
    if (config->late == 0)
        start(pair, 1);
    return pair;
}

void data_pair_destroy(struct data_pair *pair)
{
    for (int i = 0; i < 2; i++)
        data_channels_destroy(pair->ends[i].channels);
    virtual_random_remove();
    virtual_clock_remove();
    free(pair);
}

static void hash_bytes(struct data_pair *pair, const void *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        pair->wire_hash = (pair->wire_hash ^ ((const uint8_t *)data)[i]) * 0x100000001b3u;
}

static void put_on_its_way(struct data_pair *pair, int from, const uint8_t *data, size_t len)
{
    struct data_pair_end *end = &pair->ends[from];
    end->sent++;
    end->longest = len > end->longest ? len : end->longest;
    hash_bytes(pair, &from, sizeof from);
    hash_bytes(pair, &pair->now, sizeof pair->now);
    hash_bytes(pair, data, len);
    bool passes = pair->config.pass == NULL || pair->config.pass(pair, from, data, len);
    if (!passes || rng_unit(&pair->rng) < pair->config.loss || end->count == DATA_PAIR_FLIGHT)
        return;
    nanos departs = nanos_max(pair->now, end->line_free);
    if (pair->config.rate_bps > 0) {
        if (departs - pair->now > 100 * NANOS_PER_MS)
            return; /* the queue is full */
        departs += (nanos)(len + 60) * 8 * NANOS_PER_S / pair->config.rate_bps;
    }
    end->line_free = departs;
    struct data_pair_datagram *datagram = &end->flight[(end->head + end->count++) % DATA_PAIR_FLIGHT];
    datagram->at = departs + pair->config.delay;
    datagram->len = len;
    memcpy(datagram->bytes, data, len);
}

void data_pair_flush(struct data_pair *pair, int index)
{
    struct data_channels *channels = pair->ends[index].channels;
    uint8_t buf[DATA_PAIR_MTU];
    struct data_channel_event event;
    do {
        ssize_t len;
        while (data_channels_event(channels, &event, pair->now)) {
            if (pair->config.event != NULL)
                pair->config.event(pair, index, &event);
        }
        while ((len = data_channels_write(channels, buf, sizeof buf, pair->now)) > 0)
            put_on_its_way(pair, index, buf, (size_t)len);
    } while (data_channels_deadline(channels) <= pair->now);
}

static nanos next_of(const struct data_pair *pair, int index)
{
    const struct data_pair_end *end = &pair->ends[index];
    nanos at = end->count > 0 ? end->flight[end->head].at : NANOS_NEVER;
    if (!data_channels_started(end->channels))
        return nanos_min(at, pair->config.late);
    return nanos_min(at, data_channels_deadline(end->channels));
}

void data_pair_run(struct data_pair *pair, nanos until)
{
    data_pair_flush(pair, 0);
    data_pair_flush(pair, 1);
    for (;;) {
        nanos at = nanos_min(next_of(pair, 0), next_of(pair, 1));
        if (at > until)
            break;
        pair->now = nanos_max(pair->now, at);
        for (int i = 0; i < 2; i++) {
            struct data_pair_end *end = &pair->ends[i];
            struct data_channels *other = pair->ends[1 - i].channels;
            if (!data_channels_started(end->channels) && pair->config.late <= pair->now)
                start(pair, i);
            while (end->count > 0 && end->flight[end->head].at <= pair->now) {
                struct data_pair_datagram *datagram = &end->flight[end->head];
                end->head = (end->head + 1) % DATA_PAIR_FLIGHT;
                end->count--;
                data_channels_read(other, datagram->bytes, datagram->len, pair->now);
                data_pair_flush(pair, 1 - i);
            }
            if (data_channels_started(end->channels) && data_channels_deadline(end->channels) <= pair->now) {
                end->runs++;
                data_pair_flush(pair, i);
            }
        }
    }
    pair->now = until;
}
