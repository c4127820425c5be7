/* Real UDP sockets. In: one epoll set for all of a world, whose descriptor is on the loop, so that a socket that is ready
 * costs no turn of libuv's; recvmmsg with GRO, one buffer for all. In a world with slack those that are past their first
 * datagrams have a set of their own, which is looked at as often as that. */
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "world/live_internal.h"

enum {
    MESSAGES = 16, /* in one call */
    PORTS_IN_A_TURN = 256,
    FETCH_AHEAD = 4, /* ports of thousands are not in the cache when their turn comes */
    READS_IN_A_TURN = 16,
    MESSAGE_BYTES = 1 << 16, /* GRO gives up to this much at once */
    /* Buffers a multiple of 64 KiB apart would all compete for the same lines of the cache. */
    MESSAGE_STRIDE = MESSAGE_BYTES + 192,
    SEGMENTS = 64, /* of one message: the kernel's own limit for GRO */
    BATCH = MESSAGES * SEGMENTS,
    CONTROL_BYTES = 128,
    SOCKET_BUFFER_BYTES = 4 << 20,
};

/* Of the epoll sets. */
enum { PROMPT, CALM, SETS };

#define BUSY (2 * NANOS_PER_MS) /* who had something so short a while ago has more, perhaps */
#define TURN_MAX (2 * NANOS_PER_MS)
#define STAMP_AGE_MAX (10 * NANOS_PER_S) /* a stamp that is older is of a clock that was set meanwhile */

struct live_receiver {
    struct live_poll *poll; /* the first of the sets; the second is looked at by the clock */
    int sets[SETS];
    struct live_deadline look;
    nanos stamp_origin; /* CLOCK_REALTIME where the world's time is 0 */
    struct epoll_event ready[PORTS_IN_A_TURN];
    int ready_at, ready_count;
    struct mmsghdr messages[MESSAGES];
    struct iovec vectors[MESSAGES];
    struct sockaddr_storage from[MESSAGES];
    _Alignas(struct cmsghdr) uint8_t controls[MESSAGES][CONTROL_BYTES];
    struct datagram batch[BATCH];
    uint8_t bytes[MESSAGES][MESSAGE_STRIDE];
};

static void prompt_ready(void *user, int events);
static void look_at_calm(void *user, nanos now);

bool live_receiver_create(struct live_world *live, struct error *error)
{
    struct live_receiver *receiver = malloc(sizeof *receiver);
    if (receiver == NULL)
        return error_set(error, ERROR_SYSTEM, "out of memory");
    receiver->ready_at = receiver->ready_count = 0;
    receiver->look = (struct live_deadline){.fired = look_at_calm, .user = live};
    receiver->poll = NULL;
    receiver->sets[PROMPT] = epoll_create1(EPOLL_CLOEXEC);
    receiver->sets[CALM] = live->config.slack > 0 ? epoll_create1(EPOLL_CLOEXEC) : -1;
    live->receiver = receiver;
    if (receiver->sets[PROMPT] < 0 || (live->config.slack > 0 && receiver->sets[CALM] < 0))
        return error_set(error, ERROR_SYSTEM, "epoll: %s", strerror(errno));
    receiver->poll = live_poll_open(live, receiver->sets[PROMPT], UV_READABLE, prompt_ready, live, error);
    for (size_t i = 0; i < MESSAGES; i++) {
        receiver->vectors[i] = (struct iovec){receiver->bytes[i], MESSAGE_BYTES};
        receiver->messages[i] = (struct mmsghdr){0};
        struct msghdr *header = &receiver->messages[i].msg_hdr;
        header->msg_name = &receiver->from[i];
        header->msg_iov = &receiver->vectors[i];
        header->msg_iovlen = 1;
        header->msg_control = receiver->controls[i];
    }
    return receiver->poll != NULL;
}

void live_receiver_close(struct live_world *live)
{
    if (live->receiver == NULL)
        return;
    live_deadline_set(live, &live->receiver->look, NANOS_NEVER);
    live_poll_close(live->receiver->poll);
    if (live->receiver->sets[CALM] >= 0)
        close(live->receiver->sets[CALM]);
}

uint8_t *live_receive_buffer(struct live_world *live) { return live->receiver->bytes[0]; }

