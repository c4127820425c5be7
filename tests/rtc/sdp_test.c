#include "rtc/sdp.h"

#include <string.h>

#include "tests/support/suite.h"
#include "tests/support/text_file.h"

static struct sdp *parse(const char *text)
{
    struct error error = {0};
    struct sdp *sdp = sdp_parse(text, strlen(text), SDP_WHOLE, &error);
    if (sdp == NULL)
        fprintf(stderr, "%s\n", error.text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(sdp);
    return sdp;
}

#define START "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\n"

/* RFC 8866, section 5's example, with its every kind of line. */
static void reads_the_rfcs_example(void)
{
    static const char text[] = "v=0\r\no=jdoe 3724394400 3724394405 IN IP4 198.51.100.1\r\ns=Call to John Smith\r\n"
                               "i=SDP Offer #1\r\nu=http://www.jdoe.example.com/home.html\r\n"
                               "e=Jane Doe <jane@jdoe.example.com>\r\np=+1 617 555-6011\r\nc=IN IP4 198.51.100.1\r\n"
                               "t=0 0\r\nm=audio 49170 RTP/AVP 0\r\nm=audio 49180 RTP/AVP 0\r\n"
                               "m=video 51372/2 RTP/AVP 99\r\nc=IN IP6 2001:db8::2\r\na=rtpmap:99 h263-1998/90000\r\n";
    struct sdp *sdp = parse(text);
    CU_ASSERT_STRING_EQUAL(sdp->origin.username, "jdoe");
    CU_ASSERT_STRING_EQUAL(sdp->origin.session_id, "3724394400");
    CU_ASSERT_STRING_EQUAL(sdp->origin.version, "3724394405");
    CU_ASSERT_STRING_EQUAL(sdp->origin.address, "IN IP4 198.51.100.1");
    CU_ASSERT_EQUAL(sdp->session.count, 9);
    CU_ASSERT_EQUAL(sdp->session.lines[2].type, 's');
    CU_ASSERT_STRING_EQUAL(sdp->session.lines[2].value, "Call to John Smith");
    CU_ASSERT_EQUAL_FATAL(sdp->media_count, 3);
    CU_ASSERT_EQUAL(sdp->media[1].port, 49180);
    CU_ASSERT_EQUAL(sdp->media[1].section.count, 0);
    CU_ASSERT_STRING_EQUAL(sdp->media[2].kind, "video");
    CU_ASSERT_STRING_EQUAL(sdp->media[2].protocol, "RTP/AVP");
    CU_ASSERT_EQUAL(sdp->media[2].port_count, 2);
    CU_ASSERT_STRING_EQUAL(sdp->media[2].formats[0], "99");
    CU_ASSERT_EQUAL(sdp->media[2].number, 12);
    const struct sdp_line *rtpmap = sdp_find(&sdp->media[2].section, "rtpmap");
    CU_ASSERT_PTR_NOT_NULL_FATAL(rtpmap);
    CU_ASSERT_STRING_EQUAL(rtpmap->value, "99 h263-1998/90000");
    CU_ASSERT_EQUAL(rtpmap->number, 14);
    CU_ASSERT_PTR_NULL(sdp_find(&sdp->session, "rtpmap"));
    char *written = sdp_write(sdp);
    CU_ASSERT_STRING_EQUAL(written, text);
    free(written);
    sdp_destroy(sdp);
}

/* Every sample, known attributes and unknown ones, comes out as it went in. */
static void writes_what_it_read(void)
{
    static const char *const names[] = {"chrome-simulcast", "firefox", "safari", "aiortc", "janus", "mediasoup"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[100];
        snprintf(path, sizeof path, "tests/fuzz/seeds/sdp/%s.sdp", names[i]);
        size_t len = 0;
        char *text = text_file_read(path, &len);
        CU_ASSERT_PTR_NOT_NULL_FATAL(text);
        struct sdp *sdp = parse(text);
        char *written = sdp_write(sdp);
        CU_ASSERT_STRING_EQUAL(written, text);
        sdp_destroy(sdp);
        free(written);
        free(text);
    }
}

static void takes_any_line_end(void)
{
    struct sdp *sdp =
        parse("v=0\no=- 1 2 IN IP4 127.0.0.1\ns= \nt=0 0\n\na=x\na=y:\nm=audio 9 P 0 1  2\r\n\r\na=z:1:2");
    CU_ASSERT_STRING_EQUAL(sdp->session.lines[2].value, " ");
    CU_ASSERT_PTR_NULL(sdp_find(&sdp->session, "x")->value);
    CU_ASSERT_STRING_EQUAL(sdp_find(&sdp->session, "y")->value, "");
    CU_ASSERT_EQUAL_FATAL(sdp->media_count, 1);
    CU_ASSERT_EQUAL(sdp->media[0].format_count, 3);
    CU_ASSERT_STRING_EQUAL(sdp_find(&sdp->media[0].section, "z")->value, "1:2");
    CU_ASSERT_EQUAL(sdp_find(&sdp->media[0].section, "z")->number, 10);
    sdp_destroy(sdp);
}

static void names_the_line_at_fault(void)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"", "SDP line 0: ends without v="},
        {"v=0\r\n", "SDP line 1: ends without o="},
        {"v=0\r\no=- 1 2 IN IP4 1.1.1.1\r\n", "SDP line 2: ends without s="},
        {START, "SDP line 3: ends without t="},
        {START "m=audio 9 RTP/AVP 0\r\n", "SDP line 4: m= before t="},
        {"v=1\r\n", "SDP line 1: version '1' is unknown"},
        {"o=- 1 2 IN IP4 1.1.1.1\r\nv=0\r\n", "SDP line 1: o= where v= must be"},
        {"v=0\r\ns=-\r\n", "SDP line 2: s= where o= must be"},
        {"v=0\r\no=- 1 IN IP4 1.1.1.1\r\n", "SDP line 2: o= needs a name, two numbers"},
        {START "t=0 0\r\nhello\r\n", "SDP line 5: 'hello' does not start with a letter and '='"},
        {START "t=0 0\r\n=\r\n", "SDP line 5"},
        {START "t=0 0\r\nA=x\r\n", "SDP line 5"},
        {START "t=0 0\r\na=\r\n", "SDP line 5: an attribute without a name"},
        {START "t=0 0\r\na=:x\r\n", "SDP line 5: an attribute without a name"},
        {START "t=0 0\r\nm=\r\n", "SDP line 5: m= needs a port"},
        {START "t=0 0\r\nm=audio\r\n", "SDP line 5: m= needs a port"},
        {START "t=0 0\r\nm=audio x RTP/AVP 0\r\n", "SDP line 5: m= needs a port from 0 to 65535, not 'x'"},
        {START "t=0 0\r\nm=audio 65536 RTP/AVP 0\r\n", "not '65536'"},
        {START "t=0 0\r\nm=audio -1 RTP/AVP 0\r\n", "not '-1'"},
        {START "t=0 0\r\nm=audio 9/x RTP/AVP 0\r\n", "SDP line 5"},
        {START "t=0 0\r\nm=audio 9 RTP/AVP\r\n", "SDP line 5: m= needs a kind, a port, a protocol and a format"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct error error = {0};
        CU_ASSERT_PTR_NULL(sdp_parse(bad[i].text, strlen(bad[i].text), SDP_WHOLE, &error));
        CU_ASSERT_PTR_NOT_NULL(strstr(error.text, bad[i].says));
    }
    struct error error = {0};
    static const char with_zero[] = "v=0\no=- 1\0 2";
    CU_ASSERT_PTR_NULL(sdp_parse(with_zero, sizeof with_zero - 1, SDP_WHOLE, &error));
    CU_ASSERT_STRING_EQUAL(error.text, "SDP line 2: holds a zero byte");
}

