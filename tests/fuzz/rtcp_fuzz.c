/* RTCP: every reader on every packet of a datagram; none reaches outside it, all come to an end. */
#include <stdlib.h>
#include <string.h>

#include "rtc/rtcp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(bool good)
{
    if (!good)
        abort();
}

static void count(void *user, uint16_t sequence)
{
    size_t *counted = user;
    *counted += 1 + sequence % 1;
}

static void read_reports(const struct rtcp_packet *packet)
{
    struct rtcp_sender_info info;
    struct rtcp_report_block block;
    struct rtcp_extended_report report;
    uint32_t ssrc;
    rtcp_read_sender_report(packet, &info);
    rtcp_read_receiver_report(packet, &ssrc);
    for (size_t i = 0; rtcp_report_block(packet, i, &block); i++)
        check(i < RTCP_COUNT_MAX);
    for (size_t i = 0; rtcp_bye_source(packet, i, &ssrc); i++)
        check(i < RTCP_COUNT_MAX);
    if (rtcp_read_extended_report(packet, &report)) {
        for (size_t i = 0; i < report.dlrr_count; i++)
            rtcp_dlrr_entry(&report, i);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);
    check(copy != NULL);
    memcpy(copy, data, len);
    rtcp_is(copy, len);
    struct rtcp_cursor cursor = rtcp_walk(copy, len);
    struct rtcp_packet packet;
    while (rtcp_next(&cursor, &packet)) {
        check(packet.body + packet.body_len <= copy + len);
        read_reports(&packet);
        struct rtcp_sdes_item item;
        uint64_t at = 0;
        size_t visited = 0;
        while (rtcp_sdes_next(&packet, &at, &item)) {
            check((const uint8_t *)item.text + item.len <= packet.body + packet.body_len);
            check(++visited <= packet.body_len);
        }
        struct rtcp_feedback feedback;
        struct rtcp_fir fir;
        struct rtcp_remb remb;
        size_t counted = 0;
        check(rtcp_read_nack(&packet, &feedback, count, &counted) == counted && counted <= packet.body_len / 4 * 17);
        rtcp_read_pli(&packet, &feedback);
        for (size_t i = 0; rtcp_fir_entry(&packet, i, &fir); i++)
            check(i < packet.body_len / 8);
        if (rtcp_read_remb(&packet, &remb))
            check(remb.ssrcs + (size_t)remb.ssrc_count * 4 <= packet.body + packet.body_len);
    }
    free(copy);
    return 0;
}
