/* Anything unprotected: never accepted unless it is genuine. The first byte chooses profile and kind; the rest is
 * a packet, tried as it is and, so that the fuzzer gets past the tag, protected first. */
#include <stdlib.h>
#include <string.h>

#include "rtc/srtp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum srtp_profile profiles[] = {SRTP_PROFILE_AEAD_AES_128_GCM, SRTP_PROFILE_AEAD_AES_256_GCM,
                                                 SRTP_PROFILE_AES128_CM_SHA1_80};
    if (size < 1)
        return 0;
    struct srtp_keys keys = {.profile = profiles[data[0] % 3]};
    bool is_rtcp = data[0] & 0x80;
    struct srtp_session *in =
        srtp_session_create(&keys, &(struct srtp_session_config){.direction = SRTP_INBOUND}, NULL);
    struct srtp_session *out =
        srtp_session_create(&keys, &(struct srtp_session_config){.direction = SRTP_OUTBOUND}, NULL);
    size_t len = size - 1;
    size_t cap = len + SRTP_RTCP_OVERHEAD;
    uint8_t *packet = malloc(cap);
    memcpy(packet, data + 1, len);
    if ((is_rtcp ? srtp_session_unprotect_rtcp : srtp_session_unprotect_rtp)(in, packet, &len) == SRTP_STATUS_OK)
        abort(); /* forged with a key of zeros: possible, but not within this universe's age */
    memcpy(packet, data + 1, len);
    if ((is_rtcp ? srtp_session_protect_rtcp : srtp_session_protect_rtp)(out, packet, &len, cap) == SRTP_STATUS_OK) {
        if ((is_rtcp ? srtp_session_unprotect_rtcp : srtp_session_unprotect_rtp)(in, packet, &len) != SRTP_STATUS_OK ||
            len != size - 1 || memcmp(packet, data + 1, len) != 0)
            abort();
    }
    free(packet);
    srtp_session_destroy(in);
    srtp_session_destroy(out);
    return 0;
}
