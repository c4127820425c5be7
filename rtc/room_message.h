/* The messages by which participants join a room and agree on their connections: JSON objects, one to a WebSocket text
 * message live, one to a message of the signalling channel in sim. docs/room-protocol.md describes the exchange.
 *
 *     participant                     server                      other participants
 *         | join room, peer, topology   |                               |
 *         | --------------------------> | peer-joined peer              |
 *         | joined peers, ice_servers   | ----------------------------> |
 *         | <-------------------------- |                               |
 *         | offer, answer, candidate, candidates-end                    |
 *         | <== mesh: `to` and `from` name the other participant =====> |
 *         | <== sfu: without them ====> |                               |
 *         | layout, watch               |                               |
 *         | ===== sfu =====> | speaker  |                               |
 *         | mute                        | mute                          |
 *         | --------------------------> | ----------------------------> |
 */
#ifndef CONFAB_RTC_ROOM_MESSAGE_H
#define CONFAB_RTC_ROOM_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum room_message_type {
    ROOM_JOIN,           /* room, peer, topology */
    ROOM_JOINED,         /* peers, ice_servers */
    ROOM_PEER_JOINED,    /* peer */
    ROOM_PEER_LEFT,      /* peer */
    ROOM_OFFER,          /* sdp; mesh: to or from */
    ROOM_ANSWER,         /* sdp; mesh: to or from */
    ROOM_CANDIDATE,      /* candidate, "candidate:…" as in RFC 8839; mesh: to or from */
    ROOM_CANDIDATES_END, /* mesh: to or from */
    ROOM_LEAVE,
    ROOM_ERROR,   /* reason */
    ROOM_LAYOUT,  /* layout; height and videos if they are not negative */
    ROOM_WATCH,   /* tracks */
    ROOM_MUTE,    /* track, muted; from the server: peer */
    ROOM_SPEAKER, /* peer */
    ROOM_MESSAGE_TYPES,
};

enum { ROOM_NAME_CAP = 64 }; /* of rooms and of participants: up to 63 bytes */
enum { ROOM_PEERS_MAX = 1024, ROOM_ICE_SERVERS_MAX = 8, ROOM_TRACKS_MAX = 1024, ROOM_HEIGHT_MAX = 16384 };

/* As RTCIceServer has it: one URL each (RFC 7064, RFC 7065), "stun:192.0.2.1:3478",
 * "turn:192.0.2.1:3478?transport=udp", "turns:192.0.2.1:443?transport=tcp". */
struct room_ice_server {
    const char *url;
    const char *username; /* NULL for STUN */
    const char *credential;
};

/* What a track is worth to its receiver. */
struct room_track {
    const char *peer;
    const char *track; /* "audio", "video" or "screen" */
    int32_t height;    /* of the picture as it is shown, in pixels; 0: not at all; negative: as the layout has it */
};

/* Texts that a type doesn't have are NULL. */
struct room_message {
    enum room_message_type type;
    const char *room, *peer, *topology, *from, *to, *sdp, *candidate, *reason, *layout, *track;
    int32_t height; /* of all that is shown, in pixels; negative: not told */
    int32_t videos; /* at most so many cameras; negative: all */
    bool muted;
    struct room_track *tracks;
    size_t track_count;
    const char **peers;
    size_t peer_count;
    struct room_ice_server ice_servers[ROOM_ICE_SERVERS_MAX];
    size_t ice_server_count;
    void *owner; /* of the texts of a message that was read */
};

/* Reads one; its texts are valid until room_message_clear. False and `error` when it is no message of this protocol. */
bool room_message_read(struct room_message *message, const char *text, size_t len, struct error *error);
void room_message_clear(struct room_message *message);

/* The message as text, to be freed; NULL when out of memory. */
char *room_message_write(const struct room_message *message, size_t *len);

#endif
