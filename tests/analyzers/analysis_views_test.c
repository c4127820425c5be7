/* An analysis, written; and captures that must not hurt. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analyzers/analysis_csv.h"
#include "analyzers/analysis_html.h"
#include "analyzers/analysis_json.h"
#include "analyzers/analysis_text.h"
#include "base/rng.h"
#include "rtc/rtcp.h"
#include "tests/support/staged_call.h"
#include "tests/support/suite.h"

#define MS NANOS_PER_MS

static struct capture_builder a_bit_of_everything(void)
{
    struct staged_turn turn = staged_turn_addresses();
    struct capture_builder builder = capture_builder_begin(101);
    staged_allocate(&builder, 0, &turn, true, 10);
    staged_bind_channel(&builder, 50 * MS, &turn.client, &turn);
    staged_check(&builder, 60 * MS, 20 * MS, &turn.peer, &turn.client, &turn.peer, "aaaa:bbbb", true, 9);
    for (int i = 0; i < 6; i++) {
        uint8_t inner[100];
        uint8_t outer[200];
        size_t len = capture_builder_rtp(inner, 111, 0, (uint16_t)i, (uint32_t)(i * 960), 0x55, 30);
        len = i < 3 ? staged_indication(outer, sizeof outer, true, &turn.peer, inner, len)
                    : staged_channel_data(outer, 0x4001, inner, len);
        staged_send(&builder, 100 * MS + i * 20 * MS, &turn.client, &turn.server, outer, len);
        staged_rtp(&builder, 100 * MS + i * 20 * MS, &turn.peer, &turn.client, 96, (uint16_t)i, (uint32_t)(i * 3000),
                   0x66, 40);
    }
    uint8_t report[60];
    struct writer writer = writer_of(report, sizeof report);
    rtcp_write_receiver_report(&writer, 2, NULL, 0);
    rtcp_write_pli(&writer, 2, 0x66);
    staged_send(&builder, 300 * MS, &turn.client, &turn.peer, report, writer.len);
    static const uint8_t dtls[] = {22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    staged_send(&builder, 310 * MS, &turn.client, &turn.peer, dtls, sizeof dtls);
    return builder;
}

static void survives_a_cut_at_every_byte(void)
{
    struct capture_builder builder = a_bit_of_everything();
    for (size_t len = 0; len <= builder.len; len += len < 2000 ? 1 : 7) {
        uint8_t *exact = malloc(len + 1);
        memcpy(exact, builder.data, len);
        struct error error = {0};
        struct analysis *analysis = analysis_of_memory("cut.pcap", exact, len, &error);
        if (analysis == NULL)
            CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "cut.pcap: "));
        analysis_destroy(analysis);
        free(exact);
    }
    capture_builder_clear(&builder);
}

static void survives_bits_that_flip(void)
{
    struct capture_builder builder = a_bit_of_everything();
    struct rng rng = rng_of(5, "flips", 0);
    uint8_t *copy = malloc(builder.len);
    for (int round = 0; round < 300; round++) {
        memcpy(copy, builder.data, builder.len);
        for (int flips = 0; flips < 8; flips++)
            copy[24 + rng_below(&rng, builder.len - 24)] ^= (uint8_t)(1u << rng_below(&rng, 8));
        struct analysis *analysis = analysis_of_memory("flipped.pcap", copy, builder.len, NULL);
        CU_ASSERT_PTR_NOT_NULL(analysis);
        analysis_destroy(analysis);
    }
    free(copy);
    capture_builder_clear(&builder);
}

static bool has(const json_t *object, const char *keys)
{
    char list[300];
    snprintf(list, sizeof list, "%s", keys);
    char *rest = NULL;
    for (char *key = strtok_r(list, " ", &rest); key != NULL; key = strtok_r(NULL, " ", &rest)) {
        if (json_object_get(object, key) == NULL) {
            printf("no key '%s'\n", key);
            return false;
        }
    }
    return true;
}

/* Every key that the contract names, with null where the capture can't tell. */
static void writes_the_json_that_scripts_rely_on(void)
{
    struct capture_builder builder = a_bit_of_everything();
    struct analysis *analysis = staged_analysis(&builder);
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    CU_ASSERT_TRUE(analysis_write_json(analysis, out));
    fclose(out);
    json_t *root = json_loads(text, 0, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(root);
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(root, "schema")), "confab.analysis/1");
    CU_ASSERT_TRUE(has(root, "captures streams latency_ms connections turn turn_fallback rtcp"));
    CU_ASSERT_TRUE(has(json_array_get(json_object_get(root, "captures"), 0), "file packets bytes duration_s skipped"));
    json_t *streams = json_object_get(root, "streams");
    CU_ASSERT_EQUAL(json_array_size(streams), 2);
    for (size_t i = 0; i < json_array_size(streams); i++) {
        json_t *stream = json_array_get(streams, i);
        CU_ASSERT_TRUE(has(stream,
                           "src dst ssrc payload_type kind via encrypted packets expected lost duplicates reordered "
                           "bytes duration_s bitrate_kbps jitter_ms delta_ms frames fps"));
        CU_ASSERT_TRUE(has(json_object_get(stream, "bitrate_kbps"), "mean p95 max"));
        CU_ASSERT_TRUE(has(json_object_get(stream, "jitter_ms"), "mean max"));
        CU_ASSERT_TRUE(has(json_object_get(stream, "delta_ms"), "min mean max"));
        CU_ASSERT_TRUE(
            json_is_null(json_object_get(json_object_get(stream, "bitrate_kbps"), "max"))); /* no full second */
        CU_ASSERT_TRUE(json_is_null(json_object_get(stream, "fps")));
    }
    json_t *latency = json_object_get(root, "latency_ms");
    CU_ASSERT_TRUE(has(latency, "stun_rtt rtcp_rtt one_way forwarding"));
    CU_ASSERT_TRUE(has(json_object_get(latency, "one_way"), "count min mean p50 p95 p99 max"));
    CU_ASSERT_TRUE(json_is_null(json_object_get(json_object_get(latency, "one_way"), "p50")));
    json_t *connection = json_array_get(json_object_get(root, "connections"), 0);
    CU_ASSERT_TRUE(has(connection, "a b path turn dtls srtp_profile ice_ms dtls_ms topology"));
    CU_ASSERT_TRUE(has(json_object_get(root, "turn"), "allocations failed servers relayed_bytes"));
    CU_ASSERT_TRUE(has(json_object_get(root, "turn_fallback"), "connections"));
    CU_ASSERT_TRUE(has(json_object_get(root, "rtcp"), "sr rr nack pli fir remb twcc"));
    CU_ASSERT_EQUAL(json_integer_value(json_object_get(json_object_get(root, "rtcp"), "pli")), 1);
    json_decref(root);
    free(text);

    out = open_memstream(&text, &len);
    CU_ASSERT_TRUE(analysis_write_text(analysis, out));
    fclose(out);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "CONNECTIONS"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "turn-channel"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "TURN: 1 allocation,"));
    CU_ASSERT_PTR_NULL(strstr(text, "nan"));
    free(text);

    out = open_memstream(&text, &len);
    CU_ASSERT_TRUE(analysis_write_html(analysis, out));
    fclose(out);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "<td>00000066</td>"));
    CU_ASSERT_PTR_NULL(strstr(text, "nan"));
    free(text);
    analysis_destroy(analysis);
    capture_builder_clear(&builder);
}