/* What the kernel tells beside a message. */
struct notes {
    struct address local; /* family ADDRESS_NONE: not told */
    uint16_t segment;     /* bytes of each datagram in it; 0: it is one */
    bool has_overflowed;
    uint32_t overflowed; /* since the socket was opened */
    nanos stamp;         /* when it came, by CLOCK_REALTIME; 0: not told */
};

static struct notes read_notes(struct msghdr *header)
{
    struct notes notes = {0};
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
        if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
            int segment;
            memcpy(&segment, CMSG_DATA(c), sizeof segment);
            notes.segment = (uint16_t)segment;
        } else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
            memcpy(&notes.overflowed, CMSG_DATA(c), sizeof notes.overflowed);
            notes.has_overflowed = true;
        } else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPNS) {
            struct timespec at;
            memcpy(&at, CMSG_DATA(c), sizeof at);
            notes.stamp = (nanos)at.tv_sec * NANOS_PER_S + at.tv_nsec;
        } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            notes.local.family = ADDRESS_IPV4;
            memcpy(notes.local.ip, &info.ipi_addr, 4);
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            notes.local.family = ADDRESS_IPV6;
            memcpy(notes.local.ip, &info.ipi6_addr, 16);
        }
    }
    return notes;
}

/* When a message came, as the world has it: never before what was told last to its socket or to a timer. What it waited
 * beyond the world's slack is our being late, which those who measure and who control congestion shall notice. */
static nanos arrival(const struct live_port *port, nanos stamp, nanos now)
{
    struct live_world *live = port->live;
    nanos at = stamp - live->receiver->stamp_origin;
    if (stamp == 0 || at > now || at < now - STAMP_AGE_MAX)
        at = now;
    if (now - at > live->config.slack) {
        live->lag_recent = nanos_max(live->lag_recent, now - at - live->config.slack);
        at = now - live->config.slack;
    }
    return nanos_max(at, nanos_max(port->told, live->told));
}

/* The message's datagrams, at the end of the batch; returns how long that is now. */
static size_t split(struct live_port *port, struct live_receiver *receiver, size_t i, size_t count, nanos *now)
{
    struct mmsghdr *message = &receiver->messages[i];
    struct notes notes = read_notes(&message->msg_hdr);
    struct live_statistics *statistics = &port->live->statistics;
    if (notes.has_overflowed) {
        statistics->udp_overflowed += notes.overflowed - port->overflowed;
        port->overflowed = notes.overflowed;
    }
    struct datagram datagram = {.local = port->address,
                                .remote = live_from_sockaddr((const struct sockaddr *)&receiver->from[i])};
    if (notes.local.family != ADDRESS_NONE) {
        datagram.local = notes.local;
        datagram.local.port = port->address.port;
    }
    size_t before = count;
    size_t left = message->msg_len;
    size_t segment = notes.segment == 0 ? left : notes.segment;
    datagram.data = receiver->bytes[i];
    do {
        datagram.len = left < segment ? left : segment;
        receiver->batch[count++] = datagram;
        datagram.data += datagram.len;
        left -= datagram.len;
    } while (left > 0 && count < before + SEGMENTS);
    statistics->udp_received += count - before;
    statistics->udp_received_bytes += message->msg_len;
    *now = arrival(port, notes.stamp, *now);
    return count;
}

/* How many messages came. */
static int receive(const struct live_port *port, struct live_receiver *receiver)
{
    int most = port->is_busy ? MESSAGES : 1;
    for (int i = 0; i < most; i++) {
        receiver->messages[i].msg_hdr.msg_namelen = sizeof receiver->from[i];
        receiver->messages[i].msg_hdr.msg_controllen = CONTROL_BYTES;
    }
    if (most > 1)
        return recvmmsg(port->fd, receiver->messages, MESSAGES, 0, NULL);
    ssize_t len = recvmsg(port->fd, &receiver->messages[0].msg_hdr, 0);
    receiver->messages[0].msg_len = (unsigned)len;
    return len < 0 ? -1 : 1;
}

static void hand_on(struct live_port *port, size_t count, nanos now)
{
    port->told = now;
    port->received(port->user, port, port->live->receiver->batch, count, now);
}

