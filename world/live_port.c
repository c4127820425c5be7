/* A real UDP socket. In: recvmmsg with GRO, one buffer for all sockets of the world. */
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>

#include "world/live_internal.h"

enum {
    MESSAGES = 16, /* in one call */
    READS_IN_A_TURN = 16,
    MESSAGE_BYTES = 1 << 16, /* GRO gives up to this much at once */
    /* Buffers a multiple of 64 KiB apart would all compete for the same lines of the cache. */
    MESSAGE_STRIDE = MESSAGE_BYTES + 192,
    SEGMENTS = 64, /* of one message: the kernel's own limit for GRO */
    BATCH = MESSAGES * SEGMENTS,
    CONTROL_BYTES = 128,
    SOCKET_BUFFER_BYTES = 4 << 20,
};

struct live_receiver {
    struct mmsghdr messages[MESSAGES];
    struct iovec vectors[MESSAGES];
    struct sockaddr_storage from[MESSAGES];
    _Alignas(struct cmsghdr) uint8_t controls[MESSAGES][CONTROL_BYTES];
    struct datagram batch[BATCH];
    uint8_t bytes[MESSAGES][MESSAGE_STRIDE];
};

bool live_receiver_create(struct live_world *live, struct error *error)
{
    struct live_receiver *receiver = malloc(sizeof *receiver);
    if (receiver == NULL)
        return error_set(error, ERROR_SYSTEM, "out of memory");
    live->receiver = receiver;
    for (size_t i = 0; i < MESSAGES; i++) {
        receiver->vectors[i] = (struct iovec){receiver->bytes[i], MESSAGE_BYTES};
        receiver->messages[i] = (struct mmsghdr){0};
        struct msghdr *header = &receiver->messages[i].msg_hdr;
        header->msg_name = &receiver->from[i];
        header->msg_iov = &receiver->vectors[i];
        header->msg_iovlen = 1;
        header->msg_control = receiver->controls[i];
    }
    return true;
}

uint8_t *live_receive_buffer(struct live_world *live) { return live->receiver->bytes[0]; }

/* What the kernel tells beside a message. */
struct notes {
    struct address local; /* family ADDRESS_NONE: not told */
    uint16_t segment;     /* bytes of each datagram in it; 0: it is one */
    bool has_overflowed;
    uint32_t overflowed; /* since the socket was opened */
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

/* The message's datagrams, at the end of the batch; returns how long that is now. */
static size_t split(struct live_port *port, struct live_receiver *receiver, size_t i, size_t count)
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
    size_t left = message->msg_len;
    size_t segment = notes.segment == 0 ? left : notes.segment;
    datagram.data = receiver->bytes[i];
    do {
        datagram.len = left < segment ? left : segment;
        receiver->batch[count++] = datagram;
        datagram.data += datagram.len;
        left -= datagram.len;
    } while (left > 0 && count < (i + 1) * SEGMENTS);
    statistics->udp_received_bytes += message->msg_len;
    return count;
}

/* Reads once; false when there is no more, for now. */
static bool read_some(struct live_port *port)
{
    struct live_world *live = port->live;
    struct live_receiver *receiver = live->receiver;
    for (size_t i = 0; i < MESSAGES; i++) {
        receiver->messages[i].msg_hdr.msg_namelen = sizeof receiver->from[i];
        receiver->messages[i].msg_hdr.msg_controllen = CONTROL_BYTES;
    }
    int messages = recvmmsg(port->poll->fd, receiver->messages, MESSAGES, 0, NULL);
    live->statistics.udp_receive_calls++;
    size_t count = 0;
    for (int i = 0; i < messages; i++)
        count = split(port, receiver, (size_t)i, count);
    live->statistics.udp_received += count;
    if (count > 0)
        port->received(port->user, port, receiver->batch, count, live_now(live));
    return messages == MESSAGES;
}

/* A busy socket has a longer turn than a quiet one, but not the whole one. */
static void ready(void *user, int events)
{
    struct live_port *port = user;
    struct live_world *live = port->live;
    (void)events;
    live_egress_hurry(live, live_now(live));
    live->reading = port; /* until it is closed */
    for (int i = 0; i < READS_IN_A_TURN && live->reading == port; i++) {
        if (!read_some(port))
            break;
    }
    live->reading = NULL;
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
    if (fd >= 0)
        port->poll = live_poll_open(live, fd, UV_READABLE, ready, port, error);
    if (port->poll == NULL) {
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
    port->live->statistics.sockets--;
    live_poll_close(port->poll);
    free(port);
}