/* Each row has as many cells as there are column names. */
static void writes_tables(void)
{
    struct capture_builder builder = a_bit_of_everything();
    struct analysis *analysis = staged_analysis(&builder);
    char directory[] = "/tmp/confab-csv-XXXXXX";
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(directory));
    struct error error = {0};
    CU_ASSERT_TRUE(analysis_write_csv(analysis, directory, &error));
    const struct {
        const char *name;
        size_t rows;
    } tables[] = {{"captures.csv", 1},
                  {"streams.csv", analysis->stream_count},
                  {"connections.csv", analysis->connection_count},
                  {"latency.csv", 4}};
    for (size_t i = 0; i < 4; i++) {
        char path[100];
        snprintf(path, sizeof path, "%s/%s", directory, tables[i].name);
        FILE *file = fopen(path, "r");
        CU_ASSERT_PTR_NOT_NULL_FATAL(file);
        char line[1000];
        size_t lines = 0;
        int columns = 0;
        while (fgets(line, sizeof line, file) != NULL) {
            int cells = 1;
            for (const char *at_char = line; *at_char != '\0'; at_char++)
                cells += *at_char == ',';
            columns = lines == 0 ? cells : columns;
            CU_ASSERT_EQUAL(cells, columns);
            lines++;
        }
        CU_ASSERT_EQUAL(lines, tables[i].rows + 1);
        fclose(file);
        unlink(path);
    }
    rmdir(directory);
    CU_ASSERT_FALSE(analysis_write_csv(analysis, "no/such/directory", &error));
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "no/such/directory"));
    analysis_destroy(analysis);
    capture_builder_clear(&builder);
}

static void names_the_capture_that_it_cannot_read(void)
{
    const char *paths[] = {"no/such/capture.pcap"};
    struct error error = {0};
    CU_ASSERT_PTR_NULL(analysis_of_files(paths, 1, &error));
    CU_ASSERT_EQUAL(error.code, ERROR_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "no/such/capture.pcap"));
}

void analysis_views_test(void);
void analysis_views_test(void)
{
    SUITE("analysis_views", {"survives a cut at every byte", survives_a_cut_at_every_byte},
          {"survives bits that flip", survives_bits_that_flip},
          {"writes the JSON that scripts rely on", writes_the_json_that_scripts_rely_on},
          {"writes tables", writes_tables},
          {"names the capture that it cannot read", names_the_capture_that_it_cannot_read});
}
