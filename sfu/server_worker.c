#include "sfu/server_worker.h"

#include <openssl/rand.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "sfu/datagram_ring.h"
#include "sfu/sfu_siblings.h"

enum { TURN_DATAGRAMS = 256, MAILBOX_MAX = 64 * 1024 * 1024, RING_MIN = 64 * 1024, RINGS_BYTES = 2 * 1024 * 1024 };

/* A channel of a client, whose other end the front has: it is to the signalling server what a channel of the live world
 * would be. */
struct world_channel {
    struct world *world; /* of `channel_ops` */
    struct server_worker *worker;
    uint64_t id;
    const struct world_channel_callbacks *callbacks;
    void *user;
    size_t heard; /* that the front hasn't been told of */
    UT_hash_handle hh;
};

struct server_worker {
    struct server_worker_config config;
    struct world channels_world;
    struct live_world *live;
    struct world_host *host;
    struct live_mailbox *mailbox;
    struct sfu *sfu;
    struct signalling_server *signalling;
    struct whip *whip;
    struct world_channel *channels;    /* hash table by id */
    struct server_letter *ice_servers; /* whose texts are in use */
    struct room_ice_server ice_server_list[ROOM_ICE_SERVERS_MAX];

    struct server_worker *siblings[SFU_SIBLINGS_MAX]; /* this one, too */
    struct datagram_ring *from[SFU_SIBLINGS_MAX];     /* what comes from each of them */
    bool passed[SFU_SIBLINGS_MAX];                    /* something to each of them, that it doesn't know yet */

    pthread_t thread;
    bool runs;
    bool ends; /* nobody is told anything any more */
};

/* --- letters to the front --------------------------------------------------------------------------------------------------- */

static void tell_front(struct server_worker *worker, enum server_letter_type type, uint64_t id, const char *text,
                       size_t len)
{
    struct server_letter *letter = worker->ends ? NULL : server_letter_create(type, id, text, len);
    if (letter != NULL)
        letter->from = worker->config.number;
    server_letter_press(worker->config.front, letter);
}

static void note(void *user, const char *event, const char *room, const char *peer, const char *detail, nanos now)
{
    struct server_worker *worker = user;
    const char *const parts[] = {event, room, peer, detail};
    char text[1024];
    size_t len = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        size_t size = parts[i] != NULL ? strlen(parts[i]) : 0;
        if (size > sizeof text / 4 - 1)
            size = sizeof text / 4 - 1;
        if (size > 0)
            memcpy(text + len, parts[i], size);
        len += size;
        text[len++] = '\0';
    }
    struct server_letter *letter = worker->ends ? NULL : server_letter_create(LETTER_NOTE, 0, text, len);
    if (letter != NULL)
        letter->at = now;
    server_letter_send(worker->config.front, letter);
}

static void tell_keylog(void *user, const char *line)
{
    const struct server_worker *worker = user;
    worker->config.keylog(worker->config.keylog_user, line);
}

static void session_over(void *user, const char *room) { tell_front(user, LETTER_SESSION_OVER, 0, room, strlen(room)); }

static void seated(void *user, struct world_channel *channel, bool is_in_a_room)
{
    tell_front(user, is_in_a_room ? LETTER_SEATED : LETTER_UNSEATED, channel->id, NULL, 0);
}

/* --- channels ----------------------------------------------------------------------------------------------------------------- */

static void channel_adopt(struct world_channel *channel, const struct world_channel_callbacks *callbacks, void *user)
{
    channel->callbacks = callbacks;
    channel->user = user;
}

static void forget_channel(struct world_channel *channel)
{
    HASH_DELETE(hh, channel->worker->channels, channel);
    free(channel);
}

static void channel_close(struct world_channel *channel)
{
    tell_front(channel->worker, LETTER_CLOSE, channel->id, NULL, 0);
    forget_channel(channel);
}

/* When the front has too much to do, the client goes without its message; as it can't go on so, it goes altogether. */
static void channel_send(struct world_channel *channel, const char *text, size_t len)
{
    struct server_letter *letter = server_letter_create(LETTER_SAY, channel->id, text, len);
    if (letter != NULL)
        letter->from = channel->worker->config.number;
    if (!server_letter_send(channel->worker->config.front, letter))
        tell_front(channel->worker, LETTER_CLOSE, channel->id, NULL, 0);
}

