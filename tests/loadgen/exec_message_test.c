#include "loadgen/adapters/exec_message.h"

#include <string.h>

#include "tests/support/suite.h"

static bool reads(struct exec_message *message, const char *text)
{
    struct error error;
    return exec_message_read(message, text, strlen(text), &error);
}

static void every_type(void)
{
    struct exec_message message;
    CU_ASSERT_TRUE_FATAL(reads(&message, "{\"type\":\"open\",\"client\":\"c\",\"connection\":\"m\",\"trickle\":true,"
                                         "\"audio\":2,\"ice_servers\":[{\"urls\":\"stun:192.0.2.1\"}]}"));
    CU_ASSERT_EQUAL(message.type, EXEC_OPEN);
    CU_ASSERT_STRING_EQUAL(message.client, "c");
    CU_ASSERT_STRING_EQUAL(message.connection, "m");
    CU_ASSERT_TRUE(message.offers && message.trickle && message.simulcast);
    CU_ASSERT_FALSE(message.sends || message.data);
    CU_ASSERT_EQUAL(message.audio, 2);
    CU_ASSERT_EQUAL(message.video, 0);
    CU_ASSERT_EQUAL(json_array_size(message.ice_servers), 1);
    exec_message_clear(&message);
    CU_ASSERT_TRUE_FATAL(reads(&message, "{\"type\":\"offer\",\"client\":\"c\",\"connection\":\"m\",\"sdp\":\"v=0\"}"));
    CU_ASSERT_EQUAL(message.type, EXEC_OFFER);
    CU_ASSERT_STRING_EQUAL(message.sdp, "v=0");
    exec_message_clear(&message);
    CU_ASSERT_TRUE_FATAL(
        reads(&message, "{\"type\":\"candidate\",\"client\":\"c\",\"connection\":\"m\",\"candidate\":null}"));
    CU_ASSERT_PTR_NULL(message.candidate);
    exec_message_clear(&message);
    CU_ASSERT_TRUE_FATAL(
        reads(&message, "{\"type\":\"failed\",\"client\":\"c\",\"class\":\"full\",\"reason\":\"no\"}"));
    CU_ASSERT_EQUAL(message.failure, FAILURE_FULL);
    CU_ASSERT_STRING_EQUAL(message.reason, "no");
    exec_message_clear(&message);
    CU_ASSERT_TRUE_FATAL(reads(&message, "{\"type\":\"failed\",\"client\":\"c\",\"reason\":\"no\"}"));
    CU_ASSERT_EQUAL(message.failure, FAILURE_REJECTED);
    exec_message_clear(&message);
}

static void what_makes_no_sense(void)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"", "no JSON"},
        {"hello", "no JSON"},
        {"[]", "object"},
        {"{}", "type"},
        {"{\"type\":\"signalled\"}", "client"},
        {"{\"type\":\"signalled\",\"client\":7}", "string"},
        {"{\"type\":\"signal\",\"client\":\"c\"}", "'signal' is no type"},
        {"{\"type\":\"signalled\",\"client\":\"c\",\"client\":\"d\"}", "duplicate"},
        {"{\"type\":\"open\",\"client\":\"c\"}", "'connection'"},
        {"{\"type\":\"open\",\"client\":\"c\",\"connection\":\"m\",\"recieve\":1}", "recieve"},
        {"{\"type\":\"open\",\"client\":\"c\",\"connection\":\"m\",\"audio\":257}", "0 to 256"},
        {"{\"type\":\"open\",\"client\":\"c\",\"connection\":\"m\",\"video\":-1}", "0 to 256"},
        {"{\"type\":\"answer\",\"client\":\"c\",\"connection\":\"m\"}", "'sdp'"},
        {"{\"type\":\"candidate\",\"client\":\"c\",\"connection\":\"m\"}", "'candidate'"},
        {"{\"type\":\"candidate\",\"client\":\"c\",\"connection\":\"m\",\"candidate\":1}", "'candidate'"},
        {"{\"type\":\"failed\",\"client\":\"c\"}", "'reason'"},
        {"{\"type\":\"failed\",\"client\":\"c\",\"class\":\"sad\",\"reason\":\"no\"}", "'sad' is no class"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct exec_message message;
        struct error error = {0};
        CU_ASSERT_FALSE(exec_message_read(&message, cases[i].text, strlen(cases[i].text), &error));
        CU_ASSERT_PTR_NOT_NULL(strcasestr(error.text, cases[i].why));
        CU_ASSERT_PTR_NULL(message.json);
    }
}

void exec_message_test(void);
void exec_message_test(void)
{
    SUITE("exec message", {"every type", every_type}, {"what makes no sense", what_makes_no_sense});
}
