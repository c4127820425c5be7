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
