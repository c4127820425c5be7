/* WHIP and WHEP, request by request: what each gets, in a world in memory. aiortc does the same over real sockets
 * (tests/interop/aiortc_whip.py). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rtc/certificate.h"
#include "rtc/connection.h"
#include "rtc/session_negotiation.h"
#include "sfu/sfu.h"
#include "sfu/whip.h"
#include "tests/support/suite.h"
#include "tests/support/wire_world.h"

#define FRAGMENT "application/trickle-ice-sdpfrag"

struct studio {
    struct wire_world *wire;
    struct certificate *certificate;
    struct sfu *sfu;
    struct whip *whip;
    struct http_response response;
};

static const char publish_tokens[2][WHIP_TOKEN_CAP] = {"secret-1", "secret-2"};
static const char play_tokens[1][WHIP_TOKEN_CAP] = {"ticket"};

static void open_studio(struct studio *studio, const struct whip_config *given)
{
    struct error error;
    const struct address address = address_ipv4(192, 0, 2, 1, 5000);
    *studio = (struct studio){.wire = wire_world_create(&(struct wire_world_config){.delay = 5 * NANOS_PER_MS})};
    struct world_host *host = wire_world_host(studio->wire, "192.0.2.1");
    studio->certificate = certificate_create(&(struct certificate_config){0}, &error);
    const struct sfu_config sfu = {
        .host = host, .addresses = &address, .address_count = 1, .certificate = studio->certificate, .seed = 1};
    studio->sfu = sfu_create(&sfu, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(studio->sfu);
    struct whip_config whip = *given;
    whip.host = host;
    whip.sfu = studio->sfu;
    studio->whip = whip_create(&whip, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(studio->whip);
}

static void close_studio(struct studio *studio)
{
    http_response_clear(&studio->response);
    whip_destroy(studio->whip);
    sfu_destroy(studio->sfu);
    certificate_destroy(studio->certificate);
    wire_world_destroy(studio->wire);
}

/* Headers are pairs of name and value, ended by NULL. The status. */
static int ask(struct studio *studio, enum http_method method, const char *path, const char *const *headers,
               const char *body, size_t len)
{
    struct http_header list[8];
    struct http_request request = {
        .method = method, .path = path, .query = "", .headers = list, .body = body, .body_len = len};
    for (; headers[2 * request.header_count] != NULL; request.header_count++)
        list[request.header_count] =
            (struct http_header){headers[2 * request.header_count], headers[2 * request.header_count + 1]};
    http_response_clear(&studio->response);
    CU_ASSERT_TRUE(whip_handle(studio->whip, &request, &studio->response, wire_world_now(studio->wire)));
    int status = studio->response.status;
    if (status >= 400) { /* each refusal says why, in the same way */
        CU_ASSERT_STRING_EQUAL(http_response_header(&studio->response, "Content-Type"), "application/problem+json");
        CU_ASSERT_PTR_NOT_NULL(strstr(studio->response.body, "\"detail\": \""));
    }
    return status;
}

#define ASK(studio, method, path, body, ...)                                                                           \
    ask(studio, method, path, (const char *const[]){__VA_ARGS__, NULL, NULL}, body, strlen(body))
#define BARE(studio, method, path) ask(studio, method, path, (const char *const[]){NULL}, "", 0)

static const char *header(const struct studio *studio, const char *name)
{
    const char *value = http_response_header(&studio->response, name);
    return value != NULL ? value : "";
}

/* As an encoder or a player would offer; `ufrag` tells ICE sessions apart. */
static char *offer_of(uint8_t direction, const char *ufrag)
{
    struct session_transport transport = {.password = "0123456789012345678901",
                                          .setup = SESSION_SETUP_ACTPASS,
                                          .fingerprint_count = 1,
                                          .fingerprints = {{.hash = FINGERPRINT_SHA_256, .len = 32}}};
    struct session_capabilities ours = session_capabilities_default();
    struct session_description *offer = session_description_create();
    snprintf(transport.ufrag, sizeof transport.ufrag, "%s", ufrag);
    ours.transport = &transport;
    CU_ASSERT_PTR_NOT_NULL(session_offer_media(offer, &ours, SESSION_AUDIO, direction));
    CU_ASSERT_PTR_NOT_NULL(session_offer_media(offer, &ours, SESSION_VIDEO, direction));
    char *text = session_description_write(offer);
    session_description_destroy(offer);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    return text;
}

