#include "sfu/turn_credentials.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/rng.h"

#define NONCE_LIFETIME_DEFAULT_S 3600 /* RFC 8656, section 5: at least once every hour */
#define NONCE_TIME_LEN 4
#define NONCE_MAC_LEN 11 /* with the time 15 bytes: base64 without padding */
#define NONCE_LEN (STUN_NONCE_COOKIE_LEN + (NONCE_TIME_LEN + NONCE_MAC_LEN) / 3 * 4)
#define REALM_MAX 127 /* RFC 8489, section 14.9: fewer than 128 characters */

struct user {
    char *username;
    uint8_t hash[STUN_USERHASH_LEN];
    uint8_t md5_key[STUN_KEY_CAP]; /* RFC 8656, section 6: the key, not the password */
    uint8_t sha256_key[STUN_KEY_CAP];
    uint8_t md5_key_len;
    uint8_t sha256_key_len;
    UT_hash_handle hh;      /* by username */
    UT_hash_handle by_hash; /* by `hash` */
};

struct turn_credentials {
    char *realm;
    char *shared_secret;
    int64_t unix_time_at_zero_s;
    uint32_t nonce_lifetime_s;
    uint32_t features;
    char cookie[STUN_NONCE_COOKIE_LEN + 1];
    uint8_t nonce_key[32];
    struct user *users;
    struct user *users_by_hash;
};

/* In order of preference (RFC 8489, section 14.11). */
static const uint16_t ALGORITHMS[] = {STUN_PASSWORD_SHA256, STUN_PASSWORD_MD5};
#define ALGORITHM_COUNT (sizeof ALGORITHMS / sizeof ALGORITHMS[0])

/* --- making ----------------------------------------------------------------------------------------------------- */

/* RFC 8265's OpaqueString refuses control characters and the empty string; it would also compose accents (NFC), which
 * is left to whoever writes the configuration. */
static bool is_opaque_string(const char *text, size_t max)
{
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return false;
    }
    return len > 0 && len <= max;
}

static bool add_user(struct turn_credentials *credentials, const struct turn_user *from, struct error *error)
{
    struct user *user;
    if (from->username == NULL || !is_opaque_string(from->username, STUN_MAX_USERNAME))
        return error_set(error, ERROR_USAGE, "a TURN username must have 1 to %d bytes, none of them control characters",
                         STUN_MAX_USERNAME);
    if (from->password == NULL || !is_opaque_string(from->password, 1024))
        return error_set(error, ERROR_USAGE, "the TURN user '%s' needs a password without control characters",
                         from->username);
    HASH_FIND_STR(credentials->users, from->username, user);
    if (user != NULL)
        return error_set(error, ERROR_USAGE, "the TURN user '%s' is there twice", from->username);
    user = calloc(1, sizeof *user);
    if (user == NULL || (user->username = strdup(from->username)) == NULL) {
        free(user);
        return error_set(error, ERROR_SYSTEM, "TURN: out of memory");
    }
    user->md5_key_len = (uint8_t)stun_long_term_key(STUN_PASSWORD_MD5, user->username, credentials->realm,
                                                    from->password, user->md5_key);
    user->sha256_key_len = (uint8_t)stun_long_term_key(STUN_PASSWORD_SHA256, user->username, credentials->realm,
                                                       from->password, user->sha256_key);
    stun_userhash(user->username, credentials->realm, user->hash);
    HASH_ADD_KEYPTR(hh, credentials->users, user->username, strlen(user->username), user);
    HASH_ADD(by_hash, credentials->users_by_hash, hash, sizeof user->hash, user);
    return true;
}

static bool check_config(const struct turn_server_config *config, struct error *error)
{
    if (config->realm != NULL && !is_opaque_string(config->realm, REALM_MAX))
        return error_set(error, ERROR_USAGE, "realm: must have 1 to %d bytes, none of them control characters",
                         REALM_MAX);
    if (config->shared_secret != NULL && *config->shared_secret == '\0')
        return error_set(error, ERROR_USAGE, "shared_secret: is empty");
    if (config->shared_secret != NULL && config->username_anonymity)
        return error_set(error, ERROR_USAGE,
                         "username_anonymity: a hashed username can't tell when a time-limited password expires");
    return true;
}

