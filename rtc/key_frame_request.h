/* Many ask for a key frame, one encoder makes it: however many subscribers ask however often, the source is asked at
 * most once in an interval, and again until one comes. */
#ifndef CONFAB_RTC_KEY_FRAME_REQUEST_H
#define CONFAB_RTC_KEY_FRAME_REQUEST_H

#include <stdbool.h>

#include "base/nanos.h"

#define KEY_FRAME_REQUEST_INTERVAL (500 * NANOS_PER_MS)
#define KEY_FRAME_REQUEST_TRIES_MAX 10 /* then the source is left alone until somebody asks again */

struct key_frame_request {
    nanos interval;
    nanos due; /* of the next request, if one is wanted */
    bool wanted;
    int tries;
};

static inline void key_frame_request_init(struct key_frame_request *request, nanos interval)
{
    *request = (struct key_frame_request){.interval = interval, .due = INT64_MIN};
}

/* Somebody needs a key frame. */
static inline void key_frame_request_ask(struct key_frame_request *request)
{
    request->wanted = true;
    request->tries = 0;
}

/* One began to arrive. */
static inline void key_frame_request_arrived(struct key_frame_request *request) { request->wanted = false; }

static inline nanos key_frame_request_deadline(const struct key_frame_request *request)
{
    return request->wanted ? request->due : NANOS_NEVER;
}

/* Is a request (PLI or FIR) to be sent to the source now? Then it counts as sent. */
static inline bool key_frame_request_take(struct key_frame_request *request, nanos now)
{
    if (!request->wanted || now < request->due)
        return false;
    request->due = now + request->interval;
    request->wanted = ++request->tries < KEY_FRAME_REQUEST_TRIES_MAX;
    return true;
}

#endif
