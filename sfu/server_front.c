#include "sfu/server_front.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uthash.h>
#include <utlist.h>

#include "rtc/ice_agent.h"
#include "rtc/stun.h"
#include "sfu/message_allowance.h"
#include "sfu/server_worker.h"
#include "sfu/sfu_siblings.h"

enum {
    MAILBOX_MAX = 64 * 1024 * 1024,
    HELD_MAX = 640 * 1024,    /* bytes of one client's messages that wait until it is known whether it is in a room */
    UNHEARD_MAX = 128 * 1024, /* ... that its worker has yet to hear, and more isn't read from it */
    NOWHERE = -1,
};

struct room {
    char name[ROOM_NAME_CAP];
    unsigned worker;
    size_t users; /* channels whose participant is in it or wants to be, WHIP and WHEP sessions and offers */
    size_t seated;
    bool sfu;
    UT_hash_handle hh;
};

struct held {
    struct held *prev, *next;
    size_t len;
    char text[];
};

/* A client's channel. */
struct seat {
    struct server_front *front;
    uint64_t id;
    struct world_channel *channel;
    int worker;        /* that has the other end; NOWHERE: none yet */
    struct room *room; /* that its participant is in, or wants to join */
    bool seated;
    bool sfu;  /* the topology that it wants */
    bool asks; /* the worker has yet to say whether it is in a room; what it says meanwhile is held */
    struct held *held;
    size_t held_bytes;
    size_t unheard; /* bytes that the worker has yet to hear */
    bool paused;    /* nothing is read from the client */
    struct message_allowance allowance;
    UT_hash_handle hh;
};

/* A request that a worker has. */
struct errand {
    uint64_t number;
    struct room *room; /* of one that may make a session */
    UT_hash_handle hh;
};

/* Statistics that are being collected. */
struct survey {
    uint64_t number;
    size_t missing;
    UT_hash_handle hh;
    struct server_statistics of[];
};

struct server_front {
    struct server_front_config config;
    struct live_mailbox *mailbox;
    struct http_server *http;
    struct world_channel_listener *listener;
    struct server_worker *const *workers;
    unsigned worker_count;
    size_t loads[SFU_SIBLINGS_MAX]; /* of each worker: the users of its rooms */
    struct room *rooms;             /* hash tables: by name, */
    struct seat *seats;             /* by id, */
    struct errand *errands;         /* by number, */
    struct survey *surveys;         /* by number */
    uint64_t ids;
    size_t sessions; /* of WHIP and WHEP, and offers for some */
};

/* False when the worker has too much to do. */
static bool tell(struct server_front *front, unsigned worker, enum server_letter_type type, uint64_t id,
                 const char *text, size_t len)
{
    return server_letter_send(server_worker_mailbox(front->workers[worker]), server_letter_create(type, id, text, len));
}

/* --- rooms -------------------------------------------------------------------------------------------------------------------- */

static unsigned least_loaded(const struct server_front *front)
{
    unsigned best = 0;
    for (unsigned i = 1; i < front->worker_count; i++) {
        if (front->loads[i] < front->loads[best])
            best = i;
    }
    return best;
}

static struct room *find_room(const struct server_front *front, const char *name)
{
    struct room *room;
    HASH_FIND_STR(front->rooms, name, room);
    return room;
}

/* The room of that name, one more of whose users is the caller. NULL when out of memory. */
static struct room *enter_room(struct server_front *front, const char *name)
{
    struct room *room = find_room(front, name);
    if (room == NULL) {
        room = calloc(1, sizeof *room);
        if (room == NULL)
            return NULL;
        snprintf(room->name, sizeof room->name, "%s", name);
        room->worker = least_loaded(front);
        HASH_ADD_STR(front->rooms, name, room);
    }
    room->users++;
    front->loads[room->worker]++;
    return room;
}

static void leave_room(struct server_front *front, struct room *room)
{
    if (room == NULL)
        return;
    front->loads[room->worker]--;
    if (--room->users > 0)
        return;
    HASH_DELETE(hh, front->rooms, room);
    free(room);
}

