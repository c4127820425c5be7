/* TLS 1.2 and 1.3 on a byte stream that somebody else carries: bytes in, bytes out, no socket. OpenSSL does the work on
 * memory buffers.
 *
 *     from TCP --- tls_stream_read ---> [ TLS ] --- tls_stream_receive ---> the application
 *     to TCP <--- tls_stream_write ---- [ TLS ] <--- tls_stream_send ------ the application */
#ifndef CONFAB_RTC_TLS_STREAM_H
#define CONFAB_RTC_TLS_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "rtc/fingerprint.h"

struct certificate;
struct tls_context;
struct tls_stream;

enum tls_trust {
    TLS_TRUST_ANY,    /* whatever certificate: encrypted, but not authenticated */
    TLS_TRUST_PINNED, /* the one whose fingerprint is `pinned` */
    TLS_TRUST_CA,     /* a chain to an authority in `ca_file` (NULL: the system's), for the right name */
};

/* What many streams share: role, certificate, whom to trust. */
struct tls_context_config {
    bool server;
    /* A server's certificate: PEM files, or one made by certificate_create (rtc/certificate.h). */
    const char *certificate_file; /* with its chain */
    const char *key_file;
    const struct certificate *certificate;
    /* A client's trust. */
    enum tls_trust trust;
    struct fingerprint pinned;
    const char *ca_file;
};

/* NULL and `error`, which names the file that can't be read or the field that is missing. */
struct tls_context *tls_context_create(const struct tls_context_config *config, struct error *error);
/* Streams made from it may live on. NULL is allowed. */
void tls_context_destroy(struct tls_context *context);

enum tls_stream_state {
    TLS_STREAM_HANDSHAKING,
    TLS_STREAM_OPEN,
    TLS_STREAM_CLOSED, /* the other side said goodbye (close_notify) */
    TLS_STREAM_FAILED, /* see tls_stream_reason */
};

/* `server_name` (a client's; may be NULL) is sent as SNI unless it is an address literal, and checked against the
 * certificate when the context trusts authorities, which then need one. NULL also when memory is out. */
struct tls_stream *tls_stream_create(struct tls_context *context, const char *server_name, struct error *error);
void tls_stream_destroy(struct tls_stream *stream);

/* Bytes from the connection, any piece of the stream. 0, or -1 once the stream has failed. A client that was just
 * created has its ClientHello in tls_stream_write before anything is read. */
int tls_stream_read(struct tls_stream *stream, const uint8_t *data, size_t len);

/* Bytes for the connection, as many as fit; 0 when there are none. An alert that says why a stream failed is among
 * them. */
size_t tls_stream_write(struct tls_stream *stream, uint8_t *buf, size_t cap);

/* How many bytes wait for tls_stream_write. */
size_t tls_stream_waiting(const struct tls_stream *stream);

/* Application bytes that have arrived, as many as fit; 0 when there are none. */
size_t tls_stream_receive(struct tls_stream *stream, uint8_t *buf, size_t cap);

/* Application bytes to be sent. False before the stream is open and after it is closed. */
bool tls_stream_send(struct tls_stream *stream, const uint8_t *data, size_t len);

/* Says goodbye (close_notify); what is left to write is then the last. */
void tls_stream_close(struct tls_stream *stream);

enum tls_stream_state tls_stream_state(const struct tls_stream *stream);

/* Why it failed, one line; "" when it didn't. */
const char *tls_stream_reason(const struct tls_stream *stream);

#endif
