#include "rtc/rtp_extensions.h"

static const char *const uris[RTP_EXTENSION_KINDS] = {
    [RTP_EXTENSION_MID] = "urn:ietf:params:rtp-hdrext:sdes:mid",
    [RTP_EXTENSION_RID] = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
    [RTP_EXTENSION_REPAIRED_RID] = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
    [RTP_EXTENSION_AUDIO_LEVEL] = "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    [RTP_EXTENSION_TRANSPORT_SEQUENCE] = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    [RTP_EXTENSION_ABS_SEND_TIME] = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
    [RTP_EXTENSION_ABS_CAPTURE_TIME] = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
    [RTP_EXTENSION_VIDEO_ORIENTATION] = "urn:3gpp:video-orientation",
};

const char *rtp_extension_uri(enum rtp_extension_kind kind) { return kind < RTP_EXTENSION_KINDS ? uris[kind] : NULL; }

enum rtp_extension_kind rtp_extension_kind_of(const char *uri, size_t len)
{
    for (int kind = 0; kind < RTP_EXTENSION_KINDS; kind++) {
        if (strlen(uris[kind]) == len && memcmp(uris[kind], uri, len) == 0)
            return (enum rtp_extension_kind)kind;
    }
    return RTP_EXTENSION_OTHER;
}

void rtp_extensions_read(const struct rtp_packet *packet, const struct rtp_extension_map *map,
                         struct rtp_extensions *extensions)
{
    *extensions = (struct rtp_extensions){0};
    size_t cursor = 0;
    struct rtp_extension extension;
    while (rtp_extension_next(packet, &cursor, &extension)) {
        for (int kind = 0; kind < RTP_EXTENSION_KINDS; kind++) {
            if (map->id[kind] == extension.id && extensions->found[kind].id == 0) {
                extensions->found[kind] = extension;
                break;
            }
        }
    }
}

bool rtp_get_token(const struct rtp_extension *extension, char text[RTP_TOKEN_CAP])
{
    if (extension->len == 0 || extension->len >= RTP_TOKEN_CAP)
        return false;
    for (uint8_t i = 0; i < extension->len; i++) {
        if (extension->value[i] <= ' ' || extension->value[i] > '~')
            return false;
    }
    memcpy(text, extension->value, extension->len);
    text[extension->len] = '\0';
    return true;
}

/*   0 1 2 3 4 5 6 7
 *  +-+-+-+-+-+-+-+-+
 *  |V|    level    |   RFC 6464, section 3
 *  +-+-+-+-+-+-+-+-+ */
bool rtp_get_audio_level(const struct rtp_extension *extension, struct rtp_audio_level *level)
{
    if (extension->len != 1)
        return false;
    *level = (struct rtp_audio_level){
        .voice = (extension->value[0] & 0x80) != 0,
        .below_max = extension->value[0] & 0x7f,
    };
    return true;
}

bool rtp_get_transport_sequence(const struct rtp_extension *extension, uint16_t *sequence)
{
    if (extension->len != 2 && extension->len != 4)
        return false;
    *sequence = bytes_get16(extension->value);
    return true;
}

bool rtp_get_abs_send_time(const struct rtp_extension *extension, uint32_t *send_time)
{
    if (extension->len != RTP_ABS_SEND_TIME_LEN)
        return false;
    *send_time = bytes_get24(extension->value);
    return true;
}

bool rtp_get_abs_capture_time(const struct rtp_extension *extension, struct rtp_abs_capture_time *time)
{
    if (extension->len != RTP_ABS_CAPTURE_TIME_LEN && extension->len != RTP_ABS_CAPTURE_TIME_LONG_LEN)
        return false;
    *time = (struct rtp_abs_capture_time){.ntp = bytes_get64(extension->value)};
    if (extension->len == RTP_ABS_CAPTURE_TIME_LONG_LEN) {
        time->has_offset = true;
        time->clock_offset = (int64_t)bytes_get64(extension->value + 8);
    }
    return true;
}

size_t rtp_put_abs_capture_time(uint8_t value[RTP_ABS_CAPTURE_TIME_LONG_LEN], const struct rtp_abs_capture_time *time)
{
    bytes_put64(value, time->ntp);
    if (!time->has_offset)
        return RTP_ABS_CAPTURE_TIME_LEN;
    bytes_put64(value + 8, (uint64_t)time->clock_offset);
    return RTP_ABS_CAPTURE_TIME_LONG_LEN;
}
