/* The way out of all real UDP sockets of a world. What is sent while the loop handles its events is kept in one buffer,
 * sorted into flows (a socket and a remote address). It leaves just before the loop sleeps, or when the buffer is full or
 * half a millisecond has passed: each run of equal-size datagrams of a flow as one message that the kernel cuts up (UDP
 * GSO), the messages of one socket in one call (sendmmsg). Thus what an SFU sends to one client for many packets of
 * others goes in one piece. */
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>

#include "world/live_internal.h"

enum {
    /* Few enough bytes to be still in the cache when the kernel reads them. */
    EGRESS_BYTES = 192 << 10,
    EGRESS_ITEMS = 256,
    TABLE_SLOTS = 1024,
    MESSAGES = 64,
    SEGMENTS = 64,     /* UDP_MAX_SEGMENTS of kernels before 6.9 */
    RUN_BYTES = 65507, /* of IPv4; of IPv6 it is more */
    CONTROL_BYTES = 64,
};

/* What a long turn of the loop may add to a datagram's delay. */
#define WAIT_MAX (500 * NANOS_PER_US)

struct item {
    uint32_t offset;
    uint32_t len;
    uint16_t next;
};

struct flow {
    struct live_port *port;
    struct address remote;
    struct address local;
    uint16_t first;
    uint16_t last;
    uint16_t next; /* of the same port */
    uint16_t slot; /* in the table */
};

struct live_egress {
    size_t used;
    nanos since; /* the first item was put there */
    uint16_t item_count;
    uint16_t flow_count;
    bool no_segmentation;    /* there is no GSO here */
    struct live_port *ports; /* those that have flows */
    uint16_t table[TABLE_SLOTS];
    struct item items[EGRESS_ITEMS];
    struct flow flows[EGRESS_ITEMS];
    /* The messages being made. */
    unsigned message_count;
    unsigned vector_count;
    struct mmsghdr messages[MESSAGES];
    struct sockaddr_storage to[MESSAGES];
    _Alignas(struct cmsghdr) uint8_t controls[MESSAGES][CONTROL_BYTES];
    struct iovec vectors[EGRESS_ITEMS];
    uint8_t bytes[EGRESS_BYTES];
};

bool live_egress_create(struct live_world *live, struct error *error)
{
    live->egress = calloc(1, sizeof *live->egress);
    if (live->egress == NULL)
        return error_set(error, ERROR_SYSTEM, "out of memory");
    memset(live->egress->table, 0xff, sizeof live->egress->table);
    live->egress->no_segmentation = live->config.no_offload;
    return true;
}

/* --- collecting ----------------------------------------------------------------------------------------------------------- */

static uint16_t *slot_of(struct live_egress *egress, const struct live_port *port, const struct address *remote,
                         const struct address *local)
{
    uint64_t hash = address_hash(remote) ^ ((uintptr_t)port * 0x9e3779b97f4a7c15u);
    for (size_t i = (size_t)(hash ^ hash >> 32);; i++) {
        uint16_t *slot = &egress->table[i % TABLE_SLOTS];
        const struct flow *flow = &egress->flows[*slot == LIVE_NONE ? 0 : *slot];
        if (*slot == LIVE_NONE || (flow->port == port && address_equal(&flow->remote, remote) &&
                                   (!port->wildcard || address_equal(&flow->local, local))))
            return slot;
    }
}

static struct flow *flow_for(struct live_egress *egress, struct live_port *port, const struct datagram *datagram)
{
    uint16_t *slot = slot_of(egress, port, &datagram->remote, &datagram->local);
    if (*slot != LIVE_NONE)
        return &egress->flows[*slot];
    *slot = egress->flow_count++;
    struct flow *flow = &egress->flows[*slot];
    *flow = (struct flow){.port = port,
                          .remote = datagram->remote,
                          .local = datagram->local,
                          .first = LIVE_NONE,
                          .next = LIVE_NONE,
                          .slot = (uint16_t)(slot - egress->table)};
    if (port->flows == LIVE_NONE) {
        port->next_sending = egress->ports;
        egress->ports = port;
        port->flows = *slot;
    } else {
        egress->flows[port->last_flow].next = *slot;
    }
    port->last_flow = *slot;
    return flow;
}

