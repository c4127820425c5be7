/* What the literature says of two NATs: do the clients behind them reach each other directly, or need they a relay? From
 * behaviours alone (RFC 4787; RFC 5128, section 3), without ports, timers or packets: this is what runs of the NAT model
 * are held against. It speaks of IPv4, of NATs on addresses of their own, and of hole punching without port prediction,
 * as ICE does it. */
#ifndef CONFAB_LOADGEN_NAT_ORACLE_H
#define CONFAB_LOADGEN_NAT_ORACLE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "world/nat_presets.h"

/* Kinds of clients: 3 × mapping + filtering for those that can use UDP, and one for those that can't. */
enum { NAT_KIND_UDP_BLOCKED = 9, NAT_KINDS = 10 };

/* The kind of client that stands behind this preset. A public address is EI/EI, a firewall without translation EI with
 * its filtering. An overloaded port that is preserved looks EI, as there is one flow to each destination. Two NATs in a
 * row are together as dependent as the more dependent one.
 *
 * -1 and `error` where that doesn't decide: alternatives of different kinds, or an inner NAT whose mapping is not EI
 * before an outer one whose filter is not (the outer one then judges each mapping on its own). */
int nat_kind_of(const struct nat_preset *preset, struct error *error);

/* Do two clients of these kinds (0 … NAT_KINDS − 1) reach each other without a relay? */
bool nat_kinds_direct(int a, int b);

/* The same for presets. False, too, when either's kind can't be told. */
bool nat_oracle_direct(const struct nat_preset *a, const struct nat_preset *b);

#endif
