/* When two descriptions speak of the same codec, and what the answer says of it (RFC 3264, section 6.1, and the payload
 * format of each codec). */
#ifndef CONFAB_RTC_SESSION_CODEC_H
#define CONFAB_RTC_SESSION_CODEC_H

#include "rtc/session_description.h"

/* The value of `key` in a=fmtp's "key=value;…", copied to `value`; "" and false when there is none or it is too long. */
bool session_fmtp_get(const char *fmtp, const char *key, char *value, size_t cap);

/* Are they one codec: the name (in any case), clock rate, channels, and what makes streams incompatible: H.264's profile
 * and packetization mode (RFC 6184, section 8.2.2), VP9's and AV1's profile? For "rtx", judge what it repairs. */
bool session_codec_matches(const struct session_codec *a, const struct session_codec *b);

/* The fmtp of an answer, for a codec that matches: H.264 with the offered profile and the level that both allow, others
 * with our own parameters, or the offered ones when we have none. */
void session_codec_answer_fmtp(const struct session_codec *offered, const struct session_codec *ours,
                               char fmtp[SESSION_FMTP_CAP]);

#endif
