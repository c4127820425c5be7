#include "analyzers/packet.h"

#include <string.h>

#include "analyzers/fragments.h"
#include "base/bytes.h"
#include "tests/support/capture_builder.h"
#include "tests/support/suite.h"

static const char PAYLOAD[] = "sixteen bytes it";
#define PAYLOAD_LEN 16

static struct address v4_a, v4_b, v6_a, v6_b;

static void addresses(void)
{
    address_parse(&v4_a, "192.0.2.1:5004");
    address_parse(&v4_b, "198.51.100.7:3478");
    address_parse(&v6_a, "[2001:db8::1]:5004");
    address_parse(&v6_b, "[2001:db8::2]:3478");
}

static enum packet_skip decode_cut(uint16_t link_type, const uint8_t *frame, size_t captured, size_t len,
                                   struct fragments *fragments, struct packet *packet)
{
    struct capture_packet captured_packet = {
        .link_type = link_type,
        .data = frame,
        .captured_len = (uint32_t)captured,
        .original_len = (uint32_t)len,
        .time = 77,
    };
    memset(packet, 0, sizeof *packet);
    return packet_decode(&captured_packet, 0, fragments, packet);
}

static enum packet_skip decode(uint16_t link_type, const uint8_t *frame, size_t len, struct packet *packet)
{
    struct fragments *fragments = fragments_create();
    enum packet_skip skip = decode_cut(link_type, frame, len, len, fragments, packet);
    fragments_destroy(fragments);
    return skip;
}

/* The frame holds the payload between the two addresses, whatever is around it. */
static void expect_payload(uint16_t link_type, const uint8_t *frame, size_t len, bool ipv6)
{
    struct packet packet;
    CU_ASSERT_EQUAL(decode(link_type, frame, len, &packet), PACKET_TAKEN);
    CU_ASSERT_EQUAL(packet.protocol, PACKET_UDP);
    CU_ASSERT_EQUAL(packet.time, 77);
    CU_ASSERT_TRUE(address_equal(&packet.source, ipv6 ? &v6_a : &v4_a));
    CU_ASSERT_TRUE(address_equal(&packet.destination, ipv6 ? &v6_b : &v4_b));
    CU_ASSERT_EQUAL_FATAL(packet.len, PAYLOAD_LEN);
    CU_ASSERT_EQUAL_FATAL(packet.captured_len, PAYLOAD_LEN);
    CU_ASSERT_EQUAL(memcmp(packet.data, PAYLOAD, PAYLOAD_LEN), 0);
}

/* `head` in front of an IP packet with the payload. */
static size_t behind(uint8_t *out, const void *head, size_t head_len, bool ipv6)
{
    memcpy(out, head, head_len);
    return head_len +
           capture_builder_ip_udp(out + head_len, ipv6 ? &v6_a : &v4_a, ipv6 ? &v6_b : &v4_b, PAYLOAD, PAYLOAD_LEN);
}

