#include "rtc/srtp.h"

#include <pthread.h>
#include <srtp2/srtp.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#define SSRC_LIMIT_DEFAULT 1024
#define REPLAY_WINDOW_DEFAULT 1024

const char *srtp_profile_name(enum srtp_profile profile)
{
    switch (profile) {
    case SRTP_PROFILE_AES128_CM_SHA1_80:
        return "SRTP_AES128_CM_SHA1_80";
    case SRTP_PROFILE_AEAD_AES_128_GCM:
        return "SRTP_AEAD_AES_128_GCM";
    case SRTP_PROFILE_AEAD_AES_256_GCM:
        return "SRTP_AEAD_AES_256_GCM";
    case SRTP_PROFILE_NONE:
        break;
    }
    return "none";
}

size_t srtp_profile_key_len(enum srtp_profile profile)
{
    switch (profile) {
    case SRTP_PROFILE_AES128_CM_SHA1_80:
    case SRTP_PROFILE_AEAD_AES_128_GCM:
        return 16;
    case SRTP_PROFILE_AEAD_AES_256_GCM:
        return 32;
    case SRTP_PROFILE_NONE:
        break;
    }
    return 0;
}

size_t srtp_profile_salt_len(enum srtp_profile profile)
{
    switch (profile) {
    case SRTP_PROFILE_AES128_CM_SHA1_80:
        return 14;
    case SRTP_PROFILE_AEAD_AES_128_GCM:
    case SRTP_PROFILE_AEAD_AES_256_GCM:
        return 12;
    case SRTP_PROFILE_NONE:
        break;
    }
    return 0;
}

const char *srtp_status_text(enum srtp_status status)
{
    static const char *const texts[] = {
        [SRTP_STATUS_OK] = "ok",
        [SRTP_STATUS_REPLAYED] = "replayed",
        [SRTP_STATUS_FORGED] = "wrong authentication tag",
        [SRTP_STATUS_MALFORMED] = "malformed",
        [SRTP_STATUS_NO_ROOM] = "no room for the authentication tag",
        [SRTP_STATUS_TOO_MANY] = "too many SSRCs",
        [SRTP_STATUS_EXPIRED] = "key used up",
        [SRTP_STATUS_FAILED] = "failed",
    };
    return texts[status];
}

/* --- which SSRCs there are: libsrtp makes a stream for each new one without asking ----------------------------------- */

struct ssrc_set {
    uint32_t *slots; /* a power of two of them, at most half full; 0 is an empty one */
    uint32_t slot_count;
    uint32_t count;
    bool has_zero;
};

static uint32_t *ssrc_set_slot(const struct ssrc_set *set, uint32_t ssrc)
{
    uint32_t at = (ssrc * 0x9e3779b1u) & (set->slot_count - 1);
    while (set->slots[at] != 0 && set->slots[at] != ssrc)
        at = (at + 1) & (set->slot_count - 1);
    return &set->slots[at];
}

static bool ssrc_set_has(const struct ssrc_set *set, uint32_t ssrc)
{
    if (ssrc == 0)
        return set->has_zero;
    return set->slot_count > 0 && *ssrc_set_slot(set, ssrc) == ssrc;
}

/* Room for one more; false when out of memory. */
static bool ssrc_set_reserve(struct ssrc_set *set)
{
    if (2 * (set->count + 1) <= set->slot_count)
        return true;
    struct ssrc_set bigger = *set;
    bigger.slot_count = set->slot_count > 0 ? 2 * set->slot_count : 8;
    bigger.slots = calloc(bigger.slot_count, sizeof *bigger.slots);
    if (bigger.slots == NULL)
        return false;
    for (uint32_t i = 0; i < set->slot_count; i++) {
        if (set->slots[i] != 0)
            *ssrc_set_slot(&bigger, set->slots[i]) = set->slots[i];
    }
    free(set->slots);
    *set = bigger;
    return true;
}

static void ssrc_set_add(struct ssrc_set *set, uint32_t ssrc)
{
    if (ssrc == 0)
        set->has_zero = true;
    else
        *ssrc_set_slot(set, ssrc) = ssrc;
    set->count++;
}

/* --- sessions -------------------------------------------------------------------------------------------------------- */

struct srtp_session {
    srtp_t context;
    struct ssrc_set ssrcs;
    uint32_t ssrc_limit;
    uint32_t tag_len; /* RTP's and RTCP's are the same in all three profiles */
};

/* libsrtp is set up once for the process, and never shut down. */
static pthread_once_t library_once = PTHREAD_ONCE_INIT;
static srtp_err_status_t library_status;

static void start_library(void) { library_status = srtp_init(); }

static void set_policy(srtp_policy_t *policy, enum srtp_profile profile)
{
    switch (profile) {
    case SRTP_PROFILE_AEAD_AES_128_GCM:
        srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy->rtp);
        srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy->rtcp);
        break;
    case SRTP_PROFILE_AEAD_AES_256_GCM:
        srtp_crypto_policy_set_aes_gcm_256_16_auth(&policy->rtp);
        srtp_crypto_policy_set_aes_gcm_256_16_auth(&policy->rtcp);
        break;
    case SRTP_PROFILE_AES128_CM_SHA1_80:
    case SRTP_PROFILE_NONE:
        srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy->rtp);
        srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy->rtcp);
        break;
    }
}

