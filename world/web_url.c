#include "world/web_url.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool fault(struct error *error, const char *text, const char *what)
{
    return error_set(error, ERROR_USAGE, "'%.200s' is no URL: %s", text, what);
}

static uint16_t port_of_scheme(bool tls) { return tls ? 443 : 80; }

/* The scheme and "://"; returns what follows, NULL when it is none of ours. */
static const char *read_scheme(struct web_url *url, const char *text)
{
    static const struct {
        const char *name;
        bool websocket, tls;
    } schemes[] = {
        {"http://", false, false}, {"https://", false, true}, {"ws://", true, false}, {"wss://", true, true}};
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t len = strlen(schemes[i].name);
        if (strncasecmp(text, schemes[i].name, len) != 0)
            continue;
        url->websocket = schemes[i].websocket;
        url->tls = schemes[i].tls;
        return text + len;
    }
    return NULL;
}

/* "host", "host:port" or "[address]:port", up to `end`. */
static bool read_authority(struct web_url *url, const char *text, const char *end)
{
    bool bracket = text < end && *text == '[';
    const char *host = text + bracket;
    const char *host_end = memchr(host, bracket ? ']' : ':', (size_t)(end - host));
    if (host_end == NULL)
        host_end = end;
    size_t len = (size_t)(host_end - host);
    if (len == 0 || len >= sizeof url->host || (bracket && host_end == end))
        return false;
    for (size_t i = 0; i < len; i++) {
        bool fits = isalnum((unsigned char)host[i]) || strchr(bracket ? ":." : "-._", host[i]) != NULL;
        if (!fits)
            return false;
    }
    memcpy(url->host, host, len);
    url->host[len] = '\0';
    url->port = port_of_scheme(url->tls);
    host_end += bracket;
    if (host_end == end)
        return true;
    char *port_end;
    unsigned long port = isdigit((unsigned char)host_end[1]) ? strtoul(host_end + 1, &port_end, 10) : 0;
    if (*host_end != ':' || port == 0 || port > 65535 || port_end != end)
        return false;
    url->port = (uint16_t)port;
    return true;
}

/* RFC 3986, section 5.2.4, in place; `path` begins with '/'. */
static void remove_dot_segments(char *path)
{
    char *out = path;
    const char *in = path;
    while (*in == '/') {
        size_t len = strcspn(in + 1, "/");
        bool last = in[1 + len] == '\0';
        if (len == 1 && in[1] == '.') {
            if (last)
                *out++ = '/';
        } else if (len == 2 && in[1] == '.' && in[2] == '.') {
            while (out > path && *--out != '/')
                ;
            if (last)
                *out++ = '/';
        } else {
            memmove(out, in, len + 1);
            out += len + 1;
        }
        in += len + 1;
    }
    if (out == path)
        *out++ = '/';
    *out = '\0';
}

/* `directory`, of which `keep` bytes are kept, then `text`: its fragment is dropped, and what is no character of a URL
 * makes it none. */
static bool set_path(struct web_url *url, const char *directory, size_t keep, const char *text)
{
    char path[WEB_PATH_CAP];
    size_t len = strcspn(text, "#");
    if (keep + len + 1 >= sizeof path)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!isgraph((unsigned char)text[i]))
            return false;
    }
    const char *slash = keep == 0 && text[0] != '/' ? "/" : "";
    snprintf(path, sizeof path, "%.*s%s%.*s", (int)keep, directory, slash, (int)len, text);
    char *query = strchr(path, '?');
    char kept[WEB_PATH_CAP];
    snprintf(kept, sizeof kept, "%s", query != NULL ? query : "");
    if (query != NULL)
        *query = '\0';
    remove_dot_segments(path);
    size_t path_len = strlen(path);
    memcpy(url->path, path, path_len);
    snprintf(url->path + path_len, sizeof url->path - path_len, "%s", kept);
    return true;
}

bool web_url_parse(struct web_url *url, const char *text, struct error *error)
{
    struct web_url read = {0};
    const char *authority = read_scheme(&read, text);
    if (authority == NULL)
        return fault(error, text, "it begins with http://, https://, ws:// or wss://");
    const char *end = authority + strcspn(authority, "/?#");
    if (memchr(authority, '@', (size_t)(end - authority)) != NULL)
        return fault(error, text, "a user's name has no place in it");
    if (!read_authority(&read, authority, end))
        return fault(error, text, "it needs a host, and a port from 1 to 65535 if any");
    if (!set_path(&read, "", 0, end))
        return fault(error, text, "its path is too long, or has characters that must be percent-encoded");
    *url = read;
    return true;
}

bool web_url_resolve(struct web_url *url, const struct web_url *base, const char *reference, struct error *error)
{
    struct web_url read = *base;
    size_t path_len = strcspn(base->path, "?");
    size_t keep = 0;
    if (strstr(reference, "://") != NULL && strcspn(reference, ":") < strcspn(reference, "/?#"))
        return web_url_parse(url, reference, error);
    if (strncmp(reference, "//", 2) == 0) {
        const char *end = reference + 2 + strcspn(reference + 2, "/?#");
        if (!read_authority(&read, reference + 2, end))
            return fault(error, reference, "it needs a host, and a port from 1 to 65535 if any");
        reference = end;
    } else if (reference[0] == '\0' || reference[0] == '#') {
        keep = strlen(base->path);
    } else if (reference[0] == '?') {
        keep = path_len;
    } else if (reference[0] != '/') {
        for (keep = path_len; keep > 0 && base->path[keep - 1] != '/';)
            keep--;
    }
    if (!set_path(&read, base->path, keep, reference))
        return fault(error, reference, "its path is too long, or has characters that must be percent-encoded");
    *url = read;
    return true;
}

const char *web_url_authority(const struct web_url *url, char text[WEB_HOST_CAP + 8])
{
    bool brackets = strchr(url->host, ':') != NULL;
    int len = snprintf(text, WEB_HOST_CAP + 8, "%s%s%s", brackets ? "[" : "", url->host, brackets ? "]" : "");
    if (url->port != port_of_scheme(url->tls))
        snprintf(text + len, WEB_HOST_CAP + 8 - (size_t)len, ":%u", url->port);
    return text;
}

const char *web_url_format(const struct web_url *url, char text[WEB_URL_CAP])
{
    static const char *const schemes[2][2] = {{"http", "https"}, {"ws", "wss"}};
    char authority[WEB_HOST_CAP + 8];
    snprintf(text, WEB_URL_CAP, "%s://%s%s", schemes[url->websocket][url->tls], web_url_authority(url, authority),
             url->path);
    return text;
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c != '\0' ? strchr(digits, tolower((unsigned char)c)) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

/* Up to '&' or the end. */
static bool decode(const char *text, char *value, size_t cap)
{
    size_t len = 0;
    while (*text != '\0' && *text != '&') {
        if (len + 1 == cap)
            return false;
        int high = *text == '%' ? hex_digit(text[1]) : -1;
        int low = high >= 0 ? hex_digit(text[2]) : -1;
        bool escaped = low >= 0;
        value[len++] = escaped ? (char)(high << 4 | low) : *text;
        text += escaped ? 3 : 1;
    }
    value[len] = '\0';
    return true;
}

bool web_url_query(const struct web_url *url, const char *key, char *value, size_t cap)
{
    size_t len = strlen(key);
    for (const char *at = strchr(url->path, '?'); at != NULL; at = strchr(at, '&')) {
        at++;
        if (strncmp(at, key, len) == 0 && at[len] == '=' && decode(at + len + 1, value, cap))
            return true;
    }
    value[0] = '\0';
    return false;
}
