/* Who may use a TURN server: the long-term credential mechanism of RFC 8489, section 9.2, with passwords from a list
 * and time-limited ones made from a shared secret, and nonces that the server can check without remembering them. */
#ifndef CONFAB_SFU_TURN_CREDENTIALS_H
#define CONFAB_SFU_TURN_CREDENTIALS_H

#include "rtc/stun.h"
#include "sfu/turn_server.h"

struct turn_credentials;

/* Who sent a request, and how answers to it are protected. */
struct turn_identity {
    char username[STUN_MAX_USERNAME + 1];
    uint8_t algorithm; /* enum stun_password_algorithm */
    uint8_t integrity; /* enum stun_integrity, of the answers (RFC 8489, 9.2.4, last paragraph) */
    uint8_t key_len;
    uint8_t key[STUN_KEY_CAP];
};

/* Takes what it needs from the configuration: keys, not passwords. False and `error` names the field at fault. */
struct turn_credentials *turn_credentials_create(const struct turn_server_config *config, struct error *error);
void turn_credentials_destroy(struct turn_credentials *credentials);

/* Checks a request from `client` in the order of RFC 8489, section 9.2.4. 0 when it is authentic, and then `identity`
 * says whose; otherwise the error code to answer with: 400, 401 or 438. `known` (may be NULL) is the one who made the
 * allocation that the request is about: it stays welcome with its own key when its time-limited password has run
 * out. */
unsigned turn_credentials_check(const struct turn_credentials *credentials, const struct stun_message *request,
                                const struct address *client, const struct turn_identity *known, nanos now,
                                struct turn_identity *identity);

/* Puts REALM, NONCE and PASSWORD-ALGORITHMS into a 401 or 438 for `client`. */
void turn_credentials_put_challenge(const struct turn_credentials *credentials, struct stun_builder *builder,
                                    const struct address *client, nanos now);

/* The part of a username that quotas count by: NAME of "EXPIRY:NAME" when there is a shared secret. */
const char *turn_credentials_account(const struct turn_credentials *credentials, const char *username);

#endif
