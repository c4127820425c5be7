/* Link headers: RFC 9725's example, and what servers make of it. */
#include <string.h>

#include "loadgen/link_header.h"
#include "tests/support/suite.h"

static void test_reads_the_example(void)
{
    struct link_servers links;
    link_servers_read(&links, "<stun:stun.example.net>; rel=\"ice-server\", "
                              "<turn:turn.example.net?transport=udp>; rel=\"ice-server\"; username=\"user\"; "
                              "credential=\"myPassword\"; credential-type=\"password\",<turns:turn.example.net>;"
                              "rel=ice-server;username=a\\b;credential=\"with \\\"quotes\\\", commas; and <more>\"");
    CU_ASSERT_EQUAL_FATAL(links.count, 3);
    CU_ASSERT_STRING_EQUAL(links.servers[0].url, "stun:stun.example.net");
    CU_ASSERT_PTR_NULL(links.servers[0].username);
    CU_ASSERT_STRING_EQUAL(links.servers[1].url, "turn:turn.example.net?transport=udp");
    CU_ASSERT_STRING_EQUAL(links.servers[1].username, "user");
    CU_ASSERT_STRING_EQUAL(links.servers[1].credential, "myPassword");
    CU_ASSERT_STRING_EQUAL(links.servers[2].credential, "with \"quotes\", commas; and <more>");
}

static void test_leaves_out_the_rest(void)
{
    static const char *const none[] = {NULL,
                                       "",
                                       "<",
                                       "<stun:a",
                                       "<stun:a>",
                                       "<stun:a>;",
                                       "<stun:a>; rel",
                                       "<stun:a>; rel=",
                                       "<stun:a>; rel=\"",
                                       "<stun:a>; rel=\"ice-servers\"",
                                       "<https://a/>; rel=\"next\", x",
                                       "stun:a; rel=ice-server"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        struct link_servers links;
        link_servers_read(&links, none[i]);
        CU_ASSERT_EQUAL(links.count, 0);
    }
}

static void test_takes_no_more_than_fit(void)
{
    struct link_servers links;
    char header[8192] = "";
    for (int i = 0; i < 20; i++)
        strcat(header, "<stun:192.0.2.1>; rel=\"ice-server\", ");
    link_servers_read(&links, header);
    CU_ASSERT_EQUAL(links.count, ROOM_ICE_SERVERS_MAX);
    memset(header, 'a', sizeof header - 1);
    memcpy(header, "<stun:", 6);
    memcpy(header + 5000, ">; rel=ice-server", 18);
    link_servers_read(&links, header);
    CU_ASSERT_EQUAL(links.count, 0);
}

void link_header_test(void);
void link_header_test(void)
{
    SUITE("link_header", {"reads the example", test_reads_the_example},
          {"leaves out the rest", test_leaves_out_the_rest}, {"takes no more than fit", test_takes_no_more_than_fit});
}