struct turn_credentials *turn_credentials_create(const struct turn_server_config *config, struct error *error)
{
    if (!check_config(config, error))
        return NULL;
    struct turn_credentials *credentials = calloc(1, sizeof *credentials);
    if (credentials == NULL) {
        error_set(error, ERROR_SYSTEM, "TURN: out of memory");
        return NULL;
    }
    struct rng rng = rng_of(config->seed, "turn_credentials", 0);
    rng_bytes(&rng, credentials->nonce_key, sizeof credentials->nonce_key);
    credentials->realm = strdup(config->realm != NULL ? config->realm : "confab");
    credentials->shared_secret = config->shared_secret != NULL ? strdup(config->shared_secret) : NULL;
    credentials->unix_time_at_zero_s = config->unix_time_at_zero_s;
    credentials->nonce_lifetime_s = config->nonce_lifetime_s != 0 ? config->nonce_lifetime_s : NONCE_LIFETIME_DEFAULT_S;
    credentials->features = STUN_FEATURE_PASSWORD_ALGORITHMS;
    if (config->username_anonymity)
        credentials->features |= STUN_FEATURE_USERNAME_ANONYMITY;
    stun_nonce_cookie(credentials->features, credentials->cookie);
    bool ok = credentials->realm != NULL && (config->shared_secret == NULL || credentials->shared_secret != NULL);
    if (!ok)
        error_set(error, ERROR_SYSTEM, "TURN: out of memory");
    for (size_t i = 0; ok && i < config->user_count; i++)
        ok = add_user(credentials, &config->users[i], error);
    if (ok)
        return credentials;
    turn_credentials_destroy(credentials);
    return NULL;
}

void turn_credentials_destroy(struct turn_credentials *credentials)
{
    struct user *user;
    struct user *next;
    if (credentials == NULL)
        return;
    HASH_CLEAR(by_hash, credentials->users_by_hash);
    HASH_ITER(hh, credentials->users, user, next)
    {
        HASH_DEL(credentials->users, user); // NOLINT: the analyzer takes the next user for this one
        free(user->username);
        free(user);
    }
    free(credentials->realm);
    free(credentials->shared_secret);
    free(credentials);
}

/* --- nonces ----------------------------------------------------------------------------------------------------- */

/* cookie | base64( seconds since the world's start | HMAC( cookie | seconds | client address and port ) )
 *
 * Bound to the client (RFC 8489, section 9.2.4: not the same nonce for two sources) and to the security features it
 * announces, so that stripping those bits makes it a foreign nonce. */
static void make_nonce(const struct turn_credentials *credentials, const struct address *client, uint32_t time_s,
                       char nonce[NONCE_LEN + 1])
{
    uint8_t text[STUN_NONCE_COOKIE_LEN + NONCE_TIME_LEN + sizeof *client];
    uint8_t mac[EVP_MAX_MD_SIZE];
    uint8_t tail[NONCE_TIME_LEN + NONCE_MAC_LEN];
    unsigned mac_len = 0;
    memcpy(text, credentials->cookie, STUN_NONCE_COOKIE_LEN);
    bytes_put32(text + STUN_NONCE_COOKIE_LEN, time_s);
    memcpy(text + STUN_NONCE_COOKIE_LEN + NONCE_TIME_LEN, client, sizeof *client);
    HMAC(EVP_sha256(), credentials->nonce_key, sizeof credentials->nonce_key, text, sizeof text, mac, &mac_len);
    bytes_put32(tail, time_s);
    memcpy(tail + NONCE_TIME_LEN, mac, NONCE_MAC_LEN);
    memcpy(nonce, credentials->cookie, STUN_NONCE_COOKIE_LEN);
    EVP_EncodeBlock((unsigned char *)nonce + STUN_NONCE_COOKIE_LEN, tail, sizeof tail);
}

