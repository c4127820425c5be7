/* The HTTP client at our own server, and at servers that are worse. */
#include <stdio.h>
#include <string.h>

#include "tests/support/suite.h"
#include "world/http_client.h"
#include "world/http_server.h"
#include "world/live_world.h"

#define PATIENCE (20 * NANOS_PER_S)

struct site {
    struct live_world *live;
    struct world_host *host;
    struct web *web;
    struct http_server *server;
    struct address address;  /* the server's */
    struct address bad;      /* of the one that says `says` */
    const char *says;        /* to whatever comes; NULL: never a word */
    bool hangs_up;           /* after that */
    struct world_tcp *asker; /* the last one at it */
    char asked[512];
    /* What came back. */
    size_t answers;
    nanos answered_at;
    int status;
    char body[64], location[64], type[64], reason[160], url[WEB_URL_CAP];
};

static void handle(void *user, const struct http_request *request, struct http_response *response, nanos now)
{
    struct site *site = user;
    const char *authorization = http_request_header(request, "Authorization");
    (void)now;
    if (strcmp(request->path, "/here") == 0) {
        char text[128];
        int len = snprintf(text, sizeof text, "%d %s %s %s", request->method, request->query, request->body,
                           authorization != NULL ? authorization : "-");
        http_response_set(response, HTTP_CREATED, "text/plain", text, (size_t)len);
        http_response_add(response, "Location", "%s", "../there");
    } else if (strcmp(request->path, "/307") == 0 || strcmp(request->path, "/301") == 0) {
        response->status = request->path[3] - '0' + 300;
        http_response_add(response, "Location", "%s", "here?moved");
    } else if (strcmp(request->path, "/away") == 0) {
        char text[ADDRESS_TEXT_CAP];
        response->status = 308;
        http_response_add(response, "Location", "http://%s/", address_format(&site->bad, text));
    } else if (strcmp(request->path, "/round") == 0) {
        response->status = 302;
        http_response_add(response, "Location", "%s", "/round");
    } else if (strcmp(request->path, "/nothing") == 0) {
        response->status = HTTP_NO_CONTENT;
    }
}

/* --- a server that answers anything with what it has been told -------------------------------------------------------- */

static void bad_received(void *user, struct world_tcp *tcp, const uint8_t *data, size_t len, nanos now)
{
    struct site *site = user;
    (void)now;
    size_t asked = strlen(site->asked);
    snprintf(site->asked + asked, sizeof site->asked - asked, "%.*s", (int)len, (const char *)data);
    if (site->says != NULL)
        world_tcp_send(tcp, (const uint8_t *)site->says, strlen(site->says));
    if (site->hangs_up) {
        site->asker = NULL;
        world_tcp_close(tcp);
    }
}

static void bad_closed(void *user, struct world_tcp *tcp, const char *reason, nanos now)
{
    struct site *site = user;
    (void)reason, (void)now;
    site->asker = NULL;
    world_tcp_close(tcp);
}

static void bad_accepted(void *user, struct world_tcp *tcp, const struct address *remote, nanos now)
{
    static const struct world_tcp_callbacks callbacks = {.received = bad_received, .closed = bad_closed};
    struct site *site = user;
    (void)remote, (void)now;
    site->asker = tcp;
    world_tcp_adopt(tcp, &callbacks, site);
}

