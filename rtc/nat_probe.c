#include "rtc/nat_probe.h"

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "rtc/stun.h"

#define RTO_DEFAULT (500 * NANOS_PER_MS)
#define TRIES_DEFAULT 4

/* The tests, in an order in which none spoils a later one. Filtering comes first: once the mapping tests have sent to
 * the server's other addresses, a NAT that filters lets answers from there in. */
enum test {
    CONNECT,        /* I: to the primary address (RFC 5780, sections 4.2 to 4.4) */
    FILTER_BOTH,    /* filtering II: answer from the other address and port */
    FILTER_PORT,    /* filtering III: answer from the other port */
    MAP_ADDRESS,    /* mapping II: to the other address, primary port */
    MAP_BOTH,       /* mapping III: to the other address and port */
    SECOND_CONNECT, /* what the second socket is mapped to */
    HAIRPIN_OUT,    /* from the second socket to what the first is mapped to (section 3.4) */
    HAIRPIN_BACK,   /* and the other way: it opens the first one's filter for the above */
    TEST_COUNT,
};

enum stage { CONNECTING, FILTERING, MAPPING_ADDRESS, MAPPING_BOTH, CONNECTING_SECOND, HAIRPINNING, DONE };

struct trial {
    bool running;
    bool answered;
    int socket;
    unsigned sends;
    nanos due;
    uint8_t id[STUN_TRANSACTION_ID_LEN];
    struct address to;
    uint32_t change; /* CHANGE-REQUEST's flags */
};

struct nat_probe {
    struct nat_probe_config config;
    struct nat_probe_result result;
    struct rng rng;
    enum stage stage;
    bool told;
    struct address other; /* OTHER-ADDRESS */
    struct address second_mapped;
    struct trial trials[TEST_COUNT];
};

const char *nat_behavior_name(enum nat_behavior behavior)
{
    static const char *const names[] = {"unknown", "endpoint-independent", "address-dependent",
                                        "address-and-port-dependent"};
    return names[behavior];
}

static void start(struct nat_probe *probe, enum test test, int socket, const struct address *to, uint32_t change,
                  nanos now)
{
    struct trial *trial = &probe->trials[test];
    *trial = (struct trial){.running = true, .socket = socket, .to = *to, .change = change, .due = now};
    rng_bytes(&probe->rng, trial->id, sizeof trial->id);
}

static void stop_all(struct nat_probe *probe)
{
    for (size_t i = 0; i < TEST_COUNT; i++)
        probe->trials[i].running = false;
}

static bool any_running(const struct nat_probe *probe)
{
    for (size_t i = 0; i < TEST_COUNT; i++) {
        if (probe->trials[i].running)
            return true;
    }
    return false;
}

static bool same_mapping(const struct nat_probe *probe, int a, int b)
{
    return address_equal(&probe->result.mapped[a], &probe->result.mapped[b]);
}

/* --- from stage to stage ---------------------------------------------------------------------------------------- */

static void start_hairpinning(struct nat_probe *probe, nanos now)
{
    if (probe->config.local[1].family == ADDRESS_NONE || !probe->result.translated) {
        probe->stage = DONE; /* without a NAT there is none to turn around */
        return;
    }
    probe->stage = CONNECTING_SECOND;
    start(probe, SECOND_CONNECT, 1, &probe->config.server, 0, now);
}

static void start_filtering(struct nat_probe *probe, nanos now)
{
    struct nat_probe_result *result = &probe->result;
    result->translated = !address_equal(&result->mapped[0], &probe->config.local[0]);
    result->port_preserved = result->mapped[0].port == probe->config.local[0].port;
    if (probe->other.family == ADDRESS_NONE) {
        /* 4.3: without another address neither can be told, but that no NAT means no mapping. */
        result->mapping = result->translated ? NAT_BEHAVIOR_UNKNOWN : NAT_BEHAVIOR_ENDPOINT_INDEPENDENT;
        start_hairpinning(probe, now);
        return;
    }
    probe->stage = FILTERING;
    start(probe, FILTER_BOTH, 0, &probe->config.server, STUN_CHANGE_IP | STUN_CHANGE_PORT, now);
    start(probe, FILTER_PORT, 0, &probe->config.server, STUN_CHANGE_PORT, now);
}

