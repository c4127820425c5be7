#include "loadgen/adapters/ice_servers.h"

size_t ice_servers_read(const json_t *list, struct room_ice_server servers[ROOM_ICE_SERVERS_MAX])
{
    size_t count = 0, i;
    const json_t *entry;
    json_array_foreach(list, i, entry)
    {
        const json_t *urls = json_object_get(entry, "urls");
        size_t url_count = json_is_array(urls) ? json_array_size(urls) : 1;
        for (size_t j = 0; j < url_count && count < ROOM_ICE_SERVERS_MAX; j++) {
            const char *url = json_string_value(json_is_array(urls) ? json_array_get(urls, j) : urls);
            if (url == NULL)
                continue;
            servers[count++] = (struct room_ice_server){
                .url = url,
                .username = json_string_value(json_object_get(entry, "username")),
                .credential = json_string_value(json_object_get(entry, "credential")),
            };
        }
    }
    return count;
}