struct srtp_session *srtp_session_create(const struct srtp_keys *keys, const struct srtp_session_config *config,
                                         struct error *error)
{
    if (srtp_profile_key_len(keys->profile) == 0) {
        error_set(error, ERROR_UNSUPPORTED, "SRTP: profile 0x%04x is unknown", (unsigned)keys->profile);
        return NULL;
    }
    pthread_once(&library_once, start_library);
    if (library_status != srtp_err_status_ok) {
        error_set(error, ERROR_SYSTEM, "SRTP: libsrtp does not start (status %d)", (int)library_status);
        return NULL;
    }
    struct srtp_session *session = calloc(1, sizeof *session);
    if (session == NULL) {
        error_set(error, ERROR_SYSTEM, "SRTP: out of memory");
        return NULL;
    }
    uint8_t key[SRTP_KEYING_CAP];
    bool outbound = config->direction == SRTP_OUTBOUND;
    memcpy(key, outbound ? keys->local : keys->remote, sizeof key);
    srtp_policy_t policy = {
        .ssrc = {.type = outbound ? ssrc_any_outbound : ssrc_any_inbound},
        .key = key,
        .window_size = config->replay_window != 0 ? config->replay_window : REPLAY_WINDOW_DEFAULT,
        .allow_repeat_tx = config->allow_repeat,
    };
    set_policy(&policy, keys->profile);
    srtp_err_status_t status = srtp_create(&session->context, &policy);
    if (status != srtp_err_status_ok) {
        error_set(error, ERROR_SYSTEM, "SRTP: libsrtp can't set up %s (status %d)", srtp_profile_name(keys->profile),
                  (int)status);
        free(session);
        return NULL;
    }
    session->ssrc_limit = config->ssrc_limit != 0 ? config->ssrc_limit : SSRC_LIMIT_DEFAULT;
    session->tag_len = (uint32_t)policy.rtp.auth_tag_len;
    return session;
}

void srtp_session_destroy(struct srtp_session *session)
{
    if (session == NULL)
        return;
    srtp_dealloc(session->context);
    free(session->ssrcs.slots);
    free(session);
}

/* --- packets ---------------------------------------------------------------------------------------------------------- */

#define RTP_HEADER_LEN 12
#define RTP_SSRC_AT 8
#define RTCP_HEADER_LEN 8 /* of its first packet, with the sender's SSRC: these stay readable */
#define RTCP_SSRC_AT 4
#define RTCP_INDEX_LEN 4

static enum srtp_status status_of(srtp_err_status_t status)
{
    switch (status) {
    case srtp_err_status_ok:
        return SRTP_STATUS_OK;
    case srtp_err_status_replay_fail:
    case srtp_err_status_replay_old:
    case srtp_err_status_pkt_idx_old:
        return SRTP_STATUS_REPLAYED;
    case srtp_err_status_auth_fail:
    case srtp_err_status_cipher_fail: /* so the AEAD ciphers of some builds say it */
        return SRTP_STATUS_FORGED;
    case srtp_err_status_bad_param:
    case srtp_err_status_parse_err:
        return SRTP_STATUS_MALFORMED;
    case srtp_err_status_key_expired:
        return SRTP_STATUS_EXPIRED;
    default:
        return SRTP_STATUS_FAILED;
    }
}

typedef srtp_err_status_t (*packet_function)(srtp_t context, void *packet, int *len);

static enum srtp_status transform(struct srtp_session *session, packet_function function, uint32_t ssrc, uint8_t *buf,
                                  size_t *len)
{
    bool is_new = !ssrc_set_has(&session->ssrcs, ssrc);
    if (is_new && session->ssrcs.count >= session->ssrc_limit)
        return SRTP_STATUS_TOO_MANY;
    if (is_new && !ssrc_set_reserve(&session->ssrcs))
        return SRTP_STATUS_FAILED;
    int new_len = (int)*len;
    enum srtp_status status = status_of(function(session->context, buf, &new_len));
    if (status != SRTP_STATUS_OK)
        return status;
    if (is_new)
        ssrc_set_add(&session->ssrcs, ssrc);
    *len = (size_t)new_len;
    return SRTP_STATUS_OK;
}

enum srtp_status srtp_session_protect_rtp(struct srtp_session *session, uint8_t *buf, size_t *len, size_t cap)
{
    if (*len < RTP_HEADER_LEN || *len > UINT16_MAX)
        return SRTP_STATUS_MALFORMED;
    if (cap < *len + session->tag_len)
        return SRTP_STATUS_NO_ROOM;
    return transform(session, srtp_protect, bytes_get32(buf + RTP_SSRC_AT), buf, len);
}

enum srtp_status srtp_session_protect_rtcp(struct srtp_session *session, uint8_t *buf, size_t *len, size_t cap)
{
    if (*len < RTCP_HEADER_LEN || *len > UINT16_MAX)
        return SRTP_STATUS_MALFORMED;
    if (cap < *len + session->tag_len + RTCP_INDEX_LEN)
        return SRTP_STATUS_NO_ROOM;
    return transform(session, srtp_protect_rtcp, bytes_get32(buf + RTCP_SSRC_AT), buf, len);
}

enum srtp_status srtp_session_unprotect_rtp(struct srtp_session *session, uint8_t *buf, size_t *len)
{
    if (*len < RTP_HEADER_LEN + session->tag_len || *len > UINT16_MAX)
        return SRTP_STATUS_MALFORMED;
    return transform(session, srtp_unprotect, bytes_get32(buf + RTP_SSRC_AT), buf, len);
}

enum srtp_status srtp_session_unprotect_rtcp(struct srtp_session *session, uint8_t *buf, size_t *len)
{
    if (*len < RTCP_HEADER_LEN + RTCP_INDEX_LEN + session->tag_len || *len > UINT16_MAX)
        return SRTP_STATUS_MALFORMED;
    return transform(session, srtp_unprotect_rtcp, bytes_get32(buf + RTCP_SSRC_AT), buf, len);
}