static void conclude_filtering(struct nat_probe *probe, nanos now)
{
    struct nat_probe_result *result = &probe->result;
    struct address other_ip = probe->other;
    if (probe->trials[FILTER_BOTH].answered)
        result->filtering = NAT_BEHAVIOR_ENDPOINT_INDEPENDENT;
    else if (probe->trials[FILTER_PORT].answered)
        result->filtering = NAT_BEHAVIOR_ADDRESS_DEPENDENT;
    else
        result->filtering = NAT_BEHAVIOR_ADDRESS_AND_PORT_DEPENDENT;
    if (!result->translated) {
        result->mapping = NAT_BEHAVIOR_ENDPOINT_INDEPENDENT;
        start_hairpinning(probe, now);
        return;
    }
    other_ip.port = probe->config.server.port;
    probe->stage = MAPPING_ADDRESS;
    start(probe, MAP_ADDRESS, 0, &other_ip, 0, now);
}

static void conclude_mapping(struct nat_probe *probe, nanos now)
{
    struct nat_probe_result *result = &probe->result;
    if (probe->stage == MAPPING_ADDRESS && probe->trials[MAP_ADDRESS].answered && !same_mapping(probe, 0, 1)) {
        probe->stage = MAPPING_BOTH;
        start(probe, MAP_BOTH, 0, &probe->other, 0, now);
        return;
    }
    if (probe->stage == MAPPING_ADDRESS)
        result->mapping =
            probe->trials[MAP_ADDRESS].answered ? NAT_BEHAVIOR_ENDPOINT_INDEPENDENT : NAT_BEHAVIOR_UNKNOWN;
    else if (probe->trials[MAP_BOTH].answered)
        result->mapping =
            same_mapping(probe, 1, 2) ? NAT_BEHAVIOR_ADDRESS_DEPENDENT : NAT_BEHAVIOR_ADDRESS_AND_PORT_DEPENDENT;
    start_hairpinning(probe, now);
}

/* All trials of a stage have come to an end: on to the next. */
static void advance(struct nat_probe *probe, nanos now)
{
    switch (probe->stage) {
    case CONNECTING:
        if (probe->trials[CONNECT].answered) {
            start_filtering(probe, now);
        } else {
            probe->result.blocked = true;
            probe->stage = DONE;
        }
        break;
    case FILTERING:
        conclude_filtering(probe, now);
        break;
    case MAPPING_ADDRESS:
    case MAPPING_BOTH:
        conclude_mapping(probe, now);
        break;
    case CONNECTING_SECOND:
        if (!probe->trials[SECOND_CONNECT].answered) {
            probe->stage = DONE;
            break;
        }
        probe->stage = HAIRPINNING;
        start(probe, HAIRPIN_OUT, 1, &probe->result.mapped[0], 0, now);
        start(probe, HAIRPIN_BACK, 0, &probe->second_mapped, 0, now);
        break;
    case HAIRPINNING:
        if (probe->result.hairpin == NAT_PROBE_HAIRPIN_UNKNOWN)
            probe->result.hairpin = NAT_PROBE_HAIRPIN_NO;
        probe->stage = DONE;
        break;
    case DONE:
        break;
    }
}

/* --- in and out ------------------------------------------------------------------------------------------------- */

/* One of our own requests has come back: that is the whole test (section 3.4). */
static int on_request(struct nat_probe *probe, int socket, const struct stun_message *message)
{
    for (size_t i = HAIRPIN_OUT; i <= HAIRPIN_BACK; i++) {
        const struct trial *trial = &probe->trials[i];
        if (!trial->running || trial->socket == socket ||
            memcmp(trial->id, message->transaction_id, sizeof trial->id) != 0)
            continue;
        probe->result.hairpin = NAT_PROBE_HAIRPIN_YES;
        stop_all(probe);
        return 0;
    }
    return -1;
}

static void on_answer(struct nat_probe *probe, enum test test, const struct stun_message *message)
{
    struct nat_probe_result *result = &probe->result;
    struct address mapped = {0};
    struct address plain;
    stun_get_mapped_address(message, &mapped);
    switch (test) {
    case CONNECT:
        result->mapped[0] = mapped;
        stun_get_address(message, STUN_ATTR_OTHER_ADDRESS, &probe->other);
        result->alg = stun_get_address(message, STUN_ATTR_MAPPED_ADDRESS, &plain) && !address_equal(&plain, &mapped);
        break;
    case FILTER_BOTH:
        probe->trials[FILTER_PORT].running = false; /* its outcome doesn't matter any more */
        break;
    case MAP_ADDRESS:
        result->mapped[1] = mapped;
        break;
    case MAP_BOTH:
        result->mapped[2] = mapped;
        break;
    case SECOND_CONNECT:
        probe->second_mapped = mapped;
        break;
    default:
        break;
    }
}

