/* What the files of the reference server share. */
#ifndef CONFAB_SFU_SERVER_STATE_H
#define CONFAB_SFU_SERVER_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "rtc/certificate_file.h"
#include "rtc/room_message.h"
#include "sfu/server.h"
#include "sfu/server_front.h"
#include "world/http_server.h"
#include "world/live_world.h"

struct server_capture;
struct tls_context;
struct server_report;
struct server_worker;

enum { SERVER_URL_CAP = 96, SERVER_CREDENTIAL_CAP = 64 };

struct server {
    struct server_options options;
    const struct server_config *config;
    struct world_host *host;
    nanos started;
    bool stopping;

    struct address addresses[SERVER_LISTEN_MAX]; /* concrete ones, port 0, the best known first */
    size_t address_count;

    struct certificate *certificate; /* of DTLS */
    struct certificate_files files;  /* of TLS; "" when there is none */
    struct tls_context *tls;
    FILE *keylog;
    struct server_capture *capture;

    struct server_worker *workers[SERVER_WORKERS_MAX];
    unsigned worker_count;
    struct server_front *front;
    struct server_report *reports; /* hash table by number: those that are being made */
    struct turn_server *turn;
    struct address turn_udp, turn_tls; /* as clients are told */
    char turn_secret[SERVER_TEXT_CAP];
    struct http_server *http;

    /* What participants are told to use; made anew from time to time, since credentials expire. */
    struct room_ice_server ice_servers[ROOM_ICE_SERVERS_MAX];
    size_t ice_server_count;
    char urls[ROOM_ICE_SERVERS_MAX][SERVER_URL_CAP];
    char turn_username[SERVER_CREDENTIAL_CAP], turn_password[SERVER_CREDENTIAL_CAP];
    struct world_timer *renewal;
};

/* Answers a request (server_http.c). */
void server_handle(void *user, const struct http_request *request, struct http_response *response, nanos now);

/* May a page of this origin open a WebSocket to us, asked for as `host`? */
bool server_may_connect(void *user, const char *origin, const char *host);

/* GET /health, GET /metrics (server_report.c), from what each of `count` workers says. */
void server_report_health(const struct server *server, const struct server_statistics *workers, size_t count,
                          struct http_response *response, nanos now);
void server_report_metrics(const struct server *server, const struct server_statistics *workers, size_t count,
                           struct http_response *response, nanos now);

/* As server_front_config's `report`. */
void server_report(void *user, uint64_t number, const struct server_statistics *workers, size_t count, nanos now);
void server_forget_reports(struct server *server);

#endif
