#include "sfu/server.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/rand.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "rtc/certificate.h"
#include "rtc/tls_stream.h"
#include "sfu/server_capture.h"
#include "sfu/server_state.h"
#include "sfu/server_worker.h"
#include "sfu/turn_server.h"
#include "world/web_channel.h"

#define CREDENTIALS_S ((int64_t)24 * 3600) /* that TURN credentials are good for */
#define RENEWAL (3600 * NANOS_PER_S)

static struct address with_port(struct address address, uint16_t port)
{
    address.port = port;
    return address;
}

static uint64_t random_seed(void)
{
    uint64_t seed = 0;
    RAND_bytes((unsigned char *)&seed, sizeof seed);
    return seed;
}

static int64_t unix_ns(const struct server *server, nanos now)
{
    return live_world_unix_origin_s(server->options.live) * NANOS_PER_S + now;
}

static void note(void *user, const char *event, const char *room, const char *peer, const char *detail, nanos now)
{
    const struct server *server = user;
    log_event(server->options.log, unix_ns(server, now), event, "room", room, "peer", peer, "detail", detail, NULL);
}

/* --- addresses ------------------------------------------------------------------------------------------------------------ */

/* By whom it can be reached: global addresses before those of a LAN, this machine's own last, IPv4 before IPv6. */
static int rank(const struct address *address)
{
    enum address_scope scope = address_scope(address);
    int rank = scope == ADDRESS_GLOBAL ? 0 : scope == ADDRESS_LOOPBACK ? 4 : 2;
    return rank + (address->family == ADDRESS_IPV6);
}

/* The machine's addresses that take part: the best few, this machine's own among them. */
static void choose_addresses(struct server *server)
{
    enum { ALL_MAX = 64 };
    struct address all[ALL_MAX];
    size_t count = live_machine_addresses(all, ALL_MAX, true);
    count = count < ALL_MAX ? count : ALL_MAX;
    for (int wanted = 0; wanted < 6; wanted++) {
        for (size_t i = 0; i < count; i++) {
            bool loopback = address_scope(&all[i]) == ADDRESS_LOOPBACK;
            size_t room = SERVER_LISTEN_MAX - (loopback ? 0 : 1);
            if (rank(&all[i]) == wanted && server->address_count < room)
                server->addresses[server->address_count++] = all[i];
        }
    }
}

static bool add_host(struct server *server, struct error *error)
{
    const struct server_config *config = server->config;
    for (size_t i = 0; i < config->listen_count; i++) {
        if (address_scope(&config->listen[i]) != ADDRESS_UNSPECIFIED)
            server->addresses[server->address_count++] = config->listen[i];
    }
    if (server->address_count == 0)
        choose_addresses(server);
    const struct live_host_config host = {
        .name = "server", .addresses = server->addresses, .address_count = server->address_count};
    server->host = live_world_add_host(server->options.live, &host, error);
    if (server->host == NULL)
        return false;
    if (config->capture[0] == '\0')
        return true;
    server->capture =
        server_capture_open(config->capture, live_world_unix_origin_s(server->options.live) * NANOS_PER_S, error);
    if (server->capture != NULL)
        server_capture_add(server->capture, server->host);
    return server->capture != NULL;
}

/* --- parts ---------------------------------------------------------------------------------------------------------------- */

static void write_keylog(void *user, const char *line)
{
    struct server *server = user;
    fprintf(server->keylog, "%s\n", line);
    fflush(server->keylog);
}

static unsigned cores(void)
{
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return (unsigned)(count < SERVER_WORKERS_MAX ? count : SERVER_WORKERS_MAX);
}

static bool start_workers(struct server *server, struct error *error)
{
    const struct server_config *config = server->config;
    struct address addresses[SERVER_LISTEN_MAX];
    struct address announced[SERVER_LISTEN_MAX];
    bool public = config->public_address.family != ADDRESS_NONE;
    const unsigned count = config->workers != 0 ? config->workers : cores();
    const int64_t now_s = live_world_unix_origin_s(server->options.live);
    const struct certificate_config dtls = {.serial = random_seed() >> 1, .not_before_unix_s = now_s - 24 * 3600};
    for (size_t i = 0; i < server->address_count; i++) {
        addresses[i] = with_port(server->addresses[i], config->port_given ? config->port : SERVER_PORT);
        announced[i] = addresses[i];
        if (public && announced[i].family == config->public_address.family) {
            announced[i] = with_port(config->public_address, addresses[i].port);
            public = false;
        }
    }
    server->certificate = certificate_create(&dtls, error);
    if (server->certificate == NULL)
        return false;
    struct server_worker_config worker = {.count = count,
                                          .live = server->options.live,
                                          .config = config,
                                          .addresses = addresses,
                                          .announced = announced,
                                          .address_count = server->address_count,
                                          .certificate = server->certificate,
                                          .keylog = server->keylog != NULL ? write_keylog : NULL,
                                          .keylog_user = server,
                                          .front = server_front_mailbox(server->front)};
    for (; worker.number < count; worker.number++) {
        server->workers[worker.number] = server_worker_create(&worker, error);
        if (server->workers[worker.number] == NULL)
            return false;
        server->worker_count++;
        for (size_t i = 0; i < server->address_count; i++) /* all at the ports that the first one got */
            addresses[i] = server_worker_address(server->workers[0], i);
    }
    for (unsigned i = 0; i < count; i++) {
        if (server->capture != NULL)
            server_capture_add(server->capture, server_worker_host(server->workers[i]));
        if (!server_worker_meet(server->workers[i], server->workers, error))
            return false;
    }
    return true;
}

