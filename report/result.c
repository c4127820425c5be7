#include "report/result.h"

#include <stdlib.h>
#include <string.h>

#include "report/load_result.h"

struct result_summary result_summarize(const struct histogram *histogram, double unit)
{
    if (histogram->count == 0)
        return (struct result_summary){0};
    return (struct result_summary){
        .count = histogram->count,
        .min = (double)histogram->min / unit,
        .mean = histogram_mean(histogram) / unit,
        .p50 = histogram_quantile(histogram, 0.50) / unit,
        .p95 = histogram_quantile(histogram, 0.95) / unit,
        .p99 = histogram_quantile(histogram, 0.99) / unit,
        .max = (double)histogram->max / unit,
    };
}

void result_free(struct result *result)
{
    for (size_t i = 0; i < result->run_count; i++)
        load_result_destroy(result->runs[i].load);
    free(result->runs);
    free(result->thresholds);
    memset(result, 0, sizeof *result);
}

double result_frozen_s_per_minute(const struct result_run *run)
{
    double watched_s = run->media_seconds * (double)run->video_kbps.count;
    return watched_s > 0 ? run->freeze.total_ms / 1e3 / watched_s * 60 : 0;
}
