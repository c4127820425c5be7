#include "world/nat.h"

#include <stdio.h>

#include "base/rng.h"
#include "tests/support/suite.h"
#include "world/nat_presets.h"

#define EI NAT_ENDPOINT_INDEPENDENT
#define AD NAT_ADDRESS_DEPENDENT
#define APD NAT_ADDRESS_AND_PORT_DEPENDENT
#define S NANOS_PER_S

static struct address inside(uint8_t host, uint16_t port) { return address_ipv4(192, 168, 0, host, port); }
static struct address outside(uint8_t host, uint16_t port) { return address_ipv4(5, 0, 0, host, port); }
static struct address external(uint8_t host, uint16_t port) { return address_ipv4(31, 0, 0, host, port); }

static struct nat *make(struct nat_config config)
{
    if (config.external_count == 0 && !config.translate_none) {
        config.external_count = 1;
        config.external[0] = external(1, 0);
    }
    struct error error = {0};
    struct nat *nat = nat_create(&config, &error);
    if (nat == NULL)
        fprintf(stderr, "%s\n", error.text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(nat);
    return nat;
}

/* Where a UDP datagram seems to come from outside; family ADDRESS_NONE when it was dropped. */
static struct address out(struct nat *nat, struct address from, struct address to, nanos now)
{
    struct nat_packet packet = {.source = from, .destination = to, .protocol = NAT_UDP};
    if (nat_outbound(nat, &packet, now) != NAT_FORWARD)
        return (struct address){0};
    CU_ASSERT_TRUE(address_equal(&packet.destination, &to));
    return packet.source;
}

/* Where a UDP datagram from outside ends; family ADDRESS_NONE when it was dropped. */
static struct address in(struct nat *nat, struct address from, struct address to, nanos now)
{
    struct nat_packet packet = {.source = from, .destination = to, .protocol = NAT_UDP};
    if (nat_inbound(nat, &packet, now) != NAT_FORWARD)
        return (struct address){0};
    CU_ASSERT_TRUE(address_equal(&packet.source, &from));
    return packet.destination;
}

static bool same(struct address a, struct address b) { return address_equal(&a, &b); }
static bool dropped(struct address a) { return a.family == ADDRESS_NONE; }

/* --- RFC 4787, requirement by requirement ----------------------------------------------------------------------------- */

static void req_1_mapping(void)
{
    for (int mapping = EI; mapping <= APD; mapping++) {
        struct nat *nat = make((struct nat_config){.mapping = (enum nat_dependence)mapping, .allocation = NAT_RANDOM});
        struct address first = out(nat, inside(2, 4000), outside(1, 1000), 0);
        CU_ASSERT_TRUE(same(first, out(nat, inside(2, 4000), outside(1, 1000), 1)));
        CU_ASSERT_EQUAL(same(first, out(nat, inside(2, 4000), outside(1, 1001), 2)), mapping != APD);
        CU_ASSERT_EQUAL(same(first, out(nat, inside(2, 4000), outside(2, 1000), 3)), mapping == EI);
        CU_ASSERT_FALSE(same(first, out(nat, inside(2, 4001), outside(1, 1000), 4)));
        CU_ASSERT_FALSE(same(first, out(nat, inside(3, 4000), outside(1, 1000), 5)));
        CU_ASSERT_EQUAL(nat_counters(nat).mappings, mapping == EI ? 3 : mapping == AD ? 4 : 5);
        nat_destroy(nat);
    }
}

static void req_2_pooling(void)
{
    struct nat_config config = {.external_count = 8};
    for (uint8_t i = 0; i < 8; i++)
        config.external[i] = external((uint8_t)(i + 1), 0);
    bool used[9] = {false};
    struct nat *nat = make(config);
    struct address first[60];
    for (uint8_t host = 2; host < 60; host++) {
        first[host] = out(nat, inside(host, 4000), outside(1, 1000), 0);
        used[first[host].ip[3]] = true;
        for (uint16_t port = 4001; port < 4010; port++) {
            struct address next = out(nat, inside(host, port), outside(1, port), 0);
            CU_ASSERT_TRUE(address_same_ip(&first[host], &next));
        }
    }
    for (uint8_t host = 2; host < 60; host++) { /* the pairing outlives the mappings */
        struct address later = out(nat, inside(host, 5000), outside(1, 1000), 1000 * S);
        CU_ASSERT_TRUE(address_same_ip(&first[host], &later));
    }
    for (int i = 1; i <= 8; i++)
        CU_ASSERT_TRUE(used[i]);
    nat_destroy(nat);

    config.pooling = NAT_ARBITRARY;
    nat = make(config);
    int changes = 0;
    for (uint16_t port = 4000; port < 4100; port++) {
        struct address a = out(nat, inside(2, port), outside(1, 1), 0);
        struct address b = out(nat, inside(2, (uint16_t)(port + 1000)), outside(1, 1), 0);
        changes += !address_same_ip(&a, &b);
    }
    CU_ASSERT_TRUE(changes > 70); /* 7 of 8 expected */
    nat_destroy(nat);
}

static void req_3_ports(void)
{
    /* Preserved while free, never shared, and the two ranges kept apart. */
    struct nat *nat = make((struct nat_config){.allocation = NAT_PRESERVE});
    CU_ASSERT_TRUE(same(out(nat, inside(2, 4000), outside(1, 1), 0), external(1, 4000)));
    CU_ASSERT_TRUE(same(out(nat, inside(3, 4000), outside(1, 1), 0), external(1, 4001)));
    CU_ASSERT_TRUE(same(out(nat, inside(2, 500), outside(1, 1), 0), external(1, 500)));
    CU_ASSERT_TRUE(same(out(nat, inside(3, 500), outside(1, 1), 0), external(1, 501)));
    CU_ASSERT_TRUE(same(out(nat, inside(2, 65535), outside(1, 1), 0), external(1, 65535)));
    CU_ASSERT_TRUE(same(out(nat, inside(3, 65535), outside(1, 1), 0), external(1, 1024)));
    nat_destroy(nat);
    static const enum nat_allocation allocations[] = {NAT_PARITY, NAT_CONTIGUOUS, NAT_RANDOM};
    for (int i = 0; i < 3; i++) {
        static bool taken[65536];
        memset(taken, 0, sizeof taken);
        nat = make((struct nat_config){.allocation = allocations[i], .mapping_limit = 5000});
        for (uint16_t n = 0; n < 4000; n++) {
            uint16_t port = (uint16_t)(n < 200 ? 1 + n : 2000 + n);
            struct address a = out(nat, inside(2, port), outside(1, 1), 0);
            CU_ASSERT_FALSE(dropped(a) || taken[a.port]);
            CU_ASSERT_EQUAL(a.port < 1024, port < 1024);
            taken[a.port] = true;
        }
        nat_destroy(nat);
    }
}

static void req_4_parity(void)
{
    struct nat *nat = make((struct nat_config){.allocation = NAT_PARITY});
    for (uint16_t port = 3000; port < 3500; port++)
        CU_ASSERT_EQUAL(out(nat, inside(2, port), outside(1, 1), 0).port % 2, port % 2);
    nat_destroy(nat);
}

static void req_5_and_6_timer_and_refresh(void)
{
    for (int refresh = NAT_REFRESH_OUTBOUND; refresh <= NAT_REFRESH_BOTH; refresh++) {
        struct nat_config config = {.filtering = APD,
                                    .mapping = APD,
                                    .allocation = NAT_RANDOM,
                                    .udp_timeout = 120 * S,
                                    .refresh = (enum nat_refresh)refresh};
        bool by_out = refresh != NAT_REFRESH_INBOUND;
        bool by_in = refresh != NAT_REFRESH_OUTBOUND;
        struct nat *nat = make(config);
        struct address first = out(nat, inside(2, 4000), outside(1, 1), 0);
        CU_ASSERT_FALSE(dropped(in(nat, outside(1, 1), first, 100 * S)));
        CU_ASSERT_FALSE(dropped(in(nat, outside(1, 1), first, 120 * S - 1)));
        CU_ASSERT_EQUAL(dropped(in(nat, outside(1, 1), first, 150 * S)), !by_in);
        nat_destroy(nat);
        nat = make(config);
        first = out(nat, inside(2, 4000), outside(1, 1), 0);
        CU_ASSERT_TRUE(same(first, out(nat, inside(2, 4000), outside(1, 1), 119 * S)));
        CU_ASSERT_EQUAL(dropped(in(nat, outside(1, 1), first, 150 * S)), !by_out);
        CU_ASSERT_EQUAL(nat_list(nat, NULL, 0, 500 * S), 0);
        nat_destroy(nat);
    }
    /* REQ-5c: five minutes unless told otherwise. */
    struct nat *nat = make((struct nat_config){0});
    struct address first = out(nat, inside(2, 4000), outside(1, 1), 0);
    CU_ASSERT_FALSE(dropped(in(nat, outside(1, 1), first, 300 * S - 1)));
    CU_ASSERT_TRUE(dropped(in(nat, outside(1, 1), first, 300 * S)));
    CU_ASSERT_EQUAL(nat_last_drop(nat), NAT_DROP_UNMAPPED);
    nat_destroy(nat);
}

static void req_8_filtering_per_internal_endpoint(void)
{
    for (int mapping = EI; mapping <= APD; mapping++) {
        for (int filtering = EI; filtering <= APD; filtering++) {
            struct nat *nat = make((struct nat_config){.mapping = (enum nat_dependence)mapping,
                                                       .filtering = (enum nat_dependence)filtering,
                                                       .allocation = NAT_RANDOM});
            struct address first = out(nat, inside(2, 4000), outside(1, 1000), 0);
            CU_ASSERT_TRUE(same(in(nat, outside(1, 1000), first, 1), inside(2, 4000)));
            CU_ASSERT_EQUAL(dropped(in(nat, outside(1, 1001), first, 1)), filtering == APD);
            CU_ASSERT_EQUAL(dropped(in(nat, outside(2, 1000), first, 1)), filtering != EI);
            /* Whoever that endpoint has sent to may use any of its mappings, another endpoint's sending is no help. */
            out(nat, inside(2, 4001), outside(2, 1000), 2);
            CU_ASSERT_EQUAL(dropped(in(nat, outside(2, 1000), first, 2)), filtering != EI);
            out(nat, inside(2, 4000), outside(2, 1000), 3);
            CU_ASSERT_TRUE(same(in(nat, outside(2, 1000), first, 3), inside(2, 4000)));
            CU_ASSERT_EQUAL(dropped(in(nat, outside(2, 1001), first, 3)), filtering == APD);
            nat_destroy(nat);
        }
    }
}

static void req_9_hairpin(void)
{
    for (int hairpin = NAT_HAIRPIN_NONE; hairpin <= NAT_HAIRPIN_INTERNAL; hairpin++) {
        struct nat *nat = make((struct nat_config){.filtering = APD, .hairpin = (enum nat_hairpin)hairpin});
        struct address a = out(nat, inside(2, 4000), outside(1, 1), 0);
        struct address b = out(nat, inside(3, 5000), outside(1, 1), 0);
        struct nat_packet packet = {.source = inside(2, 4000), .destination = b, .protocol = NAT_UDP};
        CU_ASSERT_EQUAL(nat_outbound(nat, &packet, 0), NAT_DROP); /* b has not sent to a yet */
        CU_ASSERT_EQUAL(nat_last_drop(nat), hairpin == NAT_HAIRPIN_NONE ? NAT_DROP_HAIRPIN : NAT_DROP_FILTERED);
        packet = (struct nat_packet){.source = inside(3, 5000), .destination = a, .protocol = NAT_UDP};
        enum nat_verdict expected = hairpin == NAT_HAIRPIN_NONE ? NAT_DROP : NAT_HAIRPIN;
        CU_ASSERT_EQUAL(nat_outbound(nat, &packet, 0), expected);
        if (expected == NAT_HAIRPIN) {
            CU_ASSERT_TRUE(same(packet.destination, inside(2, 4000)));
            CU_ASSERT_TRUE(same(packet.source, hairpin == NAT_HAIRPIN_EXTERNAL ? b : inside(3, 5000)));
            CU_ASSERT_EQUAL(nat_counters(nat).hairpinned, 1);
        }
        nat_destroy(nat);
    }
}

/* --- allocation, sharing, limits --------------------------------------------------------------------------------------- */

static void contiguous_ports_follow_each_other(void)
{
    struct nat *nat =
        make((struct nat_config){.mapping = APD, .allocation = NAT_CONTIGUOUS, .port_min = 2000, .port_max = 2099});
    uint16_t last = out(nat, inside(2, 4000), outside(1, 1), 0).port;
    for (uint16_t i = 2; i <= 100; i++) {
        uint16_t port = out(nat, inside(2, 4000), outside(1, i), 0).port;
        CU_ASSERT_EQUAL(port, last == 2099 ? 2000 : last + 1);
        last = port;
    }
    CU_ASSERT_TRUE(dropped(out(nat, inside(2, 4000), outside(1, 101), 0)));
    CU_ASSERT_EQUAL(nat_last_drop(nat), NAT_DROP_EXHAUSTED);
    nat_destroy(nat);
}

static void random_ports_spread(void)
{
    struct nat *nat = make((struct nat_config){.allocation = NAT_RANDOM});
    int quarter[4] = {0};
    for (uint16_t i = 0; i < 4000; i++)
        quarter[out(nat, inside(2, (uint16_t)(2000 + i)), outside(1, 1), 0).port / 16384]++;
    for (int i = 0; i < 4; i++)
        CU_ASSERT_TRUE(quarter[i] > (i == 0 ? 850 : 920) && quarter[i] < 1110);
    nat_destroy(nat);
}

static void blocks_belong_to_hosts(void)
{
    struct nat_config config = {.allocation = NAT_BLOCK, .block_size = 512, .udp_timeout = 60 * S};
    struct nat *nat = make(config);
    uint16_t blocks[126];
    static bool owned[128];
    memset(owned, 0, sizeof owned);
    for (uint8_t host = 0; host < 126; host++) { /* (65,536 − 1,024) / 512 */
        struct address a = out(nat, inside(host, 4000), outside(1, 1), 0);
        blocks[host] = a.port / 512;
        CU_ASSERT_TRUE(blocks[host] >= 2 && !owned[blocks[host]]);
        owned[blocks[host]] = true;
    }
    for (uint16_t port = 0; port < 511; port++)
        CU_ASSERT_EQUAL(out(nat, inside(7, (uint16_t)(5000 + port)), outside(1, 1), 1).port / 512, blocks[7]);
    CU_ASSERT_TRUE(dropped(out(nat, inside(7, 6000), outside(1, 1), 1)));   /* its block is full */
    CU_ASSERT_TRUE(dropped(out(nat, inside(126, 4000), outside(1, 1), 1))); /* no block left */
    CU_ASSERT_FALSE(dropped(out(nat, inside(126, 4000), outside(1, 1), 60 * S)));
    nat_destroy(nat);
}

static void overloading_shares_a_port_between_destinations(void)
{
    struct nat *nat = make((struct nat_config){.mapping = APD, .filtering = APD, .overload = true});
    struct address a = out(nat, inside(2, 4000), outside(1, 1), 0);
    struct address b = out(nat, inside(3, 4000), outside(2, 1), 0);
    struct address collides = out(nat, inside(4, 4000), outside(1, 1), 0);
    CU_ASSERT_TRUE(same(a, external(1, 4000)));
    CU_ASSERT_TRUE(same(a, b));
    CU_ASSERT_FALSE(same(a, collides));
    CU_ASSERT_FALSE(dropped(collides));
    CU_ASSERT_TRUE(same(in(nat, outside(1, 1), a, 1), inside(2, 4000)));
    CU_ASSERT_TRUE(same(in(nat, outside(2, 1), a, 1), inside(3, 4000)));
    CU_ASSERT_TRUE(same(in(nat, outside(1, 1), collides, 1), inside(4, 4000)));
    CU_ASSERT_TRUE(dropped(in(nat, outside(3, 1), a, 1)));
    /* What hole punching sees: the same external port to all. */
    CU_ASSERT_TRUE(same(out(nat, inside(2, 4000), outside(9, 9), 1), a));
    nat_destroy(nat);

    struct error error;
    struct nat_config wrong = {.external_count = 1, .external = {external(1, 0)}, .overload = true};
    CU_ASSERT_PTR_NULL(nat_create(&wrong, &error));
    CU_ASSERT_EQUAL(error.code, ERROR_USAGE);
}

static void tables_and_ports_run_out_and_come_back(void)
{
    struct nat *nat = make((struct nat_config){.port_min = 2000, .port_max = 2009, .udp_timeout = 10 * S});
    for (uint16_t i = 0; i < 10; i++)
        CU_ASSERT_FALSE(dropped(out(nat, inside(2, (uint16_t)(5000 + i)), outside(1, 1), i * S / 2)));
    CU_ASSERT_TRUE(dropped(out(nat, inside(2, 6000), outside(1, 1), 5 * S)));
    /* One that exists goes on; UDP's shortage is not TCP's. */
    CU_ASSERT_FALSE(dropped(out(nat, inside(2, 5009), outside(1, 1), 5 * S)));
    struct nat_packet syn = {
        .source = inside(2, 6000), .destination = outside(1, 1), .protocol = NAT_TCP, .tcp_flags = NAT_TCP_SYN};
    CU_ASSERT_EQUAL(nat_outbound(nat, &syn, 5 * S), NAT_FORWARD);
    CU_ASSERT_TRUE(same(out(nat, inside(2, 6000), outside(1, 1), 10 * S), external(1, 2000)));
    nat_destroy(nat);

    nat = make((struct nat_config){.mapping_limit = 3, .host_limit = 2});
    CU_ASSERT_FALSE(dropped(out(nat, inside(2, 1), outside(1, 1), 0)));
    CU_ASSERT_FALSE(dropped(out(nat, inside(2, 2), outside(1, 1), 0)));
    CU_ASSERT_TRUE(dropped(out(nat, inside(2, 3), outside(1, 1), 0))); /* the host's */
    CU_ASSERT_FALSE(dropped(out(nat, inside(3, 3), outside(1, 1), 0)));
    CU_ASSERT_TRUE(dropped(out(nat, inside(4, 3), outside(1, 1), 0))); /* the table's */
    CU_ASSERT_EQUAL(nat_counters(nat).dropped[NAT_DROP_EXHAUSTED], 2);
    nat_destroy(nat);

    /* A host that sends to the whole world takes a bounded number of filter entries, and so do strangers' SYNs. */
    nat = make((struct nat_config){.filtering = APD, .session_limit = 100});
    for (uint16_t i = 1; i <= 200; i++)
        CU_ASSERT_EQUAL(dropped(out(nat, inside(2, 4000), outside(1, i), 0)), i > 100);
    CU_ASSERT_EQUAL(nat_counters(nat).filters, 100);
    nat_destroy(nat);
    nat = make((struct nat_config){.session_limit = 100});
    syn.source = inside(2, 6000);
    syn.destination = outside(1, 1);
    nat_outbound(nat, &syn, 0);
    for (uint16_t i = 2; i <= 200; i++) {
        struct nat_packet stranger = {
            .source = outside(2, i), .destination = syn.source, .protocol = NAT_TCP, .tcp_flags = NAT_TCP_SYN};
        CU_ASSERT_EQUAL(nat_inbound(nat, &stranger, 0), i <= 100 ? NAT_FORWARD : NAT_DROP);
    }
    CU_ASSERT_EQUAL(nat_counters(nat).connections, 100);
    nat_destroy(nat);
}

static void lists_what_it_holds(void)
{
    struct nat *nat = make((struct nat_config){.mapping = AD});
    out(nat, inside(2, 4000), outside(1, 1), 0);
    out(nat, inside(2, 4000), outside(1, 2), 1);
    out(nat, inside(2, 4000), outside(2, 2), 100 * S);
    struct nat_entry entries[2];
    CU_ASSERT_EQUAL(nat_list(nat, entries, 2, 100 * S), 2);
    CU_ASSERT_TRUE(same(entries[0].internal, inside(2, 4000)));
    CU_ASSERT_TRUE(same(entries[0].external, external(1, 4000)));
    CU_ASSERT_TRUE(same(entries[0].remote, outside(1, 0)));
    CU_ASSERT_TRUE(same(entries[1].remote, outside(2, 0)));
    CU_ASSERT_EQUAL(entries[1].protocol, NAT_UDP);
    CU_ASSERT_EQUAL(nat_list(nat, entries, 0, 301 * S), 1);
    nat_destroy(nat);
}

/* --- TCP: RFC 5382, RFC 7857 ------------------------------------------------------------------------------------------ */

static enum nat_verdict tcp(struct nat *nat, bool outbound, uint8_t flags, nanos now)
{
    struct nat_packet packet = {.source = outbound ? inside(2, 4000) : outside(1, 80),
                                .destination = outbound ? outside(1, 80) : external(1, 4000),
                                .protocol = NAT_TCP,
                                .tcp_flags = flags};
    enum nat_verdict verdict = outbound ? nat_outbound(nat, &packet, now) : nat_inbound(nat, &packet, now);
    if (verdict == NAT_FORWARD) {
        CU_ASSERT_TRUE(
            same(outbound ? packet.source : packet.destination, outbound ? external(1, 4000) : inside(2, 4000)));
    }
    return verdict;
}

enum { SYN = NAT_TCP_SYN, ACK = NAT_TCP_ACK, FIN = NAT_TCP_FIN, RST = NAT_TCP_RST };

static struct nat *tcp_established(nanos at)
{
    struct nat *nat = make((struct nat_config){.filtering = APD});
    CU_ASSERT_EQUAL(tcp(nat, true, SYN, at), NAT_FORWARD);
    CU_ASSERT_EQUAL(tcp(nat, false, SYN | ACK, at), NAT_FORWARD);
    CU_ASSERT_EQUAL(tcp(nat, true, ACK, at), NAT_FORWARD);
    return nat;
}

static void tcp_timers(void)
{
    /* A SYN that nobody answers: 4 minutes. */
    struct nat *nat = make((struct nat_config){.filtering = APD});
    tcp(nat, true, SYN, 0);
    CU_ASSERT_EQUAL(tcp(nat, false, SYN | ACK, 240 * S - 1), NAT_FORWARD);
    nat_destroy(nat);
    nat = make((struct nat_config){.filtering = APD});
    tcp(nat, true, SYN, 0);
    CU_ASSERT_EQUAL(tcp(nat, false, SYN | ACK, 240 * S), NAT_DROP);
    CU_ASSERT_EQUAL(nat_list(nat, NULL, 0, 240 * S), 0);
    CU_ASSERT_EQUAL(nat_counters(nat).filters, 0);
    nat_destroy(nat);
    /* Established: 2 hours 4 minutes, kept alive from either side. */
    nat = tcp_established(0);
    CU_ASSERT_EQUAL(tcp(nat, false, ACK, 7440 * S - 1), NAT_FORWARD);
    CU_ASSERT_EQUAL(tcp(nat, true, ACK, 2 * 7440 * S - 2), NAT_FORWARD);
    CU_ASSERT_EQUAL(tcp(nat, true, ACK, 3 * 7440 * S - 2), NAT_DROP);
    CU_ASSERT_EQUAL(nat_last_drop(nat), NAT_DROP_STRAY);
    nat_destroy(nat);
    /* One FIN leaves a half-open connection, which may be quiet for long; two leave 4 minutes. */
    nat = tcp_established(0);
    tcp(nat, true, FIN | ACK, S);
    CU_ASSERT_EQUAL(tcp(nat, false, ACK, 7000 * S), NAT_FORWARD);
    tcp(nat, false, FIN | ACK, 7000 * S);
    CU_ASSERT_EQUAL(tcp(nat, true, ACK, 7240 * S - 1), NAT_FORWARD);
    CU_ASSERT_EQUAL(tcp(nat, true, ACK, 7480 * S - 1), NAT_DROP);
    nat_destroy(nat);
    /* RST: 4 minutes, but for data that shows it was none (RFC 7857, 2.2). */
    nat = tcp_established(0);
    tcp(nat, false, RST, S);
    CU_ASSERT_EQUAL(tcp(nat, true, ACK, 241 * S), NAT_DROP);
    nat_destroy(nat);
    nat = tcp_established(0);
    tcp(nat, false, RST, S);
    tcp(nat, true, ACK, 2 * S);
    CU_ASSERT_EQUAL(tcp(nat, true, ACK, 7000 * S), NAT_FORWARD);
    nat_destroy(nat);
    /* The same ports again after the end. */
    nat = tcp_established(0);
    tcp(nat, true, FIN | ACK, S);
    tcp(nat, false, FIN | ACK, S);
    tcp(nat, true, SYN, 2 * S);
    CU_ASSERT_EQUAL(tcp(nat, false, SYN | ACK, 3 * S), NAT_FORWARD);
    CU_ASSERT_EQUAL(tcp(nat, false, ACK, 7000 * S), NAT_FORWARD);
    nat_destroy(nat);
}

static void tcp_opens_by_syn_only(void)
{
    struct nat *nat = make((struct nat_config){.filtering = APD});
    CU_ASSERT_EQUAL(tcp(nat, true, ACK, 0), NAT_DROP);
    CU_ASSERT_EQUAL(tcp(nat, true, SYN | ACK, 0), NAT_DROP);
    CU_ASSERT_EQUAL(nat_list(nat, NULL, 0, 0), 0);
    CU_ASSERT_EQUAL(tcp(nat, false, SYN, 0), NAT_DROP); /* silently: RFC 5382, REQ-4 */
    /* Simultaneous open: RFC 5382, REQ-2. */
    CU_ASSERT_EQUAL(tcp(nat, true, SYN, 1), NAT_FORWARD);
    CU_ASSERT_EQUAL(tcp(nat, false, SYN, 2), NAT_FORWARD);
    CU_ASSERT_EQUAL(tcp(nat, true, SYN | ACK, 3), NAT_FORWARD);
    CU_ASSERT_EQUAL(tcp(nat, true, ACK, 7000 * S), NAT_FORWARD);
    /* Filtered as UDP is, and apart from it. */
    CU_ASSERT_TRUE(dropped(in(nat, outside(1, 80), external(1, 4000), 7000 * S)));
    struct nat_packet stranger = {
        .source = outside(2, 80), .destination = external(1, 4000), .protocol = NAT_TCP, .tcp_flags = SYN};
    CU_ASSERT_EQUAL(nat_inbound(nat, &stranger, 7000 * S), NAT_DROP);
    CU_ASSERT_EQUAL(nat_last_drop(nat), NAT_DROP_FILTERED);
    nat_destroy(nat);
}

/* --- what may leave --------------------------------------------------------------------------------------------------- */

static bool leaves(const char *preset, uint8_t protocol, uint16_t port)
{
    struct nat_config config = nat_preset_find(preset)->nats[0];
    struct nat *nat = make(config);
    struct nat_packet packet = {
        .source = inside(2, 4000), .destination = outside(1, port), .protocol = protocol, .tcp_flags = SYN};
    bool left = nat_outbound(nat, &packet, 0) == NAT_FORWARD;
    CU_ASSERT_TRUE(left || nat_last_drop(nat) == NAT_DROP_POLICY);
    nat_destroy(nat);
    return left;
}

static void blocks_protocols_and_ports(void)
{
    static const struct {
        const char *preset;
        bool udp, tcp_443, tcp_80, tcp_3478;
    } cases[] = {{"home", true, true, true, true},
                 {"udp-blocked-tcp", false, true, true, true},
                 {"tls-only", false, true, false, false},
                 {"corporate-443", false, true, true, false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CU_ASSERT_EQUAL(leaves(cases[i].preset, NAT_UDP, 443), cases[i].udp);
        CU_ASSERT_EQUAL(leaves(cases[i].preset, NAT_TCP, 443), cases[i].tcp_443);
        CU_ASSERT_EQUAL(leaves(cases[i].preset, NAT_TCP, 80), cases[i].tcp_80);
        CU_ASSERT_EQUAL(leaves(cases[i].preset, NAT_TCP, 3478), cases[i].tcp_3478);
    }
}

static struct address ipv6(uint8_t host, uint16_t port)
{
    return (struct address){.family = ADDRESS_IPV6, .port = port, .ip = {0x2a, 0, [15] = host}};
}

static void ipv6_is_filtered_not_translated(void)
{
    for (int filtering = EI; filtering <= APD; filtering++) {
        struct nat *nat = make((struct nat_config){.mapping = APD,
                                                   .allocation = NAT_RANDOM,
                                                   .overload = false,
                                                   .ipv6_filtering = (enum nat_dependence)filtering});
        CU_ASSERT_TRUE(dropped(in(nat, ipv6(9, 1000), ipv6(2, 4000), 0)));
        CU_ASSERT_TRUE(same(out(nat, ipv6(2, 4000), ipv6(9, 1000), 0), ipv6(2, 4000)));
        CU_ASSERT_TRUE(same(in(nat, ipv6(9, 1000), ipv6(2, 4000), 0), ipv6(2, 4000)));
        CU_ASSERT_EQUAL(dropped(in(nat, ipv6(9, 1001), ipv6(2, 4000), 0)), filtering == APD);
        CU_ASSERT_EQUAL(dropped(in(nat, ipv6(8, 1000), ipv6(2, 4000), 0)), filtering != EI);
        CU_ASSERT_TRUE(dropped(in(nat, ipv6(9, 1000), ipv6(2, 4000), 301 * S)));
        nat_destroy(nat);
    }
    struct nat *open = make((struct nat_config){.ipv6 = NAT_IPV6_OPEN});
    CU_ASSERT_FALSE(dropped(in(open, ipv6(9, 1000), ipv6(2, 4000), 0)));
    nat_destroy(open);
    struct nat *none = make((struct nat_config){.ipv6 = NAT_IPV6_NONE});
    CU_ASSERT_TRUE(dropped(in(none, ipv6(9, 1000), ipv6(2, 4000), 0)));
    CU_ASSERT_TRUE(dropped(out(none, ipv6(2, 4000), ipv6(9, 1000), 0)));
    CU_ASSERT_EQUAL(nat_counters(none).dropped[NAT_DROP_POLICY], 2);
    nat_destroy(none);
    struct nat *firewall = make((struct nat_config){.translate_none = true, .filtering = APD});
    CU_ASSERT_TRUE(same(out(firewall, outside(7, 4000), outside(1, 1), 0), outside(7, 4000)));
    CU_ASSERT_TRUE(same(in(firewall, outside(1, 1), outside(7, 4000), 0), outside(7, 4000)));
    CU_ASSERT_TRUE(dropped(in(firewall, outside(1, 2), outside(7, 4000), 0)));
    nat_destroy(firewall);
}

/* --- two in a row, determinism, presets --------------------------------------------------------------------------------- */

static void two_in_a_row(void)
{
    const struct nat_preset *preset = nat_preset_find("cgn");
    CU_ASSERT_EQUAL_FATAL(preset->count, 2);
    struct nat_config home = preset->nats[0];
    home.external_count = 1;
    home.external[0] = address_ipv4(100, 64, 0, 2, 0);
    struct nat *near = make(home);
    struct nat *far = make(preset->nats[1]);
    struct nat_packet packet = {.source = inside(2, 4000), .destination = outside(1, 1), .protocol = NAT_UDP};
    CU_ASSERT_EQUAL(nat_outbound(near, &packet, 0), NAT_FORWARD);
    CU_ASSERT_TRUE(same(packet.source, address_ipv4(100, 64, 0, 2, 4000)));
    CU_ASSERT_EQUAL(nat_outbound(far, &packet, 0), NAT_FORWARD);
    struct address public = packet.source;
    CU_ASSERT_EQUAL(public.ip[0], 31);
    /* The carrier lets anyone in, the home router only whom its host has sent to. */
    CU_ASSERT_TRUE(same(in(near, outside(1, 1), in(far, outside(1, 1), public, 1), 1), inside(2, 4000)));
    struct address stranger = in(far, outside(2, 1), public, 1);
    CU_ASSERT_FALSE(dropped(stranger));
    CU_ASSERT_TRUE(dropped(in(near, outside(2, 1), stranger, 1)));
    nat_destroy(near);
    nat_destroy(far);
}

static void same_seed_same_ports(void)
{
    struct nat_config config = {.mapping = APD, .allocation = NAT_RANDOM, .seed = 7};
    struct nat *a = make(config);
    struct nat *b = make(config);
    config.seed = 8;
    struct nat *c = make(config);
    int differ = 0;
    for (uint16_t i = 1; i < 200; i++) {
        struct address first = out(a, inside(2, 4000), outside(1, i), i);
        CU_ASSERT_TRUE(same(first, out(b, inside(2, 4000), outside(1, i), i)));
        differ += !same(first, out(c, inside(2, 4000), outside(1, i), i));
    }
    CU_ASSERT_TRUE(differ > 190);
    nat_destroy(a);
    nat_destroy(b);
    nat_destroy(c);
}

/* Whatever comes in whatever order: what is listed is consistent, stays within its limits, and ends. */
static void survives_anything(void)
{
    enum { STEPS = 4000, LIMIT = 40 };
    for (uint64_t run = 0; run < 60; run++) {
        struct rng rng = rng_of(run, "nat anything", 0);
        struct nat_config config = {.seed = run,
                                    .external_count = 1 + run % 2,
                                    .external = {external(1, 0), external(2, 0)},
                                    .mapping = (enum nat_dependence)rng_below(&rng, 3),
                                    .filtering = (enum nat_dependence)rng_below(&rng, 3),
                                    .allocation = (enum nat_allocation)(run % 5),
                                    .pooling = (enum nat_pooling)rng_below(&rng, 2),
                                    .hairpin = (enum nat_hairpin)rng_below(&rng, 3),
                                    .refresh = (enum nat_refresh)rng_below(&rng, 3),
                                    .port_min = 2048,
                                    .port_max = 2111,
                                    .block_size = 16,
                                    .udp_timeout = 50,
                                    .tcp_syn_timeout = 30,
                                    .tcp_established_timeout = 90,
                                    .tcp_transitory_timeout = 40,
                                    .mapping_limit = LIMIT,
                                    .session_limit = 2 * LIMIT};
        if (run % 6 == 5) {
            config.mapping = config.filtering = APD;
            config.allocation = NAT_RANDOM;
            config.overload = true;
        }
        struct nat *nat = make(config);
        nanos now = 0;
        for (int step = 0; step < STEPS; step++) {
            now += (nanos)rng_below(&rng, 4);
            static const uint8_t flags[] = {SYN, SYN, SYN | ACK, ACK, FIN | ACK, RST};
            bool outbound = rng_below(&rng, 2) == 0;
            bool hairpin = rng_below(&rng, 8) == 0;
            struct address in_here = inside((uint8_t)rng_below(&rng, 6), (uint16_t)(5000 + rng_below(&rng, 4)));
            struct address out_there = outside((uint8_t)rng_below(&rng, 4), (uint16_t)(1 + rng_below(&rng, 3)));
            struct address ours = external((uint8_t)(1 + rng_below(&rng, 2)), (uint16_t)(2048 + rng_below(&rng, 64)));
            struct nat_packet packet = {.source = outbound ? in_here : out_there,
                                        .destination = outbound && !hairpin ? out_there : ours,
                                        .protocol = rng_below(&rng, 2) == 0 ? NAT_UDP : NAT_TCP,
                                        .tcp_flags = flags[rng_below(&rng, sizeof flags)]};
            enum nat_verdict verdict = outbound ? nat_outbound(nat, &packet, now) : nat_inbound(nat, &packet, now);
            if (verdict == NAT_FORWARD && outbound)
                CU_ASSERT_TRUE(packet.source.ip[0] == 31);
            if (verdict == NAT_FORWARD && !outbound)
                CU_ASSERT_TRUE(packet.destination.ip[0] == 192);
            struct nat_entry entries[LIMIT];
            size_t count = step % 50 == 0 ? nat_list(nat, entries, LIMIT, now) : 0;
            for (size_t i = 0; i < count; i++) {
                for (size_t k = 0; k < i; k++) {
                    bool collide = same(entries[i].external, entries[k].external) &&
                                   entries[i].protocol == entries[k].protocol &&
                                   (!config.overload || same(entries[i].remote, entries[k].remote));
                    CU_ASSERT_FALSE(collide);
                }
            }
            struct nat_counters counters = nat_counters(nat);
            CU_ASSERT_TRUE(counters.mappings <= LIMIT && counters.filters + counters.connections <= 2 * LIMIT);
        }
        CU_ASSERT_EQUAL(nat_list(nat, NULL, 0, now + 1000), 0);
        CU_ASSERT_EQUAL(nat_counters(nat).filters, 0);
        CU_ASSERT_EQUAL(nat_counters(nat).connections, 0);
        nat_destroy(nat);
    }
}

static void refuses_what_contradicts_itself(void)
{
    static const struct nat_config wrong[] = {
        {0},
        {.translate_none = true, .external_count = 1, .external = {{.family = ADDRESS_IPV4}}},
        {.external_count = 17},
        {.external_count = 1, .external = {{.family = ADDRESS_IPV6}}},
        {.external_count = 1, .external = {{.family = ADDRESS_IPV4}}, .port_min = 5000, .port_max = 4000},
        {.external_count = 1,
         .external = {{.family = ADDRESS_IPV4}},
         .allocation = NAT_BLOCK,
         .port_min = 2000,
         .port_max = 2100},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct error error = {0};
        CU_ASSERT_PTR_NULL(nat_create(&wrong[i], &error));
        CU_ASSERT_EQUAL(error.code, ERROR_USAGE);
    }
}

static void presets_are_whole(void)
{
    size_t types = 0;
    for (size_t i = 0; nat_preset_at(i) != NULL; i++) {
        const struct nat_preset *preset = nat_preset_at(i);
        CU_ASSERT_PTR_EQUAL(nat_preset_find(preset->name), preset);
        CU_ASSERT_TRUE(strlen(preset->source) > 10);
        CU_ASSERT_TRUE(preset->count <= NAT_CHAIN_MAX);
        for (size_t n = 0; n < preset->count; n++)
            nat_destroy(make(preset->nats[n]));
        for (size_t n = 0; n < NAT_ALTERNATIVES_MAX && preset->alternatives[n].name != NULL; n++)
            CU_ASSERT_PTR_NOT_NULL(nat_preset_find(preset->alternatives[n].name));
        types += strncmp(preset->source, "RFC 4787 sections 4 and 5", 25) == 0;
    }
    CU_ASSERT_EQUAL(types, 27);
    CU_ASSERT_PTR_NULL(nat_preset_find("none such"));
    CU_ASSERT_EQUAL(nat_preset_find("apd-ad-contiguous")->nats[0].filtering, AD);

    struct rng rng = rng_of(1, "draw", 0);
    const struct nat_preset *blocked = nat_preset_find("udp-blocked");
    int tls = 0;
    for (int i = 0; i < 10000; i++)
        tls += strcmp(nat_preset_draw(blocked, &rng)->name, "tls-only") == 0;
    CU_ASSERT_TRUE(tls > 2075 && tls < 2325); /* 22 %, 3 standard deviations */
    CU_ASSERT_PTR_EQUAL(nat_preset_draw(nat_preset_find("home"), &rng), nat_preset_find("home"));
}

/* --- whoever has a socket for each external endpoint ------------------------------------------------------------------- */

struct observed {
    int began, ended;
    struct address last;
};

static void began(void *user, uint8_t protocol, const struct address *at)
{
    struct observed *observed = user;
    CU_ASSERT_EQUAL(protocol, NAT_UDP);
    observed->began++;
    observed->last = *at;
}

static void ended(void *user, uint8_t protocol, const struct address *at)
{
    struct observed *observed = user;
    CU_ASSERT_EQUAL(protocol, NAT_UDP);
    CU_ASSERT_TRUE(address_equal(at, &observed->last));
    observed->ended++;
}

static void an_observer_hears_of_each_mapping(void)
{
    struct observed observed = {0};
    struct nat *nat = make((struct nat_config){
        .mapping = APD, .filtering = APD, .allocation = NAT_PRESERVE, .overload = true, .udp_timeout = 10 * S});
    nat_observe(nat, &(struct nat_observer){.began = began, .ended = ended, .user = &observed});
    CU_ASSERT_EQUAL(nat_deadline(nat), NANOS_NEVER);
    struct address first = out(nat, inside(2, 5000), outside(1, 80), 0);
    CU_ASSERT_TRUE(same(first, observed.last));
    out(nat, inside(2, 5000), outside(1, 80), S);
    CU_ASSERT_EQUAL(observed.began, 1);
    CU_ASSERT_TRUE(same(out(nat, inside(2, 5000), outside(2, 80), 2 * S), first)); /* one port, two mappings */
    CU_ASSERT_EQUAL(observed.began, 2);
    CU_ASSERT_TRUE(nat_deadline(nat) <= 11 * S);
    nat_expire(nat, 11 * S - 1);
    CU_ASSERT_EQUAL(observed.ended, 0);
    nat_expire(nat, 11 * S);
    CU_ASSERT_EQUAL(observed.ended, 1);
    CU_ASSERT_EQUAL(nat_deadline(nat), 12 * S);
    nat_destroy(nat);
    CU_ASSERT_EQUAL(observed.ended, 2);
}

void nat_test(void)
{
    SUITE("nat", {"REQ-1: mapping", req_1_mapping}, {"REQ-2: pooling", req_2_pooling},
          {"REQ-3: port ranges, no sharing", req_3_ports}, {"REQ-4: parity", req_4_parity},
          {"REQ-5, REQ-6: timer and refresh direction", req_5_and_6_timer_and_refresh},
          {"REQ-8: filtering, per internal endpoint", req_8_filtering_per_internal_endpoint},
          {"REQ-9: hairpinning", req_9_hairpin},
          {"contiguous ports follow each other", contiguous_ports_follow_each_other},
          {"random ports spread", random_ports_spread}, {"port blocks belong to hosts", blocks_belong_to_hosts},
          {"overloading shares a port between destinations", overloading_shares_a_port_between_destinations},
          {"tables and ports run out and come back", tables_and_ports_run_out_and_come_back},
          {"lists what it holds", lists_what_it_holds}, {"TCP timers (RFC 5382, RFC 7857)", tcp_timers},
          {"TCP opens by SYN only", tcp_opens_by_syn_only}, {"blocks protocols and ports", blocks_protocols_and_ports},
          {"IPv6 is filtered, not translated", ipv6_is_filtered_not_translated}, {"two in a row", two_in_a_row},
          {"same seed, same ports", same_seed_same_ports}, {"survives anything", survives_anything},
          {"refuses what contradicts itself", refuses_what_contradicts_itself},
          {"presets are whole", presets_are_whole},
          {"an observer hears of each mapping", an_observer_hears_of_each_mapping});
}
