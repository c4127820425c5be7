/* What a load on a server measures beyond a run (struct result_run): who got how far in joining, what failed and why, who
 * fared worst, how it went from second to second, and the histograms behind every summary, so that the results of
 * several processes or machines merge exactly.
 *
 * Filled while the load runs, and read by live views at any time: record into the histograms, count, and call
 * load_result_sum_up before showing or storing it. Of fixed size but for its histograms, whose memory follows the spread of
 * their values. */
#ifndef CONFAB_REPORT_LOAD_RESULT_H
#define CONFAB_REPORT_LOAD_RESULT_H

#include "report/result.h"

enum {
    LOAD_FAILURES_MAX = 24,
    LOAD_WORST_MAX = 10,
    LOAD_SAMPLES_MAX = 600,
    LOAD_LATENCY_BINS = 128,
};

/* Each distribution of a run that a load keeps in full. */
enum load_figure {
    /* From the instant for which a client's joining was planned, in nanoseconds; what didn't come to pass is not in it. */
    LOAD_SIGNALLED,    /* the server accepted it and negotiation is complete */
    LOAD_ICE,          /* the first of its connections has a selected pair */
    LOAD_DTLS,         /* all of its connections are up */
    LOAD_FIRST_PACKET, /* RTP arrived (for one that only publishes: was sent) */
    LOAD_FIRST_FRAME,  /* a whole one arrived */
    /* The summaries of struct result_run: nanoseconds (…_ms), bits per second (…_kbps), pixels, thousandths of frames/s. */
    LOAD_JOIN,
    LOAD_LATENCY,
    LOAD_AUDIO_LATENCY,
    LOAD_VIDEO_LATENCY,
    LOAD_NETWORK_LATENCY,
    LOAD_CLIENT_UP,
    LOAD_CLIENT_DOWN,
    LOAD_VIDEO_RATE,
    LOAD_VIDEO_HEIGHT,
    LOAD_VIDEO_FPS,
    LOAD_DATA_LATENCY,
    LOAD_FILE_TIME,
    LOAD_FIGURES,
    LOAD_STAGES = LOAD_FIRST_FRAME + 1, /* those of the join funnel */
};

/* "signalled", "latency_ms", …: as in the JSON form; and by what its histogram's values are divided to be so. */
const char *load_figure_name(enum load_figure figure);
double load_figure_unit(enum load_figure figure);

/* Everything that failed for one kind of reason. */
struct load_failure {
    char class[24];
    uint64_t count;
    char example[160]; /* the first in words */
};

/* One client and how it fared. */
struct load_client {
    char name[RESULT_NAME_CAP];
    char nat[RESULT_NAME_CAP], access[RESULT_NAME_CAP]; /* presets */
    char path[12];                                      /* "host", "relay-tcp", …; empty when it never connected */
    char why[96];                                       /* it failed; empty when it didn't */
    uint64_t tracks_expected, tracks_got;
    double join_ms, latency_ms_p95;
    double loss; /* after repair, 0 to 1 */
    double frozen_ms;
    double watched_ms; /* how long it was there */
};

/* One second of the load, or several neighbours together. */
struct load_sample {
    uint32_t seconds;  /* how many it sums up */
    uint64_t clients;  /* in the call at its end */
    uint64_t joins;    /* completed in it */
    uint64_t failures; /* in it */
    uint64_t bytes_up, bytes_down;
    uint64_t packets_expected, packets_lost; /* lost: before repair */
    double cpu;                              /* of all cores, 0 to 1, mean; of several machines the busiest */
    double lag_ms;                           /* of the generator's timers, the longest */
    uint32_t latency[LOAD_LATENCY_BINS];     /* of frames: load_sample_latency */
};

/* How it went over time. When it is full, neighbours merge: `span_s` doubles. */
struct load_series {
    uint32_t span_s; /* seconds of each sample but the last */
    uint32_t count;
    struct load_sample samples[LOAD_SAMPLES_MAX];
};

struct load_result {
    char server[RESULT_PATH_CAP]; /* its URL, without secrets */
    char adapter[24];
    uint32_t shard_index, shard_count; /* 1/1: the whole load; once merged, again */
    uint64_t joins_planned;            /* until now; with churn more than there are clients */
    struct histogram figures[LOAD_FIGURES];
    struct result_summary funnel[LOAD_STAGES]; /* in ms, summed up from them */
    uint64_t clients_relayed;                  /* behind turn_fallback.clients */
    uint64_t rooms_relayed; /* behind turn_fallback.rooms; a room that is split among shards belongs to one of them */
    uint64_t packets_lost_after_repair;  /* behind loss.after_repair */
    double mos_audio_sum, mos_video_sum; /* behind mos.* */
    uint64_t mos_audio_count, mos_video_count;
    uint32_t failure_count;
    struct load_failure failures[LOAD_FAILURES_MAX];
    uint32_t worst_count;
    struct load_client worst[LOAD_WORST_MAX];
    /* What the generator needed. */
    uint64_t clients_peak; /* at one time */
    uint64_t memory_bytes; /* of the process at most, less what it had before the first client */
    double cpu_seconds;    /* of all cores, of processes that belong to it too */
    double seconds;        /* that it ran */
    /* Of a search for the limit: so many were there when all was well still, and what broke then. 0 and empty: none. */
    uint32_t limit_clients;
    char limit_why[128];
    struct load_series series;
};

/* All zeros but the shard, which is 1/1; NULL when out of memory. Freed by result_free with the run that it hangs on, or
 * by this. */
struct load_result *load_result_create(void);
void load_result_destroy(struct load_result *load);

/* Brings what follows from other figures up to date: the run's summaries from the histograms, its shares and rates from
 * counts; the most frequent failures come first. */
void load_result_sum_up(struct result_run *run);

/* What a client cost the generator at most: bytes of memory, and cores. 0 when there was none. */
double load_memory_per_client(const struct load_result *load);
double load_cores_per_client(const struct load_result *load);

/* One more failure of this class, or `count` more; classes beyond LOAD_FAILURES_MAX are counted as "other". Of the example
 * control characters become spaces. */
void load_result_fail(struct load_result *load, const char *class, const char *example);
void load_result_fail_many(struct load_result *load, const char *class, const char *example, uint64_t count);

/* Keeps the client if it is among the ten worst: those that failed, then those that miss tracks, then by the E-model's rating
 * of their latency and loss, less the share of time that they saw frozen pictures. */
void load_result_judge(struct load_result *load, const struct load_client *client);

/* Counts a frame's latency. */
void load_sample_latency(struct load_sample *sample, uint64_t latency_ns, uint64_t count);

/* The quantile `q` (0 to 1) of a sample's latencies in ms, within 7 %; 0 when it has none. */
double load_sample_quantile_ms(const struct load_sample *sample, double q);

/* Adds what happened in a second (the first is 0), which a sample of 1 second describes. */
void load_series_add(struct load_series *series, uint32_t second, const struct load_sample *sample);

/* Halves the number of samples: `span_s` doubles. */
void load_series_coarsen(struct load_series *series);

#endif