size_t server_front_room(const struct server_front *front, const char *name, bool *sfu)
{
    const struct room *room = find_room(front, name);
    *sfu = room != NULL && room->sfu;
    return room != NULL ? room->seated : 0;
}

/* --- channels ------------------------------------------------------------------------------------------------------------------ */

static void set_seated(struct seat *seat, bool seated)
{
    struct room *room = seat->room;
    if (room == NULL)
        return;
    room->seated += (size_t)seated - (size_t)seat->seated;
    seat->seated = seated;
    if (seated) {
        room->sfu = seat->sfu;
    } else {
        leave_room(seat->front, room);
        seat->room = NULL;
    }
}

static void drop_held(struct seat *seat)
{
    while (seat->held != NULL) {
        struct held *held = seat->held;
        DL_DELETE(seat->held, held);
        free(held);
    }
    seat->held_bytes = 0;
}

/* The channel is closed, and the worker, if it is still to be told, knows. */
static void end_seat(struct seat *seat)
{
    struct server_front *front = seat->front;
    set_seated(seat, false);
    drop_held(seat);
    world_channel_close(seat->channel);
    HASH_DELETE(hh, front->seats, seat);
    free(seat);
}

/* Who has to wait for his worker doesn't fill our memory meanwhile. */
static void set_paused(struct seat *seat)
{
    bool paused = seat->asks || seat->unheard > UNHEARD_MAX;
    if (paused != seat->paused)
        live_channel_pause(seat->channel, paused);
    seat->paused = paused;
}

static void leave_worker(struct seat *seat)
{
    struct server_front *front = seat->front;
    if (seat->worker != NOWHERE)
        server_letter_press(server_worker_mailbox(front->workers[seat->worker]),
                            server_letter_create(LETTER_CLOSE, seat->id, NULL, 0));
    seat->worker = NOWHERE;
    seat->unheard = 0;
}

/* For a reason of our own. */
static void cut_off(struct seat *seat, const char *reason)
{
    size_t len;
    char *text = room_message_write(&(struct room_message){.type = ROOM_ERROR, .reason = reason}, &len);
    if (text != NULL)
        world_channel_send(seat->channel, text, len);
    free(text);
    leave_worker(seat);
    end_seat(seat);
}

/* A newcomer's room, or that of somebody who left another one, may be another worker's than the one he talks to. */
static void choose_room(struct seat *seat, const struct room_message *message)
{
    struct server_front *front = seat->front;
    if (seat->room != NULL || message->room[0] == '\0' || strlen(message->room) >= ROOM_NAME_CAP)
        return; /* the worker will say what is wrong */
    seat->room = enter_room(front, message->room);
    seat->sfu = strcmp(message->topology, "sfu") == 0;
    if (seat->room != NULL && seat->worker != (int)seat->room->worker)
        leave_worker(seat);
}

/* Does it say who is in which room? What can't be told without reading it is read. */
static bool is_about_seats(const char *text, size_t len)
{
    return memmem(text, len, "join", 4) != NULL || memmem(text, len, "leave", 5) != NULL ||
           memmem(text, len, "\\u", 2) != NULL;
}

/* False when the seat is gone. */
static bool pass_on(struct seat *seat, const char *text, size_t len)
{
    struct server_front *front = seat->front;
    struct room_message message;
    if (is_about_seats(text, len) && room_message_read(&message, text, len, &(struct error){0})) {
        if (message.type == ROOM_JOIN)
            choose_room(seat, &message);
        seat->asks = message.type == ROOM_JOIN || message.type == ROOM_LEAVE;
        room_message_clear(&message);
    }
    bool told = true;
    if (seat->worker == NOWHERE) {
        seat->worker = (int)(seat->room != NULL ? seat->room->worker : least_loaded(front));
        told = tell(front, (unsigned)seat->worker, LETTER_OPEN, seat->id, NULL, 0);
    }
    if (told && tell(front, (unsigned)seat->worker, LETTER_SAY, seat->id, text, len)) {
        seat->unheard += len;
        set_paused(seat);
        return true;
    }
    cut_off(seat, "the server has too much to do");
    return false;
}

