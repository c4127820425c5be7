/* The files that a run writes: read by tshark, and the same again for the same seed. */
#include <dirent.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/program.h"
#include "tests/support/suite.h"
#include "tests/support/text_file.h"

static const char base[] = "name: captures\n"
                           "seed: 1\n"
                           "duration: 3s\n"
                           "topologies: [mesh, sfu]\n"
                           "rooms: {count: 3, size: 3}\n"
                           "join: {spread: 200ms}\n"
                           "population:\n"
                           "  nat: {home: 30, symmetric: 50, udp-blocked-tcp: 20}\n"
                           "  access: {fibre: 100}\n"
                           "  ipv6: 0.2\n"
                           "media:\n"
                           "  audio: {codec: opus, bitrate: 32kbps}\n"
                           "  video: {codec: vp8, layers: [{height: 180, fps: 15, bitrate: 150kbps}]}\n"
                           "captures: {servers: yes, rooms: 3}\n";

/* Runs `base` into DIRECTORY/NAME. */
static void run(const char *directory, const char *name, const char *seed, const char *bytes)
{
    char file[128];
    snprintf(file, sizeof file, "%s", scratch_path(directory, "captures.yaml"));
    scratch_write(file, base, strlen(base));
    struct program program =
        PROGRAM("run", file, "--quiet", "--seed", seed, "--set", bytes, "--out", scratch_path(directory, name));
    CU_ASSERT_EQUAL(program.status, 0);
    CU_ASSERT_STRING_EQUAL(program.err, "");
    program_free(&program);
}

/* --- tshark --------------------------------------------------------------------------------------------------------------- */

/* What tshark makes of a capture, in numbers of packets. */
struct dissection {
    size_t packets, malformed, bad_checksums;
    size_t bindings, allocations, hellos; /* STUN, TURN, DTLS */
    size_t channel_udp, channel_tcp;      /* ChannelData */
    size_t audio, video, in_channel;      /* RTP, by payload type; of it in ChannelData */
    size_t other_data;                    /* UDP of no protocol that tshark knows */
};

/* A line of tshark's: fields apart by tabs, each value in a field by commas. */
static void count(struct dissection *seen, char *line)
{
    enum { PROTOCOLS, MALFORMED, IP, UDP, TCP, METHOD, CHANNEL, HELLO, TYPE, FIELDS };
    char *fields[FIELDS];
    line[strcspn(line, "\n")] = '\0';
    for (int i = 0; i < FIELDS; i++)
        fields[i] = strsep(&line, "\t");
    CU_ASSERT_PTR_NOT_NULL_FATAL(fields[FIELDS - 1]);
    bool channel = fields[CHANNEL][0] != '\0';
    bool rtp = fields[TYPE][0] != '\0';
    seen->packets++;
    seen->malformed += fields[MALFORMED][0] != '\0';
    seen->bad_checksums +=
        strchr(fields[IP], '0') != NULL || strchr(fields[UDP], '0') != NULL || strchr(fields[TCP], '0') != NULL;
    seen->bindings += strstr(fields[METHOD], "0x0001") != NULL;
    seen->allocations += strstr(fields[METHOD], "0x0003") != NULL;
    seen->hellos += strchr(fields[HELLO], '1') != NULL;
    seen->channel_udp += channel && strstr(fields[PROTOCOLS], ":udp:stun") != NULL;
    seen->channel_tcp += channel && strstr(fields[PROTOCOLS], ":tcp:stun") != NULL;
    seen->audio += strstr(fields[TYPE], "111") != NULL;
    seen->video += strstr(fields[TYPE], "96") != NULL;
    seen->in_channel += rtp && channel;
    seen->other_data += strstr(fields[PROTOCOLS], ":udp:data") != NULL;
}