static const struct world_ops channel_ops = {
    .channel_adopt = channel_adopt, .channel_send = channel_send, .channel_close = channel_close};

static struct world_channel *find_channel(const struct server_worker *worker, uint64_t id)
{
    struct world_channel *channel;
    HASH_FIND(hh, worker->channels, &id, sizeof id, channel);
    return channel;
}

static void open_channel(struct server_worker *worker, uint64_t id, nanos now)
{
    struct world_channel *channel = calloc(1, sizeof *channel);
    if (channel == NULL) {
        tell_front(worker, LETTER_CLOSE, id, NULL, 0);
        return;
    }
    *channel = (struct world_channel){.world = &worker->channels_world, .worker = worker, .id = id};
    HASH_ADD(hh, worker->channels, id, sizeof channel->id, channel);
    signalling_server_accept(worker->signalling, channel, now);
}

static void tell_heard(struct world_channel *channel)
{
    struct server_letter *letter = server_letter_create(LETTER_HEARD, channel->id, NULL, 0);
    if (letter == NULL)
        return;
    letter->from = channel->worker->config.number;
    letter->heard = channel->heard;
    channel->heard = 0;
    server_letter_press(channel->worker->config.front, letter);
}

/* Nothing is to be done with the channel after these: it may have been closed meanwhile. */
static void hear(struct server_worker *worker, const struct server_letter *letter, nanos now)
{
    struct world_channel *channel = find_channel(worker, letter->id);
    if (channel == NULL)
        return;
    channel->heard += letter->len;
    if (channel->heard >= SERVER_WORKER_HEARS)
        tell_heard(channel);
    channel->callbacks->received(channel->user, channel, letter->text, letter->len, now);
}

static void end_channel(struct server_worker *worker, uint64_t id, nanos now)
{
    struct world_channel *channel = find_channel(worker, id);
    if (channel != NULL)
        channel->callbacks->closed(channel->user, channel, "the connection ended", now);
}

/* --- letters from the front --------------------------------------------------------------------------------------------------- */

static void set_ice_servers(struct server_worker *worker, struct server_letter *letter)
{
    const char *at = letter->text;
    const char *end = letter->text + letter->len;
    size_t count = 0;
    while (at < end && count < ROOM_ICE_SERVERS_MAX) {
        const char *parts[3];
        for (size_t i = 0; i < 3; i++) {
            parts[i] = at[0] != '\0' ? at : NULL;
            at += strlen(at) + 1;
        }
        worker->ice_server_list[count++] = (struct room_ice_server){parts[0], parts[1], parts[2]};
    }
    signalling_server_set_ice_servers(worker->signalling, worker->ice_server_list, count);
    whip_set_ice_servers(worker->whip, worker->ice_server_list, count);
    server_letter_destroy(worker->ice_servers);
    worker->ice_servers = letter;
}

/* The letter itself goes back. */
static void answer(struct server_worker *worker, struct server_letter *letter, nanos now)
{
    whip_handle(worker->whip, letter->request, letter->response, now);
    letter->type = LETTER_RESPONSE;
    letter->from = worker->config.number;
    server_letter_press(worker->config.front, letter);
}

static void report(struct server_worker *worker, struct server_letter *letter)
{
    letter->statistics = calloc(1, sizeof *letter->statistics);
    if (letter->statistics != NULL)
        *letter->statistics = (struct server_statistics){.sfu = sfu_statistics(worker->sfu),
                                                         .signalling = signalling_server_statistics(worker->signalling),
                                                         .whip = whip_statistics(worker->whip),
                                                         .live = *live_world_statistics(worker->live)};
    letter->type = LETTER_STATISTICS;
    letter->from = worker->config.number;
    server_letter_press(worker->config.front, letter);
}

static void take_tcp(struct server_worker *worker, struct server_letter *letter, nanos now)
{
    struct world_tcp *tcp = live_host_adopt_tcp(worker->host, letter->fd);
    letter->fd = -1;
    if (tcp != NULL)
        sfu_accept_tcp(worker->sfu, tcp, now);
}

static void dismiss(struct server_worker *worker, const char *reason, nanos now)
{
    signalling_server_dismiss(worker->signalling, reason);
    whip_dismiss(worker->whip, now);
}

