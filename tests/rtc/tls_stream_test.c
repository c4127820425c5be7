#include "rtc/tls_stream.h"

#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "rtc/certificate.h"
#include "tests/support/suite.h"

static struct certificate *make_certificate(const char *name)
{
    struct certificate *certificate = certificate_create(
        &(struct certificate_config){.common_name = name, .not_before_unix_s = time(NULL) - 60}, NULL);
    if (certificate == NULL)
        abort();
    return certificate;
}

static struct tls_context *server_context(const struct certificate *certificate)
{
    struct error error = {0};
    struct tls_context *context =
        tls_context_create(&(struct tls_context_config){.server = true, .certificate = certificate}, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(context);
    return context;
}

/* Carries bytes both ways, `piece` at a time, until neither side has any. */
static void shuttle(struct tls_stream *a, struct tls_stream *b, size_t piece)
{
    uint8_t buf[20000];
    size_t len;
    do {
        len = tls_stream_write(a, buf, piece);
        if (len > 0)
            tls_stream_read(b, buf, len);
        size_t back = tls_stream_write(b, buf, piece);
        if (back > 0)
            tls_stream_read(a, buf, back);
        len += back;
    } while (len > 0);
}

static void handshakes_and_carries_bytes_both_ways(void)
{
    struct certificate *certificate = make_certificate("turn.example");
    struct tls_context *server_side = server_context(certificate);
    struct tls_context *client_side = tls_context_create(&(struct tls_context_config){0}, NULL);
    size_t pieces[] = {1, 100, 20000};
    for (size_t i = 0; i < 3; i++) {
        struct tls_stream *server = tls_stream_create(server_side, NULL, NULL);
        struct tls_stream *client = tls_stream_create(client_side, "turn.example", NULL);
        CU_ASSERT_EQUAL(tls_stream_state(client), TLS_STREAM_HANDSHAKING);
        CU_ASSERT_TRUE(tls_stream_waiting(client) > 100);
        CU_ASSERT_FALSE(tls_stream_send(client, (const uint8_t *)"early", 5));
        shuttle(client, server, pieces[i]);
        CU_ASSERT_EQUAL(tls_stream_state(client), TLS_STREAM_OPEN);
        CU_ASSERT_EQUAL(tls_stream_state(server), TLS_STREAM_OPEN);

        static uint8_t sent[50000], received[50001];
        for (size_t j = 0; j < sizeof sent; j++)
            sent[j] = (uint8_t)(j * 7);
        CU_ASSERT_TRUE(tls_stream_send(client, sent, sizeof sent));
        CU_ASSERT_TRUE(tls_stream_send(server, sent, 3));
        shuttle(client, server, pieces[i]);
        size_t have = 0, got;
        while ((got = tls_stream_receive(server, received + have, sizeof received - have)) > 0)
            have += got;
        CU_ASSERT_EQUAL(have, sizeof sent);
        CU_ASSERT_EQUAL(memcmp(sent, received, sizeof sent), 0);
        CU_ASSERT_EQUAL(tls_stream_receive(client, received, sizeof received), 3);

        tls_stream_close(client);
        shuttle(client, server, pieces[i]);
        CU_ASSERT_EQUAL(tls_stream_receive(server, received, sizeof received), 0);
        CU_ASSERT_EQUAL(tls_stream_state(server), TLS_STREAM_CLOSED);
        tls_stream_destroy(client);
        tls_stream_destroy(server);
    }
    tls_context_destroy(client_side);
    tls_context_destroy(server_side);
    certificate_destroy(certificate);
}

/* The state a client with this trust ends in against a server with `certificate`. */
static enum tls_stream_state outcome(const struct certificate *certificate, const struct tls_context_config *trust,
                                     const char *name, char *reason)
{
    struct tls_context *server_side = server_context(certificate);
    struct tls_context *client_side = tls_context_create(trust, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(client_side);
    struct tls_stream *server = tls_stream_create(server_side, NULL, NULL);
    struct tls_stream *client = tls_stream_create(client_side, name, NULL);
    shuttle(client, server, 20000);
    enum tls_stream_state state = tls_stream_state(client);
    strcpy(reason, tls_stream_reason(client));
    /* A server that sent its Finished in TLS 1.3 learns of the refusal by the alert. */
    uint8_t byte;
    tls_stream_receive(server, &byte, 1);
    CU_ASSERT_EQUAL(tls_stream_state(server), state);
    tls_stream_destroy(client);
    tls_stream_destroy(server);
    tls_context_destroy(client_side);
    tls_context_destroy(server_side);
    return state;
}

static void trusts_the_pinned_certificate_alone(void)
{
    struct certificate *right = make_certificate("one"), *wrong = make_certificate("two");
    struct tls_context_config pinned = {.trust = TLS_TRUST_PINNED};
    char reason[200];
    pinned.pinned = certificate_fingerprint(right, FINGERPRINT_SHA_256);
    CU_ASSERT_EQUAL(outcome(right, &pinned, NULL, reason), TLS_STREAM_OPEN);
    CU_ASSERT_STRING_EQUAL(reason, "");
    CU_ASSERT_EQUAL(outcome(wrong, &pinned, NULL, reason), TLS_STREAM_FAILED);
    CU_ASSERT_PTR_NOT_NULL(strstr(reason, "certificate"));
    certificate_destroy(right);
    certificate_destroy(wrong);
}

static void trusts_authorities_for_the_right_name(void)
{
    struct certificate *known = make_certificate("turn.example"), *unknown = make_certificate("turn.example");
    char path[] = "/tmp/tls_stream_test_XXXXXX";
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "w");
    PEM_write_X509(file, certificate_x509(known));
    fclose(file);
    struct tls_context_config authority = {.trust = TLS_TRUST_CA, .ca_file = path};
    char reason[200];
    CU_ASSERT_EQUAL(outcome(known, &authority, "turn.example", reason), TLS_STREAM_OPEN);
    CU_ASSERT_EQUAL(outcome(known, &authority, "turn.example.net", reason), TLS_STREAM_FAILED);
    CU_ASSERT_PTR_NOT_NULL(strstr(reason, "ismatch"));
    CU_ASSERT_EQUAL(outcome(known, &authority, "192.0.2.1", reason), TLS_STREAM_FAILED);
    CU_ASSERT_EQUAL(outcome(unknown, &authority, "turn.example", reason), TLS_STREAM_FAILED);
    struct tls_context *context = tls_context_create(&authority, NULL);
    struct error error = {0};
    CU_ASSERT_PTR_NULL(tls_stream_create(context, NULL, &error));
    CU_ASSERT_EQUAL(error.code, ERROR_USAGE);
    tls_context_destroy(context);
    unlink(path);
    certificate_destroy(known);
    certificate_destroy(unknown);
}

static void what_is_missing_is_named(void)
{
    struct error error = {0};
    CU_ASSERT_PTR_NULL(tls_context_create(&(struct tls_context_config){.server = true}, &error));
    CU_ASSERT_EQUAL(error.code, ERROR_USAGE);
    struct tls_context_config no_file = {
        .server = true, .certificate_file = "/nonexistent.pem", .key_file = "/nonexistent.key"};
    CU_ASSERT_PTR_NULL(tls_context_create(&no_file, &error));
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "/nonexistent.pem"));
    struct tls_context_config no_authority = {.trust = TLS_TRUST_CA, .ca_file = "/nonexistent.pem"};
    CU_ASSERT_PTR_NULL(tls_context_create(&no_authority, &error));
}