static bool prepare_tls(struct server *server, struct error *error)
{
    const struct server_config *config = server->config;
    if (config->certificate[0] != '\0') {
        snprintf(server->files.certificate, sizeof server->files.certificate, "%s", config->certificate);
        snprintf(server->files.key, sizeof server->files.key, "%s", config->key);
    } else if (config->state[0] == '\0') {
        return true;
    } else if (!certificate_files_prepare(config->state, live_world_unix_origin_s(server->options.live), &server->files,
                                          error)) {
        return error_prefix(error, "self-signed certificate");
    }
    const struct tls_context_config tls = {
        .server = true, .certificate_file = server->files.certificate, .key_file = server->files.key};
    server->tls = tls_context_create(&tls, error);
    return server->tls != NULL;
}

static bool has_family(const struct address *list, size_t count, uint8_t family)
{
    for (size_t i = 0; i < count; i++) {
        if (list[i].family == family)
            return true;
    }
    return false;
}

static bool start_turn(struct server *server, struct error *error)
{
    const struct server_turn_config *given = &server->config->turn;
    uint16_t port = given->port_given ? given->port : SERVER_TURN_PORT;
    uint16_t next = given->port_given && port != 0 ? (uint16_t)(port + 1) : SERVER_TURN_TLS_PORT;
    uint16_t tls_port = given->tls_port_given ? given->tls_port : given->port_given && port == 0 ? 0 : next;
    struct address udp[SERVER_LISTEN_MAX], tcp[SERVER_LISTEN_MAX], tls[SERVER_LISTEN_MAX];
    struct address alternate[SERVER_LISTEN_MAX], services[SERVER_LISTEN_MAX + 1];
    struct turn_user users[SERVER_USERS_MAX];
    struct turn_server_config config = {
        .host = server->host,
        .udp = udp,
        .tcp = tcp,
        .tcp_count = server->address_count,
        .tls = tls,
        .tls_count = server->tls != NULL ? server->address_count : 0,
        .tls_context = server->tls,
        .alternate = alternate,
        .relay_port_min = given->relay_port_min,
        .relay_port_max = given->relay_port_max,
        .realm = given->realm[0] != '\0' ? given->realm : NULL,
        .users = users,
        .user_count = given->user_count,
        .shared_secret = server->turn_secret,
        .unix_time_at_zero_s = live_world_unix_origin_s(server->options.live),
        .user_quota = given->user_quota,
        .total_quota = given->total_quota,
        .rfc5766_channels = given->rfc5766_channels,
        .peer_ranges = given->ranges,
        .peer_range_count = given->range_count,
        .services = services,
        .seed = random_seed(),
    };
    if (given->off)
        return true;
    if (port == 0 || tls_port == 0)
        return error_set(error, ERROR_USAGE, "TURN: clients are told its ports, so they can't be 0");
    unsigned char random[16];
    RAND_bytes(random, sizeof random);
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(server->turn_secret + 2 * i, 3, "%02x", random[i]);
    if (given->secret[0] != '\0')
        snprintf(server->turn_secret, sizeof server->turn_secret, "%s", given->secret);
    for (size_t i = 0; i < given->user_count; i++)
        users[i] = (struct turn_user){given->users[i].name, given->users[i].password};
    for (size_t i = 0; i < server->address_count; i++) {
        const struct address *address = &server->addresses[i];
        struct address *relay = address->family == ADDRESS_IPV4 ? &config.relay_ipv4 : &config.relay_ipv6;
        bool second = relay->family != ADDRESS_NONE;
        tcp[i] = with_port(*address, port);
        tls[i] = with_port(*address, tls_port);
        /* With a second address NATs can be told apart (RFC 5780); it is served as the alternate one. */
        if (second && !has_family(alternate, config.alternate_count, address->family))
            alternate[config.alternate_count++] = with_port(*address, (uint16_t)(port + 1));
        else
            udp[config.udp_count++] = tcp[i];
        services[config.service_count++] = server_worker_address(server->workers[0], i);
        if (!second)
            *relay = *address;
    }
    server->turn_udp = udp[0];
    server->turn_tls = tls[0];
    if (server->config->public_address.family == ADDRESS_IPV4) {
        config.external_ipv4 = server->config->public_address;
        server->turn_udp = with_port(server->config->public_address, port);
        server->turn_tls = with_port(server->config->public_address, tls_port);
        services[config.service_count++] =
            with_port(server->config->public_address, server_worker_address(server->workers[0], 0).port);
    }
    server->turn = turn_server_create(&config, error);
    return server->turn != NULL || error_prefix(error, "TURN");
}

