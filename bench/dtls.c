/* What security costs: DTLS handshakes a second, memory of a connected pair, SRTP packets a second.
 *
 *     dtls [PAIRS]      pairs kept connected for the memory figure (2,000) */
#include "rtc/dtls.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "rtc/srtp.h"

static double cpu_s(void)
{
    struct timespec at;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static double rss_kib(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file != NULL) {
        if (fscanf(file, "%*d %ld", &pages) != 1)
            pages = 0;
        fclose(file);
    }
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1024;
}

struct pair {
    struct dtls *ends[2];
    struct srtp_session *sessions[4];
};

static struct pair connect_pair(const struct certificate *certificate, const struct fingerprint *fingerprint)
{
    struct pair pair = {0};
    bool connected[2] = {false, false};
    for (int i = 0; i < 2; i++) {
        const struct dtls_config config = {.certificate = certificate,
                                           .role = i == 0 ? DTLS_CLIENT : DTLS_SERVER,
                                           .fingerprints = fingerprint,
                                           .fingerprint_count = 1};
        pair.ends[i] = dtls_create(&config, NULL);
    }
    for (int round = 0; round < 4; round++) {
        for (int from = 0; from < 2; from++) {
            uint8_t buf[1500];
            ssize_t len;
            while ((len = dtls_write(pair.ends[from], buf, sizeof buf, 0)) > 0)
                dtls_read(pair.ends[1 - from], buf, (size_t)len, 0);
            struct dtls_event event;
            while (dtls_event(pair.ends[from], &event))
                connected[from] |= event.type == DTLS_EVENT_CONNECTED;
        }
    }
    if (!connected[0] || !connected[1]) {
        fprintf(stderr, "a handshake failed\n");
        exit(EXIT_FAILURE);
    }
    return pair;
}

static void open_srtp(struct pair *pair)
{
    for (int i = 0; i < 4; i++) {
        struct srtp_keys keys;
        if (dtls_export_srtp(pair->ends[i / 2], &keys, NULL))
            pair->sessions[i] = srtp_session_create(
                &keys, &(struct srtp_session_config){.direction = i % 2 ? SRTP_INBOUND : SRTP_OUTBOUND}, NULL);
    }
}

static void close_pair(struct pair *pair)
{
    for (int i = 0; i < 2; i++)
        dtls_destroy(pair->ends[i]);
    for (int i = 0; i < 4; i++)
        srtp_session_destroy(pair->sessions[i]);
}

static void time_srtp(enum srtp_profile profile, size_t len, uint32_t ssrcs)
{
    enum { COUNT = 60000 };
    struct srtp_keys keys = {.profile = profile};
    struct srtp_session *out =
        srtp_session_create(&keys, &(struct srtp_session_config){.direction = SRTP_OUTBOUND}, NULL);
    struct srtp_session *in =
        srtp_session_create(&keys, &(struct srtp_session_config){.direction = SRTP_INBOUND}, NULL);
    double spent[2] = {0, 0};
    static uint8_t packets[1000][1500];
    for (uint32_t n = 0; n < COUNT; n += 1000) {
        for (int way = 0; way < 2; way++) {
            double before = cpu_s();
            for (uint32_t i = 0; i < 1000; i++) {
                uint8_t *packet = packets[i];
                size_t packet_len = way == 0 ? len : len + (profile == SRTP_PROFILE_AES128_CM_SHA1_80 ? 10 : 16);
                if (way == 0) {
                    uint32_t index = (n + i) / ssrcs;
                    memcpy(packet, (uint8_t[12]){0x80, 96, (uint8_t)(index >> 8), (uint8_t)index}, 12);
                    packet[11] = (uint8_t)((n + i) % ssrcs);
                }
                enum srtp_status status = way == 0
                                              ? srtp_session_protect_rtp(out, packet, &packet_len, sizeof packets[0])
                                              : srtp_session_unprotect_rtp(in, packet, &packet_len);
                if (status != SRTP_STATUS_OK) {
                    fprintf(stderr, "SRTP: %s\n", srtp_status_text(status));
                    exit(EXIT_FAILURE);
                }
            }
            spent[way] += cpu_s() - before;
        }
    }
    srtp_session_destroy(out);
    srtp_session_destroy(in);
    printf("%-24s %4zu B %4u SSRCs: protect %6.2f us, unprotect %6.2f us\n", srtp_profile_name(profile), len, ssrcs,
           spent[0] / COUNT * 1e6, spent[1] / COUNT * 1e6);
}

int main(int argc, char **argv)
{
    size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : 2000;
    double before = cpu_s();
    struct certificate *certificate = certificate_create(&(struct certificate_config){0}, NULL);
    printf("certificate: %.0f us\n", (cpu_s() - before) * 1e6);
    struct fingerprint fingerprint = certificate_fingerprint(certificate, FINGERPRINT_SHA_256);
    struct pair warm = connect_pair(certificate, &fingerprint);
    open_srtp(&warm);
    close_pair(&warm);

    struct pair *pairs = calloc(count, sizeof *pairs);
    memset(pairs, 0, count * sizeof *pairs);
    double rss = rss_kib();
    before = cpu_s();
    for (size_t i = 0; i < count; i++)
        pairs[i] = connect_pair(certificate, &fingerprint);
    double spent = cpu_s() - before;
    printf("handshakes: %.0f a second on one core, both ends (%.0f us a pair)\n", (double)count / spent,
           spent / (double)count * 1e6);
    double connected = rss_kib();
    printf("memory: %.1f KiB for each connected pair, both ends\n", (connected - rss) / (double)count);
    for (size_t i = 0; i < count; i++)
        open_srtp(&pairs[i]);
    printf("        %.1f KiB more with SRTP, both directions at both ends\n", (rss_kib() - connected) / (double)count);
    connected = rss_kib();
    for (size_t i = 0; i < count; i++) {
        for (uint8_t ssrc = 1; ssrc <= 10; ssrc++) {
            uint8_t packet[200] = {0x80, 96, 0, 1, [11] = ssrc};
            size_t len = 150;
            srtp_session_protect_rtp(pairs[i].sessions[0], packet, &len, sizeof packet);
            srtp_session_unprotect_rtp(pairs[i].sessions[3], packet, &len);
        }
    }
    printf("        %.2f KiB more for each SSRC, sent and received\n", (rss_kib() - connected) / (double)count / 10);
    for (size_t i = 0; i < count; i++)
        close_pair(&pairs[i]);
    free(pairs);
    certificate_destroy(certificate);

    static const enum srtp_profile profiles[] = {SRTP_PROFILE_AEAD_AES_128_GCM, SRTP_PROFILE_AEAD_AES_256_GCM,
                                                 SRTP_PROFILE_AES128_CM_SHA1_80};
    for (size_t i = 0; i < 3; i++) {
        time_srtp(profiles[i], 1200, 1);
        time_srtp(profiles[i], 120, 1);
    }
    time_srtp(SRTP_PROFILE_AEAD_AES_128_GCM, 1200, 200);
    return EXIT_SUCCESS;
}
