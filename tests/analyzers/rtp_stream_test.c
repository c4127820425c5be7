#include "analyzers/rtp_stream.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "analyzers/analysis.h"
#include "analyzers/packet.h"
#include "base/rng.h"
#include "tests/support/capture_builder.h"
#include "tests/support/suite.h"

static struct rtp_sample sample(nanos time, uint16_t sequence, uint32_t timestamp)
{
    return (struct rtp_sample){.time = time, .timestamp = timestamp, .len = 172, .sequence = sequence};
}

static void counts_what_is_lost_doubled_and_late(void)
{
    static const uint16_t arrivals[] = {65533, 65534, 0, 65535, 1, 1, 4, 3, 4, 7};
    struct rtp_stream stream = {0};
    for (size_t i = 0; i < sizeof arrivals / sizeof arrivals[0]; i++) {
        struct rtp_sample s = sample((nanos)i * 20 * NANOS_PER_MS, arrivals[i], (uint32_t)arrivals[i] * 160);
        rtp_stream_update(&stream, &s);
    }
    CU_ASSERT_EQUAL(stream.packets, 10);
    CU_ASSERT_EQUAL(rtp_stream_expected(&stream), 11); /* 65533 … 65535, 0 … 7 */
    CU_ASSERT_EQUAL(stream.duplicates, 2);
    CU_ASSERT_EQUAL(stream.reordered, 2);
    CU_ASSERT_EQUAL(rtp_stream_lost(&stream), 3); /* 2, 5, 6 */
    rtp_stream_clear(&stream);
}

static void counts_through_many_wraps(void)
{
    struct rtp_stream stream = {0};
    for (uint32_t i = 0; i < 200000; i++) {
        if (i % 1000 == 17)
            continue;
        struct rtp_sample s = sample((nanos)i * NANOS_PER_MS, (uint16_t)(i + 60000), i * 160);
        rtp_stream_update(&stream, &s);
    }
    CU_ASSERT_EQUAL(rtp_stream_expected(&stream), 200000);
    CU_ASSERT_EQUAL(rtp_stream_lost(&stream), 200);
    CU_ASSERT_EQUAL(stream.reordered, 0);
    rtp_stream_clear(&stream);
}

static void measures_the_bit_rate_in_windows_of_a_second(void)
{
    struct rtp_stream stream = {0};
    uint16_t sequence = 0;
    /* n packets of 172 bytes in second n, 300 of them, more than there are places for; one second is empty */
    for (int second = 0; second < 300; second++) {
        for (int i = 0; i < second && second != 100; i++) {
            struct rtp_sample s = sample(second * NANOS_PER_S + i * NANOS_PER_MS, sequence++, 0);
            rtp_stream_update(&stream, &s);
        }
    }
    struct rtp_stream_bitrate bitrate = rtp_stream_bitrate(&stream);
    CU_ASSERT(stream.window_count <= RTP_STREAM_WINDOWS);
    /* the last second isn't over */
    CU_ASSERT_DOUBLE_EQUAL(bitrate.max_kbps, 298 * 172 * 8 / 1000.0, 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(bitrate.p95_kbps, 285 * 172 * 8 / 1000.0, 3 * 172 * 8 / 1000.0);
    CU_ASSERT_DOUBLE_EQUAL(bitrate.mean_kbps, (double)stream.bytes * 8 / 1000.0 / rtp_stream_duration_s(&stream), 1e-9);
    rtp_stream_clear(&stream);

    struct rtp_sample alone = sample(5, 1, 1);
    rtp_stream_update(&stream, &alone);
    bitrate = rtp_stream_bitrate(&stream);
    CU_ASSERT(isnan(bitrate.mean_kbps) && isnan(bitrate.p95_kbps) && isnan(bitrate.max_kbps));
    /* a silence of a year costs neither time nor memory */
    struct rtp_sample later = sample(365 * 24 * 3600 * NANOS_PER_S, 2, 2);
    rtp_stream_update(&stream, &later);
    CU_ASSERT(stream.window_count <= RTP_STREAM_WINDOWS);
    rtp_stream_clear(&stream);
}

static void counts_frames(void)
{
    struct rtp_stream stream = {0};
    uint16_t sequence = 100;
    for (int frame = 0; frame < 60; frame++) {
        for (int i = 0; i < 5; i++) {
            struct rtp_sample s =
                sample(frame * NANOS_PER_S / 30 + i * NANOS_PER_MS, sequence++, (uint32_t)frame * 3000);
            rtp_stream_update(&stream, &s);
        }
        if (frame > 0) { /* a straggler of the frame before is no new frame */
            struct rtp_sample s =
                sample(frame * NANOS_PER_S / 30 + 6 * NANOS_PER_MS, sequence++, (uint32_t)(frame - 1) * 3000);
            rtp_stream_update(&stream, &s);
        }
    }
    CU_ASSERT_EQUAL(stream.frames, 60);
    CU_ASSERT_DOUBLE_EQUAL(rtp_stream_frame_rate(&stream), 30.0, 0.01);
    rtp_stream_clear(&stream);
}

/* The rate at which timestamps run against the arrival times, whatever jitter there is. */
static void finds_the_clock_rate(void)
{
    static const struct {
        uint32_t rate;
        double packets_per_second;
        int packets_per_frame;
    } cases[] = {{8000, 50, 1},    {16000, 50, 1}, {24000, 50, 1}, {32000, 50, 1}, {48000, 50, 1},
                 {48000, 16.7, 1}, {90000, 30, 1}, {90000, 30, 8}, {90000, 5, 3}};
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        struct rng rng = rng_of(7, "clock", c);
        struct rtp_stream stream = {0};
        for (int i = 0; i < 40 * cases[c].packets_per_frame; i++) {
            int frame = i / cases[c].packets_per_frame;
            double at = frame / cases[c].packets_per_second + rng_exponential(&rng, 0.003);
            struct rtp_sample s =
                sample((nanos)(at * 1e9), (uint16_t)i,
                       (uint32_t)(4000000000 + frame * (cases[c].rate / cases[c].packets_per_second)));
            rtp_stream_update(&stream, &s);
        }
        int clock = rtp_stream_guess_clock(&stream);
        CU_ASSERT_FATAL(clock >= 0);
        CU_ASSERT_EQUAL(rtp_stream_clock_rates[clock], cases[c].rate);
        rtp_stream_clear(&stream);
    }
    struct rtp_stream stream = {0}; /* padding under one timestamp runs at no rate */
    for (int i = 0; i < 50; i++) {
        struct rtp_sample s = sample(i * 10 * NANOS_PER_MS, (uint16_t)i, 12345);
        rtp_stream_update(&stream, &s);
    }
    CU_ASSERT_EQUAL(rtp_stream_guess_clock(&stream), -1);
    rtp_stream_clear(&stream);
}

