/* What `confab serve` is told: addresses, credentials, limits. loadgen/server_file.h reads it from YAML. All zeros is a
 * server for this machine and its LAN. */
#ifndef CONFAB_SFU_SERVER_CONFIG_H
#define CONFAB_SFU_SERVER_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "sfu/turn_server.h"

enum {
    SERVER_LISTEN_MAX = 4,
    SERVER_USERS_MAX = 16,
    SERVER_TOKENS_MAX = 16,
    SERVER_ORIGINS_MAX = 16,
    SERVER_RANGES_MAX = 32,
    SERVER_TEXT_CAP = 64,
    SERVER_PATH_CAP = 512,
    SERVER_PORT = 8080,
    SERVER_TURN_PORT = 3478,
    SERVER_TURN_TLS_PORT = 5349,
    SERVER_WORKERS_MAX = 64,
};

struct server_texts {
    char text[SERVER_TOKENS_MAX][SERVER_TEXT_CAP];
    size_t count;
};

struct server_user {
    char name[SERVER_TEXT_CAP];
    char password[SERVER_TEXT_CAP];
};

struct server_turn_config {
    bool off;
    bool port_given, tls_port_given;
    uint16_t port;                /* UDP and TCP; SERVER_TURN_PORT unless given, 0: any */
    uint16_t tls_port;            /* SERVER_TURN_TLS_PORT unless given or another port is, then the next one */
    char secret[SERVER_TEXT_CAP]; /* for time-limited credentials; "": a random one */
    char realm[SERVER_TEXT_CAP];
    struct server_user users[SERVER_USERS_MAX];
    size_t user_count;
    uint16_t relay_port_min, relay_port_max; /* 0: 49152 to 65535 */
    uint32_t user_quota, total_quota;
    bool rfc5766_channels;                            /* see turn_server_config */
    struct turn_peer_range ranges[SERVER_RANGES_MAX]; /* the first that holds an address decides */
    size_t range_count;
};

struct server_config {
    struct address listen[SERVER_LISTEN_MAX]; /* port 0 */
    size_t listen_count;                      /* 0: everywhere */
    bool port_given;
    uint16_t port;                 /* HTTP(S) and WebSocket by TCP, media by UDP; SERVER_PORT unless given; 0: any */
    struct address public_address; /* of a one-to-one NAT before the server; ADDRESS_NONE: none */
    char certificate[SERVER_PATH_CAP], key[SERVER_PATH_CAP]; /* PEM files; "": self-signed ones */
    char state[SERVER_PATH_CAP]; /* the directory of the self-signed ones; "": none, then there is no TLS */
    bool tls_only;
    struct server_turn_config turn;
    struct server_texts origins;                              /* that browsers may come from; none: any */
    struct server_texts publish_tokens, play_tokens;          /* that WHIP and WHEP ask for; none: nothing */
    uint32_t room_limit, participant_limit, connection_limit; /* 0: 1,024, 100,000 and 10,000 */
    uint32_t workers;                                         /* threads that have rooms; 0: one for each core */
    bool always_show;                                         /* as sfu_config's */
    char capture[SERVER_PATH_CAP], keylog[SERVER_PATH_CAP];   /* "": none */
};

#endif
