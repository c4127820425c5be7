/* The STUN and TURN servers that a server tells its clients of, as RTCIceServer has them in JSON (W3C WebRTC, section
 * 4.2.4): {"urls": "turn:…" or ["turn:…", …], "username": …, "credential": …}. */
#ifndef CONFAB_LOADGEN_ADAPTERS_ICE_SERVERS_H
#define CONFAB_LOADGEN_ADAPTERS_ICE_SERVERS_H

#include <jansson.h>

#include "rtc/room_message.h"

/* The first ROOM_ICE_SERVERS_MAX URLs of the list; what isn't one is left out. Texts stay the list's. Returns how many. */
size_t ice_servers_read(const json_t *list, struct room_ice_server servers[ROOM_ICE_SERVERS_MAX]);

#endif