/* Reads once; false when there is no more, for now. A quiet socket, as most of a load's are, has one message when it is
 * ready: to ask for a second would cost as much as the first. */
static bool read_some(struct live_port *port)
{
    struct live_world *live = port->live;
    struct live_receiver *receiver = live->receiver;
    const bool stamped = live->config.slack > 0;
    const bool was_busy = port->is_busy;
    int messages = receive(port, receiver);
    live->statistics.udp_receive_calls++;
    nanos now = live_now(live);
    size_t count = 0;
    port->is_busy = messages > 1 || (messages == 1 && now - port->told < BUSY);
    for (int i = 0; i < messages && live->reading == port; i++) {
        nanos at = now;
        count = split(port, receiver, (size_t)i, count, &at);
        if (!stamped && i + 1 < messages)
            continue;
        hand_on(port, count, at);
        count = 0;
    }
    return was_busy && messages == MESSAGES;
}

/* A busy socket has a longer turn than a quiet one, but not the whole one. */
static void read_port(struct live_port *port)
{
    struct live_world *live = port->live;
    live_egress_hurry(live, live_now(live));
    live->reading = port; /* until it is closed */
    for (int i = 0; i < READS_IN_A_TURN && live->reading == port; i++) {
        if (!read_some(port))
            break;
    }
    live->reading = NULL;
}

static bool watch(struct live_receiver *receiver, struct live_port *port, int set)
{
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = port}};
    return epoll_ctl(receiver->sets[set], EPOLL_CTL_ADD, port->fd, &event) == 0;
}

/* One that is past its beginnings can wait. */
static void calm_down(struct live_port *port)
{
    struct live_receiver *receiver = port->live->receiver;
    if (port->live->config.slack == 0 || port->had == LIVE_CALM || ++port->had < LIVE_CALM)
        return;
    if (!watch(receiver, port, CALM))
        return;
    epoll_ctl(receiver->sets[PROMPT], EPOLL_CTL_DEL, port->fd, NULL);
    if (receiver->look.deadline.slot == 0)
        live_deadline_set(port->live, &receiver->look, live_now(port->live));
}

/* Reads those of the set that are ready; how many that were. */
static int read_ready(struct live_world *live, int set)
{
    struct live_receiver *receiver = live->receiver;
    receiver->ready_count = epoll_wait(receiver->sets[set], receiver->ready, PORTS_IN_A_TURN, 0);
    for (receiver->ready_at = 0; receiver->ready_at < receiver->ready_count; receiver->ready_at++) {
        const struct epoll_event *at = &receiver->ready[receiver->ready_at];
        int left = receiver->ready_count - receiver->ready_at;
        if (left > 2 * FETCH_AHEAD)
            __builtin_prefetch(at[2 * FETCH_AHEAD].data.ptr);
        const struct live_port *coming = left > FETCH_AHEAD ? at[FETCH_AHEAD].data.ptr : NULL;
        if (coming != NULL)
            __builtin_prefetch(coming->user);
        struct live_port *port = at->data.ptr;
        if (port == NULL)
            continue;
        read_port(port);
        if (at->data.ptr != NULL)
            calm_down(port);
    }
    return receiver->ready_count;
}

static void note_clocks(struct live_world *live)
{
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    live->receiver->stamp_origin = (nanos)at.tv_sec * NANOS_PER_S + at.tv_nsec - live_now(live);
}

static void prompt_ready(void *user, int events)
{
    (void)events;
    note_clocks(user);
    read_ready(user, PROMPT);
}

/* Whatever has come by now, as long as others don't have to wait for it. */
static void look_at_calm(void *user, nanos now)
{
    struct live_world *live = user;
    nanos end = now + TURN_MAX;
    bool more = true;
    note_clocks(live);
    while (more && now < end) {
        more = read_ready(live, CALM) > 0;
        now = live_now(live);
    }
    live_deadline_set(live, &live->receiver->look, more ? now : live_timer_slacken(live, now + 1));
}

/* --- opening ------------------------------------------------------------------------------------------------------------ */

static void set_option(int fd, int level, int option, int value)
{
    setsockopt(fd, level, option, &value, sizeof value);
}

