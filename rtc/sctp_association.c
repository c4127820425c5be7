#include "rtc/sctp_association.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <usrsctp.h>

#include "base/message_queue.h"
#include "rtc/sctp_stack.h"

enum {
    COMMON_HEADER_LEN = 12, /* RFC 9260, section 3.1 */
    MTU_MIN = 524,          /* as usrsctp has it, with that header */
    BUFFER_BYTES = 262144,  /* under way to the peer, and from it, at most; used only while something is */
    OUT_LIMIT = 262144,     /* of packets that wait to be taken */
    RECEIVE_ROOM = 4096,    /* half of it at least for a piece of a message, or a notification */
    ALIGNMENT = 8,          /* of a notification */
    RTO_INITIAL_MS = 1000,  /* RFC 9260, section 16: 1 s too */
    RTO_MIN_MS = 200,       /* there 1 s, an age in a call */
    RTO_MAX_MS = 10000,
    SACK_DELAY_MS = 200,
    INIT_ATTEMPTS = 8,
    TRANSMISSIONS_MAX = 20, /* RFC 9260 has 10; while ICE has consent, the peer lives */
};
#define POLL_INTERVAL (10 * NANOS_PER_MS)
/* No timer of usrsctp's runs for less than this, so that long after a quiet time there is no need to ask. */
#define TIMER_MIN ((RTO_MIN_MS < SACK_DELAY_MS ? RTO_MIN_MS : SACK_DELAY_MS) * NANOS_PER_MS)

_Static_assert(SCTP_STREAMS <= 64, "`resetting` has a bit for each stream");

struct sctp_association {
    struct socket *socket; /* NULL: ended */
    uint32_t number;       /* in the stack */
    uint32_t message_max;
    struct message_queue out;
    nanos poll_at;
    nanos sack_until;   /* one may wait to be sent so long */
    uint64_t resetting; /* bit N: stream N, which we asked to reset */
    uint16_t streams;
    bool busy; /* timers may run */
    bool up;
    bool held;
    bool over;      /* the end is to be told */
    uint8_t *taken; /* a message as far as it has come, or that was told last */
    size_t taken_len, taken_cap;
    bool told;
    char reason[80];
};

static void take_output(void *user, const void *packet, size_t len)
{
    struct sctp_association *a = user;
    /* When the queue is full the packet is lost, as on any network. */
    message_queue_push(&a->out, &(struct message_tag){0}, packet, len);
}

static struct sockaddr_conn address_of(const struct sctp_association *a, uint16_t port)
{
    return (struct sockaddr_conn){.sconn_family = AF_CONN,
                                  .sconn_port = htons(port != 0 ? port : SCTP_PORT_DEFAULT),
                                  .sconn_addr = sctp_stack_address(a->number)};
}

/* --- life ---------------------------------------------------------------------------------------------------------------- */

static bool set(struct socket *socket, int option, const void *value, size_t len)
{
    return usrsctp_setsockopt(socket, IPPROTO_SCTP, option, value, (socklen_t)len) == 0;
}

static bool subscribe(struct socket *socket)
{
    static const uint16_t types[] = {SCTP_ASSOC_CHANGE, SCTP_STREAM_RESET_EVENT, SCTP_PARTIAL_DELIVERY_EVENT};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        struct sctp_event event = {.se_assoc_id = SCTP_ALL_ASSOC, .se_type = types[i], .se_on = 1};
        if (!set(socket, SCTP_EVENT, &event, sizeof event))
            return false;
    }
    return true;
}