static bool hold(struct seat *seat, const char *text, size_t len)
{
    struct held *held = seat->held_bytes + len <= HELD_MAX ? malloc(sizeof *held + len) : NULL;
    if (held == NULL)
        return false;
    held->len = len;
    memcpy(held->text, text, len);
    seat->held_bytes += sizeof *held + len;
    DL_APPEND(seat->held, held);
    return true;
}

static void said(void *user, struct world_channel *channel, const char *text, size_t len, nanos now)
{
    struct seat *seat = user;
    (void)channel;
    if (!message_allowance_take(&seat->allowance, now) || (seat->asks && !hold(seat, text, len)))
        cut_off(seat, "too many messages");
    else if (!seat->asks || seat->held == NULL)
        pass_on(seat, text, len);
}

static void gone(void *user, struct world_channel *channel, const char *reason, nanos now)
{
    struct seat *seat = user;
    (void)channel, (void)reason, (void)now;
    leave_worker(seat);
    end_seat(seat);
}

static void accepted(void *user, struct world_channel *channel, nanos now)
{
    static const struct world_channel_callbacks callbacks = {.received = said, .closed = gone};
    struct server_front *front = user;
    size_t limit = front->config.limit != 0 ? front->config.limit : SIGNALLING_SERVER_LIMIT;
    struct seat *seat = HASH_COUNT(front->seats) < limit ? calloc(1, sizeof *seat) : NULL;
    if (seat == NULL) {
        world_channel_close(channel);
        return;
    }
    seat->front = front;
    seat->id = ++front->ids;
    seat->channel = channel;
    seat->worker = NOWHERE;
    seat->allowance = message_allowance_full(now);
    HASH_ADD(hh, front->seats, id, sizeof seat->id, seat);
    world_channel_adopt(channel, &callbacks, seat);
}

/* What a worker says to a channel, or of it. */
static void take_seat_letter(struct server_front *front, const struct server_letter *letter)
{
    struct seat *seat;
    HASH_FIND(hh, front->seats, &letter->id, sizeof letter->id, seat);
    if (seat == NULL)
        return;
    if (letter->type == LETTER_SAY) { /* also a last word of the worker before this one */
        world_channel_send(seat->channel, letter->text, letter->len);
        return;
    }
    if (seat->worker != (int)letter->from)
        return;
    if (letter->type == LETTER_CLOSE) {
        end_seat(seat);
        return;
    }
    if (letter->type == LETTER_HEARD) {
        seat->unheard -= letter->heard < seat->unheard ? letter->heard : seat->unheard;
        set_paused(seat);
        return;
    }
    set_seated(seat, letter->type == LETTER_SEATED);
    seat->asks = false;
    while (seat->held != NULL && !seat->asks) {
        struct held *held = seat->held;
        DL_DELETE(seat->held, held);
        seat->held_bytes -= sizeof *held + held->len;
        bool lives = pass_on(seat, held->text, held->len);
        free(held);
        if (!lives)
            return;
    }
    set_paused(seat);
}

/* --- WHIP and WHEP ------------------------------------------------------------------------------------------------------------- */

/* An offer may make a session: then its room stays until that is over. */
static bool prepare(struct server_front *front, const struct whip_path *path, struct errand *errand)
{
    size_t limit = front->config.limit != 0 ? front->config.limit : WHIP_SESSIONS;
    if (front->sessions >= limit)
        return false;
    errand->room = enter_room(front, path->room);
    if (errand->room == NULL)
        return false;
    front->sessions++;
    return true;
}

static void give_up_session(struct server_front *front, struct room *room)
{
    if (room == NULL)
        return;
    front->sessions--;
    leave_room(front, room);
}

static void take_answer(struct server_front *front, uint64_t number, struct http_response *response)
{
    struct errand *errand;
    HASH_FIND(hh, front->errands, &number, sizeof number, errand);
    if (errand != NULL) {
        if (response->status != HTTP_CREATED)
            give_up_session(front, errand->room);
        HASH_DELETE(hh, front->errands, errand);
        free(errand);
    }
    http_server_answer(front->http, number, response);
    *response = (struct http_response){0};
}