static bool may_go(const struct live_port *port, const struct address *remote)
{
    struct live_statistics *statistics = &port->live->statistics;
    if (port->live->config.loopback_only && address_scope(remote) != ADDRESS_LOOPBACK) {
        statistics->unroutable++;
        return false;
    }
    if (remote->family == port->address.family && remote->port != 0)
        return true;
    statistics->udp_refused++;
    return false;
}

void live_port_send(struct live_port *port, const struct datagram *datagram)
{
    struct live_world *live = port->live;
    struct live_egress *egress = live->egress;
    if (!may_go(port, &datagram->remote))
        return;
    if (datagram->len > RUN_BYTES) {
        live->statistics.udp_refused++;
        return;
    }
    if (egress->item_count == EGRESS_ITEMS || egress->used + datagram->len > EGRESS_BYTES)
        live_egress_flush(live);
    struct flow *flow = flow_for(egress, port, datagram);
    if (egress->item_count == 0)
        egress->since = live_now(live);
    uint16_t number = egress->item_count++;
    egress->items[number] =
        (struct item){.offset = (uint32_t)egress->used, .len = (uint32_t)datagram->len, .next = LIVE_NONE};
    if (flow->first == LIVE_NONE)
        flow->first = number;
    else
        egress->items[flow->last].next = number;
    flow->last = number;
    if (datagram->len > 0)
        memcpy(egress->bytes + egress->used, datagram->data, datagram->len);
    egress->used += datagram->len;
}

/* --- sending -------------------------------------------------------------------------------------------------------------- */

static void count_sent(struct live_statistics *statistics, const struct msghdr *header)
{
    statistics->udp_sent += header->msg_iovlen;
    for (size_t i = 0; i < header->msg_iovlen; i++)
        statistics->udp_sent_bytes += header->msg_iov[i].iov_len;
}

/* The message's datagrams one by one, when the kernel or the device doesn't cut it up. */
static void send_singly(struct live_port *port, const struct msghdr *header)
{
    struct live_statistics *statistics = &port->live->statistics;
    struct msghdr single = *header;
    single.msg_iovlen = 1;
    single.msg_controllen -= CMSG_SPACE(sizeof(uint16_t)); /* the segment size is the last of them */
    if (single.msg_controllen == 0)
        single.msg_control = NULL;
    for (size_t i = 0; i < header->msg_iovlen; i++) {
        single.msg_iov = &header->msg_iov[i];
        statistics->udp_send_calls++;
        if (sendmsg(port->fd, &single, 0) >= 0)
            count_sent(statistics, &single);
        else if (errno == EAGAIN || errno == ENOBUFS)
            statistics->udp_would_block++;
        else
            statistics->udp_refused++;
    }
}

static void transmit(struct live_port *port)
{
    struct live_egress *egress = port->live->egress;
    struct live_statistics *statistics = &port->live->statistics;
    for (unsigned done = 0; done < egress->message_count;) {
        int sent = sendmmsg(port->fd, egress->messages + done, egress->message_count - done, 0);
        statistics->udp_send_calls++;
        for (int i = 0; i < sent; i++)
            count_sent(statistics, &egress->messages[done + (unsigned)i].msg_hdr);
        if (sent > 0) {
            done += (unsigned)sent;
            continue;
        }
        const struct msghdr *first = &egress->messages[done].msg_hdr;
        if (errno == EINTR)
            continue;
        if (errno == EAGAIN || errno == ENOBUFS) {
            for (; done < egress->message_count; done++)
                statistics->udp_would_block += egress->messages[done].msg_hdr.msg_iovlen;
            break;
        }
        if (first->msg_iovlen > 1) {
            egress->no_segmentation = egress->no_segmentation || errno == EIO || errno == ENOPROTOOPT;
            send_singly(port, first);
        } else {
            statistics->udp_refused++;
        }
        done++;
    }
    egress->message_count = 0;
    egress->vector_count = 0;
}