static bool configure(struct socket *socket, const struct sctp_association_config *config)
{
    static const int on = 1;
    const int buffer = BUFFER_BYTES;
    const struct linger linger = {.l_onoff = 1, .l_linger = 0}; /* closing is aborting */
    const struct sctp_initmsg init = {
        .sinit_num_ostreams = SCTP_STREAMS, .sinit_max_instreams = SCTP_STREAMS, .sinit_max_attempts = INIT_ATTEMPTS};
    const struct sctp_rtoinfo rto = {.srto_initial = RTO_INITIAL_MS, .srto_max = RTO_MAX_MS, .srto_min = RTO_MIN_MS};
    const struct sctp_assocparams attempts = {.sasoc_asocmaxrxt = TRANSMISSIONS_MAX};
    /* Streams share by bytes: chat needn't wait its turn behind as many pieces of a file as it has messages. */
    const struct sctp_assoc_value scheduler = {.assoc_value = SCTP_SS_FAIR_BANDWITH};
    const struct sctp_sack_info sack = {.sack_delay = SACK_DELAY_MS, .sack_freq = 2};
    /* RFC 8831, section 6.6: streams may be reset. Adding some (RFC 6525, section 4.5) is the peer's to ask for. */
    const struct sctp_assoc_value reset = {.assoc_value = SCTP_ENABLE_RESET_STREAM_REQ};
    /* RFC 8831, section 5: the MTU is given, there is one path. */
    struct sctp_paddrparams path = {.spp_flags = SPP_HB_DISABLE | SPP_PMTUD_DISABLE,
                                    .spp_pathmtu = config->mtu - (uint32_t)COMMON_HEADER_LEN,
                                    .spp_pathmaxrxt = TRANSMISSIONS_MAX};
    return usrsctp_set_non_blocking(socket, 1) == 0 &&
           usrsctp_setsockopt(socket, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) == 0 &&
           usrsctp_setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer) == 0 &&
           usrsctp_setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer) == 0 &&
           set(socket, SCTP_NODELAY, &on, sizeof on) && set(socket, SCTP_RECVRCVINFO, &on, sizeof on) &&
           set(socket, SCTP_EXPLICIT_EOR, &on, sizeof on) && set(socket, SCTP_INITMSG, &init, sizeof init) &&
           set(socket, SCTP_RTOINFO, &rto, sizeof rto) && set(socket, SCTP_ASSOCINFO, &attempts, sizeof attempts) &&
           set(socket, SCTP_DELAYED_SACK, &sack, sizeof sack) &&
           set(socket, SCTP_PLUGGABLE_SS, &scheduler, sizeof scheduler) &&
           set(socket, SCTP_ENABLE_STREAM_RESET, &reset, sizeof reset) &&
           set(socket, SCTP_PEER_ADDR_PARAMS, &path, sizeof path) && subscribe(socket);
}

static bool open_socket(struct sctp_association *a, const struct sctp_association_config *config)
{
    struct sockaddr_conn local = address_of(a, config->local_port);
    struct sockaddr_conn remote = address_of(a, config->remote_port);
    a->socket = usrsctp_socket(AF_CONN, SOCK_STREAM, IPPROTO_SCTP, NULL, NULL, 0, NULL);
    return a->socket != NULL && configure(a->socket, config) &&
           usrsctp_bind(a->socket, (struct sockaddr *)&local, sizeof local) == 0 &&
           (usrsctp_connect(a->socket, (struct sockaddr *)&remote, sizeof remote) == 0 || errno == EINPROGRESS);
}

static void close_socket(struct sctp_association *a)
{
    if (a->socket != NULL)
        usrsctp_close(a->socket);
    a->socket = NULL;
    a->up = a->busy = false;
    a->resetting = 0;
    a->poll_at = a->sack_until = NANOS_NEVER;
}

/* Is there anything that may have to be repeated, or a beginning under way? */
static bool is_busy(const struct sctp_association *a)
{
    struct sctp_status status = {0};
    socklen_t len = sizeof status;
    if (a->socket == NULL)
        return false;
    if (!a->up || a->resetting != 0)
        return true;
    return usrsctp_getsockopt(a->socket, IPPROTO_SCTP, SCTP_STATUS, &status, &len) == 0 &&
           (status.sstat_unackdata > 0 || status.sstat_penddata > 0 || status.sstat_state != SCTP_ESTABLISHED);
}

static void plan(struct sctp_association *a, nanos now)
{
    bool was_busy = a->busy;
    a->busy = is_busy(a);
    if (!a->busy)
        a->poll_at = NANOS_NEVER;
    else if (!was_busy)
        a->poll_at = now + TIMER_MIN;
    else if (a->poll_at <= now)
        a->poll_at = now + POLL_INTERVAL;
    if (a->sack_until <= now)
        a->sack_until = NANOS_NEVER;
}