static void take_letter(void *user, struct live_letter *taken, nanos now)
{
    struct server_worker *worker = user;
    struct server_letter *letter = (struct server_letter *)taken;
    switch (letter->type) {
    case LETTER_OPEN:
        open_channel(worker, letter->id, now);
        break;
    case LETTER_SAY:
        hear(worker, letter, now);
        break;
    case LETTER_CLOSE:
        end_channel(worker, letter->id, now);
        break;
    case LETTER_TCP:
        take_tcp(worker, letter, now);
        break;
    case LETTER_DISMISS:
        dismiss(worker, letter->text, now);
        break;
    case LETTER_CLAIM:
        sfu_siblings_claimed(worker->sfu, letter->from, &letter->address, letter->flag);
        break;
    case LETTER_REQUEST:
        answer(worker, letter, now);
        return;
    case LETTER_ICE_SERVERS:
        set_ice_servers(worker, letter);
        return;
    case LETTER_ASK:
        report(worker, letter);
        return;
    default:
        break;
    }
    server_letter_destroy(letter);
}

/* --- siblings ----------------------------------------------------------------------------------------------------------------- */

static bool pass(void *user, unsigned to, int socket, const struct datagram *datagram)
{
    struct server_worker *worker = user;
    bool put = datagram_ring_put(worker->siblings[to]->from[worker->config.number], socket, datagram);
    worker->passed[to] = worker->passed[to] || put;
    return put;
}

static void passed(void *user)
{
    struct server_worker *worker = user;
    for (unsigned i = 0; i < worker->config.count; i++) {
        if (worker->passed[i])
            live_mailbox_wake(worker->siblings[i]->mailbox);
        worker->passed[i] = false;
    }
}

static void claim(void *user, unsigned at, const struct address *address, bool ours)
{
    struct server_worker *worker = user;
    struct server_letter *letter = worker->ends ? NULL : server_letter_create(LETTER_CLAIM, 0, NULL, 0);
    if (letter == NULL)
        return;
    letter->from = worker->config.number;
    letter->address = *address;
    letter->flag = ours;
    server_letter_press(worker->siblings[at]->mailbox, letter);
}

/* What siblings passed on: a turn's worth of each, for they may put in as fast as we take out, and what is to be sent
 * goes out in the end. */
static void take_datagrams(void *user, nanos now)
{
    struct server_worker *worker = user;
    struct datagram datagram;
    size_t all = 0;
    bool more = false;
    int socket;
    for (unsigned i = 0; i < worker->config.count; i++) {
        size_t taken = 0;
        while (worker->from[i] != NULL && taken < TURN_DATAGRAMS &&
               datagram_ring_take(worker->from[i], &socket, &datagram)) {
            sfu_siblings_take(worker->sfu, i, socket, &datagram, now);
            taken++;
        }
        more = more || taken == TURN_DATAGRAMS;
        all += taken;
    }
    if (all > 0)
        sfu_siblings_taken(worker->sfu, now);
    if (more)
        live_mailbox_wake(worker->mailbox);
}

bool server_worker_meet(struct server_worker *worker, struct server_worker *const *all, struct error *error)
{
    size_t bytes = RING_MIN; /* of each: all of one worker's have about RINGS_BYTES in all */
    while (2 * bytes * worker->config.count <= RINGS_BYTES)
        bytes *= 2;
    for (unsigned i = 0; i < worker->config.count; i++) {
        worker->siblings[i] = all[i];
        if (all[i] == worker)
            continue;
        worker->from[i] = datagram_ring_create(bytes);
        if (worker->from[i] == NULL)
            return error_set(error, ERROR_SYSTEM, "out of memory");
    }
    return true;
}

/* --- life --------------------------------------------------------------------------------------------------------------------- */

static uint64_t random_seed(void)
{
    uint64_t seed = 0;
    RAND_bytes((unsigned char *)&seed, sizeof seed);
    return seed;
}

static bool add_host(struct server_worker *worker, struct error *error)
{
    const struct server_worker_config *config = &worker->config;
    bool alone = config->count == 1;
    struct address addresses[SERVER_LISTEN_MAX];
    for (size_t i = 0; i < config->address_count; i++) {
        addresses[i] = config->addresses[i];
        addresses[i].port = 0;
    }
    const struct live_host_config host = {
        .name = "SFU",
        .addresses = addresses,
        .address_count = config->address_count,
        .sharing = alone                 ? LIVE_ALONE
                   : config->number == 0 ? LIVE_SHARES
                                         : LIVE_JOINS,
    };
    worker->live = alone ? config->live : live_world_create_beside(config->live, error);
    worker->host = worker->live != NULL ? live_world_add_host(worker->live, &host, error) : NULL;
    return worker->host != NULL;
}

