#include "sfu/whip.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <uthash.h>
#include <utlist.h>

#include "rtc/session_description.h"
#include "sfu/sfu.h"
#include "sfu/sfu_negotiation.h"
#include "sfu/sfu_participant.h"
#include "sfu/sfu_state.h"

#define SDP "application/sdp"
#define FRAGMENT "application/trickle-ice-sdpfrag" /* RFC 8840, section 9 */

enum {
    ID_BYTES = 16,
    ID_CAP = 2 * ID_BYTES + 1,
    TAG_CAP = 24, /* of an ETag without its quotes */
    SWEEP_S = 5,
};

enum ending {
    LIVES,
    CONNECTION_ENDED,
};

/* What a POST made. */
struct whip_session {
    struct whip *whip;
    char id[ID_CAP];
    char tag[TAG_CAP]; /* another with each ICE restart */
    char room[SFU_NAME_CAP];
    bool plays;
    bool made; /* its POST was answered with 201 */
    enum ending ending;
    struct sfu_participant *participant;
    nanos created;
    /* Of the offer: the ICE session that fragments belong to, and what an ICE restart doesn't change. */
    char remote_ufrag[ICE_UFRAG_CAP];
    struct fingerprint fingerprints[SESSION_FINGERPRINTS_MAX];
    size_t fingerprint_count;
    char mid[SESSION_MID_CAP];
    /* What the SFU says while it is asked. */
    char *answer;
    char refusal[300];
    UT_hash_handle hh;
};

struct whip {
    struct whip_config config;
    const struct room_ice_server *ice_servers;
    size_t ice_server_count;
    struct whip_session *sessions; /* hash table by id */
    struct world_timer *timer;
    bool dismissed;
    struct whip_statistics statistics;
};

/* --- sessions --------------------------------------------------------------------------------------------------------- */

static void random_hex(char *out, size_t bytes)
{
    unsigned char random[ID_BYTES] = {0};
    RAND_bytes(random, (int)bytes);
    for (size_t i = 0; i < bytes; i++)
        snprintf(out + 2 * i, 3, "%02x", random[i]);
}

static void end_session(struct whip_session *session, nanos now)
{
    struct whip *whip = session->whip;
    HASH_DELETE(hh, whip->sessions, session);
    if (session->plays)
        whip->statistics.viewers--;
    else
        whip->statistics.publishers--;
    sfu_leave(session->participant, now);
    if (session->made && whip->config.over != NULL)
        whip->config.over(whip->config.user, session->room);
    free(session->answer);
    free(session);
}

static void on_said(void *user, const struct room_message *message)
{
    struct whip_session *session = user;
    if (message->type == ROOM_ANSWER && session->answer == NULL)
        session->answer = strdup(message->sdp);
    else if (message->type == ROOM_ERROR)
        snprintf(session->refusal, sizeof session->refusal, "%s", message->reason);
}

/* From inside the SFU, which still needs the participant: it goes at once, but later. */
static void on_ended(void *user, nanos now)
{
    struct whip_session *session = user;
    session->ending = CONNECTION_ENDED;
    world_timer_set(session->whip->timer, now);
}

static void sweep(void *user, nanos now)
{
    struct whip *whip = user;
    struct whip_session *session, *next;
    HASH_ITER(hh, whip->sessions, session, next)
    {
        bool late = session->participant->connected_at == NANOS_NEVER &&
                    now - session->created >= WHIP_CONNECT_TIMEOUT_S * NANOS_PER_S;
        if (session->ending == LIVES && !late)
            continue;
        whip->statistics.expired++;
        end_session(session, now);
    }
    world_timer_set(whip->timer, whip->sessions != NULL ? now + SWEEP_S * NANOS_PER_S : NANOS_NEVER);
}