struct sctp_association *sctp_association_create(const struct sctp_association_config *config, nanos now,
                                                 struct error *error)
{
    if (config->mtu < MTU_MIN) {
        error_set(error, ERROR_USAGE, "SCTP: an MTU of %u bytes, at least %d are needed", config->mtu, MTU_MIN);
        return NULL;
    }
    struct sctp_association *a = calloc(1, sizeof *a);
    if (a == NULL) {
        error_set(error, ERROR_SYSTEM, "SCTP: out of memory");
        return NULL;
    }
    a->message_max = config->message_max != 0 ? config->message_max : SCTP_MESSAGE_MAX;
    a->out.limit = OUT_LIMIT;
    a->poll_at = a->sack_until = NANOS_NEVER;
    a->number = sctp_stack_join(take_output, a, now, error);
    if (a->number == 0) {
        free(a);
        return NULL;
    }
    sctp_stack_enter(now);
    bool opened = open_socket(a, config);
    int why = errno;
    if (opened)
        plan(a, now);
    sctp_stack_leave();
    if (!opened) {
        error_set(error, ERROR_SYSTEM, "SCTP: no association can be made: %s", strerror(why));
        sctp_association_destroy(a);
        return NULL;
    }
    return a;
}

void sctp_association_destroy(struct sctp_association *a)
{
    if (a == NULL)
        return;
    sctp_stack_enter(0);
    close_socket(a);
    sctp_stack_leave();
    sctp_stack_quit(a->number);
    message_queue_clear(&a->out);
    free(a->taken);
    free(a);
}

/* Within enter and leave. The socket is closed too: what it has to say waits in `out`. */
static void end(struct sctp_association *a, const char *reason)
{
    close_socket(a);
    if (!a->over)
        snprintf(a->reason, sizeof a->reason, "%s", reason);
    a->over = true;
}

void sctp_association_abort(struct sctp_association *a, nanos now)
{
    sctp_stack_enter(now);
    close_socket(a);
    sctp_stack_leave();
}

/* --- packets ------------------------------------------------------------------------------------------------------------- */

int sctp_association_read(struct sctp_association *a, const uint8_t *data, size_t len, nanos now)
{
    sctp_stack_enter(now);
    if (a->socket != NULL && len >= COMMON_HEADER_LEN) {
        usrsctp_conninput(sctp_stack_address(a->number), data, len, 0);
        a->sack_until = now + SACK_DELAY_MS * NANOS_PER_MS + NANOS_PER_MS;
        plan(a, now);
    }
    sctp_stack_leave();
    return 0;
}

ssize_t sctp_association_write(struct sctp_association *a, uint8_t *buf, size_t cap, nanos now)
{
    ssize_t written = 0;
    sctp_stack_enter(now);
    if (nanos_min(a->poll_at, a->sack_until) <= now)
        plan(a, now);
    size_t len;
    const uint8_t *first = message_queue_first(&a->out, NULL, &len);
    if (first != NULL) {
        if (len <= cap) {
            memcpy(buf, first, len);
            written = (ssize_t)len;
        }
        message_queue_drop_first(&a->out);
    } else {
        message_queue_clear(&a->out); /* idle ones are many: none keeps a buffer */
    }
    sctp_stack_leave();
    return written;
}

nanos sctp_association_deadline(const struct sctp_association *a)
{
    sctp_stack_enter(0);
    nanos deadline = a->out.count > 0 ? 0 : nanos_min(a->poll_at, a->sack_until);
    sctp_stack_leave();
    return deadline;
}

/* --- messages in ----------------------------------------------------------------------------------------------------------- */

static const char *reason_of(uint16_t state)
{
    switch (state) {
    case SCTP_COMM_LOST:
        return "the peer ended the SCTP association, or doesn't answer";
    case SCTP_CANT_STR_ASSOC:
        return "no SCTP association came about";
    case SCTP_RESTART:
        return "the peer began another SCTP association";
    default:
        return "the peer closed the SCTP association";
    }
}

