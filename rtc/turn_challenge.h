/* A client's side of the long-term credential mechanism (RFC 8489, section 9.2): the username and password it has, the
 * realm and nonce that the server's last 401 or 438 gave, and the key that follows from them. */
#ifndef CONFAB_RTC_TURN_CHALLENGE_H
#define CONFAB_RTC_TURN_CHALLENGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rtc/stun.h"

enum { TURN_PASSWORD_ALGORITHMS_MAX = 8 };

/* Begins as all zeros but for the credentials, which are the owner's. */
struct turn_challenge {
    const char *username;
    const char *password;
    char *realm; /* NULL until the server asked */
    char *nonce;
    uint16_t algorithms[TURN_PASSWORD_ALGORITHMS_MAX]; /* as the server listed them, to be echoed */
    uint8_t algorithm_count;                           /* 0: a server that knows nothing but MD5 */
    uint8_t algorithm;                                 /* enum stun_password_algorithm */
    bool anonymous;                                    /* USERHASH in place of USERNAME */
    uint8_t key_len;
    uint8_t key[STUN_KEY_CAP];
};

/* Forgets what the server said. */
void turn_challenge_clear(struct turn_challenge *challenge);

/* Takes a 401 or 438 response. NULL when the request may be sent again with what it brought; otherwise why not: realm or
 * nonce missing, the list of algorithms stripped although the nonce says there is one (section 9.2.1: a bid-down
 * attack), none of the algorithms known, or out of memory. */
const char *turn_challenge_take(struct turn_challenge *challenge, const struct stun_message *response);

/* Puts the credentials into a request, integrity last; nothing before the server asked. */
void turn_challenge_put(const struct turn_challenge *challenge, struct stun_builder *builder);

/* Is the response's integrity right? */
bool turn_challenge_check(const struct turn_challenge *challenge, const struct stun_message *response);

#endif
