/* confab nat: how does the NAT in front of this machine behave (RFC 5780)? */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "cli/verb.h"
#include "peer/nat_prober.h"
#include "rtc/stun.h"
#include "world/live_world.h"

#define PATIENCE (60 * NANOS_PER_S) /* all tests together take less, however silent the server is */

static const char usage[] =
    "usage: confab nat [--stun HOST:PORT] [--format text|json]\n"
    "\n"
    "Finds out how the NATs between this machine and a STUN server behave, as RFC 5780 has it: how ports are mapped,\n"
    "what is let in, whether hairpins work; and what that means for calls. Takes up to half a minute where packets are\n"
    "filtered: silence is an answer.\n"
    "\n"
    "  --stun HOST:PORT   a STUN server; with another address and port (RFC 5780) it can tell all. Without it\n"
    "                     localhost:3478, where confab serve is\n"
    "  --format F         text or json\n"
    "\n"
    "examples:\n"
    "  confab nat --stun stun.example.org:3478\n"
    "  confab nat --stun [2001:db8::1]:3478 --format json\n"
    "\n"
    "exit status: 0 all well; 1 no answer from the server; 2 wrong usage, unknown host\n";

struct probing {
    struct live_world *live;
    struct nat_probe_result result;
    bool done;
};

static void note_result(void *user, const struct nat_probe_result *result, nanos now)
{
    struct probing *probing = user;
    (void)now;
    probing->result = *result;
    probing->done = true;
    live_world_stop(probing->live);
}

/* Splits HOST:PORT or [IPv6]:PORT, and asks the resolver. */
static bool resolve(const char *text, struct sockaddr_storage *found, socklen_t *found_len, struct error *error)
{
    char host[256];
    const char *colon = strrchr(text, ':');
    size_t len = colon != NULL ? (size_t)(colon - text) : strlen(text);
    const char *begin = text;
    if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
        begin++;
        len -= 2;
    } else if (colon != NULL && memchr(text, ':', len) != NULL) {
        return error_set(error, ERROR_USAGE, "--stun %s: an IPv6 address goes in brackets, as in [2001:db8::1]:3478",
                         text);
    }
    if (len == 0 || len >= sizeof host)
        return error_set(error, ERROR_USAGE, "--stun %s: expected HOST:PORT", text);
    snprintf(host, sizeof host, "%.*s", (int)len, begin);
    char port[16];
    snprintf(port, sizeof port, "%s", colon != NULL ? colon + 1 : "3478");
    const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG};
    struct addrinfo *list;
    int status = getaddrinfo(host, port, &hints, &list);
    if (status != 0)
        return error_set(error, ERROR_USAGE, "--stun %s: %s", text, gai_strerror(status));
    memcpy(found, list->ai_addr, list->ai_addrlen);
    *found_len = list->ai_addrlen;
    freeaddrinfo(list);
    return true;
}

