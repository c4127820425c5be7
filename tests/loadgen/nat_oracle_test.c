#include "loadgen/nat_oracle.h"

#include <stdio.h>

#include "loadgen/presets.h"
#include "tests/support/suite.h"

/* Roverso et al. (2009) have 27 types; by RFC 5128's rules 210 of their 378 pairs reach each other. */
static void the_27_types(void)
{
    char names[27][SCENARIO_NAME_CAP];
    int direct = 0, pairs = 0;
    CU_ASSERT_EQUAL_FATAL(presets_rfc4787(names, 27), 27);
    for (int i = 0; i < 27; i++) {
        const struct nat_preset *a = nat_preset_find(names[i]);
        CU_ASSERT_EQUAL(nat_kind_of(a, NULL), i / 3);
        for (int k = 0; k < 27; k++) {
            const struct nat_preset *b = nat_preset_find(names[k]);
            CU_ASSERT_EQUAL(nat_oracle_direct(a, b), nat_oracle_direct(b, a));
            direct += i <= k && nat_oracle_direct(a, b);
            pairs += i <= k;
        }
    }
    CU_ASSERT_EQUAL(pairs, 378);
    CU_ASSERT_EQUAL(direct, 210);
}

/* Each side's NAT as tests/world/nat_punch_test.c finds it by sending packets through the model. */
static void presets(void)
{
    static const struct {
        const char *a, *b;
        bool direct;
    } pairs[] = {
        {"open", "open", true},
        {"open", "symmetric", true},
        {"home", "home", true},
        {"home", "symmetric", false},
        {"linux", "linux", true},
        {"linux", "home", true},
        {"cgn", "cgn", true},
        {"cgn", "home", true},
        {"cgn", "mobile", true},
        {"cgn-symmetric", "home", false},
        {"firewall", "firewall", true},
        {"cgn-symmetric", "full-cone", true},
        {"firewall", "home", true},
        {"rfc4787", "symmetric", true},
        {"firewall", "symmetric", false},
        {"tls-only", "open", false},
        {"udp-blocked", "open", false},
        {"udp-blocked", "udp-blocked", false},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        CU_ASSERT_EQUAL(nat_oracle_direct(nat_preset_find(pairs[i].a), nat_preset_find(pairs[i].b)), pairs[i].direct);
    for (size_t i = 0; nat_preset_at(i) != NULL; i++)
        CU_ASSERT_TRUE(nat_kind_of(nat_preset_at(i), NULL) >= 0);
}

static void what_cannot_be_told(void)
{
    struct nat_preset chain = {.name = "chain", .count = 2};
    struct nat_preset mixed = {.name = "mixed", .alternatives = {{"home", .5}, {"symmetric", .5}}};
    struct nat_preset alike = {.name = "alike", .alternatives = {{"home", .5}, {"mobile", .5}}};
    struct error error = {0};
    chain.nats[0].mapping = NAT_ADDRESS_AND_PORT_DEPENDENT;
    CU_ASSERT_EQUAL(nat_kind_of(&chain, &error), 6);
    chain.nats[1].filtering = NAT_ADDRESS_DEPENDENT;
    CU_ASSERT_EQUAL(nat_kind_of(&chain, &error), -1);
    CU_ASSERT_EQUAL(error.code, ERROR_UNSUPPORTED);
    CU_ASSERT_FALSE(nat_oracle_direct(&chain, nat_preset_find("open")));
    chain.nats[0].mapping = NAT_ENDPOINT_INDEPENDENT;
    chain.nats[0].filtering = NAT_ADDRESS_AND_PORT_DEPENDENT;
    chain.nats[1].mapping = NAT_ADDRESS_DEPENDENT;
    CU_ASSERT_EQUAL(nat_kind_of(&chain, &error), 5);
    CU_ASSERT_EQUAL(nat_kind_of(&mixed, &error), -1);
    CU_ASSERT_EQUAL(nat_kind_of(&alike, &error), 2);
}

void nat_oracle_test(void)
{
    SUITE("nat_oracle", {"the 27 types: 210 of 378 pairs meet", the_27_types}, {"presets", presets},
          {"what cannot be told", what_cannot_be_told});
}
