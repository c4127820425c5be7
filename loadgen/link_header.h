/* ICE servers in Link headers (RFC 9725, section 4.6; RFC 8288): <turn:HOST>; rel="ice-server"; username="u";
 * credential="c"; credential-type="password". */
#ifndef CONFAB_LOADGEN_LINK_HEADER_H
#define CONFAB_LOADGEN_LINK_HEADER_H

#include <stddef.h>

#include "rtc/room_message.h"

struct link_servers {
    struct room_ice_server servers[ROOM_ICE_SERVERS_MAX];
    size_t count;
    char texts[2048]; /* of the servers */
};

/* Reads one Link header, or several joined by commas; NULL is none. What isn't an ICE server, or has no room, is left
 * out. */
void link_servers_read(struct link_servers *links, const char *header);

#endif