static bool nonce_is_valid(const struct turn_credentials *credentials, const struct address *client, const char *nonce,
                           nanos now)
{
    unsigned char tail[NONCE_LEN]; /* decoding writes a few bytes more than there are */
    char expected[NONCE_LEN + 1];
    if (strlen(nonce) != NONCE_LEN ||
        EVP_DecodeBlock(tail, (const unsigned char *)nonce + STUN_NONCE_COOKIE_LEN,
                        NONCE_LEN - STUN_NONCE_COOKIE_LEN) != NONCE_TIME_LEN + NONCE_MAC_LEN)
        return false;
    uint32_t time_s = bytes_get32(tail);
    uint32_t now_s = (uint32_t)(now / NANOS_PER_S);
    make_nonce(credentials, client, time_s, expected);
    /* Unsigned: a time that is yet to come is as stale as one long gone. */
    return CRYPTO_memcmp(nonce, expected, NONCE_LEN) == 0 && now_s - time_s <= credentials->nonce_lifetime_s;
}

void turn_credentials_put_challenge(const struct turn_credentials *credentials, struct stun_builder *builder,
                                    const struct address *client, nanos now)
{
    char nonce[NONCE_LEN + 1];
    make_nonce(credentials, client, (uint32_t)(now / NANOS_PER_S), nonce);
    stun_put_text(builder, STUN_ATTR_REALM, credentials->realm);
    stun_put_text(builder, STUN_ATTR_NONCE, nonce);
    stun_put_password_algorithms(builder, STUN_ATTR_PASSWORD_ALGORITHMS, ALGORITHMS, ALGORITHM_COUNT);
}

/* --- passwords -------------------------------------------------------------------------------------------------- */

