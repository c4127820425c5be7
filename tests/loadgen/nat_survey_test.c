#include "loadgen/nat_survey.h"

#include "tests/support/suite.h"

#if CONFAB_SIM

#include <stdio.h>
#include <string.h>

static void every_preset_is_as_configured(void)
{
    enum { CAP = 128 };
    const struct nat_preset *presets[CAP];
    static struct nat_survey_entry entries[CAP];
    struct error error = {0};
    size_t count = 0;
    while (count < CAP && (presets[count] = nat_preset_at(count)) != NULL)
        count++;
    CU_ASSERT_TRUE(count > 27 + 10 && count < CAP);
    CU_ASSERT_TRUE_FATAL(nat_survey(presets, count, 7, entries, &error));
    for (size_t i = 0; i < count; i++) {
        CU_ASSERT_PTR_EQUAL(entries[i].preset, presets[i]);
        CU_ASSERT_TRUE(entries[i].as_configured);
        if (!entries[i].as_configured)
            fprintf(stderr, "%s: blocked %d translated %d mapping %s filtering %s port %d hairpin %d\n",
                    presets[i]->name, entries[i].found.blocked, entries[i].found.translated,
                    nat_behavior_name(entries[i].found.mapping), nat_behavior_name(entries[i].found.filtering),
                    entries[i].found.port_preserved, (int)entries[i].found.hairpin);
    }
}

/* One by one, so that the survey's own idea of what is configured is held against something. */
static void some_presets_are_what_they_are_known_for(void)
{
    static const char *const names[] = {"open", "home", "symmetric", "udp-blocked", "cgn", "rfc4787", "firewall"};
    enum { COUNT = sizeof names / sizeof names[0] };
    const struct nat_preset *presets[COUNT];
    struct nat_survey_entry entries[COUNT];
    struct error error = {0};
    for (size_t i = 0; i < COUNT; i++)
        presets[i] = nat_preset_find(names[i]);
    CU_ASSERT_TRUE_FATAL(nat_survey(presets, COUNT, 1, entries, &error));
    const struct nat_probe_result *open = &entries[0].found, *home = &entries[1].found, *symmetric = &entries[2].found;
    CU_ASSERT_FALSE(open->translated);
    CU_ASSERT_EQUAL(open->filtering, NAT_BEHAVIOR_ENDPOINT_INDEPENDENT);
    CU_ASSERT_TRUE(home->translated && home->port_preserved);
    CU_ASSERT_EQUAL(home->mapping, NAT_BEHAVIOR_ENDPOINT_INDEPENDENT);
    CU_ASSERT_EQUAL(home->filtering, NAT_BEHAVIOR_ADDRESS_AND_PORT_DEPENDENT);
    CU_ASSERT_EQUAL(home->hairpin, NAT_PROBE_HAIRPIN_NO);
    CU_ASSERT_EQUAL(symmetric->mapping, NAT_BEHAVIOR_ADDRESS_AND_PORT_DEPENDENT);
    CU_ASSERT_FALSE(symmetric->port_preserved);
    CU_ASSERT_TRUE(entries[3].found.blocked);
    CU_ASSERT_EQUAL(entries[4].found.mapping, NAT_BEHAVIOR_ENDPOINT_INDEPENDENT);
    CU_ASSERT_EQUAL(entries[4].found.filtering, NAT_BEHAVIOR_ADDRESS_AND_PORT_DEPENDENT);
    CU_ASSERT_EQUAL(entries[5].found.hairpin, NAT_PROBE_HAIRPIN_YES);
    CU_ASSERT_FALSE(entries[6].found.translated);
    CU_ASSERT_EQUAL(entries[6].found.filtering, NAT_BEHAVIOR_ADDRESS_AND_PORT_DEPENDENT);
}

/* The same addresses at the same seed, others at another. */
static void the_seed_decides(void)
{
    const struct nat_preset *symmetric = nat_preset_find("symmetric");
    const struct nat_preset *presets[] = {symmetric, symmetric};
    struct nat_survey_entry first[2], again[2], other[2];
    CU_ASSERT_TRUE_FATAL(nat_survey(presets, 2, 5, first, NULL));
    CU_ASSERT_TRUE_FATAL(nat_survey(presets, 2, 5, again, NULL));
    CU_ASSERT_TRUE_FATAL(nat_survey(presets, 2, 6, other, NULL));
    CU_ASSERT_TRUE(address_equal(&first[0].found.mapped[2], &again[0].found.mapped[2]));
    CU_ASSERT_FALSE(address_equal(&first[0].found.mapped[2], &first[1].found.mapped[2]));
    CU_ASSERT_FALSE(address_equal(&first[0].found.mapped[2], &other[0].found.mapped[2]));
}

static void what_cannot_be_told_is_refused(void)
{
    struct nat_preset odd = {.name = "odd", .count = 2};
    const struct nat_preset *presets[] = {&odd};
    struct nat_survey_entry entry;
    struct error error = {0};
    odd.nats[0].mapping = NAT_ADDRESS_DEPENDENT;
    odd.nats[1].filtering = NAT_ADDRESS_DEPENDENT;
    CU_ASSERT_FALSE(nat_survey(presets, 1, 1, &entry, &error));
    CU_ASSERT_EQUAL(error.code, ERROR_UNSUPPORTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "'odd'"));
}

void nat_survey_test(void)
{
    SUITE("nat_survey", {"every preset is as configured", every_preset_is_as_configured},
          {"some presets are what they are known for", some_presets_are_what_they_are_known_for},
          {"the seed decides", the_seed_decides}, {"what cannot be told is refused", what_cannot_be_told_is_refused});
}

#else

void nat_survey_test(void) {}

#endif
