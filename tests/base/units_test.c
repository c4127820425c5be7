#include "base/units.h"

#include <string.h>

#include "tests/support/suite.h"

static void reads_each_unit(void)
{
    nanos duration;
    int64_t amount;
    double number;
    CU_ASSERT_TRUE(units_parse_duration("250ms", &duration, NULL));
    CU_ASSERT_EQUAL(duration, 250 * NANOS_PER_MS);
    CU_ASSERT_TRUE(units_parse_duration("5m", &duration, NULL));
    CU_ASSERT_EQUAL(duration, 300 * NANOS_PER_S);
    CU_ASSERT_TRUE(units_parse_duration("0", &duration, NULL));
    CU_ASSERT_TRUE(units_parse_bitrate("1.7mbps", &amount, NULL));
    CU_ASSERT_EQUAL(amount, 1700000);
    CU_ASSERT_TRUE(units_parse_size("5MB", &amount, NULL));
    CU_ASSERT_EQUAL(amount, 5000000);
    CU_ASSERT_TRUE(units_parse_frequency("30/m", &number, NULL));
    CU_ASSERT_DOUBLE_EQUAL(number, 0.5, 1e-12);
    CU_ASSERT_TRUE(units_parse_ratio("2%", &number, NULL));
    CU_ASSERT_DOUBLE_EQUAL(number, 0.02, 1e-12);
}

static void says_what_would_be_right(void)
{
    nanos duration;
    int64_t amount;
    double number;
    struct error error;
    CU_ASSERT_FALSE(units_parse_duration("12parsecs", &duration, &error));
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "parsecs"));
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "250ms"));
    CU_ASSERT_FALSE(units_parse_duration("250", &duration, &error));
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "lacks its unit"));
    CU_ASSERT_FALSE(units_parse_bitrate("-5kbps", &amount, &error));
    CU_ASSERT_FALSE(units_parse_bitrate("inf", &amount, &error));
    CU_ASSERT_FALSE(units_parse_bitrate("0x10kbps", &amount, &error));
    CU_ASSERT_FALSE(units_parse_bitrate("1e300kbps", &amount, &error));
    CU_ASSERT_FALSE(units_parse_ratio("1.5", &number, &error));
}

void units_test(void)
{
    SUITE("units", {"reads each unit", reads_each_unit}, {"says what would be right", says_what_would_be_right});
}
