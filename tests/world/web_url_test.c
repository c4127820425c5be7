/* URLs: RFC 3986's own examples of references (section 5.4), and what is refused. */
#include <string.h>

#include "tests/support/suite.h"
#include "world/web_url.h"

static void check(const char *text, const char *expected)
{
    struct web_url url;
    struct error error;
    char written[WEB_URL_CAP];
    CU_ASSERT_TRUE_FATAL(web_url_parse(&url, text, &error));
    CU_ASSERT_STRING_EQUAL(web_url_format(&url, written), expected);
}

static void test_reads_urls(void)
{
    check("http://example.com", "http://example.com/");
    check("https://example.com:8443/a/b?c=d#e", "https://example.com:8443/a/b?c=d");
    check("WSS://example.com:443", "wss://example.com/");
    check("ws://[2001:db8::1]:80/x", "ws://[2001:db8::1]/x");
    check("http://127.0.0.1:8080?q=../..", "http://127.0.0.1:8080/?q=../..");
    check("http://h/a/./b/../c/", "http://h/a/c/");
    check("http://h/../..", "http://h/");
}

static void test_refuses_what_is_none(void)
{
    static const char *const wrong[] = {"",
                                        "example.com",
                                        "ftp://example.com/",
                                        "http://",
                                        "http:///path",
                                        "http://user@example.com/",
                                        "http://example.com:0/",
                                        "http://example.com:65536/",
                                        "http://example.com:8a/",
                                        "http://example.com:/",
                                        "http://exa mple.com/",
                                        "http://[::1/",
                                        "http://[::1]x/",
                                        "http://example.com/a b",
                                        "http://example.com/a\r\nHost: b"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct web_url url;
        struct error error;
        CU_ASSERT_FALSE(web_url_parse(&url, wrong[i], &error));
        CU_ASSERT_EQUAL(error.code, ERROR_USAGE);
    }
}

static void test_resolves_references(void)
{
    static const char *const pairs[][2] = {
        {"g", "http://a/b/c/g"},        {"./g", "http://a/b/c/g"},
        {"g/", "http://a/b/c/g/"},      {"/g", "http://a/g"},
        {"//g", "http://g/"},           {"?y", "http://a/b/c/d;p?y"},
        {"g?y", "http://a/b/c/g?y"},    {"", "http://a/b/c/d;p?q"},
        {".", "http://a/b/c/"},         {"./", "http://a/b/c/"},
        {"..", "http://a/b/"},          {"../g", "http://a/b/g"},
        {"../..", "http://a/"},         {"../../g", "http://a/g"},
        {"../../../g", "http://a/g"},   {"g?y/./x", "http://a/b/c/g?y/./x"},
        {"g#s/../x", "http://a/b/c/g"}, {"https://b:1/x", "https://b:1/x"},
    };
    struct web_url base;
    struct error error;
    CU_ASSERT_TRUE_FATAL(web_url_parse(&base, "http://a/b/c/d;p?q", &error));
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        struct web_url url;
        char written[WEB_URL_CAP];
        CU_ASSERT_TRUE(web_url_resolve(&url, &base, pairs[i][0], &error));
        CU_ASSERT_STRING_EQUAL(web_url_format(&url, written), pairs[i][1]);
    }
}

static void test_finds_keys_in_the_query(void)
{
    struct web_url url;
    struct error error;
    char value[8];
    CU_ASSERT_TRUE_FATAL(web_url_parse(&url, "http://a/x?tok=1&token=a%2Fb%zz&long=123456789", &error));
    CU_ASSERT_TRUE(web_url_query(&url, "token", value, sizeof value));
    CU_ASSERT_STRING_EQUAL(value, "a/b%zz");
    CU_ASSERT_FALSE(web_url_query(&url, "toke", value, sizeof value));
    CU_ASSERT_FALSE(web_url_query(&url, "long", value, sizeof value));
    CU_ASSERT_STRING_EQUAL(value, "");
}

void web_url_test(void);
void web_url_test(void)
{
    SUITE("web_url", {"reads URLs", test_reads_urls}, {"refuses what is none", test_refuses_what_is_none},
          {"resolves references", test_resolves_references}, {"finds keys in the query", test_finds_keys_in_the_query});
}
