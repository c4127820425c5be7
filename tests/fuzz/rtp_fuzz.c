/* RTP: a view never reaches outside the packet, extensions can be found, renumbered and erased in place, and a
 * retransmission unwrapped. The first byte chooses the form. */
#include <stdlib.h>
#include <string.h>

#include "rtc/packet_kind.h"
#include "rtc/rtp_extensions.h"
#include "rtc/rtx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(bool good)
{
    if (!good)
        abort();
}

static size_t walk(const struct rtp_packet *packet, struct rtp_extension *last)
{
    size_t count = 0, cursor = 0;
    struct rtp_extension extension;
    while (rtp_extension_next(packet, &cursor, &extension)) {
        check(extension.id > 0 && extension.offset + extension.len <= packet->payload_offset);
        check(extension.value == packet->data + extension.offset);
        *last = extension;
        count++;
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len == 0)
        return 0;
    enum rtp_form form = data[0] & 1 ? RTP_ENCRYPTED : RTP_CLEAR;
    len--;
    uint8_t *copy = malloc(len > 0 ? len : 1); /* of the exact size, for the sanitizer to see its ends */
    check(copy != NULL);
    memcpy(copy, data + 1, len);
    struct rtp_packet packet;
    packet_kind(copy, len);
    if (rtp_parse(&packet, copy, len, form)) {
        check(packet.payload_offset + packet.payload_len + packet.padding_len == len);
        check(packet.payload == copy + packet.payload_offset);
        for (uint8_t i = 0; i < packet.csrc_count; i++)
            rtp_csrc(&packet, i);
        struct rtp_extension_map map;
        for (uint8_t kind = 0; kind < RTP_EXTENSION_KINDS; kind++)
            map.id[kind] = (uint8_t)(kind + 1);
        struct rtp_extensions extensions;
        rtp_extensions_read(&packet, &map, &extensions);
        for (int kind = 0; kind < RTP_EXTENSION_KINDS; kind++) {
            const struct rtp_extension *extension = rtp_extensions_get(&extensions, (enum rtp_extension_kind)kind);
            if (extension == NULL)
                continue;
            char text[RTP_TOKEN_CAP];
            struct rtp_audio_level level;
            uint16_t sequence;
            uint32_t time;
            struct rtp_abs_capture_time capture;
            if (rtp_get_token(extension, text))
                check(strlen(text) == extension->len);
            rtp_get_audio_level(extension, &level);
            rtp_get_transport_sequence(extension, &sequence);
            rtp_get_abs_send_time(extension, &time);
            rtp_get_abs_capture_time(extension, &capture);
        }
        struct rtp_extension last = {0};
        size_t count = walk(&packet, &last);
        if (count > 0) {
            rtp_extension_renumber(copy, &last, 14);
            check(walk(&packet, &last) == count);
            rtp_extension_erase(copy, &last);
            check(walk(&packet, &last) == count - 1);
        }
        size_t original_len;
        uint8_t *original = rtx_unwrap(&packet, 1, 2, &original_len);
        if (original != NULL)
            check(original + original_len <= copy + len && rtp_parse(&packet, original, original_len, RTP_CLEAR));
    }
    free(copy);
    return 0;
}
