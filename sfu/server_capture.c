#include "sfu/server_capture.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/pcapng.h"
#include "world/live_world.h"

enum {
    IPV4_HEADER = 20,
    IPV6_HEADER = 40,
    UDP_HEADER = 8,
    PROTOCOL_UDP = 17,
    TTL = 64,
    PACKET_CAP = 65535,
};

struct server_capture {
    struct pcapng *file;
    uint32_t interface;
    struct world_host *hosts[SERVER_CAPTURE_HOSTS_MAX];
    size_t host_count;
    int64_t origin_unix_ns;
    pthread_mutex_t lock; /* of what follows, and the file */
    nanos written;        /* the time of the last packet */
    uint8_t packet[PACKET_CAP];
};

/* RFC 1071, before the carries are folded. */
static uint32_t sum(const uint8_t *data, size_t len, uint32_t total)
{
    for (size_t i = 0; i + 1 < len; i += 2)
        total += bytes_get16(data + i);
    return len % 2 != 0 ? total + (uint32_t)(data[len - 1] << 8) : total;
}

static uint16_t fold(uint32_t total)
{
    while (total > 0xffff)
        total = (total >> 16) + (total & 0xffff);
    return (uint16_t)~total;
}

/* The IP header without its checksum, RFC 791 or RFC 8200; returns its length. */
static size_t put_ip(uint8_t *out, const struct address *from, const struct address *to, size_t payload)
{
    if (from->family == ADDRESS_IPV6) {
        memset(out, 0, IPV6_HEADER);
        out[0] = 6 << 4;
        bytes_put16(out + 4, (uint16_t)payload);
        out[6] = PROTOCOL_UDP;
        out[7] = TTL;
        memcpy(out + 8, from->ip, 16);
        memcpy(out + 24, to->ip, 16);
        return IPV6_HEADER;
    }
    memset(out, 0, IPV4_HEADER);
    out[0] = 4 << 4 | IPV4_HEADER / 4;
    bytes_put16(out + 2, (uint16_t)(IPV4_HEADER + payload));
    out[6] = 0x40; /* don't fragment */
    out[8] = TTL;
    out[9] = PROTOCOL_UDP;
    memcpy(out + 12, from->ip, 4);
    memcpy(out + 16, to->ip, 4);
    bytes_put16(out + 10, fold(sum(out, IPV4_HEADER, 0)));
    return IPV4_HEADER;
}

static void put_udp(uint8_t *out, const struct address *from, const struct address *to, const uint8_t *data, size_t len)
{
    bytes_put16(out, from->port);
    bytes_put16(out + 2, to->port);
    bytes_put16(out + 4, (uint16_t)(UDP_HEADER + len));
    bytes_put16(out + 6, 0);
    memcpy(out + UDP_HEADER, data, len);
    /* The pseudo header: addresses, protocol, length (RFC 768, RFC 8200, section 8.1). */
    uint32_t total = sum(from->ip, address_ip_len(from), PROTOCOL_UDP + UDP_HEADER + (uint32_t)len);
    uint16_t checksum = fold(sum(out, UDP_HEADER + len, sum(to->ip, address_ip_len(to), total)));
    bytes_put16(out + 6, checksum != 0 ? checksum : 0xffff);
}

static void on_datagrams(void *user, bool sent, const struct address *local, const struct datagram *batch, size_t count,
                         nanos now)
{
    struct server_capture *capture = user;
    pthread_mutex_lock(&capture->lock);
    /* Whoever had to wait for the lock is later than it says, by as much. */
    now = nanos_max(now, capture->written);
    capture->written = now;
    for (size_t i = 0; i < count; i++) {
        const struct datagram *datagram = &batch[i];
        const struct address *own = datagram->local.family != ADDRESS_NONE ? &datagram->local : local;
        const struct address *from = sent ? own : &datagram->remote;
        const struct address *to = sent ? &datagram->remote : own;
        if (from->family != to->family || datagram->len > PACKET_CAP - IPV6_HEADER - UDP_HEADER)
            continue;
        size_t ip = put_ip(capture->packet, from, to, UDP_HEADER + datagram->len);
        put_udp(capture->packet + ip, from, to, datagram->data, datagram->len);
        size_t len = ip + UDP_HEADER + datagram->len;
        pcapng_write(capture->file, capture->interface, (uint64_t)(capture->origin_unix_ns + now), capture->packet, len,
                     len);
    }
    pthread_mutex_unlock(&capture->lock);
}

void server_capture_add(struct server_capture *capture, struct world_host *host)
{
    if (capture->host_count == SERVER_CAPTURE_HOSTS_MAX)
        return;
    capture->hosts[capture->host_count++] = host;
    live_host_set_tap(host, on_datagrams, capture);
}

struct server_capture *server_capture_open(const char *path, int64_t origin_unix_ns, struct error *error)
{
    struct server_capture *capture = calloc(1, sizeof *capture);
    if (capture == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    capture->file = pcapng_create(path, "confab serve", error);
    if (capture->file == NULL) {
        free(capture);
        return NULL;
    }
    pthread_mutex_init(&capture->lock, NULL);
    capture->written = INT64_MIN;
    capture->origin_unix_ns = origin_unix_ns;
    capture->interface = pcapng_add_interface(capture->file, "server", PCAPNG_RAW_IP, 0);
    return capture;
}

bool server_capture_close(struct server_capture *capture, struct error *error)
{
    if (capture == NULL)
        return true;
    for (size_t i = 0; i < capture->host_count; i++)
        live_host_set_tap(capture->hosts[i], NULL, NULL);
    pthread_mutex_destroy(&capture->lock);
    bool written = pcapng_close(capture->file, error);
    free(capture);
    return written;
}