bool server_front_handle(struct server_front *front, const struct http_request *request, struct http_response *response)
{
    struct whip_path path;
    if (!whip_path_read(&path, request->path))
        return false;
    struct errand *errand = calloc(1, sizeof *errand);
    struct server_letter *letter = server_letter_create(LETTER_REQUEST, 0, NULL, 0);
    bool ready = errand != NULL && letter != NULL;
    if (ready) {
        letter->request = http_request_copy(request);
        letter->response = calloc(1, sizeof *letter->response);
        letter->letter.size += request->body_len;
        ready = letter->request != NULL && letter->response != NULL;
    }
    bool makes = request->method == HTTP_POST && path.id == NULL && path.room[0] != '\0';
    if (!ready || (makes && !prepare(front, &path, errand))) {
        whip_refuse(response, ready ? "the server is full" : "out of memory");
        free(errand);
        server_letter_destroy(letter);
        return true;
    }
    const struct room *room = find_room(front, path.room);
    *letter->response = *response;
    *response = (struct http_response){0};
    letter->id = errand->number = http_server_defer(front->http, request);
    HASH_ADD(hh, front->errands, number, sizeof errand->number, errand);
    const uint64_t number = errand->number;
    if (!server_letter_send(server_worker_mailbox(front->workers[room != NULL ? room->worker : 0]), letter)) {
        struct http_response refusal = {0};
        whip_refuse(&refusal, "the server has too much to do");
        take_answer(front, number, &refusal);
    }
    return true;
}

/* --- ICE-TCP ------------------------------------------------------------------------------------------------------------------- */

void server_front_take_tcp(struct server_front *front, int fd, const uint8_t *first, size_t len)
{
    struct stun_message check;
    char ufrag[ICE_UFRAG_CAP] = "";
    if (stun_parse(&check, first, len, NULL))
        ice_stun_local_ufrag(&check, ufrag);
    int worker = sfu_siblings_of_ufrag(front->worker_count, ufrag);
    struct server_letter *letter = server_letter_create(LETTER_TCP, 0, NULL, 0);
    if (letter == NULL)
        close(fd);
    else
        letter->fd = fd;
    server_letter_send(server_worker_mailbox(front->workers[worker >= 0 ? worker : 0]), letter);
}

/* --- statistics ---------------------------------------------------------------------------------------------------------------- */

void server_front_ask(struct server_front *front, uint64_t number)
{
    struct survey *survey = calloc(1, sizeof *survey + front->worker_count * sizeof survey->of[0]);
    if (survey == NULL) {
        http_server_answer(front->http, number, &(struct http_response){.status = HTTP_SERVICE_UNAVAILABLE});
        return;
    }
    survey->number = number;
    survey->missing = front->worker_count;
    HASH_ADD(hh, front->surveys, number, sizeof survey->number, survey);
    for (unsigned i = 0; i < front->worker_count; i++)
        server_letter_press(server_worker_mailbox(front->workers[i]),
                            server_letter_create(LETTER_ASK, number, NULL, 0));
}

static void take_statistics(struct server_front *front, const struct server_letter *letter, nanos now)
{
    struct survey *survey;
    HASH_FIND(hh, front->surveys, &letter->id, sizeof letter->id, survey);
    if (survey == NULL)
        return;
    if (letter->statistics != NULL)
        survey->of[letter->from] = *letter->statistics;
    if (--survey->missing > 0)
        return;
    HASH_DELETE(hh, front->surveys, survey);
    front->config.report(front->config.user, survey->number, survey->of, front->worker_count, now);
    free(survey);
}

/* --- letters ------------------------------------------------------------------------------------------------------------------- */

static void take_note(const struct server_front *front, const struct server_letter *letter)
{
    const char *parts[4];
    const char *at = letter->text;
    for (size_t i = 0; i < 4; i++) {
        parts[i] = at;
        at += strlen(at) + 1;
    }
    front->config.note(front->config.user, parts[0], parts[1], parts[2], parts[3][0] != '\0' ? parts[3] : NULL,
                       letter->at);
}

