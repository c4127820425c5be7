/* A call made with the project's own DTLS and SRTP, captured as an onlooker would, and taken apart with the key log that
 * the ends wrote. */
#include "analyzers/decryptor.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "analyzers/analysis.h"
#include "base/bytes.h"
#include "rtc/rtcp.h"
#include "tests/support/capture_builder.h"
#include "tests/support/dtls_pair.h"
#include "tests/support/suite.h"

#define START (1700000000 * NANOS_PER_S)

struct call {
    struct capture_builder capture;
    struct address ends[2];
};

static bool record(struct dtls_pair *pair, int from, size_t number, uint8_t *data, size_t *len, nanos *delay)
{
    (void)number;
    (void)delay;
    struct call *call = pair->user;
    capture_builder_udp(&call->capture, START + pair->now, &call->ends[from], &call->ends[!from], data, *len);
    return true;
}

static void write_file(char *path, const void *data, size_t len)
{
    int fd = mkstemp(path);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(write(fd, data, len), (ssize_t)len);
    close(fd);
}

static void protect_rtcp(struct call *call, struct srtp_session *session, int from, nanos time, struct writer *writer)
{
    size_t len = writer->len;
    CU_ASSERT_EQUAL_FATAL(srtp_session_protect_rtcp(session, writer->start, &len, writer->cap), SRTP_STATUS_OK);
    capture_builder_udp(&call->capture, time, &call->ends[from], &call->ends[!from], writer->start, len);
}

/* The call's media: 100 RTP packets, ten sender reports of 40 ms round trip, NACK and REMB behind reports. */
static void add_media(struct call *call, struct dtls_pair *pair)
{
    struct srtp_session *out[2];
    for (int i = 0; i < 2; i++) {
        struct srtp_keys keys;
        CU_ASSERT_TRUE_FATAL(dtls_export_srtp(pair->ends[i].dtls, &keys, NULL));
        struct srtp_session_config config = {.direction = SRTP_OUTBOUND};
        out[i] = srtp_session_create(&keys, &config, NULL);
        CU_ASSERT_PTR_NOT_NULL_FATAL(out[i]);
    }
    uint8_t packet[400];
    for (int i = 0; i < 100; i++) {
        size_t len = capture_builder_rtp(packet, 111, 0, (uint16_t)(65500 + i), (uint32_t)(i * 960), 0x77, 100);
        CU_ASSERT_EQUAL_FATAL(srtp_session_protect_rtp(out[0], packet, &len, sizeof packet), SRTP_STATUS_OK);
        nanos time = START + NANOS_PER_S + i * 20 * NANOS_PER_MS;
        capture_builder_udp(&call->capture, time, &call->ends[0], &call->ends[1], packet, len);
        if (i % 10 != 5)
            continue;
        struct writer writer = writer_of(packet, sizeof packet);
        struct rtcp_sender_info info = {.ssrc = 0x77, .ntp = 0xabcdef0100000000u + ((uint64_t)i << 24)};
        rtcp_write_sender_report(&writer, &info, NULL, 0);
        protect_rtcp(call, out[0], 0, time + 1, &writer);
        writer = writer_of(packet, sizeof packet);
        struct rtcp_report_block block = {
            .ssrc = 0x77, .last_sr = (uint32_t)(info.ntp >> 16), .delay_since_last_sr = 65536 / 100};
        uint16_t missing = 7;
        uint32_t ssrc = 0x77;
        rtcp_write_receiver_report(&writer, 0x88, &block, 1);
        rtcp_write_nack(&writer, 0x88, 0x77, &missing, 1);
        rtcp_write_remb(&writer, 0x88, 500000, &ssrc, 1);
        protect_rtcp(call, out[1], 1, time + 50 * NANOS_PER_MS, &writer);
    }
    srtp_session_destroy(out[0]);
    srtp_session_destroy(out[1]);
}

static void make_call(struct call *call, enum srtp_profile profile, char *capture_path, char *keylog_path)
{
    *call = (struct call){.capture = capture_builder_begin(101)};
    address_parse(&call->ends[0], "192.0.2.1:4000");
    address_parse(&call->ends[1], "198.51.100.1:5000");
    struct dtls_config client = {.profiles = &profile, .profile_count = 1};
    struct dtls_config server = {.profiles = &profile, .profile_count = 1};
    struct dtls_pair *pair = dtls_pair_create(&client, &server);
    CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
    pair->tamper = record;
    pair->user = call;
    dtls_pair_run(pair, pair->now + 10 * NANOS_PER_S);
    CU_ASSERT_TRUE_FATAL(pair->ends[0].connected && pair->ends[1].connected);
    add_media(call, pair);
    write_file(capture_path, call->capture.data, call->capture.len);
    write_file(keylog_path, pair->ends[0].keylog, strlen(pair->ends[0].keylog));
    dtls_pair_destroy(pair);
    capture_builder_clear(&call->capture);
}

