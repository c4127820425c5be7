#include "rtc/dtls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "base/bytes.h"
#include "base/message_queue.h"
#include "rtc/dtls_record.h"

#define MTU_MIN 256
#define INITIAL_TIMEOUT_DEFAULT (200 * NANOS_PER_MS)
#define TIMEOUT_MAX_US 3200000u

/* What waits to be sent, or to be fetched as events: past this, datagrams are lost as on any network. */
#define QUEUE_LIMIT ((size_t)256 * 1024)

/* Records of the next epoch that OpenSSL may set aside until the handshake is done; it gives each a buffer of 17 KiB. */
#define EARLY_RECORDS_MAX 32

#define GCM_OVERHEAD (8 + 16) /* nonce and tag: RFC 5288, section 3 */
#define CHACHA20_OVERHEAD 16  /* tag: RFC 7905, section 2 */

enum dtls_state {
    STATE_NEW, /* a client that has not spoken yet */
    STATE_HANDSHAKING,
    STATE_CONNECTED,
    STATE_OVER, /* closed or failed */
};

/* Events that happen once, told in this order, data between the first and the others. */
enum {
    PENDING_CONNECTED = 1,
    PENDING_CLOSED = 2,
    PENDING_FAILED = 4,
};

struct dtls {
    SSL *ssl;
    struct message_queue out;
    struct message_queue in;
    const uint8_t *datagram; /* what the BIO has yet to read, */
    size_t datagram_len;     /* 0 when there is nothing */
    nanos deadline;          /* of the retransmission timer */
    uint32_t initial_timeout_us;
    uint16_t mtu;
    uint8_t state;
    uint8_t pending;
    uint8_t early_records;
    bool admitted;   /* something in the datagram was worth OpenSSL's while */
    bool data_taken; /* the first of `in` was handed out and is to be dropped */
    bool is_client;
    void (*keylog)(void *user, const char *line);
    void *keylog_user;
    char reason[280];
    size_t fingerprint_count;
    struct fingerprint fingerprints[];
};

/* --- the BIO: one write is one datagram, one read is one datagram ------------------------------------------------- */

/* OpenSSL fits the flight's last record, which is sealed, into a datagram without counting what sealing adds, so it can
 * be up to 24 bytes longer than the MTU: such a one is divided between two records. When the queue is full the datagram
 * is lost; the timer or SCTP will send it again. */
static int bio_write(BIO *bio, const char *data, int len)
{
    struct dtls *dtls = BIO_get_data(bio);
    const uint8_t *begin = (const uint8_t *)data;
    const uint8_t *at = begin;
    size_t left = (size_t)len;
    struct dtls_record record;
    while (dtls_record_next(&at, &left, &record)) {
        if (at - begin > dtls->mtu && record.bytes > begin) {
            message_queue_push(&dtls->out, &(struct message_tag){0}, begin, (size_t)(record.bytes - begin));
            begin = record.bytes;
        }
    }
    message_queue_push(&dtls->out, &(struct message_tag){0}, begin, (size_t)(at + left - begin));
    return len;
}

/* What the agreed cipher adds to a fragment in bytes, 0 before one is agreed. */
static size_t overhead_of(const struct dtls *dtls)
{
    const SSL_CIPHER *cipher =
        dtls->state == STATE_HANDSHAKING ? SSL_get_pending_cipher(dtls->ssl) : SSL_get_current_cipher(dtls->ssl);
    if (cipher == NULL)
        return 0;
    return SSL_CIPHER_get_cipher_nid(cipher) == NID_chacha20_poly1305 ? CHACHA20_OVERHEAD : GCM_OVERHEAD;
}

/* May OpenSSL see it? Of records of the next epoch, which it sets aside until it has their keys, only so many. */
static bool admits(struct dtls *dtls, const struct dtls_record *record)
{
    if (!dtls_record_is_sane(record, record->epoch > 0 ? overhead_of(dtls) : 0))
        return false;
    if (dtls->state != STATE_HANDSHAKING || record->epoch == 0)
        return true;
    if (dtls->early_records == EARLY_RECORDS_MAX)
        return false;
    dtls->early_records++;
    return true;
}

