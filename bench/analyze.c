/* How fast captures are read, and in how much memory: a capture of a thousand streams, timed with confab's analyzer in a
 * process of its own, and with tshark's stream analysis when there is one.
 *
 *     analyze [PACKETS [STREAMS [PAYLOAD]]]      (1,000,000, 1,000, 1,100 bytes) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "analyzers/analysis.h"
#include "base/bytes.h"
#include "base/nanos.h"

#define FRAME_HEADERS (14 + 20 + 8 + 12)

/* `streams` streams of 50 packets a second side by side, Ethernet, in one pcapng-less pcap. */
static void write_capture(FILE *file, uint32_t packets, uint32_t streams, uint32_t payload)
{
    uint32_t header[6] = {0xa1b23c4d, 0x00040002, 0, 0, 65535, 1};
    fwrite(header, sizeof header, 1, file);
    uint8_t frame[2000] = {[12] = 0x08, [14] = 0x45, [22] = 64, [23] = 17, [26] = 10, [30] = 10, [33] = 1};
    size_t len = FRAME_HEADERS + payload;
    bytes_put16(frame + 16, (uint16_t)(len - 14));
    bytes_put16(frame + 38, (uint16_t)(len - 34));
    frame[42] = 0x80;
    frame[43] = 111;
    for (uint32_t i = 0; i < packets; i++) {
        uint32_t stream = i % streams;
        uint32_t number = i / streams;
        nanos time = (nanos)number * 20 * NANOS_PER_MS + (nanos)stream * (20 * NANOS_PER_MS / streams);
        uint32_t record[4] = {(uint32_t)(time / NANOS_PER_S), (uint32_t)(time % NANOS_PER_S), (uint32_t)len,
                              (uint32_t)len};
        bytes_put16(frame + 27, (uint16_t)stream);
        bytes_put16(frame + 34, 10000);
        bytes_put16(frame + 36, (uint16_t)(20000 + stream % 40000));
        bytes_put16(frame + 44, (uint16_t)number);
        bytes_put32(frame + 46, number * 960);
        bytes_put32(frame + 50, 0x10000 + stream);
        frame[54] = (uint8_t)(i * 7); /* as ciphertext starts with anything */
        fwrite(record, sizeof record, 1, file);
        fwrite(frame, 1, len, file);
    }
}

static double now_s(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

/* Runs one of the two in a child process and prints what it took. */
static void measure(const char *name, const char *path, uint32_t packets, void (*run)(const char *path))
{
    double start = now_s();
    pid_t child = fork();
    if (child == 0) {
        run(path);
        _exit(127);
    }
    int status;
    struct rusage usage;
    if (child < 0 || wait4(child, &status, 0, &usage) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        printf("%-28s failed\n", name);
        return;
    }
    double took = now_s() - start;
    double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    printf("%-28s %7.3f s  %7.3f s CPU  %9.0f packets/s  %6.1f MB resident at most\n", name, took, cpu, packets / took,
           (double)usage.ru_maxrss / 1024);
}

static void run_confab(const char *path)
{
    struct error error;
    struct analysis *analysis = analysis_of_files(&path, 1, &error);
    uint64_t counted = 0;
    for (size_t i = 0; analysis != NULL && i < analysis->stream_count; i++)
        counted += analysis->streams[i].packets;
    _exit(analysis != NULL && counted == analysis->captures[0].packets ? 0 : 1); /* not one may be missing */
}

static void run_tshark(const char *path)
{
    if (freopen("/dev/null", "w", stdout) == NULL || freopen("/dev/null", "w", stderr) == NULL)
        _exit(1);
    execlp("tshark", "tshark", "-r", path, "--enable-heuristic", "rtp_udp", "-q", "-z", "rtp,streams", (char *)NULL);
}

int main(int argc, char **argv)
{
    uint32_t packets = argc > 1 ? (uint32_t)atoi(argv[1]) : 1000000;
    uint32_t streams = argc > 2 ? (uint32_t)atoi(argv[2]) : 1000;
    uint32_t payload = argc > 3 ? (uint32_t)atoi(argv[3]) : 1100;
    if (packets == 0 || streams == 0 || streams > 60000 || payload == 0 || payload > 1400) {
        fputs("usage: analyze [PACKETS [STREAMS, at most 60000 [PAYLOAD, at most 1400]]]\n", stderr);
        return 2;
    }
    char path[] = "/tmp/confab-bench-XXXXXX";
    int fd = mkstemp(path);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "wb");
    if (file == NULL) {
        perror(path);
        return 1;
    }
    write_capture(file, packets, streams, payload);
    fclose(file);
    struct stat status;
    stat(path, &status);
    printf("%u packets, %u streams, %.0f MB\n", packets, streams, (double)status.st_size / 1e6);
    fflush(stdout);
    for (int round = 0; round < 3; round++) {
        measure("confab analyze", path, packets, run_confab);
        fflush(stdout);
        if (access("/usr/bin/tshark", X_OK) == 0 && round == 0)
            measure("tshark -q -z rtp,streams", path, packets, run_tshark);
        fflush(stdout);
    }
    unlink(path);
    return 0;
}