/* True when there is an event to tell. */
static bool take_change(struct sctp_association *a, const struct sctp_assoc_change *change,
                        struct sctp_association_event *event)
{
    if (change->sac_state != SCTP_COMM_UP) {
        end(a, reason_of(change->sac_state));
        return false; /* told by the caller */
    }
    a->up = true;
    a->streams = change->sac_outbound_streams;
    *event = (struct sctp_association_event){.type = SCTP_ASSOCIATION_UP};
    return true;
}

static bool take_reset(struct sctp_association *a, const struct sctp_stream_reset_event *reset,
                       struct sctp_association_event *event)
{
    bool out = (reset->strreset_flags & SCTP_STREAM_RESET_OUTGOING_SSN) != 0;
    bool in = (reset->strreset_flags & SCTP_STREAM_RESET_INCOMING_SSN) != 0;
    size_t count = (reset->strreset_length - sizeof *reset) / sizeof(uint16_t);
    for (size_t i = 0; i < count && out; i++) {
        if (reset->strreset_stream_list[i] < SCTP_STREAMS)
            a->resetting &= ~(UINT64_C(1) << reset->strreset_stream_list[i]);
    }
    if (out && count == 0)
        a->resetting = 0;
    if (!in && !out)
        return false;
    *event = (struct sctp_association_event){.type = in ? SCTP_ASSOCIATION_RESET_IN : SCTP_ASSOCIATION_RESET_OUT,
                                             .streams = reset->strreset_stream_list,
                                             .stream_count = count};
    return true;
}

static bool take_notification(struct sctp_association *a, const uint8_t *data, size_t len,
                              struct sctp_association_event *event)
{
    const union sctp_notification *notification = (const void *)data;
    if (len < sizeof notification->sn_header || notification->sn_header.sn_length != len)
        return false;
    switch (notification->sn_header.sn_type) {
    case SCTP_ASSOC_CHANGE:
        return len >= sizeof notification->sn_assoc_change && take_change(a, &notification->sn_assoc_change, event);
    case SCTP_STREAM_RESET_EVENT:
        return len >= sizeof notification->sn_strreset_event && take_reset(a, &notification->sn_strreset_event, event);
    case SCTP_PARTIAL_DELIVERY_EVENT:
        a->taken_len = 0; /* the peer gave up a message of which the beginning had come (RFC 3758) */
        return false;
    default:
        return false;
    }
}

static bool make_room(struct sctp_association *a)
{
    if (a->taken_cap - a->taken_len >= RECEIVE_ROOM / 2)
        return true;
    size_t cap = a->taken_cap == 0 ? RECEIVE_ROOM : 2 * a->taken_cap;
    uint8_t *grown = realloc(a->taken, cap);
    if (grown == NULL)
        return false;
    a->taken = grown;
    a->taken_cap = cap;
    return true;
}

