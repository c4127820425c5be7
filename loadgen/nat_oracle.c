#include "loadgen/nat_oracle.h"

/* Rows and columns: mapping EI, AD, APD, each with filtering EI, AD, APD; then without UDP. Every exchange of checks is
 * carried on until nothing new is learnt, and a check counts when its answer comes from where it went (RFC 8445,
 * 7.2.5.2.1). */
static const char direct[NAT_KINDS][NAT_KINDS + 1] = {
    "1111111110", "1111111110", "1110000000", "1101101100", "1101101100",
    "1100000000", "1101100000", "1101100000", "1100000000", "0000000000",
};

static enum nat_dependence more_dependent(enum nat_dependence a, enum nat_dependence b) { return a > b ? a : b; }

static enum nat_dependence apparent_mapping(const struct nat_config *nat)
{
    bool looks_independent = nat->translate_none || (nat->overload && nat->allocation == NAT_PRESERVE);
    return looks_independent ? NAT_ENDPOINT_INDEPENDENT : nat->mapping;
}

static int kind_of_chain(const struct nat_preset *preset, struct error *error)
{
    enum nat_dependence mapping = NAT_ENDPOINT_INDEPENDENT;
    enum nat_dependence filtering = NAT_ENDPOINT_INDEPENDENT;
    for (size_t i = 0; i < preset->count; i++) {
        const struct nat_config *nat = &preset->nats[i];
        if (nat->udp_blocked)
            return NAT_KIND_UDP_BLOCKED;
        if (mapping != NAT_ENDPOINT_INDEPENDENT && nat->filtering != NAT_ENDPOINT_INDEPENDENT) {
            error_set(error, ERROR_UNSUPPORTED,
                      "NAT preset '%s': no closed form for a filter behind a mapping that depends on the destination",
                      preset->name);
            return -1;
        }
        mapping = more_dependent(mapping, apparent_mapping(nat));
        filtering = more_dependent(filtering, nat->filtering);
    }
    return 3 * (int)mapping + (int)filtering;
}

int nat_kind_of(const struct nat_preset *preset, struct error *error)
{
    if (preset->alternatives[0].name == NULL)
        return kind_of_chain(preset, error);
    int kind = -1;
    for (size_t i = 0; i < NAT_ALTERNATIVES_MAX && preset->alternatives[i].name != NULL; i++) {
        int this = kind_of_chain(nat_preset_find(preset->alternatives[i].name), error);
        if (this < 0)
            return -1;
        if (i > 0 && this != kind) {
            error_set(error, ERROR_UNSUPPORTED, "NAT preset '%s' stands for clients of different kinds", preset->name);
            return -1;
        }
        kind = this;
    }
    return kind;
}

bool nat_kinds_direct(int a, int b) { return direct[a][b] == '1'; }

bool nat_oracle_direct(const struct nat_preset *a, const struct nat_preset *b)
{
    int kind_a = nat_kind_of(a, NULL);
    int kind_b = nat_kind_of(b, NULL);
    return kind_a >= 0 && kind_b >= 0 && nat_kinds_direct(kind_a, kind_b);
}
