/* What a server's answers make a client of a load read: URLs and references, Link headers. The first byte says which; the
 * rest is the text. */
#include <stdlib.h>
#include <string.h>

#include "loadgen/link_header.h"
#include "world/web_url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_url(const char *text)
{
    struct web_url base, url, again;
    struct error error;
    char written[WEB_URL_CAP], value[64];
    if (!web_url_parse(&base, "http://a.example:81/b/c/d;p?q", &error))
        abort();
    if (!web_url_resolve(&url, &base, text, &error))
        return;
    /* What was read once is read again, and means the same. */
    web_url_format(&url, written);
    if (url.path[0] != '/' || !web_url_parse(&again, written, &error) || strcmp(again.path, url.path) != 0 ||
        again.port != url.port)
        abort();
    web_url_query(&url, "token", value, sizeof value);
}

static void read_links(const char *text)
{
    struct link_servers links;
    link_servers_read(&links, text);
    for (size_t i = 0; i < links.count; i++) {
        if (strlen(links.servers[i].url) >= sizeof links.texts)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = size > 0 ? malloc(size) : NULL;
    if (text == NULL)
        return 0;
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    if (data[0] & 1)
        read_url(text);
    else
        read_links(text);
    free(text);
    return 0;
}