static void garbage_fails_with_a_reason_and_an_alert(void)
{
    struct certificate *certificate = make_certificate("turn.example");
    struct tls_context *context = server_context(certificate);
    struct tls_stream *stream = tls_stream_create(context, NULL, NULL);
    CU_ASSERT_EQUAL(tls_stream_read(stream, (const uint8_t *)"GET / HTTP/1.0\r\n\r\n", 18), -1);
    CU_ASSERT_EQUAL(tls_stream_state(stream), TLS_STREAM_FAILED);
    CU_ASSERT_STRING_NOT_EQUAL(tls_stream_reason(stream), "");
    CU_ASSERT_EQUAL(tls_stream_read(stream, (const uint8_t *)"more", 4), -1);
    CU_ASSERT_FALSE(tls_stream_send(stream, (const uint8_t *)"more", 4));
    tls_stream_destroy(stream);
    tls_context_destroy(context);
    certificate_destroy(certificate);
}

void tls_stream_test(void)
{
    SUITE("tls_stream", {"handshakes and carries bytes both ways", handshakes_and_carries_bytes_both_ways},
          {"trusts the pinned certificate alone", trusts_the_pinned_certificate_alone},
          {"trusts authorities for the right name", trusts_authorities_for_the_right_name},
          {"what is missing is named", what_is_missing_is_named},
          {"garbage fails with a reason and an alert", garbage_fails_with_a_reason_and_an_alert});
}
