#include "loadgen/link_header.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

/* Copies up to `len` bytes into the texts; NULL when they are full. A quoted text loses its quotes and backslashes. */
static const char *keep(struct link_servers *links, size_t *used, const char *text, size_t len)
{
    char *out = links->texts + *used;
    size_t out_len = 0;
    bool quoted = len >= 2 && text[0] == '"';
    if (len + 1 > sizeof links->texts - *used)
        return NULL;
    for (size_t i = quoted; i < len - quoted; i++) {
        if (quoted && text[i] == '\\' && i + 1 < len - quoted)
            i++;
        out[out_len++] = text[i];
    }
    out[out_len] = '\0';
    *used += out_len + 1;
    return out;
}

static const char *skip_space(const char *at) { return at + strspn(at, " \t"); }

/* The length of a parameter's value, a token or a quoted text. */
static size_t value_len(const char *at)
{
    size_t len = 1;
    if (*at != '"')
        return strcspn(at, " \t;,");
    while (at[len] != '\0' && at[len] != '"')
        len += at[len] == '\\' && at[len + 1] != '\0' ? 2 : 1;
    return at[len] == '"' ? len + 1 : len;
}

/* The parameters behind "<…>"; returns where they end. */
static const char *read_parameters(struct link_servers *links, size_t *used, const char *at,
                                   struct room_ice_server *server, bool *is_ice_server)
{
    static const char relation[] = "ice-server";
    for (at = skip_space(at); *at == ';';) {
        at = skip_space(at + 1);
        size_t name_len = strcspn(at, "= \t;,");
        const char *name = at;
        at = skip_space(at + name_len);
        if (*at != '=')
            continue;
        at = skip_space(at + 1);
        size_t len = value_len(at);
        bool quoted = *at == '"';
        if (name_len == 3 && strncasecmp(name, "rel", 3) == 0)
            *is_ice_server = len == strlen(relation) + 2 * (size_t)quoted &&
                             strncasecmp(at + quoted, relation, strlen(relation)) == 0;
        else if (name_len == 8 && strncasecmp(name, "username", 8) == 0)
            server->username = keep(links, used, at, len);
        else if (name_len == 10 && strncasecmp(name, "credential", 10) == 0)
            server->credential = keep(links, used, at, len);
        at = skip_space(at + len);
    }
    return at;
}

void link_servers_read(struct link_servers *links, const char *header)
{
    size_t used = 0;
    links->count = 0;
    for (const char *at = header != NULL ? strchr(header, '<') : NULL; at != NULL; at = strchr(at, '<')) {
        const char *end = strchr(at, '>');
        if (end == NULL)
            return;
        bool is_ice_server = false;
        struct room_ice_server server = {.url = keep(links, &used, at + 1, (size_t)(end - at - 1))};
        at = read_parameters(links, &used, end + 1, &server, &is_ice_server);
        if (is_ice_server && server.url != NULL && links->count < ROOM_ICE_SERVERS_MAX)
            links->servers[links->count++] = server;
    }
}