static void add_control(struct msghdr *header, int level, int type, const void *data, size_t len)
{
    struct cmsghdr *control = (struct cmsghdr *)((uint8_t *)header->msg_control + header->msg_controllen);
    control->cmsg_level = level;
    control->cmsg_type = type;
    control->cmsg_len = CMSG_LEN(len);
    memcpy(CMSG_DATA(control), data, len);
    header->msg_controllen += CMSG_SPACE(len);
}

static void add_local(struct msghdr *header, const struct address *local)
{
    if (local->family == ADDRESS_IPV6) {
        struct in6_pktinfo info = {0};
        memcpy(&info.ipi6_addr, local->ip, 16);
        add_control(header, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
    } else if (local->family == ADDRESS_IPV4) {
        struct in_pktinfo info = {0};
        memcpy(&info.ipi_spec_dst, local->ip, 4);
        add_control(header, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    }
}

/* How many items from `first` on go in one message: equal sizes, but for the last, which may be shorter. */
static size_t run_length(const struct live_egress *egress, uint16_t first)
{
    const struct item *items = egress->items;
    size_t count = 1;
    size_t segment = items[first].len;
    size_t bytes = segment;
    if (egress->no_segmentation || segment == 0)
        return 1;
    for (uint16_t i = items[first].next; i != LIVE_NONE && count < SEGMENTS; i = items[i].next) {
        bytes += items[i].len;
        if (items[i].len > segment || items[i].len == 0 || bytes > RUN_BYTES)
            break;
        count++;
        if (items[i].len < segment)
            break;
    }
    return count;
}

static void send_flow(struct live_port *port, const struct flow *flow)
{
    struct live_egress *egress = port->live->egress;
    for (uint16_t i = flow->first; i != LIVE_NONE;) {
        if (egress->message_count == MESSAGES)
            transmit(port);
        unsigned number = egress->message_count++;
        struct msghdr *header = &egress->messages[number].msg_hdr;
        uint16_t segment = (uint16_t)egress->items[i].len;
        *header = (struct msghdr){.msg_name = &egress->to[number],
                                  .msg_namelen = live_to_sockaddr(&flow->remote, &egress->to[number]),
                                  .msg_iov = &egress->vectors[egress->vector_count],
                                  .msg_control = egress->controls[number]};
        for (size_t left = run_length(egress, i); left > 0; left--, i = egress->items[i].next) {
            const struct item *item = &egress->items[i];
            egress->vectors[egress->vector_count++] = (struct iovec){egress->bytes + item->offset, item->len};
            header->msg_iovlen++;
        }
        if (port->wildcard && flow->local.family == flow->remote.family &&
            address_scope(&flow->local) != ADDRESS_UNSPECIFIED)
            add_local(header, &flow->local);
        if (header->msg_iovlen > 1)
            add_control(header, SOL_UDP, UDP_SEGMENT, &segment, sizeof segment);
        if (header->msg_controllen == 0)
            header->msg_control = NULL;
    }
}

void live_egress_flush(struct live_world *live)
{
    struct live_egress *egress = live->egress;
    if (egress->item_count == 0)
        return;
    for (struct live_port *port = egress->ports; port != NULL; port = port->next_sending) {
        for (uint16_t i = port->flows; i != LIVE_NONE; i = egress->flows[i].next)
            send_flow(port, &egress->flows[i]);
        transmit(port);
        port->flows = LIVE_NONE;
    }
    for (uint16_t i = 0; i < egress->flow_count; i++)
        egress->table[egress->flows[i].slot] = LIVE_NONE;
    egress->ports = NULL;
    egress->used = 0;
    egress->item_count = 0;
    egress->flow_count = 0;
}

void live_egress_hurry(struct live_world *live, nanos now)
{
    if (live->egress->item_count > 0 && now - live->egress->since > WAIT_MAX)
        live_egress_flush(live);
}
