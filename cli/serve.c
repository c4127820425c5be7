/* confab serve: reads the command line and the configuration, runs the reference server until it is told to stop. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/pages.h"
#include "cli/verb.h"
#include "loadgen/server_file.h"
#include "loadgen/synthetic_peers.h"
#include "sfu/server.h"
#include "world/live_world.h"

/* What is still to be said to participants goes out within this. */
#define FAREWELL (300 * NANOS_PER_MS)

static const char usage[] =
    "usage: confab serve [--config FILE] [--listen ADDR] [--port N] [--tls-cert FILE --tls-key FILE]\n"
    "                    [--turn-port N] [--turn-secret SECRET] [--public-address ADDR] [--state DIR]\n"
    "                    [--workers N] [--capture FILE] [--keylog FILE] [--synthetic] [--quiet]\n"
    "\n"
    "The reference server: an SFU, its signalling by WebSocket (docs/room-protocol.md), WHIP and WHEP (docs/whip.md),\n"
    "and a TURN and STUN server. Works as it is on this machine and its LAN.\n"
    "\n"
    "  --config FILE        YAML with all that there is to set (docs/serve.md); options here have precedence\n"
    "  --listen ADDR        only this address (everywhere); may be given up to four times\n"
    "  --port N             HTTP, HTTPS and WebSocket by TCP, media by UDP (8080); 0: any that is free\n"
    "  --tls-cert FILE      certificate with its chain, PEM; by default a self-signed one is made on the first start\n"
    "  --tls-key FILE       its key, PEM\n"
    "  --turn-port N        TURN and STUN by UDP and TCP (3478); by TLS on the next port (5349 by default)\n"
    "  --turn-secret S      from which time-limited TURN credentials are made (a random one)\n"
    "  --public-address A   what a one-to-one NAT in front makes of our address\n"
    "  --state DIR          where the self-signed certificate is kept ($XDG_STATE_HOME/confab)\n"
    "  --workers N          threads among which rooms are divided (one for each core)\n"
    "  --capture FILE       our UDP traffic as pcapng, to be read by 'confab analyze'\n"
    "  --keylog FILE        DTLS keys for it\n"
    "  --synthetic          whoever opens the page may add synthetic peers to a room; on when only this machine is served\n"
    "  --quiet              no list of addresses, no log\n"
    "\n"
    "It prints where it can be reached, then a line of log for each event on standard error. GET /health and\n"
    "GET /metrics tell how it is. SIGTERM and SIGINT end it in good order.\n"
    "\n"
    "examples:\n"
    "  confab serve\n"
    "  confab serve --listen 127.0.0.1 --port 9000 --turn-port 9478\n"
    "  confab serve --config confab.yaml --tls-cert fullchain.pem --tls-key privkey.pem\n"
    "\n"
    "exit status: 0 ended by SIGTERM; 105 interrupted (SIGINT); 2 wrong usage or configuration, a port that is in use,\n"
    "a certificate that can't be read\n";

struct options {
    const char *config_file;
    bool quiet;
    bool synthetic;
    struct server_config given; /* what the command line says */
};

static struct live_world *world_to_stop;
static volatile sig_atomic_t signalled;

static void on_signal(int number)
{
    signalled = number;
    live_world_stop(world_to_stop);
}

static bool complain(const char *option, const char *what)
{
    fprintf(stderr, "confab serve: --%s: %s\n", option, what);
    return false;
}

static bool read_port(const char *option, uint16_t *port, bool *given)
{
    char *end;
    unsigned long value = strtoul(optarg, &end, 10);
    if (*optarg < '0' || *optarg > '9' || *end != '\0' || value > UINT16_MAX)
        return complain(option, "a port is a number from 0 to 65535");
    *port = (uint16_t)value;
    *given = true;
    return true;
}

static bool read_address(const char *option, struct address *out)
{
    if (address_parse(out, optarg) && out->port == 0)
        return true;
    return complain(option, "this is not an IP address, such as 192.0.2.1 or 2001:db8::1");
}

static bool read_listen(struct server_config *config)
{
    if (config->listen_count == SERVER_LISTEN_MAX)
        return complain("listen", "at most four addresses");
    return read_address("listen", &config->listen[config->listen_count++]);
}