static struct whip_session *begin_session(struct whip *whip, const char *room, bool plays, nanos now)
{
    struct whip_session *session = calloc(1, sizeof *session);
    char name[SFU_NAME_CAP];
    char part[9];
    if (session == NULL)
        return NULL;
    random_hex(part, sizeof part / 2);
    snprintf(name, sizeof name, "%s-%s", plays ? "whep" : "whip", part);
    session->whip = whip;
    session->plays = plays;
    session->created = now;
    snprintf(session->room, sizeof session->room, "%s", room);
    random_hex(session->id, ID_BYTES);
    random_hex(session->tag, TAG_CAP / 2 - 1);
    session->participant = sfu_join(whip->config.sfu, room, name, on_said, session, now);
    if (session->participant == NULL) {
        free(session);
        return NULL;
    }
    session->participant->role = plays ? SFU_VIEWER : SFU_PUBLISHER;
    session->participant->ended = on_ended;
    HASH_ADD_STR(whip->sessions, id, session);
    if (plays)
        whip->statistics.viewers++;
    else
        whip->statistics.publishers++;
    if (HASH_COUNT(whip->sessions) == 1)
        world_timer_set(whip->timer, now + SWEEP_S * NANOS_PER_S);
    return session;
}

/* --- who may (RFC 6750) ------------------------------------------------------------------------------------------------- */

static bool holds(const struct whip_tokens *tokens, const char *token)
{
    size_t len = strlen(token);
    bool found = false;
    for (size_t i = 0; i < tokens->count; i++) {
        const char *known = tokens->tokens[i];
        found |= strlen(known) == len && CRYPTO_memcmp(known, token, len) == 0;
    }
    return found;
}

/* False, answered, when the request's token isn't good enough. */
static bool authorize(const struct whip *whip, bool plays, const struct http_request *request,
                      struct http_response *response)
{
    const struct whip_tokens *needed = plays ? &whip->config.play : &whip->config.publish;
    const struct whip_tokens *other = plays ? &whip->config.publish : &whip->config.play;
    const char *header = http_request_header(request, "Authorization");
    if (needed->count == 0)
        return true;
    if (header == NULL || strncasecmp(header, "Bearer ", 7) != 0) {
        http_response_add(response, "WWW-Authenticate", "Bearer realm=\"confab\"");
        http_response_refuse(response, HTTP_UNAUTHORIZED, "this needs a bearer token: Authorization: Bearer TOKEN");
        return false;
    }
    const char *token = header + 7 + strspn(header + 7, " ");
    if (holds(needed, token))
        return true;
    if (holds(other, token)) {
        http_response_add(response, "WWW-Authenticate", "Bearer realm=\"confab\", error=\"insufficient_scope\"");
        http_response_refuse(response, HTTP_FORBIDDEN, "the token is not for %s", plays ? "playing" : "publishing");
        return false;
    }
    http_response_add(response, "WWW-Authenticate", "Bearer realm=\"confab\", error=\"invalid_token\"");
    http_response_refuse(response, HTTP_UNAUTHORIZED, "the token is unknown");
    return false;
}

/* --- POST --------------------------------------------------------------------------------------------------------------- */

static bool accepts_sdp(const char *accept)
{
    return accept == NULL || strstr(accept, SDP) != NULL || strstr(accept, "application/*") != NULL ||
           strstr(accept, "*/*") != NULL;
}

void whip_refuse(struct http_response *response, const char *reason)
{
    http_response_add(response, "Retry-After", "%d", WHIP_RETRY_AFTER_S);
    http_response_refuse(response, HTTP_SERVICE_UNAVAILABLE, "%s", reason);
}

/* False, answered, when there can be no session. */
static bool check_post(const struct whip *whip, const struct http_request *request, struct http_response *response)
{
    uint32_t limit = whip->config.session_limit != 0 ? whip->config.session_limit : WHIP_SESSIONS;
    if (!http_media_type_is(http_request_header(request, "Content-Type"), SDP)) {
        http_response_add(response, "Accept-Post", SDP);
        http_response_refuse(response, HTTP_UNSUPPORTED_MEDIA_TYPE, "an offer is " SDP);
        return false;
    }
    if (!accepts_sdp(http_request_header(request, "Accept"))) {
        http_response_refuse(response, HTTP_NOT_ACCEPTABLE, "the answer is " SDP);
        return false;
    }
    if (whip->dismissed || HASH_COUNT(whip->sessions) >= limit) {
        whip_refuse(response, whip->dismissed ? "the server ends" : "the server is full");
        return false;
    }
    return true;
}

