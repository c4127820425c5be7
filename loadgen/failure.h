/* Why a client of a load failed: what is counted, and told apart in the report. */
#ifndef CONFAB_LOADGEN_FAILURE_H
#define CONFAB_LOADGEN_FAILURE_H

enum failure {
    FAILURE_REFUSED,      /* nobody listens there, or the host can't be reached or named */
    FAILURE_TIMEOUT,      /* somebody listens, and did not answer in time */
    FAILURE_UNAUTHORIZED, /* 401, 403: a wrong or missing secret or token */
    FAILURE_NOT_FOUND,    /* 404: no such room, path or plugin */
    FAILURE_FULL,         /* the room or the server takes no more */
    FAILURE_SERVER,       /* the server says it is its own fault: 5xx */
    FAILURE_REJECTED,     /* any other no */
    FAILURE_BAD_ANSWER,   /* what came makes no sense */
    FAILURE_CLOSED,       /* the signalling ended before the client left */
    FAILURE_ICE,          /* no path to the server was found */
    FAILURE_DTLS,         /* there was one, and DTLS failed on it */
    FAILURE_LOST,         /* the connection stood, and was lost */
    FAILURE_LOCAL,        /* this machine could not: sockets, memory */
    FAILURES,
};

/* The name that results carry: "refused", "timeout", "unauthorized", "not-found", "full", "server-error", "rejected",
 * "bad-answer", "closed", "ice", "dtls", "lost", "local". */
const char *failure_name(enum failure failure);

/* The class of an HTTP status from 400 on (RFC 9110, section 15): 401, 403, 404 and 410, 429 and 503 (full), other 5xx. */
enum failure failure_of_status(int status);

/* The class of a connection that could not be made or ended, by what was said of it (http_client.h, world.h): an HTTP
 * status in it, "no answer", "refused" and so on; else `otherwise`. */
enum failure failure_of_reason(const char *reason, enum failure otherwise);

#endif