static int bio_read(BIO *bio, char *buf, int cap)
{
    struct dtls *dtls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    size_t len = 0;
    struct dtls_record record;
    while (dtls_record_next(&dtls->datagram, &dtls->datagram_len, &record)) {
        if (len + record.len <= (size_t)cap && admits(dtls, &record)) {
            memcpy(buf + len, record.bytes, record.len);
            len += record.len;
        }
    }
    if (len == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    dtls->admitted = true;
    return (int)len;
}

static long bio_ctrl(BIO *bio, int command, long argument, void *pointer)
{
    (void)bio, (void)argument, (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static int bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

/* Made once for the whole process and never changed. */
static BIO_METHOD *bio_method;
static pthread_once_t bio_method_once = PTHREAD_ONCE_INIT;

static void make_bio_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "datagrams");
    if (method == NULL)
        return;
    BIO_meth_set_create(method, bio_create);
    BIO_meth_set_read(method, bio_read);
    BIO_meth_set_write(method, bio_write);
    BIO_meth_set_ctrl(method, bio_ctrl);
    bio_method = method;
}

/* --- what OpenSSL calls -------------------------------------------------------------------------------------------- */

static bool set_reason_of_mismatch(struct dtls *dtls, const void *der, size_t der_len)
{
    char announced[FINGERPRINT_TEXT_CAP];
    char shown[FINGERPRINT_TEXT_CAP];
    const struct fingerprint *first = &dtls->fingerprints[0];
    struct fingerprint actual = fingerprint_of(first->hash, der, der_len);
    snprintf(dtls->reason, sizeof dtls->reason, "the peer's certificate is %.110s, signalling announced %.110s",
             fingerprint_format(&actual, shown), fingerprint_format(first, announced));
    return false;
}

/* In place of a chain of trust: is it the certificate that signalling announced? */
static int verify_peer(X509_STORE_CTX *store, void *unused)
{
    (void)unused;
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct dtls *dtls = SSL_get_app_data(ssl);
    uint8_t *der = NULL;
    int len = i2d_X509(X509_STORE_CTX_get0_cert(store), &der);
    bool matches = len > 0 && (fingerprint_any_matches(dtls->fingerprints, dtls->fingerprint_count, der, (size_t)len) ||
                               set_reason_of_mismatch(dtls, der, (size_t)len));
    OPENSSL_free(der);
    X509_STORE_CTX_set_error(store, matches ? X509_V_OK : X509_V_ERR_CERT_REJECTED); /* alert bad_certificate */
    return matches;
}

static void tell_keylog(const SSL *ssl, const char *line)
{
    const struct dtls *dtls = SSL_get_app_data(ssl);
    if (dtls->keylog != NULL)
        dtls->keylog(dtls->keylog_user, line);
}

/* RFC 6347, section 4.2.4.1, wants 1 s at first, but lets those who know better be quicker; 1 s is an age in a call. */
static unsigned next_timeout_us(SSL *ssl, unsigned last_us)
{
    const struct dtls *dtls = SSL_get_app_data(ssl);
    if (last_us == 0)
        return dtls->initial_timeout_us;
    return last_us < TIMEOUT_MAX_US / 2 ? 2 * last_us : TIMEOUT_MAX_US;
}

/* --- creation ------------------------------------------------------------------------------------------------------- */

static bool set_profiles(SSL *ssl, const struct dtls_config *config)
{
    char list[120] = "";
    size_t used = 0;
    for (size_t i = 0; i < config->profile_count && i < DTLS_PROFILES_MAX; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i > 0 ? ":" : "",
                                 srtp_profile_name(config->profiles[i]));
    return SSL_set_tlsext_use_srtp(ssl, list) == 0;
}

/* Everything that is the same for all connections of a certificate is kept once, in the context. */
static bool prepare_context(SSL_CTX *context)
{
    if (SSL_CTX_get_keylog_callback(context) == tell_keylog)
        return true;
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_cert_verify_callback(context, verify_peer, NULL);
    SSL_CTX_set_keylog_callback(context, tell_keylog);
    return SSL_CTX_set_tlsext_use_srtp(context, "SRTP_AEAD_AES_128_GCM:SRTP_AEAD_AES_256_GCM:SRTP_AES128_CM_SHA1_80") ==
           0;
}

static bool set_up(struct dtls *dtls, const struct dtls_config *config)
{
    SSL_CTX *context = certificate_dtls_context(config->certificate);
    pthread_once(&bio_method_once, make_bio_method);
    BIO *bio = bio_method != NULL ? BIO_new(bio_method) : NULL;
    if (bio == NULL)
        return false;
    BIO_set_data(bio, dtls);
    if (!prepare_context(context) || (dtls->ssl = SSL_new(context)) == NULL) {
        BIO_free(bio);
        return false;
    }
    SSL_set_bio(dtls->ssl, bio, bio);
    SSL_set_app_data(dtls->ssl, dtls);
    DTLS_set_timer_cb(dtls->ssl, next_timeout_us);
    if (config->role == DTLS_CLIENT)
        SSL_set_connect_state(dtls->ssl);
    else
        SSL_set_accept_state(dtls->ssl);
    SSL_set_mtu(dtls->ssl, dtls->mtu);
    /* The write buffer is sized by this, and no smaller than 512. */
    SSL_set_max_send_fragment(dtls->ssl, dtls->mtu < 512 ? 512 : dtls->mtu);
    return config->profile_count == 0 || set_profiles(dtls->ssl, config);
}

struct dtls *dtls_create(const struct dtls_config *config, struct error *error)
{
    if (config->fingerprint_count == 0 || config->fingerprint_count > DTLS_FINGERPRINTS_MAX) {
        error_set(error, ERROR_USAGE, "DTLS: %zu fingerprints of the peer, 1 to %d are needed",
                  config->fingerprint_count, DTLS_FINGERPRINTS_MAX);
        return NULL;
    }
    if (config->profile_count > DTLS_PROFILES_MAX || (config->mtu != 0 && config->mtu < MTU_MIN)) {
        error_set(error, ERROR_USAGE, "DTLS: %zu SRTP profiles (at most %d) and an MTU of %u bytes (at least %d)",
                  config->profile_count, DTLS_PROFILES_MAX, config->mtu, MTU_MIN);
        return NULL;
    }
    for (size_t i = 0; i < config->profile_count; i++) {
        if (srtp_profile_key_len(config->profiles[i]) == 0) {
            error_set(error, ERROR_UNSUPPORTED, "DTLS: SRTP profile 0x%04x is unknown", (unsigned)config->profiles[i]);
            return NULL;
        }
    }
    size_t fingerprints_size = config->fingerprint_count * sizeof *config->fingerprints;
    struct dtls *dtls = calloc(1, sizeof *dtls + fingerprints_size);
    if (dtls == NULL) {
        error_set(error, ERROR_SYSTEM, "DTLS: out of memory");
        return NULL;
    }
    nanos initial_timeout = config->initial_timeout > 0 ? config->initial_timeout : INITIAL_TIMEOUT_DEFAULT;
    dtls->initial_timeout_us = (uint32_t)nanos_min(initial_timeout / NANOS_PER_US, TIMEOUT_MAX_US);
    dtls->mtu = config->mtu != 0 ? config->mtu : DTLS_MTU_DEFAULT;
    dtls->is_client = config->role == DTLS_CLIENT;
    dtls->state = dtls->is_client ? STATE_NEW : STATE_HANDSHAKING;
    dtls->deadline = NANOS_NEVER;
    dtls->out.limit = dtls->in.limit = QUEUE_LIMIT;
    dtls->keylog = config->keylog;
    dtls->keylog_user = config->keylog_user;
    dtls->fingerprint_count = config->fingerprint_count;
    memcpy(dtls->fingerprints, config->fingerprints, fingerprints_size);
    ERR_clear_error();
    if (!set_up(dtls, config)) {
        const char *reason = ERR_reason_error_string(ERR_peek_error());
        error_set(error, ERROR_SYSTEM, "DTLS: OpenSSL can't set up a connection: %s",
                  reason != NULL ? reason : "out of memory");
        dtls_destroy(dtls);
        return NULL;
    }
    return dtls;
}

void dtls_destroy(struct dtls *dtls)
{
    if (dtls == NULL)
        return;
    SSL_free(dtls->ssl);
    message_queue_clear(&dtls->out);
    message_queue_clear(&dtls->in);
    free(dtls);
}

/* --- running -------------------------------------------------------------------------------------------------------- */

static void fail(struct dtls *dtls)
{
    if (dtls->reason[0] == '\0') {
        const char *reason = ERR_reason_error_string(ERR_peek_last_error());
        snprintf(dtls->reason, sizeof dtls->reason, "%s",
                 reason != NULL ? reason : "the connection ended within the handshake");
    }
    dtls->state = STATE_OVER;
    dtls->pending |= PENDING_FAILED;
}

static void read_records(struct dtls *dtls)
{
    uint8_t record[DTLS_PLAINTEXT_MAX];
    for (;;) {
        int len = SSL_read(dtls->ssl, record, sizeof record);
        if (len > 0) {
            message_queue_push(&dtls->in, &(struct message_tag){0}, record, (size_t)len);
            continue;
        }
        int why = SSL_get_error(dtls->ssl, len);
        if (why == SSL_ERROR_ZERO_RETURN) {
            SSL_shutdown(dtls->ssl); /* answers with ours (RFC 5246, section 7.2.1) */
            dtls->state = STATE_OVER;
            dtls->pending |= PENDING_CLOSED;
        } else if (why != SSL_ERROR_WANT_READ) {
            fail(dtls);
        }
        return;
    }
}

/* Before a call into OpenSSL, and after it: once connected, it keeps no record buffers between calls. */
static void begin(struct dtls *dtls)
{
    ERR_clear_error();
    if (dtls->state == STATE_CONNECTED)
        SSL_alloc_buffers(dtls->ssl);
}

static void end(struct dtls *dtls, nanos now)
{
    struct timeval left;
    dtls->deadline = NANOS_NEVER;
    if (dtls->state == STATE_HANDSHAKING && DTLSv1_get_timeout(dtls->ssl, &left) == 1)
        dtls->deadline = now + left.tv_sec * NANOS_PER_S + left.tv_usec * NANOS_PER_US;
    if (dtls->state >= STATE_CONNECTED)
        SSL_free_buffers(dtls->ssl);
}

static void run(struct dtls *dtls)
{
    if (dtls->state == STATE_HANDSHAKING) {
        int done = SSL_do_handshake(dtls->ssl);
        if (done == 1) {
            dtls->state = STATE_CONNECTED;
            dtls->pending |= PENDING_CONNECTED;
        } else if (SSL_get_error(dtls->ssl, done) != SSL_ERROR_WANT_READ) {
            fail(dtls);
        }
    }
    if (dtls->state == STATE_CONNECTED)
        read_records(dtls);
}

int dtls_read(struct dtls *dtls, const uint8_t *data, size_t len, nanos now)
{
    if (!dtls_is(data, len) || dtls->state == STATE_OVER || dtls->state == STATE_NEW)
        return -1;
    begin(dtls);
    dtls->datagram = data;
    dtls->datagram_len = len;
    dtls->admitted = false;
    run(dtls);
    dtls->datagram_len = 0;
    end(dtls, now);
    return dtls->admitted ? 0 : -1;
}

/* OpenSSL's timer runs on gettimeofday, which in the sim world is virtual. */
static void handle_timeouts(struct dtls *dtls, nanos now)
{
    if (dtls->state == STATE_NEW) {
        dtls->state = STATE_HANDSHAKING;
        begin(dtls);
        run(dtls);
        end(dtls, now);
    } else if (now >= dtls->deadline) {
        begin(dtls);
        if (DTLSv1_handle_timeout(dtls->ssl) < 0) {
            snprintf(dtls->reason, sizeof dtls->reason, "the peer does not answer the handshake");
            fail(dtls);
        }
        end(dtls, now);
    }
}

ssize_t dtls_write(struct dtls *dtls, uint8_t *buf, size_t cap, nanos now)
{
    handle_timeouts(dtls, now);
    size_t len = 0;
    const uint8_t *first = message_queue_first(&dtls->out, NULL, &len);
    if (first == NULL)
        return 0;
    if (len <= cap)
        memcpy(buf, first, len);
    message_queue_drop_first(&dtls->out);
    if (dtls->out.count == 0 && dtls->state >= STATE_CONNECTED)
        message_queue_clear(&dtls->out);
    return len <= cap ? (ssize_t)len : 0;
}

nanos dtls_deadline(const struct dtls *dtls)
{
    return dtls->state == STATE_NEW || dtls->out.count > 0 ? 0 : dtls->deadline;
}

bool dtls_event(struct dtls *dtls, struct dtls_event *event)
{
    if (dtls->data_taken) {
        message_queue_drop_first(&dtls->in);
        dtls->data_taken = false;
        if (dtls->in.count == 0)
            message_queue_clear(&dtls->in);
    }
    *event = (struct dtls_event){.reason = dtls->reason};
    if (dtls->pending & PENDING_CONNECTED) {
        dtls->pending &= (uint8_t)~PENDING_CONNECTED;
        event->type = DTLS_EVENT_CONNECTED;
    } else if (dtls->in.count > 0) {
        event->type = DTLS_EVENT_DATA;
        event->data = message_queue_first(&dtls->in, NULL, &event->len);
        dtls->data_taken = true;
    } else if (dtls->pending & PENDING_CLOSED) {
        dtls->pending &= (uint8_t)~PENDING_CLOSED;
        event->type = DTLS_EVENT_CLOSED;
    } else if (dtls->pending & PENDING_FAILED) {
        dtls->pending &= (uint8_t)~PENDING_FAILED;
        event->type = DTLS_EVENT_FAILED;
    } else {
        return false;
    }
    return true;
}

size_t dtls_payload_max(const struct dtls *dtls)
{
    return dtls->state == STATE_CONNECTED ? DTLS_get_data_mtu(dtls->ssl) : 0;
}

bool dtls_send(struct dtls *dtls, const uint8_t *data, size_t len, nanos now)
{
    if (dtls->state != STATE_CONNECTED || len == 0 || len > dtls_payload_max(dtls) ||
        dtls->out.tail - dtls->out.head + dtls->mtu + 64 > QUEUE_LIMIT)
        return false;
    begin(dtls);
    bool sent = SSL_write(dtls->ssl, data, (int)len) == (int)len;
    end(dtls, now);
    return sent;
}

void dtls_close(struct dtls *dtls, nanos now)
{
    if (dtls->state != STATE_CONNECTED)
        return;
    begin(dtls);
    SSL_shutdown(dtls->ssl);
    dtls->state = STATE_OVER;
    end(dtls, now);
}

/* --- SRTP's keys ---------------------------------------------------------------------------------------------------- */

bool dtls_export_srtp(const struct dtls *dtls, struct srtp_keys *keys, struct error *error)
{
    if (dtls->state != STATE_CONNECTED)
        return error_set(error, ERROR_USAGE, "DTLS: no SRTP keys before the handshake is done");
    const SRTP_PROTECTION_PROFILE *selected = SSL_get_selected_srtp_profile(dtls->ssl);
    if (selected == NULL)
        return error_set(error, ERROR_PROTOCOL, "DTLS: the peer agreed to no SRTP profile");
    /* client's key, server's key, client's salt, server's salt (RFC 5764, section 4.2) */
    uint8_t material[2 * SRTP_KEYING_CAP];
    enum srtp_profile profile = (enum srtp_profile)selected->id;
    size_t key_len = srtp_profile_key_len(profile);
    size_t salt_len = srtp_profile_salt_len(profile);
    static const char label[] = "EXTRACTOR-dtls_srtp";
    if (SSL_export_keying_material(dtls->ssl, material, 2 * (key_len + salt_len), label, sizeof label - 1, NULL, 0,
                                   0) != 1)
        return error_set(error, ERROR_SYSTEM, "DTLS: OpenSSL can't export the SRTP keys");
    *keys = (struct srtp_keys){.profile = profile};
    uint8_t *client = dtls->is_client ? keys->local : keys->remote;
    uint8_t *server = dtls->is_client ? keys->remote : keys->local;
    memcpy(client, material, key_len);
    memcpy(server, material + key_len, key_len);
    memcpy(client + key_len, material + 2 * key_len, salt_len);
    memcpy(server + key_len, material + 2 * key_len + salt_len, salt_len);
    return true;
}