/* What isn't there on an old kernel is done without. */
static void set_options(int fd, const struct live_port *port)
{
    bool ipv6 = port->address.family == ADDRESS_IPV6;
    int force[] = {SO_RCVBUFFORCE, SO_SNDBUFFORCE};
    int plain[] = {SO_RCVBUF, SO_SNDBUF};
    int bytes = SOCKET_BUFFER_BYTES;
    for (int i = 0; i < 2; i++) {
        if (setsockopt(fd, SOL_SOCKET, force[i], &bytes, sizeof bytes) != 0)
            set_option(fd, SOL_SOCKET, plain[i], bytes);
    }
    set_option(fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
    if (port->live->config.slack > 0)
        set_option(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
    if (!port->live->config.no_offload)
        set_option(fd, SOL_UDP, UDP_GRO, 1);
    if (ipv6)
        set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (port->wildcard && ipv6)
        set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    else if (port->wildcard)
        set_option(fd, IPPROTO_IP, IP_PKTINFO, 1);
}

struct address live_outside(const struct live_world *live, const struct address *address)
{
    bool emulated = live->claim_fd >= 0 && address->family == ADDRESS_IPV4 && address->ip[0] == 127 &&
                    address->ip[1] == live->block;
    return emulated && live->config.outside.family != ADDRESS_NONE ? live->config.outside : *address;
}

/* Whoever shares is there first and for certain: it is bound as any socket is, and only then takes others in. */
static bool bind_to(int fd, enum live_sharing sharing, const struct sockaddr_storage *name, socklen_t len)
{
    int on = 1;
    if (sharing == LIVE_JOINS && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0)
        return false;
    return bind(fd, (const struct sockaddr *)name, len) == 0 &&
           (sharing != LIVE_SHARES || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0);
}

static int open_socket(struct live_port *port, enum live_sharing sharing, struct error *error)
{
    char text[ADDRESS_TEXT_CAP];
    struct sockaddr_storage name;
    struct address real = live_outside(port->live, &port->address);
    bool elsewhere = !address_same_ip(&real, &port->address);
    socklen_t len = live_to_sockaddr(&real, &name);
    int fd = socket(name.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        error_set(error, ERROR_SYSTEM, "UDP socket for %s: %s", address_format(&port->address, text), strerror(errno));
        return -1;
    }
    set_options(fd, port);
    if (!bind_to(fd, sharing, &name, len) || getsockname(fd, (struct sockaddr *)&name, &len) != 0) {
        error_set(error, ERROR_SYSTEM, "UDP socket at %s: %s", address_format(&port->address, text), strerror(errno));
        close(fd);
        return -1;
    }
    real = live_from_sockaddr((struct sockaddr *)&name);
    if (!elsewhere)
        port->address = real;
    else if (port->address.port == 0)
        port->address.port = real.port;
    return fd;
}

struct live_port *live_port_open(struct live_world *live, const struct address *local, enum live_sharing sharing,
                                 live_port_received received, void *user, struct error *error)
{
    static const uint8_t unspecified[16];
    struct live_port *port = calloc(1, sizeof *port);
    if (port == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    *port = (struct live_port){.live = live, .address = *local, .received = received, .user = user, .flows = LIVE_NONE};
    port->wildcard = memcmp(local->ip, unspecified, sizeof unspecified) == 0;
    /* The last descriptors are for files and connections. */
    int fd = live_world_check_sockets(live, 1, error) ? open_socket(port, sharing, error) : -1;
    if (fd < 0) {
        free(port);
        return NULL;
    }
    port->fd = fd;
    if (!watch(live->receiver, port, PROMPT)) {
        error_set(error, ERROR_SYSTEM, "epoll: %s", strerror(errno));
        close(fd);
        free(port);
        return NULL;
    }
    live->statistics.sockets++;
    return port;
}

void live_port_close(struct live_port *port)
{
    if (port->flows != LIVE_NONE)
        live_egress_flush(port->live);
    if (port->live->reading == port)
        port->live->reading = NULL;
    struct live_receiver *receiver = port->live->receiver;
    for (int i = receiver->ready_at; i < receiver->ready_count; i++) {
        if (receiver->ready[i].data.ptr == port)
            receiver->ready[i].data.ptr = NULL;
    }
    port->live->statistics.sockets--;
    close(port->fd);
    free(port);
}