static void open_site(struct site *site)
{
    struct error error;
    struct address any = address_ipv4(127, 0, 0, 1, 0);
    const struct http_server_config config = {.addresses = &any, .address_count = 1, .handle = handle, .user = site};
    *site = (struct site){0};
    site->live = live_world_create(&(struct live_world_config){.loopback_only = true}, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(site->live);
    site->host = live_world_add_host(
        site->live, &(struct live_host_config){.name = "site", .addresses = &any, .address_count = 1}, &error);
    site->web = live_world_web(site->live, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(site->web);
    site->server = http_server_create(site->web, &config, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(site->server);
    site->address = http_server_address(site->server, 0);
    /* A free port that the world itself can't tell: take one that was free just now. */
    struct http_server *other = http_server_create(site->web, &config, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(other);
    site->bad = http_server_address(other, 0);
    http_server_destroy(other);
    CU_ASSERT_PTR_NOT_NULL_FATAL(world_tcp_listen(site->host, &site->bad, bad_accepted, site, &error));
}

static void close_site(struct site *site) { live_world_destroy(site->live); }

static void done(void *user, const struct http_fetch_response *response, const char *reason, nanos now)
{
    struct site *site = user;
    site->answers++;
    site->answered_at = now;
    snprintf(site->reason, sizeof site->reason, "%s", reason != NULL ? reason : "");
    if (response == NULL)
        return;
    site->status = response->status;
    snprintf(site->body, sizeof site->body, "%s", response->body);
    snprintf(site->location, sizeof site->location, "%s", response->location != NULL ? response->location : "");
    snprintf(site->type, sizeof site->type, "%s", response->content_type != NULL ? response->content_type : "");
    web_url_format(response->url, site->url);
}

static bool answered(void *user, nanos now)
{
    const struct site *site = user;
    (void)now;
    return site->answers == 0;
}

static void ask(struct site *site, const struct address *server, const char *path, struct http_fetch_request request)
{
    struct error error;
    char address[ADDRESS_TEXT_CAP];
    char url[128];
    snprintf(url, sizeof url, "http://%s%s", address_format(server, address), path);
    request.url = url;
    site->answers = 0;
    site->status = 0;
    CU_ASSERT_PTR_NOT_NULL_FATAL(http_fetch(site->web, &request, done, site, &error));
    CU_ASSERT_EQUAL(site->answers, 0);
    nanos now = world_now(live_world_of(site->live));
    live_world_run_until(site->live, now + PATIENCE, NANOS_PER_MS, answered, site, NULL);
    CU_ASSERT_EQUAL(site->answers, 1);
}

static void test_asks(void)
{
    struct site site;
    open_site(&site);
    ask(&site, &site.address, "/here?q", (struct http_fetch_request){.method = HTTP_GET});
    CU_ASSERT_EQUAL(site.status, HTTP_CREATED);
    CU_ASSERT_STRING_EQUAL(site.body, "0 q  -");
    CU_ASSERT_STRING_EQUAL(site.location, "../there");
    CU_ASSERT_STRING_EQUAL(site.type, "text/plain");
    ask(&site, &site.address, "/here",
        (struct http_fetch_request){.method = HTTP_POST,
                                    .content_type = "text/plain",
                                    .body = "what",
                                    .body_len = 4,
                                    .headers = {{"Authorization", "Bearer x"}},
                                    .header_count = 1});
    CU_ASSERT_STRING_EQUAL(site.body, "2  what Bearer x");
    ask(&site, &site.address, "/here", (struct http_fetch_request){.method = HTTP_DELETE});
    CU_ASSERT_STRING_EQUAL(site.body, "5   -");
    ask(&site, &site.address, "/nothing", (struct http_fetch_request){.method = HTTP_PATCH});
    CU_ASSERT_EQUAL(site.status, HTTP_NO_CONTENT);
    ask(&site, &site.address, "/else", (struct http_fetch_request){.method = HTTP_GET});
    CU_ASSERT_EQUAL(site.status, HTTP_NOT_FOUND);
    close_site(&site);
}

static void test_holds_answers(void)
{
    struct site site;
    const struct http_fetch_request held = {.method = HTTP_GET, .hold = 150 * NANOS_PER_MS};
    open_site(&site);
    nanos begun = world_now(live_world_of(site.live));
    ask(&site, &site.address, "/here", held);
    CU_ASSERT_EQUAL(site.status, HTTP_CREATED);
    CU_ASSERT_TRUE(site.answered_at >= begun + 149 * NANOS_PER_MS);
    /* One that is held when the world goes is never told. */
    char address[ADDRESS_TEXT_CAP], url[128];
    struct http_fetch_request request = held;
    request.url = url;
    snprintf(url, sizeof url, "http://%s/here", address_format(&site.address, address));
    CU_ASSERT_PTR_NOT_NULL(http_fetch(site.web, &request, done, &site, NULL));
    live_world_run_until(site.live, world_now(live_world_of(site.live)) + 50 * NANOS_PER_MS, 0, NULL, NULL, NULL);
    close_site(&site);
    CU_ASSERT_EQUAL(site.answers, 1);
}

static void test_follows_redirects(void)
{
    struct site site;
    const struct http_fetch_request post = {.method = HTTP_POST,
                                            .content_type = "text/plain",
                                            .body = "what",
                                            .body_len = 4,
                                            .headers = {{"Authorization", "Bearer x"}},
                                            .header_count = 1};
    struct http_fetch_request as_browsers = post;
    as_browsers.redirected_by_get = true;
    open_site(&site);
    ask(&site, &site.address, "/307", post);
    CU_ASSERT_STRING_EQUAL(site.body, "2 moved what Bearer x");
    CU_ASSERT_PTR_NOT_NULL(strstr(site.url, "/here?moved"));
    ask(&site, &site.address, "/301", post);
    CU_ASSERT_STRING_EQUAL(site.body, "2 moved what Bearer x");
    ask(&site, &site.address, "/301", as_browsers);
    CU_ASSERT_STRING_EQUAL(site.body, "0 moved  Bearer x");
    ask(&site, &site.address, "/307", as_browsers);
    CU_ASSERT_STRING_EQUAL(site.body, "2 moved what Bearer x");
    ask(&site, &site.address, "/round", post);
    CU_ASSERT_STRING_EQUAL(site.reason, "redirected too often");
    /* To another server goes the body, but not the secret. */
    site.says = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    ask(&site, &site.address, "/away", post);
    CU_ASSERT_STRING_EQUAL(site.body, "hi");
    CU_ASSERT_PTR_NOT_NULL(strstr(site.asked, "POST / "));
    CU_ASSERT_PTR_NULL(strstr(site.asked, "Bearer"));
    close_site(&site);
}

static void test_survives_bad_servers(void)
{
    static const struct {
        const char *says, *body, *reason; /* a body: it counts as an answer */
    } servers[] = {
        {"", NULL, "ended without an answer"},
        {"garbage\r\n\r\n", NULL, "ended without an answer"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", NULL, "in the middle"},
        {"HTTP/1.1 200 OK\r\n\r\nto the end", "to the end", NULL},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "abc", NULL},
        {"HTTP/1.1 302 Found\r\nLocation: gopher://x\r\nContent-Length: 0\r\n\r\n", NULL, "no URL"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", NULL, "in the middle"},
    };
    struct site site;
    open_site(&site);
    site.hangs_up = true;
    for (size_t i = 0; i < sizeof servers / sizeof servers[0]; i++) {
        site.says = servers[i].says;
        ask(&site, &site.bad, "/", (struct http_fetch_request){.method = HTTP_GET});
        if (servers[i].body != NULL) {
            CU_ASSERT_EQUAL(site.status, 200);
            CU_ASSERT_STRING_EQUAL(site.body, servers[i].body);
        } else {
            CU_ASSERT_EQUAL(site.status, 0);
            CU_ASSERT_PTR_NOT_NULL(strstr(site.reason, servers[i].reason));
        }
    }
    close_site(&site);
}

static void test_waits_no_longer_than_told(void)
{
    struct site site;
    const struct http_fetch_request request = {.method = HTTP_GET, .timeout = 50 * NANOS_PER_MS};
    open_site(&site);
    ask(&site, &site.bad, "/", request);
    CU_ASSERT_PTR_NOT_NULL(strstr(site.reason, "no answer within"));
    site.says = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort";
    ask(&site, &site.bad, "/", request);
    CU_ASSERT_PTR_NOT_NULL(strstr(site.reason, "no answer within"));
    close_site(&site);
}

static void test_says_when_nobody_is_there(void)
{
    struct site site;
    struct error error = {0};
    struct address nobody = address_ipv4(127, 0, 0, 1, 1);
    char address[ADDRESS_TEXT_CAP];
    char url[128];
    open_site(&site);
    snprintf(url, sizeof url, "http://%s/", address_format(&nobody, address));
    const struct http_fetch_request request = {.url = url};
    struct http_fetch *fetch = http_fetch(site.web, &request, done, &site, &error);
    if (fetch != NULL) {
        live_world_run_until(site.live, world_now(live_world_of(site.live)) + PATIENCE, NANOS_PER_MS, answered, &site,
                             NULL);
        CU_ASSERT_PTR_NOT_NULL(strstr(site.reason, "refused"));
    } else {
        CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "refused"));
    }
    CU_ASSERT_PTR_NULL(
        http_fetch(site.web, &(struct http_fetch_request){.url = "ws://127.0.0.1/"}, done, &site, &error));
    CU_ASSERT_EQUAL(error.code, ERROR_USAGE);
    close_site(&site);
}

static void test_may_be_cancelled(void)
{
    struct site site;
    struct error error;
    char address[ADDRESS_TEXT_CAP];
    char url[128];
    open_site(&site);
    snprintf(url, sizeof url, "http://%s/here", address_format(&site.address, address));
    const struct http_fetch_request request = {.url = url};
    struct http_fetch *fetch = http_fetch(site.web, &request, done, &site, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(fetch);
    http_fetch_cancel(fetch);
    CU_ASSERT_PTR_NOT_NULL(http_fetch(site.web, &request, done, &site, &error)); /* and the world ends meanwhile */
    close_site(&site);
    CU_ASSERT_EQUAL(site.answers, 0);
}

void http_client_test(void);
void http_client_test(void)
{
    SUITE("http_client", {"asks", test_asks}, {"holds answers", test_holds_answers},
          {"follows redirects", test_follows_redirects}, {"survives bad servers", test_survives_bad_servers},
          {"waits no longer than told", test_waits_no_longer_than_told},
          {"says when nobody is there", test_says_when_nobody_is_there}, {"may be cancelled", test_may_be_cancelled});
}
