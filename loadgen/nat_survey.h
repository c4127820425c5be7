/* Do NAT presets behave as they say? A simulated network of its own, with one client behind each preset and a STUN
 * server with two addresses, in which every client finds out by RFC 5780's tests what it is behind. */
#ifndef CONFAB_LOADGEN_NAT_SURVEY_H
#define CONFAB_LOADGEN_NAT_SURVEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "rtc/nat_probe.h"
#include "world/internet.h"
#include "world/nat_presets.h"

struct nat_survey_entry {
    const struct nat_preset *preset; /* as given */
    struct nat_probe_result found;
    struct nat_probe_result configured; /* what should be found; `alg` and `mapped` have no meaning here */
    bool as_configured;                 /* all of blocked, translated, mapping, filtering, port and hairpin agree */
};

/* What RFC 5780's tests should find behind a preset (not behind one that has alternatives). False and `error` when that
 * can't be told (nat_kind_of). */
bool nat_survey_configured(const struct nat_preset *preset, struct nat_probe_result *configured, struct error *error);

/* Fills `out[0 … count − 1]`. Where a preset has alternatives, the client is behind the one that the seed draws. A NAT
 * that gives out random ports may by chance, once in 64,512, seem to preserve them. False and `error`: no simulation
 * (sim_world_create), out of memory, a preset whose behaviour can't be told. There must be no other sim world. */
bool nat_survey(const struct nat_preset *const *presets, size_t count, uint64_t seed, struct nat_survey_entry *out,
                struct error *error);

/* The same in a network that is there, of either world; it gets a server and the clients. `rto` and `tries` as in struct
 * nat_probe_config: in real time a shorter wait will do where nothing is far. */
bool nat_survey_in(struct internet *internet, nanos rto, unsigned tries, const struct nat_preset *const *presets,
                   size_t count, uint64_t seed, struct nat_survey_entry *out, struct error *error);

#endif
