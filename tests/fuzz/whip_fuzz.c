/* WHIP and WHEP asked anything. Records:
 *
 *     | what | headers | length (2) | body … |
 *
 * what: its low three bits are the method, the next two the place: /whip/a, /whep/a, the last session, or the first line
 * of the body. headers: bits for Content-Type (SDP, fragment, nonsense), If-Match (the last ETag, *, nonsense), Accept,
 * Authorization. Between two records so many milliseconds pass as `headers` says. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "rtc/certificate.h"
#include "sfu/sfu.h"
#include "sfu/whip.h"
/* The rule for fuzz targets links the floors alone. */
#include "tests/support/wire_world.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct play {
    struct wire_world *wire;
    struct whip *whip;
    char session[256], tag[64];
};

static void keep(char *out, size_t cap, const struct http_response *response, const char *name)
{
    const char *value = http_response_header(response, name);
    if (value != NULL)
        snprintf(out, cap, "%s", value);
}

static void ask(struct play *play, uint8_t what, uint8_t flags, char *body, size_t len)
{
    static const enum http_method methods[8] = {HTTP_POST, HTTP_PATCH, HTTP_DELETE, HTTP_OPTIONS,
                                                HTTP_GET,  HTTP_PUT,   HTTP_HEAD,   HTTP_PATCH};
    static const char *const types[4] = {"application/sdp", "application/trickle-ice-sdpfrag", "text/plain; a=b", NULL};
    const char *const matches[4] = {play->tag, "*", "W/\"x\", \"", NULL};
    const char *const places[4] = {"/whip/a", "/whep/a", play->session, body};
    struct http_header headers[4];
    struct http_request request = {.method = methods[what & 7], .query = "", .headers = headers, .body = body};
    struct http_response response = {0};
    request.body_len = len;
    request.path = places[what >> 3 & 3];
    if (types[flags & 3] != NULL)
        headers[request.header_count++] = (struct http_header){"Content-Type", types[flags & 3]};
    if (matches[flags >> 2 & 3] != NULL)
        headers[request.header_count++] = (struct http_header){"If-Match", matches[flags >> 2 & 3]};
    if ((flags & 16) != 0)
        headers[request.header_count++] = (struct http_header){"Accept", "text/html"};
    if (whip_handle(play->whip, &request, &response, wire_world_now(play->wire))) {
        if (response.status < 200 || response.status > 599)
            abort(); /* every request has an answer */
        if (response.status == HTTP_CREATED) {
            keep(play->session, sizeof play->session, &response, "Location");
            keep(play->tag, sizeof play->tag, &response, "ETag");
        }
    }
    http_response_clear(&response);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct certificate *certificate;
    const struct address address = address_ipv4(192, 0, 2, 1, 5000);
    struct play play = {.session = "/whip/a/none", .tag = "\"none\""};
    if (certificate == NULL)
        certificate = certificate_create(&(struct certificate_config){0}, NULL);
    play.wire = wire_world_create(NULL);
    struct world_host *host = wire_world_host(play.wire, "192.0.2.1");
    const struct sfu_config sfu_config = {
        .host = host, .addresses = &address, .address_count = 1, .certificate = certificate, .seed = 1};
    struct sfu *sfu = sfu_create(&sfu_config, NULL);
    play.whip = whip_create(&(struct whip_config){.host = host, .sfu = sfu, .session_limit = 8}, NULL);
    while (size >= 4) {
        size_t len = bytes_get16(data + 2);
        len = len < size - 4 ? len : size - 4;
        char *body = malloc(len + 1);
        memcpy(body, data + 4, len);
        body[len] = '\0';
        ask(&play, data[0], data[1], body, len);
        wire_world_run_for(play.wire, (data[1] & 0xe0) * NANOS_PER_MS);
        free(body);
        data += 4 + len;
        size -= 4 + len;
    }
    whip_destroy(play.whip);
    if (sfu_statistics(sfu).participants != 0)
        abort(); /* nobody is left behind */
    sfu_destroy(sfu);
    wire_world_destroy(play.wire);
    return 0;
}