static bool start_sfu(struct server_worker *worker, struct error *error)
{
    const struct server_worker_config *config = &worker->config;
    const struct sfu_siblings_config siblings = {
        .count = config->count, .own = config->number, .pass = pass, .passed = passed, .claim = claim, .user = worker};
    const struct sfu_config sfu = {.host = worker->host,
                                   .addresses = config->addresses,
                                   .address_count = config->address_count,
                                   .announced = config->announced,
                                   .always_show = config->config->always_show,
                                   .certificate = config->certificate,
                                   .seed = random_seed(),
                                   .ntp_origin = live_world_ntp_origin(config->live),
                                   .keylog = config->keylog != NULL ? tell_keylog : NULL,
                                   .note = note,
                                   .user = worker,
                                   .siblings = &siblings};
    worker->sfu = sfu_create(&sfu, error);
    return worker->sfu != NULL;
}

static bool start_signalling(struct server_worker *worker, struct error *error)
{
    const struct server_config *given = worker->config.config;
    const struct signalling_server_config signalling = {.host = worker->host,
                                                        .sfu = worker->sfu,
                                                        .room_limit = given->room_limit,
                                                        .note = note,
                                                        .seated = seated,
                                                        .user = worker};
    const struct whip_config whip = {
        .host = worker->host,
        .sfu = worker->sfu,
        .publish = {.tokens = given->publish_tokens.text, .count = given->publish_tokens.count},
        .play = {.tokens = given->play_tokens.text, .count = given->play_tokens.count},
        .session_limit = given->participant_limit,
        .over = session_over,
        .user = worker};
    worker->signalling = signalling_server_create(&signalling, error);
    worker->whip = worker->signalling != NULL ? whip_create(&whip, error) : NULL;
    return worker->whip != NULL;
}

struct server_worker *server_worker_create(const struct server_worker_config *config, struct error *error)
{
    struct server_worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    worker->config = *config;
    worker->channels_world.ops = &channel_ops;
    bool ready = add_host(worker, error) && start_sfu(worker, error) && start_signalling(worker, error);
    if (ready) {
        const struct live_mailbox_config mailbox = {.live = worker->live,
                                                    .bytes_max = MAILBOX_MAX,
                                                    .take = take_letter,
                                                    .woken = take_datagrams,
                                                    .user = worker};
        worker->mailbox = live_mailbox_create(&mailbox, error);
    }
    if (worker->mailbox == NULL) {
        server_worker_destroy(worker);
        return NULL;
    }
    return worker;
}

static void *run(void *user)
{
    struct server_worker *worker = user;
    live_world_run_until(worker->live, NANOS_NEVER, 0, NULL, NULL, NULL);
    return NULL;
}

bool server_worker_start(struct server_worker *worker, struct error *error)
{
    sigset_t all, before;
    if (worker->config.count == 1)
        return true;
    sigfillset(&all); /* signals are the front's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int status = pthread_create(&worker->thread, NULL, run, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    worker->runs = status == 0;
    return worker->runs || error_set(error, ERROR_SYSTEM, "thread: %s", strerror(status));
}

void server_worker_stop(struct server_worker *worker)
{
    if (!worker->runs)
        return;
    live_world_stop(worker->live);
    pthread_join(worker->thread, NULL);
    worker->runs = false;
}

void server_worker_destroy(struct server_worker *worker)
{
    if (worker == NULL)
        return;
    live_mailbox_destroy(worker->mailbox);
    worker->ends = true;
    signalling_server_destroy(worker->signalling);
    whip_destroy(worker->whip);
    sfu_destroy(worker->sfu);
    server_letter_destroy(worker->ice_servers);
    for (unsigned i = 0; i < worker->config.count; i++)
        datagram_ring_destroy(worker->from[i]);
    if (worker->config.count > 1)
        live_world_destroy(worker->live);
    free(worker);
}

struct live_mailbox *server_worker_mailbox(struct server_worker *worker) { return worker->mailbox; }
struct world_host *server_worker_host(struct server_worker *worker) { return worker->host; }
struct sfu *server_worker_sfu(struct server_worker *worker) { return worker->sfu; }

struct address server_worker_address(const struct server_worker *worker, size_t index)
{
    return sfu_address(worker->sfu, index);
}