/* --- Wireshark as the oracle --------------------------------------------------------------------------------------------- */

/* Runs tshark's stream analysis on a capture and compares every stream it lists whose clock rate it knows. Returns how many
 * those were, or -1 when there is no tshark here. */
static int compare_with_tshark(const char *path)
{
    char command[600];
    snprintf(command, sizeof command, "tshark -r '%s' --enable-heuristic rtp_udp -q -z rtp,streams 2>/dev/null", path);
    FILE *oracle = access("/usr/bin/tshark", X_OK) == 0 ? popen(command, "r") : NULL;
    if (oracle == NULL) {
        printf("skipped: no /usr/bin/tshark to compare with\n");
        return -1;
    }
    struct error error = {0};
    struct analysis *analysis = analysis_of_files(&path, 1, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(analysis);
    int compared = 0;
    char line[500];
    while (fgets(line, sizeof line, oracle) != NULL) {
        double start, end;
        char source_ip[64], destination_ip[64];
        unsigned source_port, destination_port, ssrc, packets;
        int lost;
        double delta_min, delta_mean, delta_max, jitter_min, jitter_mean, jitter_max;
        /* start, end, addresses, SSRC, payload types (a list), packets, lost (share), delta and jitter: min mean max */
        char *share = strchr(line, '(');
        if (share == NULL || sscanf(line, "%lf %lf %63s %u %63s %u 0x%x", &start, &end, source_ip, &source_port,
                                    destination_ip, &destination_port, &ssrc) != 7)
            continue;
        char *counts = share;
        for (int words = 0; words < 2; words++) {
            while (counts[-1] == ' ')
                counts--;
            while (counts[-1] != ' ')
                counts--;
        }
        if (sscanf(counts, "%u %d (%*[^)]) %lf %lf %lf %lf %lf %lf", &packets, &lost, &delta_min, &delta_mean,
                   &delta_max, &jitter_min, &jitter_mean, &jitter_max) != 8 ||
            jitter_min < 0)
            continue;
        struct address source;
        address_parse(&source, source_ip);
        source.port = (uint16_t)source_port;
        const struct analysis_stream *stream = NULL;
        for (size_t i = 0; i < analysis->stream_count; i++) {
            if (analysis->streams[i].ssrc == ssrc && address_equal(&analysis->streams[i].source, &source))
                stream = &analysis->streams[i];
        }
        CU_ASSERT_PTR_NOT_NULL_FATAL(stream);
        CU_ASSERT_EQUAL(stream->packets, packets);
        CU_ASSERT_EQUAL((int64_t)stream->lost - (int64_t)stream->duplicates, lost);
        CU_ASSERT_DOUBLE_EQUAL(stream->delta_min_ms, delta_min, 0.00051);
        CU_ASSERT_DOUBLE_EQUAL(stream->delta_mean_ms, delta_mean, 0.00051);
        CU_ASSERT_DOUBLE_EQUAL(stream->delta_max_ms, delta_max, 0.00051);
        CU_ASSERT_DOUBLE_EQUAL(stream->jitter_mean_ms, jitter_mean, 0.00051);
        CU_ASSERT_DOUBLE_EQUAL(stream->jitter_max_ms, jitter_max, 0.00051);
        compared++;
    }
    pclose(oracle);
    analysis_destroy(analysis);
    return compared;
}

/* Streams with everything that can happen to them: jitter, loss, duplicates, reordering, wraps, markers, comfort noise,
 * silence, several packets a frame. */
static void write_troubled_streams(const char *path)
{
    /* not L16: Wireshark takes its 44,100 for 44,000 */
    static const uint8_t types[] = {0, 8, 9, 18, 6, 14, 34, 31};
    static const uint32_t rates[] = {8000, 8000, 8000, 8000, 16000, 90000, 90000, 90000};
    struct capture_builder builder = capture_builder_begin(LINK_RAW);
    struct rng rng = rng_of(11, "troubled", 0);
    uint8_t rtp[300];
    uint32_t frame[8] = {0};
    for (int step = 0; step < 300; step++) {
        for (int s = 0; s < 8; s++) {
            bool video = types[s] > 30;
            struct address source = address_ipv4(10, 0, 0, (uint8_t)(s + 1), (uint16_t)(20000 + 2 * s));
            struct address destination = address_ipv4(10, 0, 1, 1, (uint16_t)(30000 + 2 * s));
            uint16_t sequence = (uint16_t)(65400 + step);
            if (!video || step % 4 == 0)
                frame[s]++;
            double interval = video ? 1.0 / 15 : 0.02;
            if (s == 3 && step > 150 && step < 160)
                frame[s] += 40; /* silence: timestamps jump */
            uint32_t timestamp = (uint32_t)(4294960000u + frame[s] * interval * rates[s]);
            double at = 100 + frame[s] * interval + step % 4 * (video ? 0.001 : 0) + rng_unit(&rng) * 0.004 + s * 1e-4;
            if (rng_unit(&rng) < 0.03 && step > 5 && step < 290)
                continue; /* lost */
            bool noise = s == 1 && step % 50 > 40;
            size_t len = capture_builder_rtp(rtp, noise ? 13 : types[s], video ? step % 4 == 3 : step % 60 == 0,
                                             sequence, timestamp, 0x1000u + (uint32_t)s, 160);
            capture_builder_udp(&builder, (nanos)(at * 1e9), &source, &destination, rtp, len);
            if (rng_unit(&rng) < 0.02 && step > 5 && step < 290)
                capture_builder_udp(&builder, (nanos)(at * 1e9) + 50000, &source, &destination, rtp, len);
        }
    }
    FILE *file = fopen(path, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fwrite(builder.data, 1, builder.len, file);
    fclose(file);
    capture_builder_clear(&builder);
}

static void agrees_with_wireshark_on_troubled_streams(void)
{
    char path[] = "/tmp/confab-rtp-XXXXXX";
    int fd = mkstemp(path);
    CU_ASSERT_FATAL(fd >= 0);
    close(fd);
    write_troubled_streams(path);
    int compared = compare_with_tshark(path);
    CU_ASSERT(compared == -1 || compared == 8);
    unlink(path);
}

static void agrees_with_wireshark_on_captures_of_calls(void)
{
    const char *named = getenv("CONFAB_SHARED");
    const char *files[] = {"rtp.pcapng", "sipp_g711a.pcap"};
    int compared = 0;
    for (int i = 0; i < 2; i++) {
        char path[300];
        snprintf(path, sizeof path, "%s/pcaps/%s", named != NULL ? named : "../shared", files[i]);
        if (access(path, R_OK) != 0) {
            printf("skipped: no captures in ../shared/pcaps (or CONFAB_SHARED)\n");
            return;
        }
        int streams = compare_with_tshark(path);
        if (streams < 0)
            return;
        compared += streams;
    }
    CU_ASSERT_EQUAL(compared, 2);
}

void rtp_stream_test(void);
void rtp_stream_test(void)
{
    SUITE("rtp_stream", {"counts what is lost, doubled and late", counts_what_is_lost_doubled_and_late},
          {"counts through many wraps", counts_through_many_wraps},
          {"measures the bit rate in windows of a second", measures_the_bit_rate_in_windows_of_a_second},
          {"counts frames", counts_frames}, {"finds the clock rate", finds_the_clock_rate},
          {"agrees with Wireshark on troubled streams", agrees_with_wireshark_on_troubled_streams},
          {"agrees with Wireshark on captures of calls", agrees_with_wireshark_on_captures_of_calls});
}