static void take_letter(void *user, struct live_letter *taken, nanos now)
{
    struct server_front *front = user;
    struct server_letter *letter = (struct server_letter *)taken;
    switch (letter->type) {
    case LETTER_SAY:
    case LETTER_CLOSE:
    case LETTER_SEATED:
    case LETTER_UNSEATED:
    case LETTER_HEARD:
        take_seat_letter(front, letter);
        break;
    case LETTER_RESPONSE:
        take_answer(front, letter->id, letter->response);
        break;
    case LETTER_SESSION_OVER:
        give_up_session(front, find_room(front, letter->text));
        break;
    case LETTER_STATISTICS:
        take_statistics(front, letter, now);
        break;
    case LETTER_NOTE:
        take_note(front, letter);
        break;
    default:
        break;
    }
    server_letter_destroy(letter);
}

void server_front_set_ice_servers(struct server_front *front, const struct room_ice_server *servers, size_t count)
{
    char text[4096];
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        const char *const parts[] = {servers[i].url, servers[i].username, servers[i].credential};
        for (size_t part = 0; part < 3; part++) {
            int wrote = snprintf(text + len, sizeof text - len, "%s", parts[part] != NULL ? parts[part] : "");
            if (wrote < 0 || len + (size_t)wrote + 1 >= sizeof text)
                return;
            len += (size_t)wrote + 1;
        }
    }
    for (unsigned i = 0; i < front->worker_count; i++)
        tell(front, i, LETTER_ICE_SERVERS, 0, text, len);
}

void server_front_dismiss(struct server_front *front, const char *reason)
{
    struct seat *seat, *next;
    if (front->listener != NULL)
        world_channel_listener_close(front->listener);
    front->listener = NULL;
    HASH_ITER(hh, front->seats, seat, next)
    {
        if (seat->worker == NOWHERE)
            cut_off(seat, reason);
    }
    for (unsigned i = 0; i < front->worker_count; i++)
        tell(front, i, LETTER_DISMISS, 0, reason, strlen(reason));
}

/* --- life ---------------------------------------------------------------------------------------------------------------------- */

struct server_front *server_front_create(const struct server_front_config *config, struct error *error)
{
    struct server_front *front = calloc(1, sizeof *front);
    if (front == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    front->config = *config;
    const struct live_mailbox_config mailbox = {
        .live = config->live, .bytes_max = MAILBOX_MAX, .take = take_letter, .user = front};
    front->mailbox = live_mailbox_create(&mailbox, error);
    if (front->mailbox == NULL) {
        free(front);
        return NULL;
    }
    return front;
}

struct live_mailbox *server_front_mailbox(struct server_front *front) { return front->mailbox; }

bool server_front_open(struct server_front *front, struct http_server *http, struct server_worker *const *workers,
                       unsigned count, struct error *error)
{
    const struct address address = http_server_address(http, 0);
    front->http = http;
    front->workers = workers;
    front->worker_count = count;
    front->listener = world_channel_listen(front->config.host, &address, accepted, front, error);
    return front->listener != NULL;
}

void server_front_destroy(struct server_front *front)
{
    if (front == NULL)
        return;
    live_mailbox_destroy(front->mailbox);
    front->worker_count = 0;
    if (front->listener != NULL)
        world_channel_listener_close(front->listener);
    while (front->seats != NULL) {
        front->seats->worker = NOWHERE;
        end_seat(front->seats);
    }
    struct errand *errand, *next_errand;
    HASH_ITER(hh, front->errands, errand, next_errand)
    {
        HASH_DELETE(hh, front->errands, errand);
        leave_room(front, errand->room);
        free(errand);
    }
    struct survey *survey, *next_survey;
    HASH_ITER(hh, front->surveys, survey, next_survey)
    {
        HASH_DELETE(hh, front->surveys, survey);
        free(survey);
    }
    struct room *room, *next_room;
    HASH_ITER(hh, front->rooms, room, next_room)
    {
        HASH_DELETE(hh, front->rooms, room);
        free(room);
    }
    free(front);
}