static void add_ice_server(struct server *server, const char *scheme, const struct address *at, const char *query)
{
    char address[ADDRESS_TEXT_CAP];
    bool turn = strncmp(scheme, "turn", 4) == 0;
    char *url = server->urls[server->ice_server_count];
    snprintf(url, SERVER_URL_CAP, "%s:%s%s", scheme, address_format(at, address), query);
    server->ice_servers[server->ice_server_count++] = (struct room_ice_server){
        .url = url, .username = turn ? server->turn_username : NULL, .credential = turn ? server->turn_password : NULL};
}

static void renew_ice_servers(void *user, nanos now)
{
    struct server *server = user;
    int64_t expiry = unix_ns(server, now) / NANOS_PER_S + CREDENTIALS_S;
    server->ice_server_count = 0;
    snprintf(server->turn_username, sizeof server->turn_username, "%" PRId64 ":confab", expiry);
    turn_rest_password(server->turn_secret, server->turn_username, server->turn_password);
    if (server->turn != NULL) {
        add_ice_server(server, "stun", &server->turn_udp, "");
        add_ice_server(server, "turn", &server->turn_udp, "?transport=udp");
        add_ice_server(server, "turn", &server->turn_udp, "?transport=tcp");
    }
    if (server->turn != NULL && server->tls != NULL)
        add_ice_server(server, "turns", &server->turn_tls, "?transport=tcp");
    server_front_set_ice_servers(server->front, server->ice_servers, server->ice_server_count);
    world_timer_set(server->renewal, now + RENEWAL);
}

static void take_ice_tcp(void *user, int fd, const uint8_t *first, size_t len)
{
    const struct server *server = user;
    server_front_take_tcp(server->front, fd, first, len);
}

static bool start_http(struct server *server, struct error *error)
{
    const struct server_config *config = server->config;
    uint16_t port = config->port_given ? config->port : SERVER_PORT;
    struct address listen[SERVER_LISTEN_MAX + 2] = {{.family = ADDRESS_IPV4, .port = port},
                                                    {.family = ADDRESS_IPV6, .port = port}};
    size_t count = config->listen_count;
    bool ipv6 = false;
    for (size_t i = 0; i < config->listen_count; i++)
        listen[i] = with_port(config->listen[i], port);
    for (size_t i = 0; i < server->address_count; i++)
        ipv6 = ipv6 || server->addresses[i].family == ADDRESS_IPV6;
    if (count == 0)
        count = ipv6 ? 2 : 1;
    struct web *web = live_world_web(server->options.live, error);
    const struct http_server_config http = {
        .addresses = listen,
        .address_count = count,
        .certificate_file = server->files.certificate[0] != '\0' ? server->files.certificate : NULL,
        .key_file = server->files.key,
        .tls_only = config->tls_only,
        .connection_limit = config->connection_limit,
        .handle = server_handle,
        .may_connect = server_may_connect,
        .ice_tcp = take_ice_tcp,
        .user = server,
    };
    server->http = web != NULL ? http_server_create(web, &http, error) : NULL;
    if (server->http == NULL)
        return false;
    for (unsigned i = 0; i < server->worker_count; i++)
        sfu_announce_tcp(server_worker_sfu(server->workers[i]), http_server_address(server->http, 0).port);
    return server_front_open(server->front, server->http, server->workers, server->worker_count, error);
}

/* --- life ------------------------------------------------------------------------------------------------------------------ */

static bool open_keylog(struct server *server, struct error *error)
{
    const char *path = server->config->keylog;
    if (path[0] == '\0')
        return true;
    server->keylog = fopen(path, "ae");
    return server->keylog != NULL || error_set(error, ERROR_INPUT, "%s: %s", path, strerror(errno));
}

static bool start_front(struct server *server, struct error *error)
{
    const struct server_front_config front = {.live = server->options.live,
                                              .host = server->host,
                                              .limit = server->config->participant_limit,
                                              .note = note,
                                              .report = server_report,
                                              .user = server};
    server->front = server_front_create(&front, error);
    return server->front != NULL;
}

