#include "rtc/tls_stream.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "rtc/certificate.h"

/* Forward secrecy and AEAD alone (RFC 8489, section 6.2.3, and BCP 195); TLS 1.3 has nothing else anyway. */
static const char CIPHERS[] = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20";

enum { PEER_CERTIFICATES_MAX = 16384 };

struct tls_context {
    SSL_CTX *ssl;
    bool server;
    enum tls_trust trust;
    struct fingerprint pinned;
};

struct tls_stream {
    SSL *ssl;
    BIO *in, *out; /* the SSL's own */
    enum tls_stream_state state;
    bool server;
    char reason[128];
};

/* --- contexts --------------------------------------------------------------------------------------------------- */

/* The oldest error in OpenSSL's queue, which is then emptied. */
static const char *ssl_error_text(char *text, size_t cap)
{
    unsigned long code = ERR_get_error();
    const char *reason = ERR_reason_error_string(code);
    snprintf(text, cap, "%s", reason != NULL ? reason : "unknown error");
    ERR_clear_error();
    return text;
}

static bool ssl_failed(struct error *error, const char *what)
{
    char text[128];
    return error_set(error, ERROR_INPUT, "%s: %s", what, ssl_error_text(text, sizeof text));
}

/* Replaces the chain check: is the certificate itself the one we know? */
static int check_pinned(X509_STORE_CTX *store, void *user)
{
    const struct tls_context *context = user;
    uint8_t *der = NULL;
    X509 *certificate = X509_STORE_CTX_get0_cert(store);
    int len = certificate != NULL ? i2d_X509(certificate, &der) : 0;
    bool matches = len > 0 && fingerprint_any_matches(&context->pinned, 1, der, (size_t)len);
    OPENSSL_free(der);
    if (!matches)
        X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
    return matches;
}

static bool use_server_certificate(SSL_CTX *ssl, const struct tls_context_config *config, struct error *error)
{
    if (config->certificate != NULL) {
        if (SSL_CTX_use_certificate(ssl, certificate_x509(config->certificate)) != 1 ||
            SSL_CTX_use_PrivateKey(ssl, certificate_private_key(config->certificate)) != 1)
            return ssl_failed(error, "TLS certificate");
        return true;
    }
    if (config->certificate_file == NULL || config->key_file == NULL)
        return error_set(error, ERROR_USAGE, "a TLS server needs a certificate and a key");
    if (SSL_CTX_use_certificate_chain_file(ssl, config->certificate_file) != 1)
        return ssl_failed(error, config->certificate_file);
    if (SSL_CTX_use_PrivateKey_file(ssl, config->key_file, SSL_FILETYPE_PEM) != 1)
        return ssl_failed(error, config->key_file);
    return true;
}

static bool set_trust(struct tls_context *context, const struct tls_context_config *config, struct error *error)
{
    context->trust = config->trust;
    context->pinned = config->pinned;
    if (config->trust == TLS_TRUST_ANY)
        return true;
    SSL_CTX_set_verify(context->ssl, SSL_VERIFY_PEER, NULL);
    if (config->trust == TLS_TRUST_PINNED) {
        SSL_CTX_set_cert_verify_callback(context->ssl, check_pinned, context);
        return true;
    }
    int loaded = config->ca_file != NULL ? SSL_CTX_load_verify_locations(context->ssl, config->ca_file, NULL)
                                         : SSL_CTX_set_default_verify_paths(context->ssl);
    return loaded == 1 || ssl_failed(error, config->ca_file != NULL ? config->ca_file : "the system's certificates");
}

struct tls_context *tls_context_create(const struct tls_context_config *config, struct error *error)
{
    struct tls_context *context = calloc(1, sizeof *context);
    SSL_CTX *ssl = context != NULL ? SSL_CTX_new(config->server ? TLS_server_method() : TLS_client_method()) : NULL;
    if (ssl == NULL) {
        free(context);
        error_set(error, ERROR_SYSTEM, "TLS: out of memory");
        return NULL;
    }
    context->ssl = ssl;
    context->server = config->server;
    SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(ssl, CIPHERS);
    SSL_CTX_set_dh_auto(ssl, 1);
    /* Connections are long and of one's own: no session is ever resumed, so none is kept or ticketed. */
    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(ssl, 0);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_max_cert_list(ssl, PEER_CERTIFICATES_MAX);
    if (!(config->server ? use_server_certificate(ssl, config, error) : set_trust(context, config, error))) {
        tls_context_destroy(context);
        return NULL;
    }
    return context;
}

void tls_context_destroy(struct tls_context *context)
{
    if (context == NULL)
        return;
    SSL_CTX_free(context->ssl);
    free(context);
}

/* --- streams ---------------------------------------------------------------------------------------------------- */