/* START, then `count` times `line`. */
static char *long_text(const char *line, size_t count, size_t *len)
{
    static const char start[] = START "t=0 0\r\n";
    size_t line_len = strlen(line);
    *len = strlen(start) + count * line_len;
    char *text = malloc(*len + 1);
    memcpy(text, start, sizeof start);
    for (size_t i = 0; i <= count; i++)
        memcpy(text + strlen(start) + i * line_len, line, i < count ? line_len : 0);
    return text;
}

static void has_bounds(void)
{
    static const struct {
        const char *line;
        size_t count;
        const char *says; /* NULL: fine */
    } cases[] = {
        {"a=x\n", 10000, NULL},
        {"a=x\n", 65532, NULL},
        {"a=x\n", 65533, "SDP has 65537 lines"},
        {"m=audio 9 RTP/AVP 0\n", 1024, NULL},
        {"m=audio 9 RTP/AVP 0\n", 1025, "1025 m= lines"},
        {"a=0123456789", 5000, NULL}, /* one line of 60,000 bytes */
        {"a=0123456789", 6000, "SDP line 5: has 72000 bytes, at most 65536 are read"},
        {"a=012345678901234567890123456789012345678901234567890123456789\n", 17000, "at most 1048576 are read"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t len = 0;
        char *text = long_text(cases[i].line, cases[i].count, &len);
        struct error error = {0};
        struct sdp *sdp = sdp_parse(text, len, SDP_WHOLE, &error);
        bool fine = cases[i].says == NULL;
        CU_ASSERT_TRUE(fine ? sdp != NULL : sdp == NULL && strstr(error.text, cases[i].says) != NULL);
        sdp_destroy(sdp);
        free(text);
    }
}

static void reads_fragments(void)
{
    size_t len = 0;
    char *text = text_file_read("tests/fuzz/seeds/sdp/fragment.sdp", &len);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_PTR_NULL(sdp_parse(text, len, SDP_WHOLE, NULL));
    struct sdp *sdp = sdp_parse(text, len, SDP_FRAGMENT, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(sdp);
    CU_ASSERT_STRING_EQUAL(sdp_find(&sdp->session, "ice-ufrag")->value, "EsAw");
    CU_ASSERT_EQUAL_FATAL(sdp->media_count, 1);
    CU_ASSERT_EQUAL(sdp->media[0].section.count, 5);
    char *written = sdp_write(sdp);
    CU_ASSERT_STRING_EQUAL(written, text);
    free(written);
    free(text);
    sdp_destroy(sdp);
}

void sdp_test(void)
{
    SUITE("sdp", {"reads the RFC's example", reads_the_rfcs_example}, {"writes what it read", writes_what_it_read},
          {"takes any line end", takes_any_line_end}, {"names the line at fault", names_the_line_at_fault},
          {"has bounds", has_bounds}, {"reads fragments", reads_fragments});
}
