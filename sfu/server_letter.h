/* What the threads of a reference server tell each other (world/live_mailbox.h). The front talks to clients, the workers
 * have the rooms:
 *
 *     front                                                    worker
 *       | OPEN, SAY ..., CLOSE: a client's channel               |
 *       | -----------------------------------------------------> |
 *       |     SAY ..., SEATED or UNSEATED (after each message    |
 *       | by which one joins or leaves), HEARD (so much), CLOSE  |
 *       | <----------------------------------------------------- |
 *       | REQUEST: WHIP, WHEP                           RESPONSE |
 *       | <====================================================> |
 *       | TCP: an ICE-TCP connection, ICE_SERVERS, DISMISS       |
 *       | -----------------------------------------------------> |
 *       | ASK                                         STATISTICS |
 *       | <====================================================> |
 *       |      NOTE: for the log, SESSION_OVER: of WHIP or WHEP  |   CLAIM
 *       | <----------------------------------------------------- | <=======> another worker
 */
#ifndef CONFAB_SFU_SERVER_LETTER_H
#define CONFAB_SFU_SERVER_LETTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/nanos.h"
#include "rtc/room_message.h"
#include "sfu/sfu.h"
#include "sfu/signalling_server.h"
#include "sfu/whip.h"
#include "world/live_mailbox.h"
#include "world/live_world.h"

enum server_letter_type {
    LETTER_OPEN,         /* id */
    LETTER_SAY,          /* id, text */
    LETTER_CLOSE,        /* id */
    LETTER_SEATED,       /* id: its participant is in a room */
    LETTER_UNSEATED,     /* id: it isn't (any more) */
    LETTER_HEARD,        /* id, heard: bytes of what its client said */
    LETTER_REQUEST,      /* id, request, response: what is in it already */
    LETTER_RESPONSE,     /* id, response */
    LETTER_SESSION_OVER, /* text: the room */
    LETTER_TCP,          /* fd */
    LETTER_ICE_SERVERS,  /* text: URL, username, credential of each, with a zero behind each */
    LETTER_DISMISS,      /* text: the reason */
    LETTER_ASK,          /* id */
    LETTER_STATISTICS,   /* id, statistics */
    LETTER_NOTE,         /* at; text: event, room, peer, detail, with a zero behind each */
    LETTER_CLAIM,        /* address, flag */
};

/* How a worker is. */
struct server_statistics {
    struct sfu_statistics sfu;
    struct signalling_statistics signalling;
    struct whip_statistics whip;
    struct live_statistics live;
};

struct server_letter {
    struct live_letter letter;
    enum server_letter_type type;
    unsigned from; /* the worker that sent it */
    bool flag;
    int fd;
    uint64_t id; /* of a channel or a request, as the front counts them */
    nanos at;
    struct address address;
    struct http_request *request;
    struct http_response *response;
    struct server_statistics *statistics;
    size_t heard;
    size_t len;
    char text[]; /* `len` bytes and a zero */
};

/* With a copy of the text, which may be NULL. NULL when out of memory. */
struct server_letter *server_letter_create(enum server_letter_type type, uint64_t id, const char *text, size_t len);

/* With all that hangs on it; NULL is allowed. */
void server_letter_destroy(struct server_letter *letter);

/* Sends it off; false, and it is destroyed, when it is NULL or too much waits. */
bool server_letter_send(struct live_mailbox *to, struct server_letter *letter);

/* The same for letters without which the two would misunderstand each other, and whose number is bounded by that of
 * channels, requests and addresses: they never wait for room. */
void server_letter_press(struct live_mailbox *to, struct server_letter *letter);

#endif
