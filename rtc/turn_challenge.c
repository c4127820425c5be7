#include "rtc/turn_challenge.h"

#include <stdlib.h>
#include <string.h>

void turn_challenge_clear(struct turn_challenge *challenge)
{
    free(challenge->realm);
    free(challenge->nonce);
    *challenge = (struct turn_challenge){.username = challenge->username, .password = challenge->password};
}

/* The one of the server's algorithms to use: SHA-256 whenever it is there (RFC 8656, section 6), else MD5; 0 for
 * none that we know. */
static uint8_t choose_algorithm(const uint16_t *algorithms, size_t count)
{
    uint8_t chosen = 0;
    for (size_t i = 0; i < count; i++) {
        if (algorithms[i] == STUN_PASSWORD_SHA256 || (algorithms[i] == STUN_PASSWORD_MD5 && chosen == 0))
            chosen = (uint8_t)algorithms[i];
    }
    return chosen;
}

const char *turn_challenge_take(struct turn_challenge *challenge, const struct stun_message *response)
{
    char realm[STUN_MAX_TEXT + 1];
    char nonce[STUN_MAX_TEXT + 1];
    uint16_t algorithms[TURN_PASSWORD_ALGORITHMS_MAX];
    if (!stun_get_text(response, STUN_ATTR_REALM, realm, sizeof realm) ||
        !stun_get_text(response, STUN_ATTR_NONCE, nonce, sizeof nonce))
        return "the server asks for credentials without realm and nonce";
    uint32_t features = stun_nonce_features(nonce);
    size_t count =
        stun_get_password_algorithms(response, STUN_ATTR_PASSWORD_ALGORITHMS, algorithms, TURN_PASSWORD_ALGORITHMS_MAX);
    if (count == 0 && (features & STUN_FEATURE_PASSWORD_ALGORITHMS) != 0)
        return "PASSWORD-ALGORITHMS was removed on the way: a bid-down attack";
    uint8_t algorithm = count == 0 ? STUN_PASSWORD_MD5 : choose_algorithm(algorithms, count);
    if (algorithm == 0)
        return "the server has no password algorithm in common with us";
    char *kept_realm = strdup(realm);
    char *kept_nonce = strdup(nonce);
    if (kept_realm == NULL || kept_nonce == NULL) {
        free(kept_realm);
        free(kept_nonce);
        return "out of memory";
    }
    turn_challenge_clear(challenge);
    challenge->realm = kept_realm;
    challenge->nonce = kept_nonce;
    challenge->algorithm = algorithm;
    challenge->algorithm_count = (uint8_t)count;
    memcpy(challenge->algorithms, algorithms, count * sizeof algorithms[0]);
    challenge->anonymous = (features & STUN_FEATURE_USERNAME_ANONYMITY) != 0;
    challenge->key_len =
        (uint8_t)stun_long_term_key(algorithm, challenge->username, realm, challenge->password, challenge->key);
    return NULL;
}

void turn_challenge_put(const struct turn_challenge *challenge, struct stun_builder *builder)
{
    if (challenge->realm == NULL)
        return;
    if (challenge->anonymous) {
        uint8_t hash[STUN_USERHASH_LEN];
        stun_userhash(challenge->username, challenge->realm, hash);
        stun_put_bytes(builder, STUN_ATTR_USERHASH, hash, sizeof hash);
    } else {
        stun_put_text(builder, STUN_ATTR_USERNAME, challenge->username);
    }
    stun_put_text(builder, STUN_ATTR_REALM, challenge->realm);
    stun_put_text(builder, STUN_ATTR_NONCE, challenge->nonce);
    if (challenge->algorithm_count > 0) {
        uint16_t algorithm = challenge->algorithm;
        stun_put_password_algorithms(builder, STUN_ATTR_PASSWORD_ALGORITHMS, challenge->algorithms,
                                     challenge->algorithm_count);
        stun_put_password_algorithms(builder, STUN_ATTR_PASSWORD_ALGORITHM, &algorithm, 1);
    }
    /* Who knows PASSWORD-ALGORITHMS knows the stronger integrity (RFC 8489, section 9.2.5, last paragraph). */
    stun_put_integrity(builder, challenge->algorithm_count > 0 ? STUN_INTEGRITY_SHA256 : STUN_INTEGRITY_SHA1,
                       challenge->key, challenge->key_len);
}

bool turn_challenge_check(const struct turn_challenge *challenge, const struct stun_message *response)
{
    return stun_check_integrity(response, challenge->key, challenge->key_len);
}
