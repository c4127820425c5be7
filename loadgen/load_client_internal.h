/* What the files of a load's client share: load_client.c, load_client_call.c, load_client_signalling.c. Nobody else
 * includes this. */
#ifndef CONFAB_LOADGEN_LOAD_CLIENT_INTERNAL_H
#define CONFAB_LOADGEN_LOAD_CLIENT_INTERNAL_H

#include "loadgen/adapter.h"
#include "loadgen/load_client.h"
#include "peer/call_group.h"

enum { LOAD_NAME_CAP = 64, LOAD_REASON_CAP = 160 };

/* A connection. */
struct client_call {
    struct adapter_client *client;
    struct call *call; /* NULL while it is being made */
    struct media_plan plan;
    struct call_count count;
    bool up;
    struct client_call *prev, *next;
};

/* What a call has to say to the adapter. It waits until whatever is going on has ended, so that nothing is called from
 * within itself. */
struct utterance {
    enum { DESCRIBES, CANDIDATE, STATE } type;
    struct client_call *by;
    bool offer;
    enum transport_state state;
    char *text; /* NULL: no more candidates */
    struct utterance *next;
};

struct client_request {
    struct load_common *common;
    struct adapter_client *client; /* NULL: it has left meanwhile */
    struct http_fetch *fetch;
    adapter_answered answered;
    bool any_status;
    struct client_request *prev, *next;
};

struct adapter_client {
    struct load_common *common;
    const struct client_profile *profile;
    const struct adapter *adapter;
    uint32_t index;
    uint32_t visits; /* how often it has joined */
    enum load_client_state state;
    char room[LOAD_NAME_CAP], name[LOAD_NAME_CAP];
    struct world_host *host; /* NULL until it first joins */
    struct world_timer *timer;
    struct adapter_session *session;
    struct world_channel *channel;
    struct client_request *requests;
    struct call_group *group;
    struct client_call *calls;
    struct utterance *utterances;
    struct media_plan plan;
    bool failing;
    enum failure failure;
    char reason[LOAD_REASON_CAP];
    /* How far it got, this time. */
    nanos planned, joined_at;
    bool signalled, stages[LOAD_STAGES];
    bool relays;
    enum path_kind path;
    /* What it should receive. */
    bool adapter_expects;
    uint32_t expected_audio, expected_video;
    /* What it did. */
    uint32_t got_audio, got_video;
    struct track_loss loss;
    nanos frozen;
    struct load_sample seen; /* for its latencies alone */
};

/* Its chores are done as soon as whatever goes on has ended. */
void load_client_later(struct adapter_client *client);
void load_client_set_state(struct adapter_client *client, enum load_client_state state);
/* Notes that it got so far, once. */
void load_client_reach(struct adapter_client *client, enum load_figure stage, nanos now);

/* --- of load_client_call.c ------------------------------------------------------------------------------------------------ */

/* It has joined if the server has let it in and all its connections stand. */
void load_client_check_joined(struct adapter_client *client, nanos now);
/* Counts a last time what the call carried; `is_last`: its tracks are there until the client leaves. */
void load_client_count_call(struct client_call *call, bool is_last, nanos now);
void load_client_release_call(struct client_call *call);

#endif
