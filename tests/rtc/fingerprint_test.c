#include "rtc/fingerprint.h"

#include <string.h>

#include "tests/support/suite.h"

/* RFC 6234's test of each hash function over "abc" (FIPS 180-4's examples). */
static const struct {
    enum fingerprint_hash hash;
    const char *text;
} of_abc[] = {
    {FINGERPRINT_SHA_1, "sha-1 A9:99:3E:36:47:06:81:6A:BA:3E:25:71:78:50:C2:6C:9C:D0:D8:9D"},
    {FINGERPRINT_SHA_224, "sha-224 23:09:7D:22:34:05:D8:22:86:42:A4:77:BD:A2:55:B3:2A:AD:BC:E4:BD:A0:B3:F7:E3:6C:9D:"
                          "A7"},
    {FINGERPRINT_SHA_256, "sha-256 BA:78:16:BF:8F:01:CF:EA:41:41:40:DE:5D:AE:22:23:B0:03:61:A3:96:17:7A:9C:B4:10:FF:"
                          "61:F2:00:15:AD"},
    {FINGERPRINT_SHA_384, "sha-384 CB:00:75:3F:45:A3:5E:8B:B5:A0:3D:69:9A:C6:50:07:27:2C:32:AB:0E:DE:D1:63:1A:8B:60:"
                          "5A:43:FF:5B:ED:80:86:07:2B:A1:E7:CC:23:58:BA:EC:A1:34:C8:25:A7"},
    {FINGERPRINT_SHA_512, "sha-512 DD:AF:35:A1:93:61:7A:BA:CC:41:73:49:AE:20:41:31:12:E6:FA:4E:89:A9:7E:A2:0A:9E:EE:"
                          "E6:4B:55:D3:9A:21:92:99:2A:27:4F:C1:A8:36:BA:3C:23:A3:FE:EB:BD:45:4D:44:23:64:3C:E8:0E:2A:"
                          "9A:C9:4F:A5:4C:A4:9F"},
};

static void writes_and_reads(void)
{
    for (size_t i = 0; i < sizeof of_abc / sizeof of_abc[0]; i++) {
        char text[FINGERPRINT_TEXT_CAP];
        struct fingerprint made = fingerprint_of(of_abc[i].hash, "abc", 3);
        CU_ASSERT_STRING_EQUAL(fingerprint_format(&made, text), of_abc[i].text);
        struct fingerprint parsed;
        CU_ASSERT_TRUE_FATAL(fingerprint_parse(&parsed, of_abc[i].text, NULL));
        CU_ASSERT_EQUAL(memcmp(&parsed, &made, sizeof made), 0);
    }
}

static void case_and_spaces_do_not_matter(void)
{
    struct fingerprint parsed;
    CU_ASSERT_TRUE(
        fingerprint_parse(&parsed, "SHA-1  a9:99:3e:36:47:06:81:6a:ba:3e:25:71:78:50:c2:6c:9c:d0:d8:9d ", NULL));
    CU_ASSERT_TRUE(fingerprint_any_matches(&parsed, 1, "abc", 3));
    CU_ASSERT_FALSE(fingerprint_any_matches(&parsed, 1, "abd", 3));
    CU_ASSERT_FALSE(fingerprint_any_matches(&parsed, 0, "abc", 3));
}

static void refuses_what_is_not_one(void)
{
    static const struct {
        const char *text, *says;
        enum error_code code;
    } bad[] = {
        {"", "hash function ''", ERROR_UNSUPPORTED},
        {"md5 00:11", "'md5'", ERROR_UNSUPPORTED},
        {"sha-2567 00", "'sha-2567'", ERROR_UNSUPPORTED},
        {"sha-1", "20 bytes in hexadecimal, this has 0", ERROR_INPUT},
        {"sha-1 A9", "20 bytes separated", ERROR_INPUT},
        {"sha-1 A", "this has 0", ERROR_INPUT},
        {"sha-1 A9:9", "this has 1", ERROR_INPUT},
        {"sha-1 A9999E", "separated by colons", ERROR_INPUT},
        {"sha-1 A9:99:3E:36:47:06:81:6A:BA:3E:25:71:78:50:C2:6C:9C:D0:D8:9D:00", "more than its 20", ERROR_INPUT},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct fingerprint untouched = {.hash = 77};
        struct error error = {0};
        CU_ASSERT_FALSE(fingerprint_parse(&untouched, bad[i].text, &error));
        CU_ASSERT_PTR_NOT_NULL(strstr(error.text, bad[i].says));
        CU_ASSERT_EQUAL(error.code, bad[i].code);
        CU_ASSERT_EQUAL(untouched.hash, 77);
    }
}

/* RFC 8122, section 5.1: the most preferred hash function decides, any of its fingerprints will do. */
static void the_strongest_hash_decides(void)
{
    struct fingerprint set[] = {fingerprint_of(FINGERPRINT_SHA_1, "abc", 3),
                                fingerprint_of(FINGERPRINT_SHA_256, "x", 1),
                                fingerprint_of(FINGERPRINT_SHA_256, "y", 1)};
    CU_ASSERT_FALSE(fingerprint_any_matches(set, 3, "abc", 3));
    CU_ASSERT_TRUE(fingerprint_any_matches(set, 3, "x", 1));
    CU_ASSERT_TRUE(fingerprint_any_matches(set, 3, "y", 1));
    CU_ASSERT_TRUE(fingerprint_any_matches(set, 1, "abc", 3));
}

void fingerprint_test(void)
{
    SUITE("fingerprint", {"writes and reads every hash function", writes_and_reads},
          {"case and spaces do not matter", case_and_spaces_do_not_matter},
          {"refuses what is not one", refuses_what_is_not_one},
          {"the strongest hash decides", the_strongest_hash_decides});
}