/* What of the offer later requests need. NULL, answered, when it is no SDP. */
static bool read_offer(struct whip_session *session, const struct http_request *request, struct http_response *response)
{
    struct error error;
    struct session_description *offer = session_description_parse(request->body, request->body_len, &error);
    if (offer == NULL) {
        http_response_refuse(response, HTTP_BAD_REQUEST, "the offer can't be read: %s", error.text);
        return false;
    }
    const struct session_transport *transport = &offer->transport;
    memcpy(session->remote_ufrag, transport->ufrag, sizeof session->remote_ufrag);
    memcpy(session->fingerprints, transport->fingerprints, sizeof session->fingerprints);
    session->fingerprint_count = transport->fingerprint_count;
    if (offer->media_count > 0)
        memcpy(session->mid, offer->media[0].mid, sizeof session->mid);
    session_description_destroy(offer);
    return true;
}

static bool has_something(const struct whip_session *session)
{
    const struct negotiation *n = &session->participant->negotiation;
    for (size_t i = 0; i < n->count && session->plays; i++) {
        if (n->sections[i].slot)
            return true;
    }
    return !session->plays && session->participant->publications != NULL;
}

/* False, answered, when the SFU doesn't take it. */
static bool negotiate(struct whip_session *session, const struct http_request *request, struct http_response *response,
                      nanos now)
{
    if (!read_offer(session, request, response))
        return false;
    sfu_message(session->participant, &(struct room_message){.type = ROOM_OFFER, .sdp = request->body}, now);
    if (session->answer == NULL) {
        http_response_refuse(response, HTTP_UNPROCESSABLE_CONTENT, "%s",
                             session->refusal[0] != '\0' ? session->refusal : "the offer can't be answered");
        return false;
    }
    if (!has_something(session)) {
        http_response_refuse(response, HTTP_UNPROCESSABLE_CONTENT,
                             session->plays ? "the offer has no section to receive Opus or VP8 in"
                                            : "the offer has no section that sends Opus or VP8");
        return false;
    }
    return true;
}

/* RFC 9725, section 4.6. */
static void add_ice_servers(const struct whip *whip, struct http_response *response)
{
    for (size_t i = 0; i < whip->ice_server_count; i++) {
        const struct room_ice_server *server = &whip->ice_servers[i];
        if (server->username == NULL)
            http_response_add(response, "Link", "<%s>; rel=\"ice-server\"", server->url);
        else
            http_response_add(response, "Link",
                              "<%s>; rel=\"ice-server\"; username=\"%s\"; credential=\"%s\"; "
                              "credential-type=\"password\"",
                              server->url, server->username, server->credential);
    }
}

static void post(struct whip *whip, bool plays, const char *room, const struct http_request *request,
                 struct http_response *response, nanos now)
{
    if (!check_post(whip, request, response)) {
        whip->statistics.refused++;
        return;
    }
    struct whip_session *session = begin_session(whip, room, plays, now);
    if (session == NULL) {
        whip_refuse(response, "out of memory");
        return;
    }
    if (!negotiate(session, request, response, now)) {
        whip->statistics.refused++;
        end_session(session, now);
        return;
    }
    whip->statistics.sessions++;
    session->made = true;
    http_response_set(response, HTTP_CREATED, SDP, session->answer, strlen(session->answer));
    /* As the request named the room, percent-encoded where it must be; it is ours, so the id alone is enough. */
    http_response_add(response, "Location", "/%s/%s/%s", plays ? "whep" : "whip", session->room, session->id);
    http_response_add(response, "ETag", "\"%s\"", session->tag);
    http_response_add(response, "Accept-Patch", FRAGMENT);
    http_response_add(response, "Cache-Control", "no-store");
    add_ice_servers(whip, response);
    free(session->answer);
    session->answer = NULL;
}

/* --- PATCH --------------------------------------------------------------------------------------------------------------- */