static void set_names(struct tls_stream *stream, const struct tls_context *context, const char *server_name)
{
    struct address address;
    bool literal = address_parse(&address, server_name);
    if (!literal)
        SSL_set_tlsext_host_name(stream->ssl, server_name);
    if (context->trust != TLS_TRUST_CA)
        return;
    SSL_set_hostflags(stream->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (literal)
        X509_VERIFY_PARAM_set1_ip(SSL_get0_param(stream->ssl), address.ip, address_ip_len(&address));
    else
        SSL_set1_host(stream->ssl, server_name);
}

static void fail(struct tls_stream *stream)
{
    long verified = SSL_get_verify_result(stream->ssl);
    if (stream->state == TLS_STREAM_HANDSHAKING && !stream->server && verified != X509_V_OK) {
        snprintf(stream->reason, sizeof stream->reason, "TLS certificate: %s", X509_verify_cert_error_string(verified));
        ERR_clear_error();
    } else {
        char text[100];
        snprintf(stream->reason, sizeof stream->reason, "TLS: %s", ssl_error_text(text, sizeof text));
    }
    stream->state = TLS_STREAM_FAILED;
}

/* What OpenSSL's answer `result` to the last call means for the stream. */
static void judge(struct tls_stream *stream, int result)
{
    switch (SSL_get_error(stream->ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return;
    case SSL_ERROR_ZERO_RETURN:
        stream->state = TLS_STREAM_CLOSED;
        return;
    default:
        fail(stream);
    }
}

static void handshake(struct tls_stream *stream)
{
    ERR_clear_error();
    int result = SSL_do_handshake(stream->ssl);
    if (result == 1)
        stream->state = TLS_STREAM_OPEN;
    else
        judge(stream, result);
}

struct tls_stream *tls_stream_create(struct tls_context *context, const char *server_name, struct error *error)
{
    if (context->trust == TLS_TRUST_CA && server_name == NULL) {
        error_set(error, ERROR_USAGE, "TLS: no server name to check the certificate against");
        return NULL;
    }
    struct tls_stream *stream = calloc(1, sizeof *stream);
    SSL *ssl = stream != NULL ? SSL_new(context->ssl) : NULL;
    BIO *in = ssl != NULL ? BIO_new(BIO_s_mem()) : NULL;
    BIO *out = in != NULL ? BIO_new(BIO_s_mem()) : NULL;
    if (out == NULL) {
        BIO_free(in);
        SSL_free(ssl);
        free(stream);
        error_set(error, ERROR_SYSTEM, "TLS: out of memory");
        return NULL;
    }
    *stream = (struct tls_stream){.ssl = ssl, .in = in, .out = out, .server = context->server};
    SSL_set_bio(ssl, in, out);
    if (context->server) {
        SSL_set_accept_state(ssl);
        return stream;
    }
    SSL_set_connect_state(ssl);
    if (server_name != NULL)
        set_names(stream, context, server_name);
    handshake(stream);
    return stream;
}

void tls_stream_destroy(struct tls_stream *stream)
{
    if (stream == NULL)
        return;
    SSL_free(stream->ssl);
    free(stream);
}

int tls_stream_read(struct tls_stream *stream, const uint8_t *data, size_t len)
{
    if (stream->state == TLS_STREAM_FAILED)
        return -1;
    size_t taken;
    if (len > 0 && BIO_write_ex(stream->in, data, len, &taken) != 1) {
        fail(stream);
        return -1;
    }
    if (stream->state == TLS_STREAM_HANDSHAKING)
        handshake(stream);
    return stream->state == TLS_STREAM_FAILED ? -1 : 0;
}

size_t tls_stream_write(struct tls_stream *stream, uint8_t *buf, size_t cap)
{
    size_t written;
    return cap > 0 && BIO_read_ex(stream->out, buf, cap, &written) == 1 ? written : 0;
}

size_t tls_stream_waiting(const struct tls_stream *stream) { return BIO_ctrl_pending(stream->out); }

size_t tls_stream_receive(struct tls_stream *stream, uint8_t *buf, size_t cap)
{
    size_t received;
    if (stream->state != TLS_STREAM_OPEN)
        return 0;
    ERR_clear_error();
    int result = SSL_read_ex(stream->ssl, buf, cap, &received);
    if (result == 1)
        return received;
    judge(stream, result);
    return 0;
}

bool tls_stream_send(struct tls_stream *stream, const uint8_t *data, size_t len)
{
    size_t sent;
    if (stream->state != TLS_STREAM_OPEN)
        return false;
    if (len == 0)
        return true;
    ERR_clear_error();
    int result = SSL_write_ex(stream->ssl, data, len, &sent);
    if (result != 1)
        judge(stream, result);
    return result == 1;
}

void tls_stream_close(struct tls_stream *stream)
{
    if (stream->state != TLS_STREAM_OPEN && stream->state != TLS_STREAM_CLOSED)
        return;
    ERR_clear_error();
    SSL_shutdown(stream->ssl);
    stream->state = TLS_STREAM_CLOSED;
}

enum tls_stream_state tls_stream_state(const struct tls_stream *stream) { return stream->state; }

const char *tls_stream_reason(const struct tls_stream *stream) { return stream->reason; }
