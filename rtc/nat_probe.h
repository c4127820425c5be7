/* How does the NAT in front of us behave? RFC 5780's tests, as an engine: mapping I to III (4.3), filtering I to III
 * (4.4) and hairpinning (3.4), against a server with two addresses and two ports.
 *
 * The owner has two fresh UDP sockets, 0 and 1, that have sent nothing for a while (4.1); socket 1 serves the
 * hairpinning test alone. All that arrives at either goes to nat_probe_read. It ends with one NAT_PROBE_DONE. */
#ifndef CONFAB_RTC_NAT_PROBE_H
#define CONFAB_RTC_NAT_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/address.h"
#include "base/error.h"
#include "base/nanos.h"

struct nat_probe;

struct nat_probe_config {
    struct address server;
    struct address local[2]; /* the sockets' own addresses; the second ADDRESS_NONE: no hairpinning test */
    nanos rto;               /* 0: 500 ms */
    unsigned tries;          /* requests sent before silence counts as an answer, each twice as late; 0: 4 */
    uint64_t seed;
};

/* RFC 4787, sections 4.1 and 5. */
enum nat_behavior {
    NAT_BEHAVIOR_UNKNOWN, /* the server can't tell: it has no other address */
    NAT_BEHAVIOR_ENDPOINT_INDEPENDENT,
    NAT_BEHAVIOR_ADDRESS_DEPENDENT,
    NAT_BEHAVIOR_ADDRESS_AND_PORT_DEPENDENT,
};

/* "unknown", "endpoint-independent", "address-dependent", "address-and-port-dependent". */
const char *nat_behavior_name(enum nat_behavior behavior);

enum nat_probe_hairpin {
    NAT_PROBE_HAIRPIN_UNKNOWN,
    NAT_PROBE_HAIRPIN_NO,
    NAT_PROBE_HAIRPIN_YES,
};

struct nat_probe_result {
    bool blocked;    /* no answer at all: UDP to the server doesn't pass; everything else is unknown */
    bool translated; /* the mapped address is not the socket's own: there is a NAT. Without one, filtering may still be
                        restricted by a firewall */
    enum nat_behavior mapping;
    enum nat_behavior filtering;
    enum nat_probe_hairpin hairpin;
    bool port_preserved;      /* the mapped port is the socket's own */
    bool alg;                 /* MAPPED-ADDRESS and XOR-MAPPED-ADDRESS disagree: something rewrites payloads (3.6) */
    struct address mapped[3]; /* as seen by the primary address, the other address, the other address and port; those
                                 that were not needed are ADDRESS_NONE */
};

enum nat_probe_event_type {
    NAT_PROBE_DONE,
};

struct nat_probe_event {
    enum nat_probe_event_type type;
    struct nat_probe_result result;
};

struct nat_probe *nat_probe_create(const struct nat_probe_config *config, struct error *error);
void nat_probe_destroy(struct nat_probe *probe);

/* A datagram from `remote` at `socket` (0 or 1). 0: taken; -1: not for this engine. */
int nat_probe_read(struct nat_probe *probe, int socket, const struct address *remote, const uint8_t *data, size_t len,
                   nanos now);
/* The next datagram, to be sent from `socket` to `remote`; 0 when there is none. `cap` ≥ 128. */
ssize_t nat_probe_write(struct nat_probe *probe, int *socket, struct address *remote, uint8_t *buf, size_t cap,
                        nanos now);
nanos nat_probe_deadline(const struct nat_probe *probe);
bool nat_probe_event(struct nat_probe *probe, struct nat_probe_event *event);

#endif