/* Is one of the tags in the header this one (RFC 9110, section 13.1.1)? Weak ones never are. */
static bool tag_matches(const char *header, const char *tag)
{
    size_t len = strlen(tag);
    for (const char *at = header; (at = strchr(at, '"')) != NULL;) {
        const char *end = strchr(at + 1, '"');
        if (end == NULL)
            return false;
        bool weak = at - header >= 2 && at[-1] == '/' && at[-2] == 'W';
        if (!weak && (size_t)(end - at - 1) == len && strncmp(at + 1, tag, len) == 0)
            return true;
        at = end + 1;
    }
    return false;
}

static void restart(struct whip_session *session, struct session_transport *remote, struct http_response *response,
                    nanos now)
{
    struct error error;
    struct session_transport own;
    memcpy(remote->fingerprints, session->fingerprints, sizeof remote->fingerprints);
    remote->fingerprint_count = session->fingerprint_count;
    if (!sfu_restart(session->participant, remote, now, &error)) {
        http_response_refuse(response, HTTP_UNPROCESSABLE_CONTENT, "%s", error.text);
        return;
    }
    negotiation_describe_transport(session->participant, &own);
    char *fragment = session_fragment_write(&own, session->mid);
    if (fragment == NULL) {
        http_response_refuse(response, HTTP_INTERNAL_SERVER_ERROR, "out of memory");
        return;
    }
    memcpy(session->remote_ufrag, remote->ufrag, sizeof session->remote_ufrag);
    random_hex(session->tag, TAG_CAP / 2 - 1);
    http_response_set(response, HTTP_OK, FRAGMENT, fragment, strlen(fragment));
    http_response_add(response, "ETag", "\"%s\"", session->tag);
    free(fragment);
}

static void take_fragment(struct whip_session *session, struct session_transport *remote, bool any,
                          struct http_response *response, nanos now)
{
    bool same = remote->ufrag[0] == '\0' || strcmp(remote->ufrag, session->remote_ufrag) == 0;
    if (!same && any) {
        restart(session, remote, response, now);
    } else if (!same) {
        http_response_refuse(response, HTTP_UNPROCESSABLE_CONTENT,
                             "the ufrag is that of another ICE session; a restart has If-Match: *");
    } else {
        sfu_add_candidates(session->participant, remote->candidates, remote->candidate_count, now);
        response->status = HTTP_NO_CONTENT;
    }
}

static void patch(struct whip_session *session, const struct http_request *request, struct http_response *response,
                  nanos now)
{
    struct error error;
    struct session_transport remote;
    char mid[SESSION_MID_CAP];
    const char *match = http_request_header(request, "If-Match");
    if (!http_media_type_is(http_request_header(request, "Content-Type"), FRAGMENT)) {
        http_response_add(response, "Accept-Patch", FRAGMENT);
        http_response_refuse(response, HTTP_UNSUPPORTED_MEDIA_TYPE, "a patch is " FRAGMENT);
        return;
    }
    if (match == NULL) {
        http_response_refuse(response, HTTP_PRECONDITION_REQUIRED,
                             "a patch names the ICE session that it is for: If-Match with its ETag, or * to restart");
        return;
    }
    bool any = strcmp(match, "*") == 0;
    if (!any && !tag_matches(match, session->tag)) {
        http_response_refuse(response, HTTP_PRECONDITION_FAILED, "the ICE session is another one by now");
        return;
    }
    if (!session_fragment_parse(request->body, request->body_len, &remote, mid, &error)) {
        http_response_refuse(response, HTTP_BAD_REQUEST, "the fragment can't be read: %s", error.text);
        return;
    }
    take_fragment(session, &remote, any, response, now);
    free(remote.candidates);
}

/* --- requests ------------------------------------------------------------------------------------------------------------- */

static void refuse_method(struct http_response *response, const char *allowed)
{
    http_response_add(response, "Allow", "%s", allowed);
    http_response_refuse(response, HTTP_METHOD_NOT_ALLOWED, "here belong: %s", allowed);
}

static void handle_endpoint(struct whip *whip, bool plays, const char *room, const struct http_request *request,
                            struct http_response *response, nanos now)
{
    static const char allowed[] = "POST, OPTIONS";
    if (request->method == HTTP_OPTIONS) { /* RFC 9725, section 4.2 */
        response->status = HTTP_NO_CONTENT;
        http_response_add(response, "Accept-Post", SDP);
        http_response_add(response, "Allow", allowed);
        add_ice_servers(whip, response);
    } else if (request->method != HTTP_POST) {
        refuse_method(response, allowed);
    } else if (authorize(whip, plays, request, response)) {
        post(whip, plays, room, request, response, now);
    }
}

