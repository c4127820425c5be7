/* The configuration file of `confab serve`, as docs/serve.md has it. */
#include "loadgen/server_file.h"

#include <string.h>

#include "tests/support/suite.h"

static bool parse(const char *text, struct server_config *config, struct error *error)
{
    *config = (struct server_config){0};
    return server_file_parse("f.yaml", text, strlen(text), config, error);
}

static struct address ip(const char *text)
{
    struct address address = {0};
    CU_ASSERT_TRUE(address_parse(&address, text));
    return address;
}

static bool is(const struct address *address, const char *text)
{
    struct address wanted = ip(text);
    return address_equal(address, &wanted);
}

static void everything(void)
{
    static struct server_config config;
    struct error error;
    CU_ASSERT_TRUE(parse("listen: [192.0.2.1, '2001:db8::1']\n"
                         "port: 0\n"
                         "public_address: 203.0.113.7\n"
                         "tls: {certificate: c.pem, key: k.pem, only: yes}\n"
                         "state: /var/lib/confab\n"
                         "turn:\n"
                         "  port: 3479\n"
                         "  tls_port: 443\n"
                         "  secret: s3cret\n"
                         "  realm: example.org\n"
                         "  users: {alice: a, bob: b}\n"
                         "  relay_ports: [50000, 50999]\n"
                         "  user_quota: 10\n"
                         "  total_quota: 1000\n"
                         "  deny: 10.1.2.3\n"
                         "  allow: [10.1.0.0/16, '2001:db8:8000::/33', 0.0.0.0/0]\n"
                         "origins: https://example.org\n"
                         "tokens: {publish: [one, two], play: ticket}\n"
                         "limits: {room: 10, participants: 20, connections: 30}\n"
                         "always_show: yes\n"
                         "capture: c.pcapng\n"
                         "keylog: k.log\n",
                         &config, &error));
    CU_ASSERT_EQUAL(config.listen_count, 2);
    CU_ASSERT_TRUE(is(&config.listen[1], "2001:db8::1"));
    CU_ASSERT_TRUE(config.port_given);
    CU_ASSERT_EQUAL(config.port, 0);
    CU_ASSERT_TRUE(is(&config.public_address, "203.0.113.7"));
    CU_ASSERT_STRING_EQUAL(config.certificate, "c.pem");
    CU_ASSERT_TRUE(config.tls_only);
    CU_ASSERT_TRUE(config.always_show);
    CU_ASSERT_EQUAL(config.turn.port, 3479);
    CU_ASSERT_EQUAL(config.turn.tls_port, 443);
    CU_ASSERT_EQUAL_FATAL(config.turn.user_count, 2);
    CU_ASSERT_STRING_EQUAL(config.turn.users[1].name, "bob");
    CU_ASSERT_STRING_EQUAL(config.turn.users[1].password, "b");
    CU_ASSERT_EQUAL(config.turn.relay_port_max, 50999);
    /* Ranges keep their order: the first that holds an address decides. */
    CU_ASSERT_EQUAL_FATAL(config.turn.range_count, 4);
    CU_ASSERT_FALSE(config.turn.ranges[0].allow);
    CU_ASSERT_TRUE(is(&config.turn.ranges[0].last, "10.1.2.3"));
    CU_ASSERT_TRUE(config.turn.ranges[1].allow);
    CU_ASSERT_TRUE(is(&config.turn.ranges[1].first, "10.1.0.0"));
    CU_ASSERT_TRUE(is(&config.turn.ranges[1].last, "10.1.255.255"));
    CU_ASSERT_TRUE(is(&config.turn.ranges[2].first, "2001:db8:8000::"));
    CU_ASSERT_TRUE(is(&config.turn.ranges[2].last, "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"));
    CU_ASSERT_TRUE(is(&config.turn.ranges[3].last, "255.255.255.255"));
    CU_ASSERT_EQUAL(config.publish_tokens.count, 2);
    CU_ASSERT_STRING_EQUAL(config.play_tokens.text[0], "ticket");
    CU_ASSERT_EQUAL(config.room_limit, 10);
    CU_ASSERT_EQUAL(config.connection_limit, 30);
}

static void what_is_wrong_is_said_with_its_line(void)
{
    static const struct {
        const char *text, *complaint;
    } cases[] = {
        {"port: 8080\nlisten: here\n", "f.yaml:2: listen"},
        {"listen: 127.0.0.1:80\n", "f.yaml:1: listen"},
        {"port: 65536\n", "f.yaml:1: port"},
        {"turn:\n  prot: 1\n", "f.yaml:2: prot: unknown key; did you mean 'port'?"},
        {"turn: maybe\n", "f.yaml:1: turn"},
        {"turn: {allow: [10.0.0.0/33]}\n", "f.yaml:1"},
        {"turn: {allow: [10.0.0.0/]}\n", "f.yaml:1"},
        {"turn: {relay_ports: [9, 8]}\n", "f.yaml:1: relay_ports"},
        {"turn: {relay_ports: [1]}\n", "f.yaml:1: relay_ports"},
        {"tls: {key: k.pem}\n", "f.yaml:1: tls: certificate and key belong together"},
        {"limits: {room: -1}\n", "f.yaml:1: room"},
        {"listen: [127.0.0.1, 127.0.0.2, 127.0.0.3, 127.0.0.4, 127.0.0.5]\n", "f.yaml:1: listen: at most 4"},
        {"- port\n", "f.yaml:1"},
    };
    static struct server_config config;
    struct error error;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CU_ASSERT_FALSE(parse(cases[i].text, &config, &error));
        CU_ASSERT_EQUAL(strncmp(error.text, cases[i].complaint, strlen(cases[i].complaint)), 0);
    }
    CU_ASSERT_TRUE(parse("turn: no\n", &config, &error));
    CU_ASSERT_TRUE(config.turn.off);
}

void server_file_test(void)
{
    SUITE("server file", {"everything", everything},
          {"what is wrong is said with its line", what_is_wrong_is_said_with_its_line});
}