static struct session_description *answer_in(const struct studio *studio)
{
    struct error error;
    struct session_description *answer =
        session_description_parse(studio->response.body, studio->response.body_len, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(answer);
    return answer;
}

static void publishing(void)
{
    struct studio studio;
    struct room_ice_server servers[] = {
        {.url = "stun:192.0.2.9:3478"},
        {.url = "turn:192.0.2.9:3478?transport=udp", .username = "u", .credential = "c"}};
    char session[200], tag[64];
    open_studio(&studio, &(struct whip_config){0});
    whip_set_ice_servers(studio.whip, servers, 2);
    char *offer = offer_of(SESSION_SENDONLY, "aaaa");
    CU_ASSERT_EQUAL(ASK(&studio, HTTP_POST, "/whip/a", offer, "Content-Type", "application/sdp"), 201);
    CU_ASSERT_STRING_EQUAL(header(&studio, "Content-Type"), "application/sdp");
    CU_ASSERT_STRING_EQUAL(header(&studio, "Accept-Patch"), FRAGMENT);
    CU_ASSERT_EQUAL(strncmp(header(&studio, "Location"), "/whip/a/", 8), 0);
    CU_ASSERT_EQUAL(header(&studio, "ETag")[0], '"');
    CU_ASSERT_STRING_EQUAL(header(&studio, "Link"), "<stun:192.0.2.9:3478>; rel=\"ice-server\"");
    struct session_description *answer = answer_in(&studio);
    CU_ASSERT_EQUAL_FATAL(answer->media_count, 2);
    CU_ASSERT_EQUAL(answer->media[0].direction, SESSION_RECVONLY);
    CU_ASSERT_EQUAL(answer->media[1].direction, SESSION_RECVONLY);
    CU_ASSERT_TRUE(answer->transport.ice_lite);
    session_description_destroy(answer);
    snprintf(session, sizeof session, "%s", header(&studio, "Location"));
    snprintf(tag, sizeof tag, "%s", header(&studio, "ETag"));
    CU_ASSERT_EQUAL(whip_statistics(studio.whip).publishers, 1);
    CU_ASSERT_EQUAL(sfu_statistics(studio.sfu).publications, 2);
    /* Another of the same room has another session, and another ETag. */
    CU_ASSERT_EQUAL(ASK(&studio, HTTP_POST, "/whip/a", offer, "Content-Type", "application/sdp; charset=utf-8"), 201);
    CU_ASSERT_STRING_NOT_EQUAL(header(&studio, "Location"), session);
    CU_ASSERT_STRING_NOT_EQUAL(header(&studio, "ETag"), tag);
    CU_ASSERT_EQUAL(BARE(&studio, HTTP_DELETE, session), 200);
    CU_ASSERT_EQUAL(BARE(&studio, HTTP_DELETE, session), 404);
    CU_ASSERT_EQUAL(sfu_statistics(studio.sfu).publications, 2);
    free(offer);
    close_studio(&studio);
}

static void playing(void)
{
    struct studio studio;
    open_studio(&studio, &(struct whip_config){0});
    char *offer = offer_of(SESSION_RECVONLY, "aaaa");
    char *sending = offer_of(SESSION_SENDONLY, "bbbb");
    CU_ASSERT_EQUAL(ASK(&studio, HTTP_POST, "/whep/a", offer, "Content-Type", "application/sdp"), 201);
    struct session_description *answer = answer_in(&studio);
    CU_ASSERT_EQUAL_FATAL(answer->media_count, 2);
    for (size_t i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL(answer->media[i].direction, SESSION_SENDONLY);
        CU_ASSERT_EQUAL_FATAL(answer->media[i].ssrc_count, 1);
        CU_ASSERT_EQUAL(answer->media[i].ssrcs[0].has_retransmission, i == 1);
    }
    session_description_destroy(answer);
    /* Nobody publishes; then somebody does, and both tracks are forwarded without another offer. */
    CU_ASSERT_EQUAL(sfu_statistics(studio.sfu).subscriptions, 0);
    CU_ASSERT_EQUAL(ASK(&studio, HTTP_POST, "/whip/a", sending, "Content-Type", "application/sdp"), 201);
    CU_ASSERT_EQUAL(sfu_statistics(studio.sfu).subscriptions, 2);
    CU_ASSERT_EQUAL(whip_statistics(studio.whip).viewers, 1);
    /* Who offers to play by WHIP, or to publish by WHEP, has mistaken one for the other. */
    CU_ASSERT_EQUAL(ASK(&studio, HTTP_POST, "/whip/a", offer, "Content-Type", "application/sdp"), 422);
    CU_ASSERT_EQUAL(ASK(&studio, HTTP_POST, "/whep/a", sending, "Content-Type", "application/sdp"), 422);
    CU_ASSERT_EQUAL(sfu_statistics(studio.sfu).participants, 2);
    free(offer);
    free(sending);
    close_studio(&studio);
}

static void what_is_refused(void)
{
    struct studio studio;
    open_studio(&studio, &(struct whip_config){.session_limit = 1});
    char *offer = offer_of(SESSION_SENDONLY, "aaaa");
    static char large[1000000];
    memset(large, 'a', sizeof large - 1);
    const struct {
        enum http_method method;
        const char *path, *name, *value, *body;
        int status;
    } cases[] = {
        {HTTP_GET, "/whip/a", "X", "", "", 405},
        {HTTP_PUT, "/whip/a", "Content-Type", "application/sdp", offer, 405},
        {HTTP_PATCH, "/whip/a", "Content-Type", FRAGMENT, "", 405},
        {HTTP_DELETE, "/whep/a", "X", "", "", 405},
        {HTTP_POST, "/whip/a", "X", "", offer, 415},
        {HTTP_POST, "/whip/a", "Content-Type", "text/plain", offer, 415},
        {HTTP_POST, "/whip/a", "Content-Type", "application/sdpx", offer, 415},
        {HTTP_POST, "/whip/a", "Content-Type", "application/sdp", "", 400},
        {HTTP_POST, "/whip/a", "Content-Type", "application/sdp", "v=0\r\nnonsense", 400},
        {HTTP_POST, "/whip/a", "Content-Type", "application/sdp", large, 400},
        {HTTP_POST, "/whip/a", "Content-Type", "application/sdp", "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n",
         422},
        {HTTP_POST, "/whip/", "Content-Type", "application/sdp", offer, 404},
        {HTTP_POST, "/whip/a b", "Content-Type", "application/sdp", offer, 404},
        {HTTP_POST, "/whip/0123456789012345678901234567890123456789012345678901234567890123", "Content-Type",
         "application/sdp", offer, 404},
        {HTTP_DELETE, "/whip/a/nobody", "X", "", "", 404},
        {HTTP_PATCH, "/whip/a/nobody", "Content-Type", FRAGMENT, "", 404},
        {HTTP_GET, "/whip/a/nobody", "X", "", "", 405},
        {HTTP_POST, "/whip/a/nobody", "Content-Type", "application/sdp", offer, 405},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        CU_ASSERT_EQUAL(ASK(&studio, cases[i].method, cases[i].path, cases[i].body, cases[i].name, cases[i].value),
                        cases[i].status);
    CU_ASSERT_EQUAL(BARE(&studio, HTTP_GET, "/whip/a"), 405);
    CU_ASSERT_STRING_EQUAL(header(&studio, "Allow"), "POST, OPTIONS");
    CU_ASSERT_EQUAL(ASK(&studio, HTTP_POST, "/whip/a", offer, "Content-Type", "application/sdp", "Accept", "text/html"),
                    406);
    CU_ASSERT_EQUAL(BARE(&studio, HTTP_OPTIONS, "/whip/a"), 204);
    CU_ASSERT_STRING_EQUAL(header(&studio, "Accept-Post"), "application/sdp");
    CU_ASSERT_EQUAL(sfu_statistics(studio.sfu).participants, 0);
    CU_ASSERT_EQUAL(ASK(&studio, HTTP_POST, "/whip/a", offer, "Content-Type", "application/sdp"), 201);
    CU_ASSERT_EQUAL(ASK(&studio, HTTP_POST, "/whip/a", offer, "Content-Type", "application/sdp"), 503);
    CU_ASSERT_STRING_EQUAL(header(&studio, "Retry-After"), "5");
    struct http_request other = {.method = HTTP_GET, .path = "/whips/a", .query = "", .body = ""};
    struct http_response untouched = {0};
    CU_ASSERT_FALSE(whip_handle(studio.whip, &other, &untouched, 0));
    CU_ASSERT_EQUAL(untouched.status, 0);
    free(offer);
    close_studio(&studio);
}

static void tokens(void)
{
    struct studio studio;
    char session[200];
    open_studio(&studio, &(struct whip_config){.publish = {publish_tokens, 2}, .play = {play_tokens, 1}});
    char *offer = offer_of(SESSION_SENDONLY, "aaaa");
    const struct {
        const char *authorization;
        int status;
    } cases[] = {{"", 401},
                 {"Basic c2VjcmV0", 401},
                 {"Bearer", 401},
                 {"Bearer secret", 401},
                 {"Bearer ticket", 403},
                 {"Bearer secret-2", 201},
                 {"bearer secret-1", 201}};
    CU_ASSERT_EQUAL(ASK(&studio, HTTP_POST, "/whip/a", offer, "Content-Type", "application/sdp"), 401);
    CU_ASSERT_STRING_EQUAL(header(&studio, "WWW-Authenticate"), "Bearer realm=\"confab\"");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        CU_ASSERT_EQUAL(ASK(&studio, HTTP_POST, "/whip/a", offer, "Content-Type", "application/sdp", "Authorization",
                            cases[i].authorization),
                        cases[i].status);
    snprintf(session, sizeof session, "%s", header(&studio, "Location"));
    CU_ASSERT_EQUAL(BARE(&studio, HTTP_DELETE, session), 401);
    CU_ASSERT_EQUAL(ASK(&studio, HTTP_DELETE, session, "", "Authorization", "Bearer ticket"), 403);
    CU_ASSERT_EQUAL(ASK(&studio, HTTP_DELETE, session, "", "Authorization", "Bearer secret-1"), 200);
    /* A browser's preflight has no token. */
    CU_ASSERT_EQUAL(BARE(&studio, HTTP_OPTIONS, "/whip/a"), 204);
    free(offer);
    close_studio(&studio);
}

static const char candidate[] =
    "a=ice-ufrag:aaaa\r\na=ice-pwd:0123456789012345678901\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n"
    "a=mid:0\r\na=candidate:1 1 udp 2130706431 192.0.2.7 4000 typ host\r\n"
    "a=candidate:2 1 udp 2130706431 0a1b2c3d-0000-4000-8000-000000000000.local 4000 typ host\r\n";

static void trickling(void)
{
    struct studio studio;
    char session[200], tag[64], weak[80], several[160];
    open_studio(&studio, &(struct whip_config){0});
    char *offer = offer_of(SESSION_SENDONLY, "aaaa");
    CU_ASSERT_EQUAL(ASK(&studio, HTTP_POST, "/whip/a", offer, "Content-Type", "application/sdp"), 201);
    snprintf(session, sizeof session, "%s", header(&studio, "Location"));
    snprintf(tag, sizeof tag, "%s", header(&studio, "ETag"));
    snprintf(weak, sizeof weak, "W/%s", tag);
    snprintf(several, sizeof several, "\"other\", %s", tag);
    const struct {
        const char *match, *type, *body;
        int status;
    } cases[] = {
        {tag, FRAGMENT, candidate, 204},
        {several, FRAGMENT, candidate, 204},
        {"*", FRAGMENT, candidate, 204}, /* nothing new in it */
        {"\"other\"", FRAGMENT, candidate, 412},
        {weak, FRAGMENT, candidate, 412},
        {tag, "application/sdp", candidate, 415},
        {tag, FRAGMENT, "nonsense", 400},
        {tag, FRAGMENT, "a=ice-ufrag:bbbb\r\na=ice-pwd:0123456789012345678901\r\n", 422},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        CU_ASSERT_EQUAL(
            ASK(&studio, HTTP_PATCH, session, cases[i].body, "Content-Type", cases[i].type, "If-Match", cases[i].match),
            cases[i].status);
    CU_ASSERT_EQUAL(ASK(&studio, HTTP_PATCH, session, candidate, "Content-Type", FRAGMENT), 428);
    CU_ASSERT_EQUAL(ASK(&studio, HTTP_PATCH, session, "", "If-Match", tag), 415);
    CU_ASSERT_STRING_EQUAL(header(&studio, "Accept-Patch"), FRAGMENT);
    free(offer);
    close_studio(&studio);
}

static void restarting(void)
{
    static const char fragment[] = "a=ice-ufrag:bbbb\r\na=ice-pwd:9876543210987654321098\r\n"
                                   "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n";
    struct studio studio;
    struct session_transport restarted;
    struct error error;
    char session[200], tag[64], mid[SESSION_MID_CAP];
    open_studio(&studio, &(struct whip_config){0});
    char *offer = offer_of(SESSION_SENDONLY, "aaaa");
    CU_ASSERT_EQUAL(ASK(&studio, HTTP_POST, "/whip/a", offer, "Content-Type", "application/sdp"), 201);
    snprintf(session, sizeof session, "%s", header(&studio, "Location"));
    snprintf(tag, sizeof tag, "%s", header(&studio, "ETag"));
    struct session_description *answer = answer_in(&studio);
    CU_ASSERT_EQUAL(ASK(&studio, HTTP_PATCH, session, fragment, "Content-Type", FRAGMENT, "If-Match", "*"), 200);
    CU_ASSERT_STRING_EQUAL(header(&studio, "Content-Type"), FRAGMENT);
    CU_ASSERT_STRING_NOT_EQUAL(header(&studio, "ETag"), tag);
    CU_ASSERT_TRUE_FATAL(
        session_fragment_parse(studio.response.body, studio.response.body_len, &restarted, mid, &error));
    CU_ASSERT_STRING_EQUAL(mid, "0");
    CU_ASSERT_STRING_NOT_EQUAL(restarted.ufrag, answer->transport.ufrag);
    CU_ASSERT_STRING_NOT_EQUAL(restarted.password, answer->transport.password);
    CU_ASSERT_EQUAL(restarted.candidate_count, 1);
    free(restarted.candidates);
    session_description_destroy(answer);
    /* What was for the ICE session before is for none now. */
    CU_ASSERT_EQUAL(ASK(&studio, HTTP_PATCH, session, candidate, "Content-Type", FRAGMENT, "If-Match", tag), 412);
    CU_ASSERT_EQUAL(ASK(&studio, HTTP_PATCH, session, "a=ice-ufrag:c\r\na=ice-pwd:short\r\n", "Content-Type", FRAGMENT,
                        "If-Match", "*"),
                    400);
    free(offer);
    close_studio(&studio);
}

static void sessions_end_by_themselves(void)
{
    struct studio studio;
    open_studio(&studio, &(struct whip_config){0});
    char *offer = offer_of(SESSION_SENDONLY, "aaaa");
    char session[200];
    CU_ASSERT_EQUAL(ASK(&studio, HTTP_POST, "/whip/a", offer, "Content-Type", "application/sdp"), 201);
    snprintf(session, sizeof session, "%s", header(&studio, "Location"));
    wire_world_run_for(studio.wire, (WHIP_CONNECT_TIMEOUT_S - 5) * NANOS_PER_S);
    CU_ASSERT_EQUAL(whip_statistics(studio.whip).publishers, 1);
    wire_world_run_for(studio.wire, 15 * NANOS_PER_S);
    CU_ASSERT_EQUAL(whip_statistics(studio.whip).publishers, 0);
    CU_ASSERT_EQUAL(whip_statistics(studio.whip).expired, 1);
    CU_ASSERT_EQUAL(sfu_statistics(studio.sfu).participants, 0);
    CU_ASSERT_EQUAL(BARE(&studio, HTTP_DELETE, session), 404);
    whip_dismiss(studio.whip, wire_world_now(studio.wire));
    CU_ASSERT_EQUAL(ASK(&studio, HTTP_POST, "/whip/a", offer, "Content-Type", "application/sdp"), 503);
    free(offer);
    close_studio(&studio);
}

void whip_test(void)
{
    SUITE("whip", {"publishing", publishing}, {"playing", playing}, {"what is refused", what_is_refused},
          {"tokens", tokens}, {"trickling", trickling}, {"restarting", restarting},
          {"sessions end by themselves", sessions_end_by_themselves});
}
