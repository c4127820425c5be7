/* confab analyze CAPTURE…: what happened in this call? */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "analyzers/analysis.h"
#include "analyzers/analysis_csv.h"
#include "analyzers/analysis_html.h"
#include "analyzers/analysis_json.h"
#include "analyzers/analysis_text.h"
#include "cli/verb.h"

struct options {
    bool json;
    const char *csv;
    const char *html;
    struct analysis_options analysis;
};

static int refuse(const char *what)
{
    fprintf(stderr, "confab analyze: %s\n", what);
    return EXIT_USAGE;
}

/* EXIT_WELL, or the exit status after a line on standard error. */
static int read_options(int argc, char **argv, struct options *options)
{
    static const struct option known[] = {
        {"format", required_argument, NULL, 'f'},
        {"csv", required_argument, NULL, 'c'},
        {"keylog", required_argument, NULL, 'k'},
        {"html", required_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    opterr = 0;
    optind = 0;
    for (;;) {
        int option = getopt_long(argc, argv, ":", known, NULL);
        if (option == -1)
            break;
        switch (option) {
        case 'f':
            options->json = strcmp(optarg, "json") == 0;
            if (!options->json && strcmp(optarg, "text") != 0) {
                fprintf(stderr, "confab analyze: --format is text or json, not '%s'\n", optarg);
                return EXIT_USAGE;
            }
            break;
        case 'c':
            options->csv = optarg;
            break;
        case 'k':
            options->analysis.keylog = optarg;
            break;
        case 'h':
            options->html = optarg;
            break;
        case ':':
            fprintf(stderr, "confab analyze: %s lacks its value; see 'confab analyze --help'\n", argv[optind - 1]);
            return EXIT_USAGE;
        default:
            fprintf(stderr, "confab analyze: there is no option '%s'; see 'confab analyze --help'\n", argv[optind - 1]);
            return EXIT_USAGE;
        }
    }
    if (optind == argc)
        return refuse("no capture given; for instance: confab analyze call.pcapng");
    return EXIT_WELL;
}

static int analyze(int argc, char **argv)
{
    struct options options = {0};
    int status = read_options(argc, argv, &options);
    if (status != EXIT_WELL)
        return status;
    struct error error = {0};
    struct analysis *analysis = analysis_of_files_with((const char *const *)(argv + optind), (size_t)(argc - optind),
                                                       &options.analysis, &error);
    if (analysis == NULL) {
        fprintf(stderr, "confab: %s\n", error.text);
        return EXIT_USAGE;
    }
    status = analysis->understood ? EXIT_WELL : EXIT_FAILED;
    bool written = options.json ? analysis_write_json(analysis, stdout) : analysis_write_text(analysis, stdout);
    written = written && fflush(stdout) == 0;
    for (size_t i = 0; i < analysis->capture_count; i++) {
        const struct analysis_capture *capture = &analysis->captures[i];
        if (capture->damage != NULL) {
            fprintf(stderr, "confab: %s: %s\n", capture->file, capture->damage);
            status = EXIT_USAGE;
        }
    }
    if (status == EXIT_FAILED)
        fprintf(stderr, "confab: %s%s holds nothing that confab understands: no STUN, TURN, DTLS, RTP or RTCP\n",
                analysis->captures[0].file, analysis->capture_count > 1 ? " (and those after it)" : "");
    if (!written)
        error_set(&error, ERROR_SYSTEM, "the result can't be written: %s", strerror(errno));
    written = written && (options.csv == NULL || analysis_write_csv(analysis, options.csv, &error)) &&
              (options.html == NULL || analysis_save_html(analysis, options.html, &error));
    if (!written) {
        fprintf(stderr, "confab: %s\n", error.text);
        status = EXIT_USAGE;
    }
    analysis_destroy(analysis);
    return status;
}

const struct verb verb_analyze = {
    .name = "analyze",
    .summary = "what happened in the call of a capture?",
    .usage =
        "usage: confab analyze CAPTURE… [--keylog FILE] [--format text|json] [--html FILE] [--csv DIR]\n"
        "\n"
        "Finds the WebRTC calls in captures (pcap or pcapng; - is standard input) and says what happened in them:\n"
        "connections and whether TURN relayed them, RTP streams with loss, jitter and bit rate, round-trip, one-way\n"
        "and forwarding times. No keys and no signalling are needed. Several captures of one call, from several\n"
        "places, are read as one.\n"
        "\n"
        "  --keylog FILE        DTLS secrets in NSS format: opens SRTP and SRTCP whose handshake was captured\n"
        "  --format text|json   for people (text, the default) or for scripts (json: docs/analyze.md)\n"
        "  --html FILE          also as one page for a browser\n"
        "  --csv DIR            also as tables: captures, streams, connections, latency\n"
        "\n"
        "Exit status: 0 all well; 1 nothing in it that confab understands; 2 wrong usage, or a capture that can't\n"
        "be read or breaks off (what came before is still analysed).\n"
        "\n"
        "examples:\n"
        "  confab analyze call.pcapng\n"
        "  confab analyze alice.pcap bob.pcap sfu.pcap     one-way latency needs two vantage points\n"
        "  confab analyze --format json call.pcap | jq '.streams[] | select(.lost > 0)'\n"
        "  confab analyze --keylog keys.txt --html call.html call.pcapng\n"
        "  ssh server tcpdump -i any -w - udp | confab analyze -\n",
    .run = analyze,
};
