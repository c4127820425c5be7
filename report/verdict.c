#include "report/verdict.h"

#include <stdio.h>
#include <string.h>

static const struct result_run *other_of(const struct result *result, const struct result_run *run)
{
    for (size_t i = 0; i < result->run_count; i++) {
        const struct result_run *other = &result->runs[i];
        if (strcmp(other->sweep, run->sweep) == 0 && strcmp(other->topology, run->topology) != 0)
            return other;
    }
    return NULL;
}

/* Why mesh serves worse than the SFU at this size; empty when it does not. */
static void shortfall(const struct result_run *mesh, const struct result_run *sfu, char *why, size_t cap)
{
    why[0] = '\0';
    if (mesh->clients_joined < sfu->clients_joined)
        snprintf(why, cap, "%llu clients fail to join it against %llu",
                 (unsigned long long)(mesh->clients_planned - mesh->clients_joined),
                 (unsigned long long)(sfu->clients_planned - sfu->clients_joined));
    else if (mesh->video_kbps.count > 0 && mesh->video_kbps.mean < 0.8 * sfu->video_kbps.mean)
        snprintf(why, cap, "its uplinks leave %.0f kbit/s for each video against %.0f through the SFU",
                 mesh->video_kbps.mean, sfu->video_kbps.mean);
    else if (result_frozen_s_per_minute(mesh) > result_frozen_s_per_minute(sfu) + 1)
        snprintf(why, cap, "video freezes %.1f s a minute against %.1f", result_frozen_s_per_minute(mesh),
                 result_frozen_s_per_minute(sfu));
    else if (mesh->latency_ms.p95 > sfu->latency_ms.p95 + 100)
        snprintf(why, cap, "its latency p95 is %.0f ms against %.0f", mesh->latency_ms.p95, sfu->latency_ms.p95);
}

void verdict_write(struct result *result)
{
    uint32_t best = 0;
    uint32_t first_worse = 0;
    uint32_t compared = 0;
    const struct result_run *good_mesh = NULL;
    const struct result_run *good_sfu = NULL;
    char reason[160] = "";
    result->verdict[0] = '\0';
    for (size_t i = 0; i < result->run_count; i++) {
        const struct result_run *mesh = &result->runs[i];
        const struct result_run *sfu = strcmp(mesh->topology, "mesh") == 0 ? other_of(result, mesh) : NULL;
        if (sfu == NULL || mesh->matrix.count > 0)
            continue;
        char why[160];
        compared++;
        shortfall(mesh, sfu, why, sizeof why);
        if (why[0] == '\0' && first_worse == 0) {
            best = mesh->room_size;
            good_mesh = mesh;
            good_sfu = sfu;
        } else if (why[0] != '\0' && first_worse == 0) {
            first_worse = mesh->room_size;
            snprintf(reason, sizeof reason, "%s", why);
        }
    }
    if (compared == 0)
        return;
    if (best == 0)
        snprintf(result->verdict, sizeof result->verdict,
                 "Choose the SFU here already at %u participants: in a mesh %s.", first_worse, reason);
    else if (first_worse == 0)
        snprintf(result->verdict, sizeof result->verdict,
                 "Mesh is the better choice here at every size tried, up to %u participants: as good as the SFU (video "
                 "%.0f against %.0f kbit/s, latency p95 %.0f against %.0f ms) without paying for one.",
                 best, good_mesh->video_kbps.mean, good_sfu->video_kbps.mean, good_mesh->latency_ms.p95,
                 good_sfu->latency_ms.p95);
    else
        snprintf(result->verdict, sizeof result->verdict,
                 "Mesh is the better choice here up to %u participants: as good as the SFU (video %.0f against %.0f "
                 "kbit/s, latency p95 %.0f against %.0f ms) at %.2f against %.2f an hour; from %u on choose the SFU, "
                 "because in a mesh %s.",
                 best, good_mesh->video_kbps.mean, good_sfu->video_kbps.mean, good_mesh->latency_ms.p95,
                 good_sfu->latency_ms.p95, good_mesh->cost.per_hour, good_sfu->cost.per_hour, first_worse, reason);
}