static bool read_text(const char *option, char *out, size_t cap)
{
    if (*optarg == '\0' || strlen(optarg) >= cap)
        return complain(option, "too long, or empty");
    snprintf(out, cap, "%s", optarg);
    return true;
}

static bool read_workers(struct server_config *config)
{
    char *end;
    unsigned long value = strtoul(optarg, &end, 10);
    if (*optarg < '0' || *optarg > '9' || *end != '\0' || value == 0 || value > SERVER_WORKERS_MAX)
        return complain("workers", "a number of threads, from 1 to 64");
    config->workers = (uint32_t)value;
    return true;
}

/* False after having said what is wrong. */
static bool read_option(struct options *options, int letter, const char *given)
{
    struct server_config *config = &options->given;
    switch (letter) {
    case 'c':
        options->config_file = optarg;
        return true;
    case 'l':
        return read_listen(config);
    case 'p':
        return read_port("port", &config->port, &config->port_given);
    case 'C':
        return read_text("tls-cert", config->certificate, sizeof config->certificate);
    case 'K':
        return read_text("tls-key", config->key, sizeof config->key);
    case 't':
        return read_port("turn-port", &config->turn.port, &config->turn.port_given);
    case 'T':
        return read_text("turn-secret", config->turn.secret, sizeof config->turn.secret);
    case 'P':
        return read_address("public-address", &config->public_address);
    case 's':
        return read_text("state", config->state, sizeof config->state);
    case 'n':
        return read_workers(config);
    case 'w':
        return read_text("capture", config->capture, sizeof config->capture);
    case 'k':
        return read_text("keylog", config->keylog, sizeof config->keylog);
    case 'y':
        options->synthetic = true;
        return true;
    case 'q':
        options->quiet = true;
        return true;
    default:
        fprintf(stderr,
                letter == ':' ? "confab serve: %s lacks its value; see 'confab serve --help'\n"
                              : "confab serve: there is no option '%s'; see 'confab serve --help'\n",
                given);
        return false;
    }
}

static bool read_command_line(struct options *options, int argc, char **argv)
{
    static const struct option known[] = {
        {"config", required_argument, NULL, 'c'},
        {"listen", required_argument, NULL, 'l'},
        {"port", required_argument, NULL, 'p'},
        {"tls-cert", required_argument, NULL, 'C'},
        {"tls-key", required_argument, NULL, 'K'},
        {"turn-port", required_argument, NULL, 't'},
        {"turn-secret", required_argument, NULL, 'T'},
        {"public-address", required_argument, NULL, 'P'},
        {"state", required_argument, NULL, 's'},
        {"workers", required_argument, NULL, 'n'},
        {"capture", required_argument, NULL, 'w'},
        {"keylog", required_argument, NULL, 'k'},
        {"synthetic", no_argument, NULL, 'y'},
        {"quiet", no_argument, NULL, 'q'},
        {NULL, 0, NULL, 0},
    };
    int letter;
    opterr = 0;
    while ((letter = getopt_long(argc, argv, ":", known, NULL)) != -1) {
        if (!read_option(options, letter, argv[optind - 1]))
            return false;
    }
    if (optind != argc) {
        fprintf(stderr, "confab serve: '%s' is no option; see 'confab serve --help'\n", argv[optind]);
        return false;
    }
    if ((options->given.certificate[0] == '\0') != (options->given.key[0] == '\0'))
        return complain("tls-cert", "certificate and key belong together");
    return true;
}

static void prefer(char *out, const char *given, size_t cap)
{
    if (given[0] != '\0')
        snprintf(out, cap, "%s", given);
}

static void set_state_directory(struct server_config *config)
{
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    if (config->state[0] != '\0')
        return;
    if (state != NULL && state[0] == '/')
        snprintf(config->state, sizeof config->state, "%s/confab", state);
    else if (home != NULL && home[0] == '/')
        snprintf(config->state, sizeof config->state, "%s/.local/state/confab", home);
}

