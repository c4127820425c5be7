#include "rtc/ice_server_url.h"

#include <stdio.h>
#include <string.h>

enum { STUN_PORT = 3478, TLS_PORT = 5349 }; /* RFC 7064, section 3.2; RFC 7065, section 3.2 */

bool ice_server_url_parse(struct ice_server_url *url, const char *text)
{
    static const struct {
        const char *scheme;
        bool turn;
        bool tls;
    } schemes[] = {{"stun:", false, false}, {"turn:", true, false}, {"turns:", true, true}};
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t scheme_len = strlen(schemes[i].scheme);
        if (strncmp(text, schemes[i].scheme, scheme_len) != 0)
            continue;
        char host[ADDRESS_TEXT_CAP];
        const char *rest = text + scheme_len;
        size_t host_len = strcspn(rest, "?");
        const char *query = rest[host_len] == '?' ? rest + host_len + 1 : "";
        bool tcp = strcmp(query, "transport=tcp") == 0;
        bool known = *query == '\0' || tcp || strcmp(query, "transport=udp") == 0;
        if (host_len >= sizeof host || !known)
            return false;
        snprintf(host, sizeof host, "%.*s", (int)host_len, rest);
        if (!address_parse(&url->address, host))
            return false;
        if (url->address.port == 0)
            url->address.port = schemes[i].tls ? TLS_PORT : STUN_PORT;
        url->turn = schemes[i].turn;
        url->transport = schemes[i].tls ? TURN_TLS : tcp ? TURN_TCP : TURN_UDP;
        return true;
    }
    return false;
}