/* Reads once. 1: there is an event; 0: go on reading; -1: there is nothing to read. */
static int take_next(struct sctp_association *a, struct sctp_association_event *event)
{
    struct sockaddr_conn from;
    struct sctp_rcvinfo info = {0};
    socklen_t from_len = sizeof from;
    socklen_t info_len = sizeof info;
    unsigned info_type = SCTP_RECVV_NOINFO;
    int flags = 0;
    if (a->socket == NULL || a->held || (usrsctp_get_events(a->socket) & SCTP_EVENT_READ) == 0)
        return -1;
    if (!make_room(a)) {
        end(a, "out of memory");
        return -1;
    }
    uint8_t *at = a->taken + a->taken_len;
    ssize_t len = usrsctp_recvv(a->socket, at, a->taken_cap - a->taken_len - ALIGNMENT, (struct sockaddr *)&from,
                                &from_len, &info, &info_len, &info_type, &flags);
    if (len < 0 && errno == EWOULDBLOCK)
        return -1;
    if (len <= 0) {
        end(a, reason_of(SCTP_SHUTDOWN_COMP));
        return -1;
    }
    if (flags & MSG_NOTIFICATION) {
        uint8_t *aligned = a->taken + (a->taken_len + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        memmove(aligned, at, (size_t)len);
        return take_notification(a, aligned, (size_t)len, event) ? 1 : 0;
    }
    a->taken_len += (size_t)len;
    if (a->taken_len > a->message_max) {
        end(a, "the peer sent a message longer than we take"); /* RFC 8841, section 6.1: it was told */
        return -1;
    }
    if ((flags & MSG_EOR) == 0)
        return 0;
    *event = (struct sctp_association_event){.type = SCTP_ASSOCIATION_MESSAGE,
                                             .stream = info.rcv_sid,
                                             .ppid = ntohl(info.rcv_ppid),
                                             .data = a->taken,
                                             .len = a->taken_len};
    a->told = true;
    return 1;
}

bool sctp_association_event(struct sctp_association *a, struct sctp_association_event *event)
{
    int taken = 0;
    sctp_stack_enter(0);
    if (a->told)
        a->taken_len = 0;
    a->told = false;
    while ((taken = take_next(a, event)) == 0)
        ;
    if (taken < 0 && a->taken_len == 0) {
        free(a->taken);
        a->taken = NULL;
        a->taken_cap = 0;
    }
    sctp_stack_leave();
    if (taken > 0)
        return true;
    if (!a->over)
        return false;
    a->over = false;
    *event = (struct sctp_association_event){.type = SCTP_ASSOCIATION_DOWN, .reason = a->reason};
    return true;
}

void sctp_association_hold(struct sctp_association *a, bool hold) { a->held = hold; }

/* --- messages out ---------------------------------------------------------------------------------------------------------- */

ssize_t sctp_association_send(struct sctp_association *a, const struct sctp_message *message, const uint8_t *data,
                              size_t len, nanos now)
{
    static const uint16_t policies[] = {[SCTP_RELIABLE] = SCTP_PR_SCTP_NONE,
                                        [SCTP_MAX_RETRANSMITS] = SCTP_PR_SCTP_RTX,
                                        [SCTP_MAX_LIFETIME] = SCTP_PR_SCTP_TTL};
    struct sctp_sendv_spa info = {
        .sendv_flags = SCTP_SEND_SNDINFO_VALID,
        .sendv_sndinfo = {.snd_sid = message->stream,
                          .snd_ppid = htonl(message->ppid),
                          /* The peer acknowledges the end of a message at once (RFC 7053), so that no timers run for
                           * one that stands alone. */
                          .snd_flags =
                              (uint16_t)(SCTP_EOR | SCTP_SACK_IMMEDIATELY | (message->unordered ? SCTP_UNORDERED : 0))},
    };
    if (message->reliability != SCTP_RELIABLE) {
        info.sendv_flags |= SCTP_SEND_PRINFO_VALID;
        info.sendv_prinfo =
            (struct sctp_prinfo){.pr_policy = policies[message->reliability], .pr_value = message->limit};
    }
    ssize_t sent = -1;
    sctp_stack_enter(now);
    if (a->up && message->stream < a->streams) {
        sent = usrsctp_sendv(a->socket, data, len, NULL, 0, &info, sizeof info, SCTP_SENDV_SPA, 0);
        if (sent < 0 && (errno == EWOULDBLOCK || errno == EAGAIN))
            sent = 0;
        plan(a, now);
    }
    sctp_stack_leave();
    return sent;
}

bool sctp_association_reset(struct sctp_association *a, uint16_t stream, nanos now)
{
    struct {
        struct sctp_reset_streams head;
        uint16_t stream;
    } reset = {.head = {.srs_flags = SCTP_STREAM_RESET_OUTGOING, .srs_number_streams = 1}, .stream = stream};
    bool asked = false;
    sctp_stack_enter(now);
    if (a->up && stream < a->streams && stream < SCTP_STREAMS) {
        asked = set(a->socket, SCTP_RESET_STREAMS, &reset, sizeof reset);
        a->resetting |= (uint64_t)asked << stream;
        plan(a, now);
    }
    sctp_stack_leave();
    return asked;
}

uint16_t sctp_association_streams(const struct sctp_association *a) { return a->up ? a->streams : 0; }