/* What the command line gives goes before what the file says. */
static bool configure(const struct options *options, struct server_config *config, struct error *error)
{
    const struct server_config *given = &options->given;
    if (options->config_file != NULL && !server_file_read(options->config_file, config, error))
        return false;
    for (size_t i = 0; i < given->listen_count; i++)
        config->listen[i] = given->listen[i];
    if (given->listen_count > 0)
        config->listen_count = given->listen_count;
    if (given->port_given) {
        config->port_given = true;
        config->port = given->port;
    }
    if (given->turn.port_given) {
        config->turn.port_given = true;
        config->turn.port = given->turn.port;
    }
    if (given->workers != 0)
        config->workers = given->workers;
    if (given->public_address.family != ADDRESS_NONE)
        config->public_address = given->public_address;
    prefer(config->certificate, given->certificate, sizeof config->certificate);
    prefer(config->key, given->key, sizeof config->key);
    prefer(config->turn.secret, given->turn.secret, sizeof config->turn.secret);
    prefer(config->state, given->state, sizeof config->state);
    prefer(config->capture, given->capture, sizeof config->capture);
    prefer(config->keylog, given->keylog, sizeof config->keylog);
    set_state_directory(config);
    return true;
}

static bool only_loopback(const struct server_config *config)
{
    for (size_t i = 0; i < config->listen_count; i++) {
        if (address_scope(&config->listen[i]) != ADDRESS_LOOPBACK)
            return false;
    }
    return config->listen_count > 0;
}

static void watch_signals(struct live_world *live)
{
    struct sigaction action = {.sa_handler = on_signal};
    world_to_stop = live;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
}

static bool extend(void *user, const struct http_request *request, struct http_response *response, nanos now)
{
    struct synthetic_peers **peers = user;
    return *peers != NULL && synthetic_peers_handle(*peers, request, response, now);
}

static int serve(const struct options *options, const struct server_config *config, struct live_world *live,
                 struct error *error)
{
    struct log log = {.file = options->quiet ? NULL : stderr};
    struct synthetic_peers *synthetic = NULL;
    const struct server_options server_options = {.live = live,
                                                  .config = config,
                                                  .log = &log,
                                                  .pages = pages,
                                                  .page_count = page_count,
                                                  .extend = extend,
                                                  .extend_user = &synthetic};
    struct server *server = server_create(&server_options, error);
    if (server == NULL)
        return EXIT_USAGE;
    /* They join as anyone does, but without TLS. */
    if ((options->synthetic || only_loopback(config)) && !config->tls_only) {
        synthetic = synthetic_peers_create(live, server, error);
        if (synthetic == NULL) {
            server_destroy(server);
            return EXIT_FAILED;
        }
    }
    if (!options->quiet)
        server_print(server, stdout);
    bool ran = live_world_run_until(live, NANOS_NEVER, 0, NULL, NULL, error);
    synthetic_peers_destroy(synthetic);
    synthetic = NULL;
    if (ran) {
        server_stop(server, "the server ends");
        ran = live_world_run_until(live, world_now(live_world_of(live)) + FAREWELL, 0, NULL, NULL, error);
    }
    server_destroy(server);
    if (!ran)
        return EXIT_FAILED;
    return signalled == SIGINT ? EXIT_INTERRUPTED : EXIT_WELL;
}

static int run(int argc, char **argv)
{
    static struct options options;
    static struct server_config config;
    struct error error;
    if (!read_command_line(&options, argc, argv))
        return EXIT_USAGE;
    if (!configure(&options, &config, &error)) {
        fprintf(stderr, "confab serve: %s\n", error.text);
        return EXIT_USAGE;
    }
    struct live_world *live =
        live_world_create(&(struct live_world_config){.loopback_only = only_loopback(&config)}, &error);
    int status = EXIT_FAILED;
    if (live != NULL) {
        watch_signals(live);
        error.text[0] = '\0';
        error.code = ERROR_NONE;
        status = serve(&options, &config, live, &error);
    }
    if (status == EXIT_FAILED || status == EXIT_USAGE)
        fprintf(stderr, "confab serve: %s\n", error.text);
    live_world_destroy(live);
    return status;
}

const struct verb verb_serve = {
    .name = "serve", .summary = "be the reference SFU, TURN and STUN server", .usage = usage, .run = run};