void turn_rest_password(const char *shared_secret, const char *username, char password[TURN_REST_PASSWORD_CAP])
{
    uint8_t mac[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    HMAC(EVP_sha1(), shared_secret, (int)strlen(shared_secret), (const unsigned char *)username, strlen(username), mac,
         &len);
    EVP_EncodeBlock((unsigned char *)password, mac, 20);
}

/* The digits that a time-limited username starts with; false when it is none. */
static bool parse_expiry(const char *username, int64_t *expiry_s)
{
    int64_t value = 0;
    size_t digits = 0;
    for (; username[digits] >= '0' && username[digits] <= '9' && digits < 15; digits++)
        value = value * 10 + (username[digits] - '0');
    *expiry_s = value;
    return digits > 0 && (username[digits] == '\0' || username[digits] == ':');
}

const char *turn_credentials_account(const struct turn_credentials *credentials, const char *username)
{
    int64_t expiry_s;
    const char *colon = strchr(username, ':');
    bool named = credentials->shared_secret != NULL && colon != NULL && colon[1] != '\0';
    return named && parse_expiry(username, &expiry_s) ? colon + 1 : username;
}

static bool shared_secret_key(const struct turn_credentials *credentials, nanos now, struct turn_identity *identity)
{
    char password[TURN_REST_PASSWORD_CAP];
    int64_t expiry_s;
    if (credentials->shared_secret == NULL || !parse_expiry(identity->username, &expiry_s) ||
        expiry_s < credentials->unix_time_at_zero_s + now / NANOS_PER_S)
        return false;
    turn_rest_password(credentials->shared_secret, identity->username, password);
    identity->key_len = (uint8_t)stun_long_term_key(identity->algorithm, identity->username, credentials->realm,
                                                    password, identity->key);
    return true;
}

static void use_user_key(const struct user *user, struct turn_identity *identity)
{
    bool sha256 = identity->algorithm == STUN_PASSWORD_SHA256;
    identity->key_len = sha256 ? user->sha256_key_len : user->md5_key_len;
    memcpy(identity->key, sha256 ? user->sha256_key : user->md5_key, sizeof identity->key);
}

/* Finds out who the request says it is from, and with which key it would be. */
static bool find_identity(const struct turn_credentials *credentials, const struct stun_message *request,
                          const struct turn_identity *known, nanos now, struct turn_identity *identity)
{
    struct stun_attribute hash;
    struct user *user;
    if (stun_find(request, STUN_ATTR_USERHASH, &hash)) {
        if ((credentials->features & STUN_FEATURE_USERNAME_ANONYMITY) == 0 || hash.len != STUN_USERHASH_LEN)
            return false;
        HASH_FIND(by_hash, credentials->users_by_hash, hash.value, STUN_USERHASH_LEN, user);
        if (user == NULL)
            return false;
        memcpy(identity->username, user->username, strlen(user->username) + 1);
        use_user_key(user, identity);
        return true;
    }
    if (!stun_get_text(request, STUN_ATTR_USERNAME, identity->username, sizeof identity->username))
        return false;
    if (known != NULL && known->algorithm == identity->algorithm && strcmp(known->username, identity->username) == 0) {
        identity->key_len = known->key_len;
        memcpy(identity->key, known->key, sizeof identity->key);
        return true;
    }
    HASH_FIND_STR(credentials->users, identity->username, user);
    if (user == NULL)
        return shared_secret_key(credentials, now, identity);
    use_user_key(user, identity);
    return true;
}

/* --- checking --------------------------------------------------------------------------------------------------- */

/* Which algorithm the request's key is made with; false when it contradicts what the nonce came with (RFC 8489, section
 * 9.2.4: the bid-down check). */
static bool find_algorithm(const struct stun_message *request, struct turn_identity *identity)
{
    uint16_t listed[ALGORITHM_COUNT + 1];
    uint16_t chosen[2];
    bool has_list = stun_has(request, STUN_ATTR_PASSWORD_ALGORITHMS);
    bool has_choice = stun_has(request, STUN_ATTR_PASSWORD_ALGORITHM);
    identity->algorithm = STUN_PASSWORD_MD5;
    identity->integrity = STUN_INTEGRITY_SHA1;
    if (!has_list && !has_choice)
        return true;
    size_t count =
        stun_get_password_algorithms(request, STUN_ATTR_PASSWORD_ALGORITHMS, listed, sizeof listed / sizeof listed[0]);
    if (stun_get_password_algorithms(request, STUN_ATTR_PASSWORD_ALGORITHM, chosen, 2) != 1 ||
        count != ALGORITHM_COUNT || memcmp(listed, ALGORITHMS, sizeof ALGORITHMS) != 0)
        return false;
    identity->algorithm = (uint8_t)chosen[0];
    identity->integrity = STUN_INTEGRITY_SHA256;
    return chosen[0] == STUN_PASSWORD_SHA256 || chosen[0] == STUN_PASSWORD_MD5;
}

unsigned turn_credentials_check(const struct turn_credentials *credentials, const struct stun_message *request,
                                const struct address *client, const struct turn_identity *known, nanos now,
                                struct turn_identity *identity)
{
    char nonce[NONCE_LEN + 2];
    if (stun_integrity_of(request) == STUN_INTEGRITY_NONE)
        return STUN_UNAUTHENTICATED;
    if (!(stun_has(request, STUN_ATTR_USERNAME) || stun_has(request, STUN_ATTR_USERHASH)) ||
        !stun_has(request, STUN_ATTR_REALM) || !stun_has(request, STUN_ATTR_NONCE))
        return STUN_BAD_REQUEST;
    if (!stun_get_text(request, STUN_ATTR_NONCE, nonce, sizeof nonce))
        nonce[0] = '\0'; /* longer than any of ours */
    if (!find_algorithm(request, identity))
        return STUN_BAD_REQUEST;
    if (!find_identity(credentials, request, known, now, identity) ||
        !stun_check_integrity(request, identity->key, identity->key_len))
        return STUN_UNAUTHENTICATED;
    return nonce_is_valid(credentials, client, nonce, now) ? 0 : STUN_STALE_NONCE;
}