static void handle_session(struct whip *whip, bool plays, const char *room, const char *id,
                           const struct http_request *request, struct http_response *response, nanos now)
{
    static const char allowed[] = "PATCH, DELETE, OPTIONS";
    struct whip_session *session;
    if (request->method == HTTP_OPTIONS) {
        response->status = HTTP_NO_CONTENT;
        http_response_add(response, "Accept-Patch", FRAGMENT);
        http_response_add(response, "Allow", allowed);
        return;
    }
    if (request->method != HTTP_PATCH && request->method != HTTP_DELETE) {
        refuse_method(response, allowed);
        return;
    }
    if (!authorize(whip, plays, request, response))
        return;
    HASH_FIND_STR(whip->sessions, id, session);
    if (session == NULL || session->plays != plays || strcmp(session->room, room) != 0 || session->ending != LIVES) {
        http_response_refuse(response, HTTP_NOT_FOUND, "there is no such session (any more)");
    } else if (request->method == HTTP_PATCH) {
        patch(session, request, response, now);
    } else {
        end_session(session, now);
        response->status = HTTP_OK;
    }
}

/* A room's name goes into a header and a URL as it is. */
static bool is_room(const char *room, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        bool plain = (room[i] >= 'a' && room[i] <= 'z') || (room[i] >= 'A' && room[i] <= 'Z') ||
                     (room[i] >= '0' && room[i] <= '9') || strchr("-_.~", room[i]) != NULL;
        if (!plain)
            return false;
    }
    return len > 0 && len < SFU_NAME_CAP;
}

bool whip_path_read(struct whip_path *out, const char *path)
{
    out->plays = strncmp(path, "/whep/", 6) == 0;
    if (!out->plays && strncmp(path, "/whip/", 6) != 0)
        return false;
    const char *begin = path + 6;
    size_t len = strcspn(begin, "/");
    out->id = begin[len] == '/' && begin[len + 1] != '\0' ? begin + len + 1 : NULL;
    len = is_room(begin, len) ? len : 0;
    memcpy(out->room, begin, len);
    out->room[len] = '\0';
    return true;
}

bool whip_handle(struct whip *whip, const struct http_request *request, struct http_response *response, nanos now)
{
    struct whip_path path;
    if (!whip_path_read(&path, request->path))
        return false;
    if (path.room[0] == '\0')
        http_response_refuse(response, HTTP_NOT_FOUND,
                             "a room is named by 1 to 63 letters, digits, '-', '_', '.' and '~'");
    else if (path.id == NULL)
        handle_endpoint(whip, path.plays, path.room, request, response, now);
    else
        handle_session(whip, path.plays, path.room, path.id, request, response, now);
    return true;
}

/* --- life ------------------------------------------------------------------------------------------------------------------ */

struct whip *whip_create(const struct whip_config *config, struct error *error)
{
    struct whip *whip = calloc(1, sizeof *whip);
    if (whip == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    whip->config = *config;
    whip->timer = world_timer_open(config->host, sweep, whip);
    if (whip->timer == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        free(whip);
        return NULL;
    }
    return whip;
}

void whip_dismiss(struct whip *whip, nanos now)
{
    struct whip_session *session, *next;
    whip->dismissed = true;
    HASH_ITER(hh, whip->sessions, session, next) { end_session(session, now); }
}

void whip_destroy(struct whip *whip)
{
    if (whip == NULL)
        return;
    whip_dismiss(whip, world_now(world_of(whip->config.host)));
    world_timer_close(whip->timer);
    free(whip);
}

void whip_set_ice_servers(struct whip *whip, const struct room_ice_server *ice_servers, size_t count)
{
    whip->ice_servers = ice_servers;
    whip->ice_server_count = count;
}

struct whip_statistics whip_statistics(const struct whip *whip) { return whip->statistics; }