static bool start(struct server *server, struct error *error)
{
    if (!open_keylog(server, error) || !add_host(server, error) || !prepare_tls(server, error) ||
        !start_front(server, error) || !start_workers(server, error) || !start_turn(server, error) ||
        !start_http(server, error))
        return false;
    server->renewal = world_timer_open(server->host, renew_ice_servers, server);
    if (server->renewal == NULL)
        return error_set(error, ERROR_SYSTEM, "out of memory");
    renew_ice_servers(server, server->started);
    for (unsigned i = 0; i < server->worker_count; i++) {
        if (!server_worker_start(server->workers[i], error))
            return false;
    }
    log_event(server->options.log, unix_ns(server, server->started), "start", "version", CONFAB_VERSION, NULL);
    return true;
}

struct server *server_create(const struct server_options *options, struct error *error)
{
    struct server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    server->options = *options;
    server->config = options->config;
    server->started = world_now(live_world_of(options->live));
    if (!start(server, error)) {
        server_destroy(server);
        return NULL;
    }
    return server;
}

void server_stop(struct server *server, const char *reason)
{
    nanos now = world_now(live_world_of(server->options.live));
    if (server->stopping)
        return;
    server->stopping = true;
    log_event(server->options.log, unix_ns(server, now), "stop", "reason", reason, NULL);
    server_front_dismiss(server->front, reason);
}

void server_destroy(struct server *server)
{
    struct error error;
    if (server == NULL)
        return;
    if (server->renewal != NULL)
        world_timer_close(server->renewal);
    for (unsigned i = 0; i < server->worker_count; i++)
        server_worker_stop(server->workers[i]);
    if (!server_capture_close(server->capture, &error))
        log_event(server->options.log, unix_ns(server, world_now(live_world_of(server->options.live))), "capture",
                  "error", error.text, NULL);
    for (unsigned i = 0; i < server->worker_count; i++)
        server_worker_destroy(server->workers[i]);
    server_front_destroy(server->front);
    server_forget_reports(server);
    http_server_destroy(server->http);
    turn_server_destroy(server->turn);
    tls_context_destroy(server->tls);
    certificate_destroy(server->certificate);
    if (server->keylog != NULL)
        fclose(server->keylog);
    free(server);
}

size_t server_addresses(const struct server *server, struct address *out, size_t cap)
{
    size_t count = server->address_count < cap ? server->address_count : cap;
    memcpy(out, server->addresses, count * sizeof *out);
    return server->address_count;
}

struct address server_signalling_address(const struct server *server)
{
    return with_port(server->addresses[0], http_server_address(server->http, 0).port);
}

size_t server_room(const struct server *server, const char *name, bool *sfu)
{
    return server_front_room(server->front, name, sfu);
}

void server_log(const struct server *server, const char *event, const char *room, const char *peer, const char *detail)
{
    note((struct server *)server, event, room, peer, detail, world_now(live_world_of(server->options.live)));
}

void server_print(const struct server *server, FILE *out)
{
    char text[ADDRESS_TEXT_CAP];
    uint16_t port = http_server_address(server->http, 0).port;
    fprintf(out, "confab %s serves\n", CONFAB_VERSION);
    for (size_t i = 0; i < server->address_count; i++) {
        const struct address at = with_port(server->addresses[i], port);
        const struct address media = server_worker_address(server->workers[0], i);
        /* Elsewhere than on this machine a browser gives no camera to a page without TLS. */
        bool tls = server->tls != NULL && (server->config->tls_only || address_scope(&at) != ADDRESS_LOOPBACK);
        const char *s = tls ? "s" : "";
        address_format(&at, text);
        fprintf(out, "  page     http%s://%s/\n", s, text);
        fprintf(out, "  rooms    ws%s://%s%s\n", s, text, WEB_CHANNEL_PATH);
        fprintf(out, "  WHIP     http%s://%s/whip/ROOM\n", s, text);
        fprintf(out, "  WHEP     http%s://%s/whep/ROOM\n", s, text);
        fprintf(out, "  media    udp://%s\n", address_format(&media, text));
        address_format(&at, text);
        fprintf(out, "  health   http%s://%s/health, http%s://%s/metrics\n", s, text, s, text);
    }
    for (size_t i = 0; i < server->ice_server_count; i++)
        fprintf(out, "  ICE      %s\n", server->ice_servers[i].url);
    if (server->tls != NULL && server->config->certificate[0] == '\0')
        fprintf(out, "  the certificate is self-signed: %s\n", server->files.certificate);
    fflush(out);
}
