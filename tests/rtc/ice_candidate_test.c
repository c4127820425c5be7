#include "rtc/ice_candidate.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/suite.h"

static struct ice_candidate parse(const char *text)
{
    struct ice_candidate candidate;
    struct error error;
    memset(&candidate, 0, sizeof candidate);
    CU_ASSERT_TRUE_FATAL(ice_candidate_parse(&candidate, text, &error));
    return candidate;
}

/* RFC 8839, section 5.1's example, and lines as browsers and servers write them. */
static void reads_candidates_from_the_wild(void)
{
    char text[ADDRESS_TEXT_CAP];
    struct ice_candidate candidate =
        parse("a=candidate:2 1 UDP 1694498815 192.0.2.3 45664 typ srflx raddr 203.0.113.141 rport 8998\r\n");
    CU_ASSERT_STRING_EQUAL(candidate.foundation, "2");
    CU_ASSERT_EQUAL(candidate.component, 1);
    CU_ASSERT_EQUAL(candidate.transport, ICE_UDP);
    CU_ASSERT_EQUAL(candidate.priority, 1694498815);
    CU_ASSERT_STRING_EQUAL(address_format(&candidate.address, text), "192.0.2.3:45664");
    CU_ASSERT_EQUAL(candidate.type, ICE_SERVER_REFLEXIVE);
    CU_ASSERT_STRING_EQUAL(address_format(&candidate.related, text), "203.0.113.141:8998");

    candidate = parse("candidate:842163049 1 udp 1677729535 2001:db8::1 54400 typ relay raddr :: rport 0 generation 2 "
                      "ufrag EsAw network-id 1 network-cost 10");
    CU_ASSERT_STRING_EQUAL(address_format(&candidate.address, text), "[2001:db8::1]:54400");
    CU_ASSERT_EQUAL(candidate.type, ICE_RELAYED);
    CU_ASSERT_EQUAL(candidate.generation, 2);
    CU_ASSERT_STRING_EQUAL(candidate.ufrag, "EsAw");
    CU_ASSERT_EQUAL(candidate.network_id, 1);
    CU_ASSERT_EQUAL(candidate.network_cost, 10);

    candidate = parse("candidate:1 1 TCP 2128609279 10.0.0.1 9 typ host tcptype active unknown-thing");
    CU_ASSERT_EQUAL(candidate.transport, ICE_TCP);
    CU_ASSERT_EQUAL(candidate.tcp_type, ICE_TCP_ACTIVE);
    CU_ASSERT_EQUAL(candidate.related.family, ADDRESS_NONE);

    candidate = parse("candidate:0 1 UDP 2122252543 0a8cf1ae-4a5c-4d5a-a9e5-6b0c3c4d5e6f.local 61554 typ host");
    CU_ASSERT_EQUAL(candidate.address.family, ADDRESS_NONE);
    CU_ASSERT_EQUAL(candidate.address.port, 61554);
    CU_ASSERT_TRUE(ice_candidate_is_mdns(&candidate));
    candidate = parse("candidate:0 1 UDP 2122252543 sfu.example.org 10000 typ host");
    CU_ASSERT_STRING_EQUAL(candidate.hostname, "sfu.example.org");
    CU_ASSERT_FALSE(ice_candidate_is_mdns(&candidate));
}