static struct dissection dissect(const char *path, const char *options)
{
    struct dissection seen = {0};
    char command[700];
    char line[2048];
    snprintf(
        command, sizeof command,
        "tshark -n -r '%s' -o ip.check_checksum:TRUE -o udp.check_checksum:TRUE -o tcp.check_checksum:TRUE %s "
        "-T fields -e frame.protocols -e _ws.malformed -e ip.checksum.status -e udp.checksum.status "
        "-e tcp.checksum.status -e stun.type.method -e stun.channel -e dtls.handshake.type -e rtp.p_type 2>/dev/null",
        path, options);
    FILE *pipe = popen(command, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(pipe);
    while (fgets(line, sizeof line, pipe) != NULL)
        count(&seen, line);
    CU_ASSERT_EQUAL(pclose(pipe), 0);
    return seen;
}

static bool has_tshark(void)
{
    bool there = system("tshark --version >/dev/null 2>&1") == 0;
    if (!there)
        printf("\n    SKIPPED: tshark isn't installed; packages.txt has it\n");
    return there;
}

static void check_clean(const struct dissection *seen)
{
    CU_ASSERT_TRUE(seen->packets > 1000);
    CU_ASSERT_EQUAL(seen->malformed, 0);
    CU_ASSERT_EQUAL(seen->bad_checksums, 0);
}

/* Every packet is what Wireshark takes it for, be it by port and handshake alone or by its heuristics for RTP. */
static void check_mesh(const char *path, bool relay)
{
    struct dissection plain = dissect(path, "");
    struct dissection seen = dissect(path, "-o rtp.heuristic_rtp:TRUE");
    check_clean(&plain);
    check_clean(&seen);
    CU_ASSERT_EQUAL(seen.packets, plain.packets);
    CU_ASSERT_TRUE(seen.bindings > 100);
    CU_ASSERT_TRUE(seen.allocations > 5);
    CU_ASSERT_TRUE(seen.channel_udp > 100);
    CU_ASSERT_TRUE(seen.channel_tcp > 100);
    CU_ASSERT_TRUE(seen.in_channel > 100);
    CU_ASSERT_TRUE(relay || seen.hellos >= 5);
    CU_ASSERT_TRUE(seen.audio > 300);
    CU_ASSERT_TRUE(seen.video > 200);
}

static void check_sfu(const char *path)
{
    struct dissection plain = dissect(path, "");
    struct dissection told = dissect(path, "-d udp.port==3478,rtp");
    check_clean(&plain);
    check_clean(&told);
    CU_ASSERT_TRUE(plain.bindings > 20);
    CU_ASSERT_TRUE(plain.hellos >= 5);
    CU_ASSERT_TRUE(told.audio > 500);
    CU_ASSERT_TRUE(told.video > 200);
    CU_ASSERT_EQUAL(told.other_data, 0);
}

static void tshark_reads_them(void)
{
    char scratch[SCRATCH_CAP];
    if (!has_tshark())
        return;
    scratch_make(scratch);
    run(scratch, "whole", "1", "captures.media_bytes=0B");
    check_mesh(scratch_path(scratch, "whole/mesh-clients.pcapng"), false);
    check_mesh(scratch_path(scratch, "whole/mesh-turn-1.pcapng"), true);
    check_sfu(scratch_path(scratch, "whole/sfu-sfu-1.pcapng"));
    scratch_remove(scratch);
}

static void tshark_reads_short_ones(void)
{
    char scratch[SCRATCH_CAP];
    if (!has_tshark())
        return;
    scratch_make(scratch);
    run(scratch, "short", "1", "captures.media_bytes=64B");
    check_mesh(scratch_path(scratch, "short/mesh-clients.pcapng"), false);
    check_sfu(scratch_path(scratch, "short/sfu-sfu-1.pcapng"));
    scratch_remove(scratch);
}

/* Packets of `path` that the display filter `filter` lets through. */
static size_t filtered(const char *path, const char *filter)
{
    char command[700];
    size_t lines = 0;
    snprintf(command, sizeof command, "tshark -n -r '%s' -Y '%s' -T fields -e frame.number 2>/dev/null", path, filter);
    FILE *pipe = popen(command, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(pipe);
    for (int c; (c = fgetc(pipe)) != EOF;)
        lines += c == '\n';
    CU_ASSERT_EQUAL(pclose(pipe), 0);
    return lines;
}

/* TURN over TCP and TLS, with segments that are lost, sent again and overtaken. */
static void tshark_reads_what_is_sent_again(void)
{
    char scratch[SCRATCH_CAP];
    char file[128];
    if (!has_tshark())
        return;
    scratch_make(scratch);
    snprintf(file, sizeof file, "%s", scratch_path(scratch, "captures.yaml"));
    scratch_write(file, base, strlen(base));
    struct program program =
        PROGRAM("run", file, "--quiet", "--set", "topologies=[mesh]", "--set", "rooms={count: 2, size: 2}", "--set",
                "population.nat={udp-blocked-tcp: 1, tls-only: 1}", "--set", "duration=6s", "--set",
                "faults=[{at: 1s, client: room1/1, set: {loss: 3%}}, {at: 1s, client: room2/2, set: {loss: 3%}}]",
                "--set", "media.video={codec: vp8, layers: [{height: 720, fps: 30, bitrate: 1700kbps}]}", "--out",
                scratch_path(scratch, "lossy"));
    CU_ASSERT_EQUAL(program.status, 0);
    CU_ASSERT_STRING_EQUAL(program.err, "");
    program_free(&program);
    const char *const names[] = {"lossy/mesh-clients.pcapng", "lossy/mesh-turn-1.pcapng"};
    for (size_t i = 0; i < 2; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s", scratch_path(scratch, names[i]));
        CU_ASSERT_TRUE(filtered(path, "tcp.len > 1000") > 300);
        CU_ASSERT_TRUE(filtered(path, "tcp.analysis.retransmission || tcp.analysis.out_of_order") > 20);
        CU_ASSERT_EQUAL(filtered(path, "_ws.malformed"), 0);
    }
    scratch_remove(scratch);
}

/* --- repetition ----------------------------------------------------------------------------------------------------------- */

enum { FILES_MAX = 16, DIGEST_CAP = 32 };

struct output {
    size_t count;
    char names[FILES_MAX][256]; /* sorted */
    unsigned char digests[FILES_MAX][DIGEST_CAP];
};

static int compare_names(const void *a, const void *b) { return strcmp(a, b); }

static struct output digest(const char *scratch, const char *name)
{
    struct output output = {0};
    char directory[128];
    snprintf(directory, sizeof directory, "%s", scratch_path(scratch, name));
    struct dirent *entry;
    DIR *files = opendir(directory);
    CU_ASSERT_PTR_NOT_NULL_FATAL(files);
    while ((entry = readdir(files)) != NULL) {
        CU_ASSERT_TRUE_FATAL(output.count < FILES_MAX);
        if (entry->d_name[0] != '.')
            snprintf(output.names[output.count++], sizeof output.names[0], "%s", entry->d_name);
    }
    closedir(files);
    qsort(output.names, output.count, sizeof output.names[0], compare_names);
    for (size_t i = 0; i < output.count; i++) {
        size_t len = 0;
        char *text = text_file_read(scratch_path(directory, output.names[i]), &len);
        CU_ASSERT_PTR_NOT_NULL_FATAL(text);
        CU_ASSERT_EQUAL(EVP_Digest(text, len, output.digests[i], NULL, EVP_sha256(), NULL), 1);
        free(text);
    }
    return output;
}

static void a_seed_is_all_there_is(void)
{
    char scratch[SCRATCH_CAP];
    scratch_make(scratch);
    run(scratch, "one", "1", "captures.media_bytes=0B");
    run(scratch, "again", "1", "captures.media_bytes=0B");
    run(scratch, "two", "2", "captures.media_bytes=0B");
    struct output one = digest(scratch, "one");
    struct output again = digest(scratch, "again");
    struct output two = digest(scratch, "two");
    CU_ASSERT_EQUAL(one.count,
                    11); /* result.json, report.html; clients, TURN, STUN and connections of each topology; the SFU */
    CU_ASSERT_EQUAL(memcmp(&one, &again, sizeof one), 0);
    CU_ASSERT_EQUAL(two.count, one.count);
    for (size_t i = 0; i < one.count; i++) {
        CU_ASSERT_STRING_EQUAL(one.names[i], two.names[i]);
        CU_ASSERT_NOT_EQUAL(memcmp(one.digests[i], two.digests[i], DIGEST_CAP), 0);
    }
    scratch_remove(scratch);
}

void captures_test(void)
{
    if (CONFAB_SIM)
        SUITE("captures", {"a seed is all there is", a_seed_is_all_there_is}, {"tshark reads them", tshark_reads_them},
              {"tshark reads short ones", tshark_reads_short_ones},
              {"tshark reads what is sent again", tshark_reads_what_is_sent_again});
}
