/* The HTTP server and its WebSocket channels, over loopback, held against what is written on raw sockets. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "rtc/certificate_file.h"
#include "tests/support/program.h"
#include "tests/support/suite.h"
#include "world/http_server.h"
#include "world/live_world.h"
#include "world/web_channel.h"

#define PATIENCE (3 * NANOS_PER_S)
#define SLICE (2 * NANOS_PER_MS)

struct site {
    struct live_world *live;
    struct world_host *host;
    struct http_server *server;
    struct address address;
    size_t handled;
    char last[256]; /* METHOD PATH?QUERY TYPE BODYLEN, of the last request */
};

static void handle(void *user, const struct http_request *request, struct http_response *response, nanos now)
{
    struct site *site = user;
    const char *type = http_request_header(request, "content-type");
    (void)now;
    site->handled++;
    snprintf(site->last, sizeof site->last, "%d %s?%s %s %zu", request->method, request->path, request->query,
             type != NULL ? type : "-", request->body_len);
    if (strcmp(request->path, "/hello") == 0)
        http_response_set(response, HTTP_OK, "text/plain", "hello", 5);
    if (strcmp(request->path, "/echo") == 0)
        http_response_set(response, HTTP_OK, "text/plain", request->body, request->body_len);
    if (strcmp(request->path, "/split") == 0) {
        http_response_add(response, "X-Name", "%s", "a\r\nSet-Cookie: b");
        response->status = HTTP_NO_CONTENT;
    }
}