/* Where the answer to a trial must come from: that is what the filtering tests are about. */
static struct address expected_source(const struct nat_probe *probe, const struct trial *trial)
{
    struct address source = trial->to;
    if ((trial->change & STUN_CHANGE_IP) != 0) {
        source = probe->other;
        source.port = trial->to.port;
    }
    if ((trial->change & STUN_CHANGE_PORT) != 0)
        source.port = probe->other.port;
    return source;
}

int nat_probe_read(struct nat_probe *probe, int socket, const struct address *remote, const uint8_t *data, size_t len,
                   nanos now)
{
    struct stun_message message;
    if (!stun_is(data, len) || !stun_parse(&message, data, len, NULL) || message.method != STUN_BINDING)
        return -1;
    if (message.class == STUN_REQUEST && on_request(probe, socket, &message) == 0) {
        advance(probe, now);
        return 0;
    }
    for (size_t i = 0; i < HAIRPIN_OUT && message.class > STUN_INDICATION; i++) {
        struct trial *trial = &probe->trials[i];
        struct address source = expected_source(probe, trial);
        if (!trial->running || trial->socket != socket || !address_equal(&source, remote) ||
            memcmp(trial->id, message.transaction_id, sizeof trial->id) != 0)
            continue;
        /* An error (420 to CHANGE-REQUEST) ends the trial as silence does. */
        trial->running = false;
        trial->answered = message.class == STUN_SUCCESS;
        if (trial->answered)
            on_answer(probe, (enum test)i, &message);
        if (!any_running(probe))
            advance(probe, now);
        return 0;
    }
    return -1;
}

static ssize_t write_trial(struct nat_probe *probe, struct trial *trial, uint8_t *buf, size_t cap, nanos now)
{
    struct stun_builder builder;
    stun_begin(&builder, buf, cap, STUN_REQUEST, STUN_BINDING, trial->id);
    if (trial->change != 0)
        stun_put_u32(&builder, STUN_ATTR_CHANGE_REQUEST, trial->change);
    stun_put_fingerprint(&builder);
    trial->due = now + (probe->config.rto << trial->sends);
    trial->sends++;
    return (ssize_t)stun_finish(&builder);
}

ssize_t nat_probe_write(struct nat_probe *probe, int *socket, struct address *remote, uint8_t *buf, size_t cap,
                        nanos now)
{
    /* The stage that a timeout leads to has something to send at once. */
    for (bool ended = true; ended && probe->stage != DONE;) {
        ended = false;
        for (size_t i = 0; i < TEST_COUNT; i++) {
            struct trial *trial = &probe->trials[i];
            if (!trial->running || trial->due > now)
                continue;
            if (trial->sends < probe->config.tries) {
                *socket = trial->socket;
                *remote = trial->to;
                return write_trial(probe, trial, buf, cap, now);
            }
            trial->running = false;
            ended = true;
        }
        if (ended && !any_running(probe))
            advance(probe, now);
    }
    return 0;
}

nanos nat_probe_deadline(const struct nat_probe *probe)
{
    nanos due = NANOS_NEVER;
    for (size_t i = 0; i < TEST_COUNT; i++) {
        if (probe->trials[i].running)
            due = nanos_min(due, probe->trials[i].due);
    }
    return due;
}

bool nat_probe_event(struct nat_probe *probe, struct nat_probe_event *event)
{
    if (probe->stage != DONE || probe->told)
        return false;
    probe->told = true;
    *event = (struct nat_probe_event){.type = NAT_PROBE_DONE, .result = probe->result};
    return true;
}

struct nat_probe *nat_probe_create(const struct nat_probe_config *config, struct error *error)
{
    if (config->server.family == ADDRESS_NONE || config->local[0].family != config->server.family ||
        (config->local[1].family != ADDRESS_NONE && config->local[1].family != config->server.family) ||
        config->tries > 16) {
        error_set(error, ERROR_USAGE, "NAT probe: server and sockets must be of one address family, tries at most 16");
        return NULL;
    }
    struct nat_probe *probe = calloc(1, sizeof *probe);
    if (probe == NULL) {
        error_set(error, ERROR_SYSTEM, "NAT probe: out of memory");
        return NULL;
    }
    probe->config = *config;
    probe->config.rto = config->rto != 0 ? config->rto : RTO_DEFAULT;
    probe->config.tries = config->tries != 0 ? config->tries : TRIES_DEFAULT;
    probe->rng = rng_of(config->seed, "nat_probe", 0);
    start(probe, CONNECT, 0, &config->server, 0, 0);
    return probe;
}

void nat_probe_destroy(struct nat_probe *probe) { free(probe); }