static void refuses_what_breaks_the_grammar(void)
{
    static const struct {
        const char *text;
        const char *field;
    } wrong[] = {
        {"", "candidate:"},
        {"candidate:", "foundation"},
        {"candidate:a-b 1 udp 1 1.2.3.4 5 typ host", "foundation"},
        {"candidate:012345678901234567890123456789012 1 udp 1 1.2.3.4 5 typ host", "foundation"},
        {"candidate:1 0 udp 1 1.2.3.4 5 typ host", "component"},
        {"candidate:1 257 udp 1 1.2.3.4 5 typ host", "component"},
        {"candidate:1 1 udp 4294967296 1.2.3.4 5 typ host", "priority"},
        {"candidate:1 1 udp -1 1.2.3.4 5 typ host", "priority"},
        {"candidate:1 1 udp 1 1.2.3.4:80 5 typ host", "address"},
        {"candidate:1 1 udp 1 [::1] 5 typ host", "address"},
        {"candidate:1 1 udp 1 fe80::1%eth0 5 typ host", "address"},
        {"candidate:1 1 udp 1 localhost 5 typ host", "address"},
        {"candidate:1 1 udp 1 1.2.3.4 65536 typ host", "port"},
        {"candidate:1 1 udp 1 1.2.3.4 5", "typ"},
        {"candidate:1 1 udp 1 1.2.3.4 5 typ", "type"},
        {"candidate:1 1 udp 1 1.2.3.4 5 typ magic", "type"},
        {"candidate:1 1 udp 1 1.2.3.4 5 typ srflx raddr 1.2.3.4 rport x", "rport"},
        {"candidate:1 1 tcp 1 1.2.3.4 5 typ host tcptype lazy", "tcptype"},
        {"candidate:1 1 udp 1 1.2.3.4 5 typ host ufrag a%n", "ufrag"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct ice_candidate candidate;
        struct error error = {0};
        CU_ASSERT_FALSE(ice_candidate_parse(&candidate, wrong[i].text, &error));
        CU_ASSERT_PTR_NOT_NULL(strstr(error.text, wrong[i].field));
    }
}

static void writes_what_it_reads(void)
{
    static const char *const texts[] = {
        "candidate:2 1 udp 1694498815 192.0.2.3 45664 typ srflx raddr 203.0.113.141 rport 8998",
        "candidate:h1 1 udp 2130706431 2001:db8::7 5000 typ host generation 0 ufrag abcd",
        "candidate:r 1 udp 33562367 192.0.2.9 49152 typ relay raddr 198.51.100.1 rport 7 generation 3 ufrag AbC+ "
        "network-id 2 network-cost 900",
        "candidate:1 1 tcp 2128609279 10.0.0.1 9 typ host tcptype so",
        "candidate:0 1 udp 2122252543 0a8cf1ae.local 61554 typ host",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct ice_candidate candidate = parse(texts[i]);
        char text[ICE_CANDIDATE_TEXT_CAP];
        CU_ASSERT_EQUAL(ice_candidate_format(&candidate, text, sizeof text), strlen(texts[i]));
        CU_ASSERT_STRING_EQUAL(text, texts[i]);
        CU_ASSERT_EQUAL(ice_candidate_format(&candidate, text, strlen(texts[i])), 0);
    }
}

static void ranks_as_rfc_8445_does(void)
{
    /* RFC 8445, section 15.1: the example's host candidate, its pair's and the server-reflexive one's priority. */
    CU_ASSERT_EQUAL(ice_candidate_priority(ICE_PREFERENCE_HOST, 65535, 1), 2130706431);
    CU_ASSERT_EQUAL(ice_candidate_priority(ICE_PREFERENCE_SERVER_REFLEXIVE, 65535, 1), 1694498815);
    CU_ASSERT_EQUAL(ice_pair_priority(1694498815, 2130706431), 7277816997797167102);
    CU_ASSERT_EQUAL(ice_pair_priority(2130706431, 1694498815), 7277816997797167103);
    CU_ASSERT_TRUE(ice_type_preference(ICE_RELAYED, ICE_RELAY_UDP) > ice_type_preference(ICE_RELAYED, ICE_RELAY_TCP));
    CU_ASSERT_TRUE(ice_type_preference(ICE_RELAYED, ICE_RELAY_TCP) > ice_type_preference(ICE_RELAYED, ICE_RELAY_TLS));
}

static void judges_credentials(void)
{
    char longest[ICE_UFRAG_CAP + 1];
    memset(longest, 'a', sizeof longest);
    longest[256] = '\0';
    CU_ASSERT_TRUE(ice_ufrag_valid(longest));
    CU_ASSERT_TRUE(ice_password_valid(longest));
    longest[256] = 'a';
    longest[257] = '\0';
    CU_ASSERT_FALSE(ice_ufrag_valid(longest));
    CU_ASSERT_FALSE(ice_ufrag_valid("abc"));
    CU_ASSERT_TRUE(ice_ufrag_valid("8hhY"));
    CU_ASSERT_FALSE(ice_ufrag_valid("8h:Y"));
    CU_ASSERT_TRUE(ice_password_valid("asd88fgpdd777uzjYhagZg"));
    CU_ASSERT_FALSE(ice_password_valid("asd88fgpdd777uzjYhagZ"));
}

void ice_candidate_test(void)
{
    SUITE("ice_candidate", {"reads candidates from the wild", reads_candidates_from_the_wild},
          {"refuses what breaks the grammar", refuses_what_breaks_the_grammar},
          {"writes what it reads", writes_what_it_reads}, {"ranks as RFC 8445 does", ranks_as_rfc_8445_does},
          {"judges credentials", judges_credentials});
}