static void reads_each_link_layer(void)
{
    addresses();
    static const struct {
        uint16_t link_type;
        const char *head;
        size_t head_len;
        bool ipv6;
    } cases[] = {
        {LINK_RAW, "", 0, false},
        {LINK_RAW, "", 0, true},
        {LINK_RAW_BSD, "", 0, false},
        {LINK_IPV4, "", 0, false},
        {LINK_IPV6, "", 0, true},
        {LINK_ETHERNET, "\x02\0\0\0\0\1\x02\0\0\0\0\2\x08\x00", 14, false},
        {LINK_ETHERNET, "\x02\0\0\0\0\1\x02\0\0\0\0\2\x86\xdd", 14, true},
        {LINK_ETHERNET, "\x02\0\0\0\0\1\x02\0\0\0\0\2\x81\x00\x00\x2a\x08\x00", 18, false},                 /* VLAN */
        {LINK_ETHERNET, "\x02\0\0\0\0\1\x02\0\0\0\0\2\x88\xa8\x00\x2a\x81\x00\x00\x05\x86\xdd", 22, true},  /* QinQ */
        {LINK_ETHERNET, "\x02\0\0\0\0\1\x02\0\0\0\0\2\x88\x64\x11\x00\x00\x01\x00\x2e\x00\x21", 22, false}, /* PPPoE */
        {LINK_NULL, "\x02\0\0\0", 4, false},
        {LINK_NULL, "\x1e\0\0\0", 4, true},
        {LINK_LOOP, "\0\0\0\x02", 4, false},
        {LINK_LINUX_COOKED, "\0\0\0\1\0\6\x02\0\0\0\0\1\0\0\x08\x00", 16, false},
        {LINK_LINUX_COOKED, "\0\0\0\1\0\6\x02\0\0\0\0\1\0\0\x81\x00\x00\x07\x86\xdd", 20, true},
        {LINK_LINUX_COOKED_2, "\x08\x00\0\0\0\0\0\5\0\1\0\6\x02\0\0\0\0\1\0\0", 20, false},
        {LINK_PPP, "\xff\x03\x00\x21", 4, false},
        {LINK_PPP, "\x00\x57", 2, true},
        {LINK_PPP, "\x21", 1, false}, /* protocol field compressed */
        {LINK_PPP_HDLC, "\xff\x03\x00\x21", 4, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t frame[200];
        size_t len = behind(frame, cases[i].head, cases[i].head_len, cases[i].ipv6);
        expect_payload(cases[i].link_type, frame, len, cases[i].ipv6);
        /* cut anywhere, it is short but never read past its end */
        for (size_t cut = 0; cut < len; cut++) {
            uint8_t *exact = malloc(cut + 1);
            memcpy(exact, frame, cut);
            struct packet packet;
            enum packet_skip skip = decode_cut(cases[i].link_type, exact, cut, len, NULL, &packet);
            CU_ASSERT(skip == PACKET_SHORT || (skip == PACKET_TAKEN && packet.captured_len < PAYLOAD_LEN));
            free(exact);
        }
    }
    struct packet packet;
    uint8_t cooked[200];
    size_t len = behind(cooked, "\x08\x00\0\0\0\0\0\5\0\1\0\6\x02\0\0\0\0\1\0\0", 20, false);
    CU_ASSERT_EQUAL(decode(LINK_LINUX_COOKED_2, cooked, len, &packet), PACKET_TAKEN);
    CU_ASSERT_EQUAL(packet.device, 5);
}

static void says_why_it_puts_a_packet_aside(void)
{
    addresses();
    struct packet packet;
    uint8_t frame[200];
    CU_ASSERT_EQUAL(decode(147, frame, 0, &packet), PACKET_LINK_TYPE);
    static const uint8_t arp[60] = {[12] = 0x08, [13] = 0x06};
    CU_ASSERT_EQUAL(decode(LINK_ETHERNET, arp, sizeof arp, &packet), PACKET_NOT_IP);
    size_t len = behind(frame, "", 0, false);
    frame[9] = 1;
    CU_ASSERT_EQUAL(decode(LINK_RAW, frame, len, &packet), PACKET_ICMP);
    frame[9] = 132;
    CU_ASSERT_EQUAL(decode(LINK_RAW, frame, len, &packet), PACKET_NOT_UDP_TCP);
    len = behind(frame, "", 0, false);
    bytes_put16(frame + 2, 2000); /* longer than the frame */
    CU_ASSERT_EQUAL(decode(LINK_RAW, frame, len, &packet), PACKET_MALFORMED);
    len = behind(frame, "", 0, false);
    bytes_put16(frame + 24, 7); /* UDP length below its header */
    CU_ASSERT_EQUAL(decode(LINK_RAW, frame, len, &packet), PACKET_MALFORMED);
    len = behind(frame, "", 0, false);
    frame[0] = 0x42; /* header of 8 bytes */
    CU_ASSERT_EQUAL(decode(LINK_RAW, frame, len, &packet), PACKET_MALFORMED);
    for (int reason = 0; reason < PACKET_SKIP_REASONS; reason++)
        CU_ASSERT_PTR_NOT_NULL(packet_skip_name((enum packet_skip)reason));
}

/* Ethernet pads to 60 bytes: the padding isn't payload. */
static void leaves_out_the_padding_behind_a_packet(void)
{
    addresses();
    uint8_t frame[200] = {0};
    size_t len = behind(frame, "\x02\0\0\0\0\1\x02\0\0\0\0\2\x08\x00", 14, false);
    expect_payload(LINK_ETHERNET, frame, len + 20, false);
}

static void keeps_the_length_of_what_was_captured_short(void)
{
    addresses();
    uint8_t frame[200];
    size_t len = behind(frame, "", 0, false);
    struct packet packet;
    CU_ASSERT_EQUAL(decode_cut(LINK_RAW, frame, len - 10, len, NULL, &packet), PACKET_TAKEN);
    CU_ASSERT_EQUAL(packet.len, PAYLOAD_LEN);
    CU_ASSERT_EQUAL(packet.captured_len, PAYLOAD_LEN - 10);
}

static void passes_over_ipv6_extension_headers(void)
{
    addresses();
    uint8_t plain[100];
    size_t len = behind(plain, "", 0, true);
    static const uint8_t extensions[] = {
        43, 0, 1, 4,  0, 0, 0, 0,                         /* hop-by-hop, then routing */
        60, 0, 0, 0,  0, 0, 0, 0,                         /* routing, then destination options */
        44, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* destination options, 16 bytes, then a fragment … */
        17, 0, 0, 0,  0, 0, 0, 9,                         /* … that is all there is: RFC 6946 */
    };
    uint8_t frame[200];
    memcpy(frame, plain, 40);
    memcpy(frame + 40, extensions, sizeof extensions);
    memcpy(frame + 40 + sizeof extensions, plain + 40, len - 40);
    frame[6] = 0;
    bytes_put16(frame + 4, (uint16_t)(len - 40 + sizeof extensions));
    expect_payload(LINK_RAW, frame, len + sizeof extensions, true);
    frame[41] = 200; /* an extension header that reaches past the end */
    struct packet packet;
    CU_ASSERT_EQUAL(decode(LINK_RAW, frame, len + sizeof extensions, &packet), PACKET_MALFORMED);
}

/* --- fragments ------------------------------------------------------------------------------------------------------------- */

/* Fragment `from` to `to` of the payload of an IPv4 packet. */
static size_t fragment(uint8_t *out, const uint8_t *whole, size_t whole_len, size_t from, size_t to, uint16_t id)
{
    memcpy(out, whole, 20);
    memcpy(out + 20, whole + 20 + from, to - from);
    bytes_put16(out + 2, (uint16_t)(20 + to - from));
    bytes_put16(out + 4, id);
    bytes_put16(out + 6, (uint16_t)((20 + to < whole_len ? 0x2000 : 0) | from / 8));
    return 20 + to - from;
}

static void puts_fragments_together_in_any_order(void)
{
    addresses();
    uint8_t payload[3000];
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (uint8_t)(i * 7);
    uint8_t whole[3100];
    size_t len = capture_builder_ip_udp(whole, &v4_a, &v4_b, payload, sizeof payload);
    size_t cuts[] = {0, 1000, 2000, len - 20};
    int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    struct fragments *fragments = fragments_create();
    struct packet packet;
    for (int o = 0; o < 6; o++) {
        for (int i = 0; i < 3; i++) {
            uint8_t piece[1100];
            int which = orders[o][i];
            size_t piece_len = fragment(piece, whole, len, cuts[which], cuts[which + 1], (uint16_t)o);
            enum packet_skip skip = decode_cut(LINK_RAW, piece, piece_len, piece_len, fragments, &packet);
            CU_ASSERT_EQUAL(skip, i < 2 ? PACKET_FRAGMENT : PACKET_TAKEN);
            /* the same again changes nothing */
            if (i < 2)
                CU_ASSERT_EQUAL(decode_cut(LINK_RAW, piece, piece_len, piece_len, fragments, &packet), PACKET_FRAGMENT);
        }
        CU_ASSERT_EQUAL_FATAL(packet.len, sizeof payload);
        CU_ASSERT_EQUAL(packet.captured_len, sizeof payload);
        CU_ASSERT_EQUAL(memcmp(packet.data, payload, sizeof payload), 0);
        CU_ASSERT_TRUE(address_equal(&packet.destination, &v4_b));
    }
    /* captured short, the datagram ends where the first hole begins */
    uint8_t piece[1100];
    size_t piece_len = fragment(piece, whole, len, 0, 1000, 99);
    decode_cut(LINK_RAW, piece, piece_len, piece_len, fragments, &packet);
    piece_len = fragment(piece, whole, len, 1000, 2000, 99);
    decode_cut(LINK_RAW, piece, 20 + 100, piece_len, fragments, &packet);
    piece_len = fragment(piece, whole, len, 2000, len - 20, 99);
    CU_ASSERT_EQUAL(decode_cut(LINK_RAW, piece, piece_len, piece_len, fragments, &packet), PACKET_TAKEN);
    CU_ASSERT_EQUAL(packet.len, sizeof payload);
    CU_ASSERT_EQUAL(packet.captured_len, 1100 - 8);
    fragments_destroy(fragments);
}

static void keeps_few_unfinished_datagrams(void)
{
    addresses();
    uint8_t payload[1500] = {0};
    uint8_t whole[1600];
    size_t len = capture_builder_ip_udp(whole, &v4_a, &v4_b, payload, sizeof payload);
    struct fragments *fragments = fragments_create();
    struct packet packet;
    uint8_t piece[1600];
    for (int id = 0; id < 5000; id++) { /* first fragments of which the second never comes */
        size_t piece_len = fragment(piece, whole, len, 0, 800, (uint16_t)id);
        CU_ASSERT_EQUAL(decode_cut(LINK_RAW, piece, piece_len, piece_len, fragments, &packet), PACKET_FRAGMENT);
    }
    size_t piece_len = fragment(piece, whole, len, 800, len - 20, 4999); /* the latest are still there, */
    CU_ASSERT_EQUAL(decode_cut(LINK_RAW, piece, piece_len, piece_len, fragments, &packet), PACKET_TAKEN);
    piece_len = fragment(piece, whole, len, 800, len - 20, 1); /* the first are gone */
    CU_ASSERT_EQUAL(decode_cut(LINK_RAW, piece, piece_len, piece_len, fragments, &packet), PACKET_FRAGMENT);
    fragments_destroy(fragments);
}

/* --- tunnels ----------------------------------------------------------------------------------------------------------------- */

static void looks_into_gtp_u(void)
{
    addresses();
    struct address sgw;
    struct address enb;
    address_parse(&sgw, "10.0.0.1:2152");
    address_parse(&enb, "10.0.0.2:2152");
    uint8_t inner[100];
    size_t inner_len = behind(inner, "", 0, true);
    uint8_t gtp[200];
    uint8_t frame[300];
    memcpy(gtp, "\x30\xff\x00\x00\x00\x00\x00\x07", 8);
    memcpy(gtp + 8, inner, inner_len);
    expect_payload(LINK_RAW, frame, capture_builder_ip_udp(frame, &sgw, &enb, gtp, 8 + inner_len), true);
    /* sequence number, and an extension header of four bytes (the PDU session container of 5G) */
    memcpy(gtp, "\x34\xff\x00\x00\x00\x00\x00\x07\x00\x00\x00\x85\x01\x10\x09\x00", 16);
    memcpy(gtp + 16, inner, inner_len);
    expect_payload(LINK_RAW, frame, capture_builder_ip_udp(frame, &sgw, &enb, gtp, 16 + inner_len), true);
    /* a tunnel in a tunnel in a tunnel … ends somewhere */
    uint8_t nested[1000];
    size_t len = behind(nested, "", 0, false);
    for (int i = 0; i < 6; i++) {
        uint8_t around[1000];
        memcpy(around, "\x30\xff\x00\x00\x00\x00\x00\x07", 8);
        memcpy(around + 8, nested, len);
        len = capture_builder_ip_udp(nested, &sgw, &enb, around, len + 8);
    }
    struct packet packet;
    CU_ASSERT_EQUAL(decode(LINK_RAW, nested, len, &packet), PACKET_TAKEN);
    CU_ASSERT_EQUAL(packet.destination.port, 2152); /* not all the way down */
}

static void looks_into_ip_in_ip(void)
{
    addresses();
    uint8_t frame[200] = {0x45, [8] = 64, [9] = 41, [12] = 10, [16] = 10};
    size_t len = behind(frame + 20, "", 0, true);
    bytes_put16(frame + 2, (uint16_t)(20 + len));
    expect_payload(LINK_RAW, frame, 20 + len, true);
}

static void reads_tcp(void)
{
    addresses();
    struct capture_builder builder = capture_builder_begin(LINK_RAW);
    capture_builder_tcp(&builder, 1, &v4_a, &v4_b, 0xfffffffe, 0x02, PAYLOAD, PAYLOAD_LEN);
    struct capture *capture = capture_of_memory("x", builder.data, builder.len, NULL);
    struct capture_packet frame;
    CU_ASSERT_TRUE_FATAL(capture_next(capture, &frame));
    struct packet packet;
    CU_ASSERT_EQUAL(packet_decode(&frame, 0, NULL, &packet), PACKET_TAKEN);
    CU_ASSERT_EQUAL(packet.protocol, PACKET_TCP);
    CU_ASSERT_EQUAL(packet.sequence, 0xfffffffe);
    CU_ASSERT_TRUE(packet.syn);
    CU_ASSERT_FALSE(packet.fin);
    CU_ASSERT_EQUAL(packet.len, PAYLOAD_LEN);
    capture_close(capture);
    capture_builder_clear(&builder);
}

void packet_test(void);
void packet_test(void)
{
    SUITE("packet", {"reads each link layer", reads_each_link_layer},
          {"says why it puts a packet aside", says_why_it_puts_a_packet_aside},
          {"leaves out the padding behind a packet", leaves_out_the_padding_behind_a_packet},
          {"keeps the length of what was captured short", keeps_the_length_of_what_was_captured_short},
          {"passes over IPv6 extension headers", passes_over_ipv6_extension_headers},
          {"puts fragments together in any order", puts_fragments_together_in_any_order},
          {"keeps few unfinished datagrams", keeps_few_unfinished_datagrams}, {"looks into GTP-U", looks_into_gtp_u},
          {"looks into IP in IP", looks_into_ip_in_ip}, {"reads TCP", reads_tcp});
}
