#include "loadgen/connection_list.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void write_line(FILE *file, const struct client_profile *client, const struct client_profile *other,
                       enum path_kind path)
{
    fprintf(file, "%s,%s,%s,%s,%s,%s,%s\n", client->name, client->nat, client->access->name,
            other != NULL ? other->name : "sfu", other != NULL ? other->nat : "",
            other != NULL ? other->access->name : "", path_kind_name(path));
}

static void write_client(FILE *file, const struct measurement *m, size_t i)
{
    const struct client_profile *client = m->clients[i].profile;
    if (!m->mesh) {
        write_line(file, client, NULL, measurement_path(m, i, 0));
        return;
    }
    /* Each pair once, and that it was never offered doesn't hide it. */
    for (uint32_t j = client->number + 1; j < m->scenario->room_size; j++) {
        size_t other = i - client->number + j;
        bool theirs = measurement_offered(m, other, client->number);
        write_line(file, client, m->clients[other].profile,
                   theirs ? measurement_path(m, other, client->number) : measurement_path(m, i, j));
    }
}

bool connection_list_write(const struct measurement *measurement, const char *path, struct error *error)
{
    FILE *file = fopen(path, "we");
    if (file == NULL)
        return error_set(error, ERROR_SYSTEM, "%s: %s", path, strerror(errno));
    fputs("client,nat,access,other,other_nat,other_access,path\n", file);
    for (size_t i = 0; i < measurement->client_count; i++)
        write_client(file, measurement, i);
    bool written = ferror(file) == 0;
    if (fclose(file) != 0 || !written)
        return error_set(error, ERROR_SYSTEM, "%s can't be written: %s", path, strerror(errno));
    return true;
}
