#include "report/series_csv.h"

#include <inttypes.h>

#include "report/load_result.h"

static void put_rate(uint64_t bytes, uint32_t seconds, FILE *out)
{
    fprintf(out, ",%.3f", (double)bytes * 8 / 1e3 / seconds);
}

bool series_write_csv(const struct result *result, FILE *out)
{
    const struct load_series *series = &result->runs[result->run_count - 1].load->series;
    fputs("second,seconds,clients,joins,failures,up_kbps,down_kbps,packets_expected,packets_lost,latency_ms_p50,"
          "latency_ms_p95,cpu,lag_ms\r\n",
          out);
    for (uint32_t i = 0; i < series->count; i++) {
        const struct load_sample *s = &series->samples[i];
        double p50 = load_sample_quantile_ms(s, 0.50);
        fprintf(out, "%" PRIu64 ",%" PRIu32 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64, (uint64_t)i * series->span_s,
                s->seconds, s->clients, s->joins, s->failures);
        put_rate(s->bytes_up, s->seconds > 0 ? s->seconds : 1, out);
        put_rate(s->bytes_down, s->seconds > 0 ? s->seconds : 1, out);
        fprintf(out, ",%" PRIu64 ",%" PRIu64, s->packets_expected, s->packets_lost);
        if (p50 > 0)
            fprintf(out, ",%.2f,%.2f", p50, load_sample_quantile_ms(s, 0.95));
        else
            fputs(",,", out);
        fprintf(out, ",%.4f,%.3f\r\n", s->cpu, s->lag_ms);
    }
    return ferror(out) == 0;
}