static bool to_address(const struct sockaddr_storage *name, socklen_t len, struct address *address)
{
    char host[64], port[16], text[96];
    if (getnameinfo((const struct sockaddr *)name, len, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return false;
    snprintf(text, sizeof text, name->ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
    return address_parse(address, text);
}

/* The address that this machine would send from; nothing is sent to find out. */
static bool own_address(const struct sockaddr_storage *server, socklen_t len, struct address *own, struct error *error)
{
    struct sockaddr_storage name;
    socklen_t name_len = sizeof name;
    int file = socket(server->ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool known = file >= 0 && connect(file, (const struct sockaddr *)server, len) == 0 &&
                 getsockname(file, (struct sockaddr *)&name, &name_len) == 0 && to_address(&name, name_len, own);
    if (!known)
        error_set(error, ERROR_SYSTEM, "there is no way to the STUN server: %s", strerror(errno));
    if (file >= 0)
        close(file);
    own->port = 0;
    return known;
}

static bool probe(const char *server_text, struct probing *probing, struct error *error)
{
    struct sockaddr_storage name;
    socklen_t name_len = 0;
    struct address own, server;
    if (!resolve(server_text, &name, &name_len, error) || !own_address(&name, name_len, &own, error) ||
        !to_address(&name, name_len, &server))
        return false;
    struct timespec seed;
    clock_gettime(CLOCK_REALTIME, &seed);
    const struct live_world_config config = {.seed = (uint64_t)seed.tv_nsec};
    probing->live = live_world_create(&config, error);
    const struct live_host_config here = {.addresses = &own, .address_count = 1};
    struct world_host *host = probing->live != NULL ? live_world_add_host(probing->live, &here, error) : NULL;
    const struct nat_prober_config prober_config = {
        .host = host, .server = server, .seed = (uint64_t)seed.tv_nsec, .done = note_result, .user = probing};
    struct nat_prober *prober = host != NULL ? nat_prober_create(&prober_config, error) : NULL;
    bool ran = prober != NULL && live_world_run_until(probing->live, PATIENCE, NANOS_NEVER, NULL, NULL, error);
    if (ran && !probing->done)
        ran = error_set(error, ERROR_SYSTEM, "the probes did not come to an end");
    nat_prober_destroy(prober);
    live_world_destroy(probing->live);
    return ran;
}

/* --- what it means ------------------------------------------------------------------------------------------------------ */

/* The name that people know (RFC 3489, section 5), and what it does to calls. */
static const char *meaning(const struct nat_probe_result *r)
{
    if (r->blocked)
        return "UDP to the server is blocked: calls need TURN over TCP or TLS";
    if (r->mapping == NAT_BEHAVIOR_UNKNOWN)
        return "the server has no second address, so it can't tell more";
    if (!r->translated)
        return r->filtering == NAT_BEHAVIOR_ENDPOINT_INDEPENDENT
                   ? "no NAT, and no filter: every peer can be reached directly"
                   : "no NAT, but a firewall that lets in only what was asked for: direct with most peers";
    if (r->mapping != NAT_BEHAVIOR_ENDPOINT_INDEPENDENT)
        return "symmetric: direct only with peers whose NAT lets anyone in, else TURN";
    if (r->filtering == NAT_BEHAVIOR_ENDPOINT_INDEPENDENT)
        return "full cone: direct with every peer";
    if (r->filtering == NAT_BEHAVIOR_ADDRESS_DEPENDENT)
        return "restricted cone: direct with every peer whose NAT isn't blocking UDP";
    return "port-restricted cone: direct with every peer but those behind symmetric NATs";
}

static const char *hairpin_name(enum nat_probe_hairpin hairpin)
{
    static const char *const names[] = {"unknown", "no", "yes"};
    return names[hairpin];
}

static void print_text(const char *server, const struct nat_probe_result *r)
{
    char mapped[ADDRESS_TEXT_CAP];
    printf("STUN server   %s\n", server);
    if (!r->blocked) {
        printf("seen as       %s%s\n", address_format(&r->mapped[0], mapped),
               !r->translated      ? ", this machine's own address"
               : r->port_preserved ? ", the port preserved"
                                   : "");
        printf("mapping       %s\n", nat_behavior_name(r->mapping));
        printf("filtering     %s\n", nat_behavior_name(r->filtering));
        printf("hairpin       %s\n", hairpin_name(r->hairpin));
        if (r->alg)
            printf("caution       something on the way rewrites addresses inside packets (an ALG)\n");
    }
    printf("\n%s\n", meaning(r));
}

static void print_json(const char *server, const struct nat_probe_result *r)
{
    char mapped[ADDRESS_TEXT_CAP];
    json_t *json = json_pack("{s:s, s:s, s:b}", "schema", "confab.nat/1", "server", server, "blocked", (int)r->blocked);
    if (!r->blocked) {
        json_t *found = json_pack(
            "{s:s, s:b, s:s, s:s, s:s, s:b, s:b}", "mapped", address_format(&r->mapped[0], mapped), "translated",
            (int)r->translated, "mapping", nat_behavior_name(r->mapping), "filtering", nat_behavior_name(r->filtering),
            "hairpin", hairpin_name(r->hairpin), "port_preserved", (int)r->port_preserved, "alg", (int)r->alg);
        json_object_update_new(json, found);
    }
    json_object_set_new(json, "meaning", json_string(meaning(r)));
    json_dumpf(json, stdout, JSON_INDENT(1));
    putchar('\n');
    json_decref(json);
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {
        {"stun", required_argument, NULL, 's'}, {"format", required_argument, NULL, 'f'}, {0}};
    const char *server = "localhost:3478";
    const char *format = "text";
    int option;
    optind = 1;
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        if (option == 's') {
            server = optarg;
        } else if (option == 'f') {
            format = optarg;
        } else {
            fprintf(stderr, "confab nat: %s '%s'; see confab nat --help\n",
                    option == ':' ? "a value is missing after" : "there is no option", argv[optind - 1]);
            return EXIT_USAGE;
        }
    }
    bool json = strcmp(format, "json") == 0;
    if (optind < argc || (!json && strcmp(format, "text") != 0)) {
        fprintf(stderr,
                optind < argc ? "confab nat: '%s' is one argument too many; see confab nat --help\n"
                              : "confab nat: --format %s: expected text or json\n",
                optind < argc ? argv[optind] : format);
        return EXIT_USAGE;
    }
    struct error error;
    struct probing probing = {0};
    if (!probe(server, &probing, &error)) {
        fprintf(stderr, "confab nat: %s\n", error.text);
        return error.code == ERROR_USAGE ? EXIT_USAGE : EXIT_FAILED;
    }
    (json ? print_json : print_text)(server, &probing.result);
    return probing.result.blocked ? EXIT_FAILED : EXIT_WELL;
}

const struct verb verb_nat = {
    .name = "nat", .summary = "how does the NAT in front of this machine behave?", .usage = usage, .run = run};
