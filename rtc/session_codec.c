#include "rtc/session_codec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool session_fmtp_get(const char *fmtp, const char *key, char *value, size_t cap)
{
    size_t key_len = strlen(key);
    value[0] = '\0';
    for (const char *at = fmtp; *at != '\0';) {
        at += strspn(at, "; ");
        size_t len = strcspn(at, ";");
        if (len > key_len && at[key_len] == '=' && strncasecmp(at, key, key_len) == 0) {
            size_t value_len = strcspn(at + key_len + 1, "; ");
            if (value_len >= cap)
                return false;
            memcpy(value, at + key_len + 1, value_len);
            value[value_len] = '\0';
            return true;
        }
        at += len;
    }
    return false;
}

static long fmtp_number(const struct session_codec *codec, const char *key, long otherwise)
{
    char value[16];
    return session_fmtp_get(codec->fmtp, key, value, sizeof value) ? strtol(value, NULL, 10) : otherwise;
}

/* --- H.264 ------------------------------------------------------------------------------------------------------------ */

enum h264_profile {
    H264_CONSTRAINED_BASELINE,
    H264_BASELINE,
    H264_MAIN,
    H264_CONSTRAINED_HIGH,
    H264_HIGH,
    H264_OTHER,
};

struct h264_parameters {
    uint32_t profile_level_id; /* profile_idc, profile-iop, level_idc: a byte each */
    uint8_t profile;
    uint8_t packetization_mode;
    bool level_asymmetry_allowed;
};

/* RFC 6184, section 8.1, table 5: one profile has several codes. `iop` are the constraint flags, set0 the highest bit. */
static enum h264_profile h264_profile_of(uint8_t idc, uint8_t iop)
{
    static const struct {
        uint8_t idc, mask, iop;
        enum h264_profile profile;
    } codes[] = {
        {0x42, 0x4f, 0x40, H264_CONSTRAINED_BASELINE},
        {0x4d, 0x8f, 0x80, H264_CONSTRAINED_BASELINE},
        {0x58, 0xcf, 0xc0, H264_CONSTRAINED_BASELINE},
        {0x42, 0x4f, 0x00, H264_BASELINE},
        {0x58, 0xcf, 0x80, H264_BASELINE},
        {0x4d, 0xaf, 0x00, H264_MAIN},
        {0x64, 0xff, 0x00, H264_HIGH},
        {0x64, 0xff, 0x0c, H264_CONSTRAINED_HIGH},
    };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (codes[i].idc == idc && (iop & codes[i].mask) == codes[i].iop)
            return codes[i].profile;
    }
    return H264_OTHER;
}

static struct h264_parameters h264_parameters_of(const struct session_codec *codec)
{
    char text[16];
    struct h264_parameters parameters = {.profile_level_id = 0x42e01f}; /* what browsers take when none is given */
    if (session_fmtp_get(codec->fmtp, "profile-level-id", text, sizeof text) && strlen(text) == 6)
        parameters.profile_level_id = (uint32_t)strtoul(text, NULL, 16);
    parameters.profile = (uint8_t)h264_profile_of((uint8_t)(parameters.profile_level_id >> 16),
                                                  (uint8_t)(parameters.profile_level_id >> 8));
    parameters.packetization_mode = (uint8_t)fmtp_number(codec, "packetization-mode", 0);
    parameters.level_asymmetry_allowed = fmtp_number(codec, "level-asymmetry-allowed", 0) == 1;
    return parameters;
}

static bool h264_matches(const struct session_codec *a, const struct session_codec *b)
{
    struct h264_parameters x = h264_parameters_of(a);
    struct h264_parameters y = h264_parameters_of(b);
    return x.packetization_mode == y.packetization_mode && x.profile == y.profile &&
           (x.profile != H264_OTHER || x.profile_level_id >> 8 == y.profile_level_id >> 8);
}

/* --- all codecs --------------------------------------------------------------------------------------------------------- */

bool session_codec_matches(const struct session_codec *a, const struct session_codec *b)
{
    if (strcasecmp(a->name, b->name) != 0 || a->clock_rate != b->clock_rate || a->channels != b->channels)
        return false;
    if (strcasecmp(a->name, "H264") == 0)
        return h264_matches(a, b);
    if (strcasecmp(a->name, "VP9") == 0)
        return fmtp_number(a, "profile-id", 0) == fmtp_number(b, "profile-id", 0);
    if (strcasecmp(a->name, "AV1") == 0)
        return fmtp_number(a, "profile", 0) == fmtp_number(b, "profile", 0);
    return true;
}

void session_codec_answer_fmtp(const struct session_codec *offered, const struct session_codec *ours,
                               char fmtp[SESSION_FMTP_CAP])
{
    if (strcasecmp(offered->name, "H264") != 0) {
        memcpy(fmtp, ours->fmtp[0] != '\0' ? ours->fmtp : offered->fmtp, SESSION_FMTP_CAP);
        return;
    }
    struct h264_parameters theirs = h264_parameters_of(offered);
    struct h264_parameters mine = h264_parameters_of(ours);
    bool asymmetry = theirs.level_asymmetry_allowed && mine.level_asymmetry_allowed;
    uint32_t level = mine.profile_level_id & 0xff;
    if (!asymmetry && (theirs.profile_level_id & 0xff) < level)
        level = theirs.profile_level_id & 0xff;
    snprintf(fmtp, SESSION_FMTP_CAP, "%spacketization-mode=%u;profile-level-id=%06x",
             asymmetry ? "level-asymmetry-allowed=1;" : "", theirs.packetization_mode,
             (unsigned)((theirs.profile_level_id & 0xffff00) | level));
}