static void opens_what_each_profile_closed(void)
{
    static const enum srtp_profile profiles[] = {SRTP_PROFILE_AES128_CM_SHA1_80, SRTP_PROFILE_AEAD_AES_128_GCM,
                                                 SRTP_PROFILE_AEAD_AES_256_GCM};
    for (size_t i = 0; i < 3; i++) {
        char capture_path[] = "/tmp/confab-call-XXXXXX";
        char keylog_path[] = "/tmp/confab-keys-XXXXXX";
        struct call call;
        make_call(&call, profiles[i], capture_path, keylog_path);
        const char *paths[] = {capture_path};
        struct error error = {0};

        struct analysis *closed = analysis_of_files(paths, 1, &error);
        CU_ASSERT_PTR_NOT_NULL_FATAL(closed);
        CU_ASSERT_FALSE(closed->decrypted);
        CU_ASSERT_EQUAL(closed->rtcp.encrypted, 20);
        CU_ASSERT_EQUAL(closed->rtcp.rr, 10);
        CU_ASSERT_EQUAL(closed->rtcp.nack, 0);
        CU_ASSERT_EQUAL(closed->rtcp_rtt_ms.count, 0);
        CU_ASSERT(isnan(closed->rtcp_rtt_ms.p50));
        CU_ASSERT_TRUE(closed->streams[0].encrypted);
        CU_ASSERT_EQUAL(closed->connections[0].srtp_profile, profiles[i]);

        struct analysis_options options = {.keylog = keylog_path};
        struct analysis *open = analysis_of_files_with(paths, 1, &options, &error);
        CU_ASSERT_PTR_NOT_NULL_FATAL(open);
        CU_ASSERT_TRUE(open->decrypted);
        CU_ASSERT_EQUAL(open->decrypted_paths, 1);
        CU_ASSERT_EQUAL(open->decrypted_srtp, 100); /* through a wrap of the sequence number */
        CU_ASSERT_EQUAL(open->decrypted_srtcp, 20);
        CU_ASSERT_EQUAL(open->decryption_failures, 0);
        CU_ASSERT_EQUAL(open->rtcp.encrypted, 0);
        CU_ASSERT_EQUAL(open->rtcp.sr, 10);
        CU_ASSERT_EQUAL(open->rtcp.rr, 10);
        CU_ASSERT_EQUAL(open->rtcp.nack, 10);
        CU_ASSERT_EQUAL(open->rtcp.remb, 10);
        CU_ASSERT_EQUAL(open->rtcp_rtt_ms.count, 10);
        CU_ASSERT_DOUBLE_EQUAL(open->rtcp_rtt_ms.p50, 40, 0.05);
        CU_ASSERT_TRUE(open->streams[0].encrypted);
        CU_ASSERT_EQUAL(open->streams[0].packets, closed->streams[0].packets);
        analysis_destroy(open);
        analysis_destroy(closed);
        unlink(capture_path);
        unlink(keylog_path);
    }
}

static void is_quiet_about_keys_of_other_calls(void)
{
    char capture_path[] = "/tmp/confab-call-XXXXXX";
    char keylog_path[] = "/tmp/confab-keys-XXXXXX";
    char other_path[] = "/tmp/confab-keys-XXXXXX";
    struct call call;
    make_call(&call, SRTP_PROFILE_AEAD_AES_128_GCM, capture_path, keylog_path);
    char line[200] = "# made by nobody\nCLIENT_RANDOM ";
    for (int i = 0; i < 64; i++)
        strcat(line, "a");
    strcat(line, " ");
    for (int i = 0; i < 96; i++)
        strcat(line, "0");
    write_file(other_path, line, strlen(line));
    struct analysis_options options = {.keylog = other_path};
    const char *paths[] = {capture_path};
    struct analysis *analysis = analysis_of_files_with(paths, 1, &options, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(analysis);
    CU_ASSERT_EQUAL(analysis->decrypted_paths, 0);
    CU_ASSERT_EQUAL(analysis->decryption_failures, 0);
    CU_ASSERT_EQUAL(analysis->rtcp.encrypted, 20);
    analysis_destroy(analysis);
    unlink(capture_path);
    unlink(keylog_path);
    unlink(other_path);
}

static void refuse_keylog(const char *content, const char *because)
{
    char path[] = "/tmp/confab-keys-XXXXXX";
    write_file(path, content, strlen(content));
    struct error error = {0};
    CU_ASSERT_PTR_NULL(keylog_open(path, &error));
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, path));
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, because));
    unlink(path);
}

static void names_the_line_of_a_key_log_that_is_wrong(void)
{
    refuse_keylog("", "no CLIENT_RANDOM line");
    refuse_keylog("EXPORTER_SECRET 00 11\n", "no CLIENT_RANDOM line");
    refuse_keylog("# fine\nCLIENT_RANDOM abc def\n", "line 2");
    refuse_keylog("CLIENT_RANDOM\n", "no CLIENT_RANDOM line");
    struct error error = {0};
    CU_ASSERT_PTR_NULL(keylog_open("no/such/keys", &error));
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "no/such/keys: can't be read"));
}

void decryptor_test(void);
void decryptor_test(void)
{
    SUITE("decryptor", {"opens what each profile closed", opens_what_each_profile_closed},
          {"is quiet about keys of other calls", is_quiet_about_keys_of_other_calls},
          {"names the line of a key log that is wrong", names_the_line_of_a_key_log_that_is_wrong});
}
