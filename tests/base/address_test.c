#include "base/address.h"

#include "tests/support/suite.h"

static void round_trips(void)
{
    const char *texts[] = {"192.0.2.1:3478", "[2001:db8::1]:65535", "0.0.0.0:0", "[::]:1"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct address a;
        char text[ADDRESS_TEXT_CAP];
        CU_ASSERT_TRUE_FATAL(address_parse(&a, texts[i]));
        CU_ASSERT_STRING_EQUAL(address_format(&a, text), texts[i]);
    }
    struct address bare;
    CU_ASSERT_TRUE(address_parse(&bare, "2001:db8::7"));
    CU_ASSERT_EQUAL(bare.family, ADDRESS_IPV6);
    CU_ASSERT_EQUAL(bare.port, 0);
}

static void refuses_what_is_no_literal(void)
{
    const char *texts[] = {"",
                           "localhost",
                           "1.2.3",
                           "1.2.3.4:",
                           "1.2.3.4:65536",
                           "1.2.3.4:x",
                           "[::1",
                           "[::1]x:5",
                           "[1.2.3.4]:5",
                           "1.2.3.4:-1",
                           "1111111111111111111111111111111111111111111111111111111111111"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct address a;
        CU_ASSERT_FALSE(address_parse(&a, texts[i]));
    }
}

static void scopes_see_through_embedded_ipv4(void)
{
    const struct {
        const char *text;
        enum address_scope scope;
    } cases[] = {
        {"8.8.8.8", ADDRESS_GLOBAL},          {"0.0.0.0", ADDRESS_UNSPECIFIED},
        {"127.9.9.9", ADDRESS_LOOPBACK},      {"169.254.169.254", ADDRESS_LINK_LOCAL},
        {"172.31.0.1", ADDRESS_PRIVATE},      {"172.32.0.1", ADDRESS_GLOBAL},
        {"100.64.0.1", ADDRESS_PRIVATE},      {"239.0.0.1", ADDRESS_MULTICAST},
        {"255.255.255.255", ADDRESS_SPECIAL}, {"::1", ADDRESS_LOOPBACK},
        {"::", ADDRESS_UNSPECIFIED},          {"::ffff:127.0.0.1", ADDRESS_LOOPBACK},
        {"::127.0.0.1", ADDRESS_LOOPBACK},    {"64:ff9b::7f00:1", ADDRESS_LOOPBACK},
        {"2002:7f00:1::", ADDRESS_LOOPBACK},  {"fe80::1", ADDRESS_LINK_LOCAL},
        {"fd00::1", ADDRESS_PRIVATE},         {"ff02::1", ADDRESS_MULTICAST},
        {"2a00:1450::1", ADDRESS_GLOBAL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct address a;
        CU_ASSERT_TRUE_FATAL(address_parse(&a, cases[i].text));
        CU_ASSERT_EQUAL(address_scope(&a), cases[i].scope);
    }
}

void address_test(void)
{
    SUITE("address", {"round trips", round_trips}, {"refuses what is no literal", refuses_what_is_no_literal},
          {"scopes see through embedded IPv4", scopes_see_through_embedded_ipv4});
}
