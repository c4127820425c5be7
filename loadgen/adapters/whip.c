/* WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep-03): an offer by POST, an answer in its response, DELETE in the end.
 * Candidates go with the offer, so that a client takes two requests in all.
 *
 *     OPTIONS endpoint          -> Link: ICE servers; only for clients that may need a relay
 *     POST    endpoint, offer   -> 201, answer, Location: the session's resource
 *                               -> 406, counter-offer (WHEP): our answer goes to Location by PATCH
 *     DELETE  Location */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loadgen/adapter.h"
#include "loadgen/link_header.h"

struct adapter_session {
    struct adapter_client *client;
    struct call *call;
    bool plays;
    bool countered;             /* the server's offer is what counts */
    char resource[WEB_URL_CAP]; /* "" until there is one */
};

static const char sdp_type[] = "application/sdp";

static void ask(struct adapter_session *session, enum http_method method, const char *url, const char *sdp,
                bool any_status, adapter_answered answered)
{
    char authorization[LOAD_TOKEN_CAP + 8];
    const char *token = adapter_token(session->client);
    struct http_fetch_request request = {.method = method, .url = url};
    if (sdp != NULL) {
        request.content_type = sdp_type;
        request.body = sdp;
        request.body_len = strlen(sdp);
        request.headers[request.header_count++] = (struct http_header){"Accept", sdp_type};
    }
    if (token != NULL) {
        snprintf(authorization, sizeof authorization, "Bearer %s", token);
        request.headers[request.header_count++] = (struct http_header){"Authorization", authorization};
    }
    adapter_http(session->client, &request, any_status, answered);
}

static void open_call(struct adapter_session *session, const struct link_servers *links)
{
    const struct adapter_call_config config = {
        .offers = !session->countered,
        .sends = !session->plays,
        .receive_audio = session->plays && adapter_media_has(session->client, TRACK_AUDIO),
        .receive_video = session->plays && adapter_media_has(session->client, TRACK_VIDEO),
        .ice_servers = links->servers,
        .ice_server_count = links->count,
    };
    session->call = adapter_open_call(session->client, &config);
}

static bool note_resource(struct adapter_session *session, const struct http_fetch_response *response)
{
    struct web_url url;
    struct error error;
    if (response->location == NULL || !web_url_resolve(&url, response->url, response->location, &error)) {
        adapter_fail(session->client, FAILURE_BAD_ANSWER, "status %d without a Location", response->status);
        return false;
    }
    web_url_format(&url, session->resource);
    return true;
}

static void countered(struct adapter_session *session, const struct http_fetch_response *response)
{
    struct link_servers links;
    link_servers_read(&links, response->link);
    adapter_close_call(session->client, session->call);
    session->countered = true;
    open_call(session, &links);
    if (session->call != NULL)
        adapter_take_description(session->client, session->call, true, response->body);
}

static void posted(struct adapter_session *session, const struct http_fetch_response *response, nanos now)
{
    (void)now;
    bool counter = session->plays && response->status == HTTP_NOT_ACCEPTABLE &&
                   http_media_type_is(response->content_type, sdp_type);
    if (response->status >= 400 && !counter) {
        adapter_fail(session->client, failure_of_status(response->status), "status %d: %.100s", response->status,
                     response->body);
    } else if (response->status != HTTP_CREATED && !counter) {
        adapter_fail(session->client, FAILURE_BAD_ANSWER, "status %d instead of 201", response->status);
    } else if (!http_media_type_is(response->content_type, sdp_type)) {
        adapter_fail(session->client, FAILURE_BAD_ANSWER, "the answer is no application/sdp");
    } else if (note_resource(session, response)) {
        if (counter)
            countered(session, response);
        else if (adapter_take_description(session->client, session->call, false, response->body))
            adapter_signalled(session->client);
    }
}

static void patched(struct adapter_session *session, const struct http_fetch_response *response, nanos now)
{
    (void)response, (void)now;
    adapter_signalled(session->client);
}

static void described(struct adapter_session *session, struct call *call, bool offer, const char *sdp, nanos now)
{
    (void)call, (void)now;
    if (offer)
        ask(session, HTTP_POST, NULL, sdp, true, posted);
    else
        ask(session, HTTP_PATCH, session->resource, sdp, false, patched);
}

/* Servers needn't answer OPTIONS: whatever it says, the offer follows. */
static void optioned(struct adapter_session *session, const struct http_fetch_response *response, nanos now)
{
    struct link_servers links;
    (void)now;
    link_servers_read(&links, response->link);
    open_call(session, &links);
}

static struct adapter_session *create(struct adapter_client *client, bool plays, struct error *error)
{
    struct adapter_session *session = calloc(1, sizeof *session);
    if (session == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    session->client = client;
    session->plays = plays;
    if (adapter_needs_relays(client))
        ask(session, HTTP_OPTIONS, NULL, NULL, true, optioned);
    else
        open_call(session, &(struct link_servers){0});
    return session;
}

static struct adapter_session *create_publisher(struct adapter_client *client, struct error *error)
{
    return create(client, false, error);
}

static struct adapter_session *create_player(struct adapter_client *client, struct error *error)
{
    return create(client, true, error);
}

static void leave(struct adapter_session *session, nanos now)
{
    (void)now;
    if (session->resource[0] != '\0')
        ask(session, HTTP_DELETE, session->resource, NULL, true, NULL);
}

static void destroy(struct adapter_session *session) { free(session); }

const struct adapter adapter_whip = {
    .scheme = "whip",
    .form = "whip+http(s)://HOST/PATH, {room}, {name} and {number} in it if need be",
    .summary = "publishers by WHIP (RFC 9725)",
    .http = true,
    .pattern = ADAPTER_PUBLISH,
    .create = create_publisher,
    .described = described,
    .leave = leave,
    .destroy = destroy,
};

const struct adapter adapter_whep = {
    .scheme = "whep",
    .form = "whep+http(s)://HOST/PATH, {room}, {name} and {number} in it if need be",
    .summary = "viewers by WHEP (draft-ietf-wish-whep-03)",
    .http = true,
    .pattern = ADAPTER_PLAY,
    .create = create_player,
    .described = described,
    .leave = leave,
    .destroy = destroy,
};
