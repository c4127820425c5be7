/* ICE servers by URL, as RTCIceServer has them: "stun:192.0.2.1:3478" (RFC 7064), "turn:192.0.2.1:3478?transport=tcp",
 * "turns:[2001:db8::1]:443?transport=tcp" (RFC 7065). */
#ifndef CONFAB_RTC_ICE_SERVER_URL_H
#define CONFAB_RTC_ICE_SERVER_URL_H

#include <stdbool.h>

#include "base/address.h"
#include "rtc/turn_client.h"

struct ice_server_url {
    bool turn; /* else STUN, and `transport` says nothing */
    enum turn_transport transport;
    struct address address;
};

/* False when it is none of these, or names a host by name, which nobody resolves here. */
bool ice_server_url_parse(struct ice_server_url *url, const char *text);

#endif