static struct site *open_site(struct site *site, const struct http_server_config *extra)
{
    struct error error;
    const struct address any = address_ipv4(127, 0, 0, 1, 0);
    struct http_server_config config = extra != NULL ? *extra : (struct http_server_config){0};
    *site = (struct site){0};
    site->live = live_world_create(&(struct live_world_config){.loopback_only = true}, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(site->live);
    site->host = live_world_add_host(site->live, &(struct live_host_config){.name = "site"}, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(site->host);
    struct web *web = live_world_web(site->live, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(web);
    config.addresses = &any;
    config.address_count = 1;
    config.handle = handle;
    config.user = site;
    site->server = http_server_create(web, &config, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(site->server);
    site->address = http_server_address(site->server, 0);
    return site;
}

static void close_site(struct site *site) { live_world_destroy(site->live); }

static void run_for(struct site *site, nanos duration)
{
    struct world *world = live_world_of(site->live);
    CU_ASSERT_TRUE(live_world_run_until(site->live, world_now(world) + duration, 0, NULL, NULL, NULL));
}

static int dial(const struct site *site)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(site->address.port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

/* Lets the world run until `needle` (or, when NULL, the end) has come; what came, up to the end or the needle's. */
static const char *await(struct site *site, int fd, const char *needle, bool *ended)
{
    static char text[400000];
    size_t len = 0;
    struct world *world = live_world_of(site->live);
    nanos until = world_now(world) + PATIENCE;
    *ended = false;
    text[0] = '\0';
    while (world_now(world) < until && !*ended && (needle == NULL || strstr(text, needle) == NULL)) {
        ssize_t got = recv(fd, text + len, sizeof text - 1 - len, 0);
        *ended = got == 0 || (got < 0 && errno != EAGAIN);
        len += got > 0 ? (size_t)got : 0;
        text[len] = '\0';
        for (size_t i = 0; i < len; i++) {
            if (text[i] == '\0')
                text[i] = '0';
        }
        if (got <= 0)
            run_for(site, SLICE);
    }
    return text;
}

static void say(struct site *site, int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, text, len, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            return;
        text += sent > 0 ? sent : 0;
        len -= sent > 0 ? (size_t)sent : 0;
        if (len > 0)
            run_for(site, SLICE);
    }
}

#define SAY(site, fd, text) say(site, fd, text, sizeof text - 1)

static void requests_are_answered_one_after_another(void)
{
    struct site site;
    bool ended;
    int fd = dial(open_site(&site, NULL));
    SAY(&site, fd, "GET /hello?a=1&b=%32 HTTP/1.1\r\nHost: x\r\n\r\n");
    const char *text = await(&site, fd, "hello", &ended);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "HTTP/1.1 200"));
    CU_ASSERT_PTR_NOT_NULL(strcasestr(text, "content-length: 5\r\n"));
    CU_ASSERT_PTR_NOT_NULL(strcasestr(text, "\r\ncontent-type: text/plain\r\n"));
    CU_ASSERT_STRING_EQUAL(site.last, "0 /hello?a=1&b=2 - 0");
    SAY(&site, fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/sdp\r\nContent-Length: 7\r\n\r\nv=0");
    run_for(&site, 10 * NANOS_PER_MS);
    SAY(&site, fd, "\r\nab");
    text = await(&site, fd, "v=0\r\nab", &ended);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "HTTP/1.1 200"));
    CU_ASSERT_STRING_EQUAL(site.last, "2 /echo? application/sdp 7");
    SAY(&site, fd, "HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    text = await(&site, fd, "\r\n\r\n", &ended);
    CU_ASSERT_PTR_NOT_NULL(strcasestr(text, "content-length: 5\r\n"));
    CU_ASSERT_PTR_NULL(strstr(text, "hello"));
    SAY(&site, fd, "DELETE /nowhere HTTP/1.1\r\nHost: x\r\n\r\n");
    text = await(&site, fd, "}", &ended);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "HTTP/1.1 404"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "there is nothing at /nowhere"));
    SAY(&site, fd, "PATCH /split HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    text = await(&site, fd, "\r\n\r\n", &ended);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "HTTP/1.1 204"));
    CU_ASSERT_PTR_NOT_NULL(strcasestr(text, "\r\nx-name: a  Set-Cookie: b\r\n"));
    CU_ASSERT_FALSE(ended);
    CU_ASSERT_EQUAL(site.handled, 5);
    CU_ASSERT_EQUAL(http_server_statistics(site.server).connections, 1);
    close(fd);
    close_site(&site);
}

static void bodies_have_a_limit(void)
{
    enum { LEN = 1024 * 1024 };
    struct site site;
    bool ended;
    static char body[LEN];
    char head[128];
    open_site(&site, NULL);
    memset(body, 'x', sizeof body);
    const struct {
        size_t len;
        const char *status;
    } cases[] = {
        {HTTP_BODY_MAX_BYTES, "HTTP/1.1 200"}, {HTTP_BODY_MAX_BYTES + 1, "HTTP/1.1 413"}, {LEN, "HTTP/1.1 413"}};
    for (size_t i = 0; i < 3; i++) {
        int fd = dial(&site);
        int len =
            snprintf(head, sizeof head, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", cases[i].len);
        say(&site, fd, head, (size_t)len);
        say(&site, fd, body, cases[i].len);
        const char *text = await(&site, fd, i == 0 ? "xxxx" : "}", &ended);
        CU_ASSERT_PTR_NOT_NULL(strstr(text, cases[i].status));
        close(fd);
    }
    CU_ASSERT_EQUAL(site.handled, 1);
    int fd = dial(&site);
    SAY(&site, fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999\r\n\r\n");
    CU_ASSERT_PTR_NOT_NULL(strstr(await(&site, fd, NULL, &ended), "HTTP/1.1 413"));
    CU_ASSERT_TRUE(ended);
    close(fd);
    fd = dial(&site);
    SAY(&site, fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n");
    CU_ASSERT_PTR_NOT_NULL(strstr(await(&site, fd, NULL, &ended), "HTTP/1.1 400"));
    close(fd);
    fd = dial(&site);
    SAY(&site, fd, "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n");
    CU_ASSERT_PTR_NOT_NULL(strstr(await(&site, fd, NULL, &ended), "HTTP/1.1 411"));
    close(fd);
    close_site(&site);
}

static void nonsense_ends_the_connection(void)
{
    static const char *const nonsense[] = {"\x01\x02\x03\x04\r\n\r\n", "BREW /pot HTTP/1.1\r\n\r\n",
                                           "\x16\x03\x01\x02\x00 this is no TLS server \r\n\r\n"};
    struct site site;
    bool ended;
    char line[600];
    open_site(&site, NULL);
    for (size_t i = 0; i < 3; i++) {
        int fd = dial(&site);
        say(&site, fd, nonsense[i], strlen(nonsense[i]));
        await(&site, fd, NULL, &ended);
        CU_ASSERT_TRUE(ended);
        close(fd);
    }
    int fd = dial(&site);
    memset(line, 'a', sizeof line);
    SAY(&site, fd, "GET /hello HTTP/1.1\r\nX-Long: ");
    for (int i = 0; i < 1000; i++)
        send(fd, line, sizeof line, MSG_NOSIGNAL);
    SAY(&site, fd, "\r\n\r\n");
    await(&site, fd, NULL, &ended);
    close(fd);
    fd = dial(&site);
    SAY(&site, fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    CU_ASSERT_PTR_NOT_NULL(strstr(await(&site, fd, "hello", &ended), "HTTP/1.1 200"));
    close(fd);
    close_site(&site);
}

static void the_silent_make_room(void)
{
    enum { LIMIT = 20, SILENT = 60 };
    struct site site;
    bool ended;
    int fds[SILENT];
    open_site(&site, &(struct http_server_config){.connection_limit = LIMIT});
    for (int i = 0; i < SILENT; i++)
        fds[i] = dial(&site);
    int fd = dial(&site);
    SAY(&site, fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    CU_ASSERT_PTR_NOT_NULL(strstr(await(&site, fd, "hello", &ended), "HTTP/1.1 200"));
    struct http_server_statistics statistics = http_server_statistics(site.server);
    CU_ASSERT_EQUAL(statistics.connections, LIMIT);
    CU_ASSERT_EQUAL(statistics.silent, LIMIT - 1);
    CU_ASSERT_EQUAL(statistics.displaced, SILENT + 1 - LIMIT);
    await(&site, fds[0], NULL, &ended);
    CU_ASSERT_TRUE(ended);
    for (int i = 0; i < SILENT; i++)
        close(fds[i]);
    run_for(&site, 20 * NANOS_PER_MS);
    CU_ASSERT_EQUAL(http_server_statistics(site.server).connections, 1);
    close(fd);
    close_site(&site);
}

static void the_slow_make_room_too(void)
{
    enum { LIMIT = 8 };
    struct site site;
    bool ended;
    int fds[LIMIT];
    open_site(&site, &(struct http_server_config){.connection_limit = LIMIT});
    for (int i = 0; i < LIMIT; i++) {
        fds[i] = dial(&site);
        SAY(&site, fds[i], "GET /hello HTTP/1.1\r\nHost: x\r\nOdd");
    }
    run_for(&site, 20 * NANOS_PER_MS);
    CU_ASSERT_EQUAL(http_server_statistics(site.server).silent, 0);
    int fd = dial(&site);
    SAY(&site, fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    CU_ASSERT_PTR_NOT_NULL(strstr(await(&site, fd, "hello", &ended), "HTTP/1.1 200"));
    await(&site, fds[0], NULL, &ended);
    CU_ASSERT_TRUE(ended);
    CU_ASSERT_EQUAL(http_server_statistics(site.server).connections, LIMIT);
    SAY(&site, fds[1], ": y\r\n\r\n");
    CU_ASSERT_PTR_NOT_NULL(strstr(await(&site, fds[1], "hello", &ended), "HTTP/1.1 200"));
    for (int i = 0; i < LIMIT; i++)
        close(fds[i]);
    close(fd);
    close_site(&site);
}

/* --- channels --------------------------------------------------------------------------------------------------------------- */

struct end {
    struct world_channel *channel;
    size_t opened, received, closed, accepted;
    size_t bytes;
    char last[200];
    char reason[200];
    bool close_on_text;
};

static void on_opened(void *user, struct world_channel *channel, nanos now)
{
    (void)channel, (void)now;
    ((struct end *)user)->opened++;
}

static void on_received(void *user, struct world_channel *channel, const char *text, size_t len, nanos now)
{
    struct end *end = user;
    (void)now;
    end->received++;
    end->bytes += len;
    snprintf(end->last, sizeof end->last, "%.*s", (int)(len < 100 ? len : 100), text);
    if (end->close_on_text) {
        world_channel_close(channel);
        end->channel = NULL;
    }
}

static void on_closed(void *user, struct world_channel *channel, const char *reason, nanos now)
{
    struct end *end = user;
    (void)now;
    end->closed++;
    snprintf(end->reason, sizeof end->reason, "%s", reason);
    world_channel_close(channel);
    end->channel = NULL;
}

static const struct world_channel_callbacks end_callbacks = {
    .opened = on_opened, .received = on_received, .closed = on_closed};

static void on_accepted(void *user, struct world_channel *channel, nanos now)
{
    struct end *end = user;
    (void)now;
    end->accepted++;
    end->channel = channel;
    world_channel_adopt(channel, &end_callbacks, end);
}

/* Until `count` is `wanted`. */
static void run_until_count(struct site *site, const size_t *count, size_t wanted)
{
    struct world *world = live_world_of(site->live);
    nanos until = world_now(world) + PATIENCE;
    while (*count < wanted && world_now(world) < until)
        run_for(site, SLICE);
    CU_ASSERT_EQUAL(*count, wanted);
}

static void channels_carry_texts_both_ways(void)
{
    enum { LONG = 100000 };
    struct site site;
    struct error error;
    struct end server = {0};
    struct end client = {0};
    static char text[LONG];
    open_site(&site, NULL);
    memset(text, 'y', sizeof text);
    struct world_channel_listener *listener =
        world_channel_listen(site.host, &site.address, on_accepted, &server, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(listener);
    CU_ASSERT_PTR_NULL(world_channel_listen(site.host, &site.address, on_accepted, &server, &error));
    client.channel = world_channel_connect(site.host, &site.address, &end_callbacks, &client, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(client.channel);
    world_channel_send(client.channel, "early", 5); /* before it is open */
    run_until_count(&site, &server.received, 1);
    CU_ASSERT_EQUAL(client.opened, 1);
    CU_ASSERT_STRING_EQUAL(server.last, "early");
    world_channel_send(server.channel, text, sizeof text);
    world_channel_send(server.channel, "second", 6);
    run_until_count(&site, &client.received, 2);
    CU_ASSERT_EQUAL(client.bytes, LONG + 6);
    CU_ASSERT_STRING_EQUAL(client.last, "second");
    CU_ASSERT_EQUAL(http_server_statistics(site.server).channels, 1);
    /* What was said before a goodbye is heard. */
    world_channel_send(server.channel, "bye", 3);
    world_channel_close(server.channel);
    run_until_count(&site, &client.closed, 1);
    CU_ASSERT_STRING_EQUAL(client.last, "bye");
    CU_ASSERT_EQUAL(server.closed, 0);
    run_for(&site, 20 * NANOS_PER_MS);
    CU_ASSERT_EQUAL(http_server_statistics(site.server).channels, 0);
    /* Closing in one's own callback. */
    server.close_on_text = true;
    client.channel = world_channel_connect(site.host, &site.address, &end_callbacks, &client, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(client.channel);
    world_channel_send(client.channel, "x", 1);
    run_until_count(&site, &client.closed, 2);
    world_channel_listener_close(listener);
    client.channel = world_channel_connect(site.host, &site.address, &end_callbacks, &client, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(client.channel);
    run_until_count(&site, &client.closed, 3);
    CU_ASSERT_EQUAL(client.opened, 2);
    close_site(&site);
}

static void nobody_listens(void)
{
    struct site site;
    struct error error;
    struct end client = {0};
    open_site(&site, NULL);
    struct address gone = site.address;
    http_server_destroy(site.server);
    run_for(&site, 10 * NANOS_PER_MS);
    client.channel = world_channel_connect(site.host, &gone, &end_callbacks, &client, &error);
    if (client.channel != NULL)
        run_until_count(&site, &client.closed, 1);
    CU_ASSERT_EQUAL(client.opened, 0);
    /* One whose world ends while it is open. */
    struct end server = {0};
    const struct address any = address_ipv4(127, 0, 0, 1, 0);
    site.server = http_server_create(live_world_web(site.live, &error),
                                     &(struct http_server_config){.addresses = &any, .address_count = 1}, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(site.server);
    site.address = http_server_address(site.server, 0);
    CU_ASSERT_PTR_NOT_NULL(world_channel_listen(site.host, &site.address, on_accepted, &server, &error));
    client.channel = world_channel_connect(site.host, &site.address, &end_callbacks, &client, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(client.channel);
    run_until_count(&site, &client.opened, 1);
    close_site(&site);
    CU_ASSERT_EQUAL(server.closed, 0);
}

/* A WebSocket by hand: upgraded, but reading or writing as the test pleases. */
static int upgrade(struct site *site)
{
    bool ended;
    int fd = dial(site);
    SAY(site, fd,
        "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    const char *text = await(site, fd, "\r\n\r\n", &ended);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "HTTP/1.1 101"));
    /* RFC 6455, section 1.3, has this very example. */
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    return fd;
}

static void a_slow_reader_is_cut_off(void)
{
    struct site site;
    struct error error;
    struct end server = {0};
    static char text[60000];
    open_site(&site, NULL);
    memset(text, 'z', sizeof text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(world_channel_listen(site.host, &site.address, on_accepted, &server, &error));
    int fd = upgrade(&site);
    run_until_count(&site, &server.accepted, 1);
    for (int i = 0; i < 2000 && server.channel != NULL; i++) {
        world_channel_send(server.channel, text, sizeof text);
        if (i % 10 == 0)
            run_for(&site, NANOS_PER_MS / 2);
    }
    CU_ASSERT_EQUAL(server.closed, 1);
    CU_ASSERT_STRING_EQUAL(server.reason, "the other side reads too slowly");
    close(fd);
    close_site(&site);
}

static void wrong_messages_end_a_channel(void)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *reason;
    } cases[] = {
        /* Masked frames, the key being 0: binary; text in bytes that are no UTF-8; a length of 4 GB. */
        {"\x82\x81\0\0\0\0x", 7, "messages are text"},
        {"\x81\x82\0\0\0\0\xff\xfe", 8, "the connection ended"},
        {"\x81\xff\0\0\0\1\0\0\0\0\0\0\0\0xxxxxxxx", 22, NULL},
    };
    struct site site;
    struct error error;
    struct end server = {0};
    bool ended;
    open_site(&site, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(world_channel_listen(site.host, &site.address, on_accepted, &server, &error));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        static char more[WEB_CHANNEL_MESSAGE_MAX + 4096];
        int fd = upgrade(&site);
        say(&site, fd, cases[i].bytes, cases[i].len);
        if (cases[i].reason == NULL)
            say(&site, fd, more, sizeof more);
        await(&site, fd, "\x88", &ended); /* a close frame; whoever closes now has understood */
        close(fd);
        run_until_count(&site, &server.closed, i + 1);
        CU_ASSERT_STRING_EQUAL(server.reason, cases[i].reason != NULL ? cases[i].reason : "the message is too long");
    }
    CU_ASSERT_EQUAL(server.received, 0);
    /* At another place, or to another protocol, nothing is upgraded. */
    int fd = dial(&site);
    SAY(&site, fd,
        "GET /other HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    CU_ASSERT_PTR_NOT_NULL(strstr(await(&site, fd, NULL, &ended), " 404 "));
    close(fd);
    fd = dial(&site);
    SAY(&site, fd,
        "GET /hello HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n");
    CU_ASSERT_PTR_NULL(strstr(await(&site, fd, NULL, &ended), "101"));
    close(fd);
    close_site(&site);
}

/* Plain and TLS on one port; a client that checks the certificate doesn't take a self-signed one. */
static void tls_is_on_the_same_port(void)
{
    struct certificate_files files = {{0}, {0}};
    struct site site;
    struct error error;
    struct end server = {0};
    struct end client = {0};
    bool ended;
    char directory[SCRATCH_CAP];
    scratch_make(directory);
    CU_ASSERT_TRUE_FATAL(certificate_files_prepare(directory, time(NULL), &files, &error));
    open_site(&site, &(struct http_server_config){.certificate_file = files.certificate, .key_file = files.key});
    CU_ASSERT_PTR_NOT_NULL_FATAL(world_channel_listen(site.host, &site.address, on_accepted, &server, &error));
    struct web_channel_target target = {.address = site.address, .tls = true, .path = "/ws?token=1"};
    client.channel = live_channel_open(site.host, &target, &end_callbacks, &client, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(client.channel);
    world_channel_send(client.channel, "secret", 6);
    run_until_count(&site, &server.received, 1);
    CU_ASSERT_STRING_EQUAL(server.last, "secret");
    target.verify = true;
    struct end careful = {0};
    careful.channel = live_channel_open(site.host, &target, &end_callbacks, &careful, &error);
    if (careful.channel != NULL)
        run_until_count(&site, &careful.closed, 1);
    CU_ASSERT_EQUAL(careful.opened, 0);
    int fd = dial(&site);
    SAY(&site, fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    CU_ASSERT_PTR_NOT_NULL(strstr(await(&site, fd, "hello", &ended), "HTTP/1.1 200"));
    close(fd);
    close_site(&site);
    scratch_remove(directory);
}

static void what_can_t_be_listened_on(void)
{
    struct site site;
    struct error error;
    open_site(&site, NULL);
    struct web *web = live_world_web(site.live, &error);
    struct http_server_config config = {.addresses = &site.address, .address_count = 1};
    CU_ASSERT_PTR_NULL(http_server_create(web, &config, &error));
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "in use"));
    const struct address any = address_ipv4(127, 0, 0, 1, 0);
    config = (struct http_server_config){
        .addresses = &any, .address_count = 1, .certificate_file = "/nowhere/cert.pem", .key_file = "/nowhere/key.pem"};
    CU_ASSERT_PTR_NULL(http_server_create(web, &config, &error));
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "/nowhere/cert.pem"));
    close_site(&site);
}

void http_server_test(void)
{
    SUITE("http server", {"requests are answered one after another", requests_are_answered_one_after_another},
          {"bodies have a limit", bodies_have_a_limit}, {"nonsense ends the connection", nonsense_ends_the_connection},
          {"the silent make room", the_silent_make_room}, {"the slow make room, too", the_slow_make_room_too},
          {"channels carry texts both ways", channels_carry_texts_both_ways}, {"nobody listens", nobody_listens},
          {"a slow reader is cut off", a_slow_reader_is_cut_off},
          {"wrong messages end a channel", wrong_messages_end_a_channel},
          {"TLS is on the same port", tls_is_on_the_same_port},
          {"what can't be listened on", what_can_t_be_listened_on});
}
