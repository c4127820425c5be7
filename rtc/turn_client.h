/* A TURN client (RFC 8656): one allocation on one server, over UDP, TCP or TLS.
 *
 * The owner has the socket or connection to the server. It hands over what arrives with turn_client_read, then takes
 * events until there are none, and sends what turn_client_write gives, to turn_client_server, until that is 0. On TCP
 * and TLS it calls turn_client_connected when the connection stands, and tells with turn_client_set_waiting how much
 * the connection has not yet got rid of, so that media is dropped rather than queued without end.
 *
 *     owner             client                        server
 *       | connected ->    | ---- Allocate ------------> |
 *       |                 | <--- 401 realm, nonce ----- |
 *       |                 | ---- Allocate, integrity -> |
 *       | <- ALLOCATED    | <--- success -------------- |
 *       | permit ->       | ---- CreatePermission ----> |
 *       | send ->         | ---- Send, ChannelBind ---> | ---> peer
 *       | <- DATA         | <--- Data, ChannelData ---- | <--- peer
 *
 * After TURN_CLIENT_FAILED and TURN_CLIENT_RELEASED the client is at rest and can only be destroyed. */
#ifndef CONFAB_RTC_TURN_CLIENT_H
#define CONFAB_RTC_TURN_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/address.h"
#include "base/error.h"
#include "base/nanos.h"

struct tls_context;
struct turn_client;

enum turn_transport {
    TURN_UDP,
    TURN_TCP,
    TURN_TLS,
};

/* "udp", "tcp", "tls". */
const char *turn_transport_name(enum turn_transport transport);

struct turn_client_config {
    struct address server;
    enum turn_transport transport;
    const char *username; /* UTF-8, 1 to 508 bytes (RFC 8489, 14.3) */
    const char *password;
    uint8_t family;       /* of the relayed address, enum address_family; ADDRESS_NONE leaves it to the server: IPv4 */
    uint32_t lifetime_s;  /* asked for; 0 leaves it to the server: usually 600 */
    nanos rto;            /* first retransmission of a request over UDP; 0: 500 ms (RFC 8489, 6.2.1) */
    size_t backlog_bytes; /* on a stream, data is dropped while more than this waits; 0: 64 KiB */
    uint64_t seed;
    struct tls_context *tls;     /* TURN_TLS: must outlive the client */
    const char *tls_server_name; /* sent as SNI and, when the context verifies, the name checked; may be NULL */
};

enum turn_client_event_type {
    TURN_CLIENT_ALLOCATED,     /* relayed, mapped, lifetime_s; once */
    TURN_CLIENT_FAILED,        /* code, reason; the allocation never came or is lost */
    TURN_CLIENT_REDIRECTED,    /* server (300): on a stream, the owner connects there and calls turn_client_connected */
    TURN_CLIENT_PERMITTED,     /* peer (its port is 0): data can pass; once for each permission */
    TURN_CLIENT_REFUSED,       /* peer, code, reason: the server gives no permission for it, or no longer */
    TURN_CLIENT_CHANNEL_BOUND, /* peer, channel; once for each channel */
    TURN_CLIENT_DATA,          /* peer, data, len */
    TURN_CLIENT_RELEASED,      /* the server confirmed, or never answered, the release */
};

struct turn_client_event {
    enum turn_client_event_type type;
    struct address relayed;
    struct address mapped; /* the client's own address as the server sees it */
    struct address peer;
    struct address server;
    uint32_t lifetime_s;
    uint16_t channel;
    int code;            /* the server's error code, 0 when it is not the server that said no */
    const char *reason;  /* one line, valid until the next call */
    const uint8_t *data; /* valid until the next call; on UDP it lies in what turn_client_read was given */
    size_t len;
};

/* NULL and `error` when memory is out or the configuration makes no sense. */
struct turn_client *turn_client_create(const struct turn_client_config *config, struct error *error);
/* Doesn't say goodbye to the server: that is turn_client_release. NULL is allowed. */
void turn_client_destroy(struct turn_client *client);

/* Over UDP the first turn_client_write starts the allocation; on a stream this does. */
void turn_client_connected(struct turn_client *client, nanos now);
/* The stream closed or was refused; `reason` in one line. Leads to TURN_CLIENT_FAILED unless it was released. */
void turn_client_disconnected(struct turn_client *client, const char *reason, nanos now);

/* A datagram or any piece of the stream from the server. 0: taken; -1: dropped, because it is none of TURN, or answers
 * no question, or (RFC 8489, 9.2.5) fails its integrity check. Take all events before the next call. */
int turn_client_read(struct turn_client *client, const uint8_t *data, size_t len, nanos now);

/* The next datagram, or as much of the stream as fits, to be sent to turn_client_server; 0 when there is none. `cap`
 * must be at least 2,048 on UDP. Handles timeouts. */
ssize_t turn_client_write(struct turn_client *client, uint8_t *buf, size_t cap, nanos now);

/* When to call turn_client_write if nothing arrives before. */
nanos turn_client_deadline(const struct turn_client *client);

/* False when there is nothing new. */
bool turn_client_event(struct turn_client *client, struct turn_client_event *event);

/* Where to send: the configured server or the one redirected to (RFC 8489, section 10). */
struct address turn_client_server(const struct turn_client *client);

/* Asks the server to let `peer` (any port) in, and keeps that up (RFC 8656, section 9); may be called before the
 * allocation stands. False when 64 peers are permitted already or memory is out. */
bool turn_client_permit(struct turn_client *client, const struct address *peer);

/* Sends `data` to `peer`, permitting it when it isn't yet: on its channel if it has one, else in a Send indication. The
 * first data that isn't STUN asks for a channel (RFC 8656, sections 11 and 12), so connectivity checks leave none
 * behind. False when it was dropped: no allocation, a backlog, too many peers, or longer than 65,000 bytes. */
bool turn_client_send(struct turn_client *client, const struct address *peer, const uint8_t *data, size_t len,
                      nanos now);

/* Gives the allocation back (RFC 8656, section 8: Refresh with lifetime 0). */
void turn_client_release(struct turn_client *client);

/* On a stream: how many bytes of those from turn_client_write the connection still holds. */
void turn_client_set_waiting(struct turn_client *client, size_t bytes);

/* How much data was dropped because of the backlog. */
uint64_t turn_client_dropped(const struct turn_client *client);

#endif
