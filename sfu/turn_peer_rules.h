/* Whom a TURN server relays to: RFC 8656, sections 10.2, 11.2, 12.2 and 21.3. */
#ifndef CONFAB_SFU_TURN_PEER_RULES_H
#define CONFAB_SFU_TURN_PEER_RULES_H

#include <stdbool.h>

#include "sfu/turn_server.h"

enum { TURN_OWN_ADDRESSES_MAX = 64, TURN_SERVICES_MAX = 8 };

struct turn_peer_rules {
    struct turn_peer_range *ranges; /* a copy */
    size_t range_count;
    uint32_t allowed_scopes;
    struct address own[TURN_OWN_ADDRESSES_MAX]; /* ports are ignored */
    size_t own_count;
    struct address relays[3]; /* of those, the ones that relays are seen under: IPv4, IPv6, external IPv4 */
    struct address services[TURN_SERVICES_MAX]; /* with ports */
    size_t service_count;
    bool relay_to_relay;
    uint16_t relay_port_min;
    uint16_t relay_port_max;
};

/* Reads them from the configuration. False and `error` when a range makes no sense or memory is out. */
bool turn_peer_rules_init(struct turn_peer_rules *rules, const struct turn_server_config *config, struct error *error);
void turn_peer_rules_clear(struct turn_peer_rules *rules);

/* May a client have a permission for this address, whatever the port (CreatePermission)? */
bool turn_peer_rules_permit(const struct turn_peer_rules *rules, const struct address *peer);

/* May it send to this address and port (ChannelBind, Send)? */
bool turn_peer_rules_send(const struct turn_peer_rules *rules, const struct address *peer);

/* Is it a socket of this machine that none but a relay may be behind? */
bool turn_peer_rules_only_relays(const struct turn_peer_rules *rules, const struct address *peer);

#endif
