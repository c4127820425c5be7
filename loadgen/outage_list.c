#include "loadgen/outage_list.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

bool outage_list_write(const struct measurement *m, const char *path, struct error *error)
{
    FILE *file = fopen(path, "we");
    if (file == NULL)
        return error_set(error, ERROR_SYSTEM, "%s: %s", path, strerror(errno));
    fputs("fault,at_s,client,gap_ms\n", file);
    for (size_t i = 0; i < m->outage_count; i++) {
        const struct outage *outage = &m->outages[i];
        const struct result_fault *fault = &m->faults[outage->fault];
        fprintf(file, "%s,%.3f,%s,", fault->what, fault->at_s, m->clients[outage->client].profile->name);
        if (outage->gap != NANOS_NEVER)
            fprintf(file, "%.1f", nanos_to_ms(outage->gap));
        fputc('\n', file);
    }
    bool written = ferror(file) == 0;
    if (fclose(file) != 0 || !written)
        return error_set(error, ERROR_SYSTEM, "%s can't be written: %s", path, strerror(errno));
    return true;
}
