/* Hole punching run on the NAT model: two sides ask a STUN server for their addresses, send each other checks, learn
 * peer-reflexive candidates, and so on until nothing new happens. Which pairs meet without port prediction is known (RFC
 * 5128): the table `meets`. */
#include <math.h>
#include <stdio.h>

#include "base/rng.h"
#include "tests/support/suite.h"
#include "world/nat.h"
#include "world/nat_presets.h"

enum { KNOWN_MAX = 32, ROUNDS_MAX = 16 };

struct side {
    struct nat *nats[NAT_CHAIN_MAX]; /* the nearest first */
    size_t count;
    struct address socket;
    struct address known[KNOWN_MAX]; /* the other side's candidates */
    size_t known_count;
    bool succeeded;
};

/* Sends from one side to `target`. True when it reaches the other side's socket, which sees it come from `seen`. */
static bool travels(const struct side *from, const struct side *to, struct address target, struct address *seen,
                    nanos now)
{
    struct nat_packet packet = {.source = from->socket, .destination = target, .protocol = NAT_UDP};
    size_t down = to->count;
    for (size_t i = 0; i < from->count && down == to->count; i++) {
        switch (nat_outbound(from->nats[i], &packet, now)) {
        case NAT_DROP:
            return false;
        case NAT_FORWARD:
            break;
        case NAT_HAIRPIN: /* the two share this one and what is beyond it */
            down = i;
            i = from->count;
            break;
        }
    }
    while (down > 0)
        if (nat_inbound(to->nats[--down], &packet, now) != NAT_FORWARD)
            return false;
    *seen = packet.source;
    return address_equal(&packet.destination, &to->socket);
}

static bool learn(struct side *side, const struct address *candidate)
{
    for (size_t i = 0; i < side->known_count; i++)
        if (address_equal(&side->known[i], candidate))
            return false;
    if (side->known_count == KNOWN_MAX)
        return false;
    side->known[side->known_count++] = *candidate;
    return true;
}

/* One check to every candidate known; true when anything new came of it. RFC 8445, section 7.2.5.2.1: the answer must
 * come from where the check went. */
static bool check_all(struct side *from, struct side *to, nanos now)
{
    bool news = false;
    for (size_t i = 0; i < from->known_count; i++) {
        struct address seen;
        struct address answered;
        if (!travels(from, to, from->known[i], &seen, now))
            continue;
        news |= learn(to, &seen);
        if (travels(to, from, seen, &answered, now) && address_equal(&answered, &from->known[i])) {
            news |= !from->succeeded;
            from->succeeded = true;
        }
    }
    return news;
}

/* The address that a STUN server sees; family ADDRESS_NONE when it can't be asked. */
static struct address reflexive(const struct side *side)
{
    struct side server = {.socket = address_ipv4(5, 9, 9, 9, 3478)};
    struct address seen;
    return travels(side, &server, server.socket, &seen, 0) ? seen : (struct address){0};
}

static bool punch(struct side *a, struct side *b)
{
    struct address address_a = reflexive(a);
    struct address address_b = reflexive(b);
    if (address_a.family == ADDRESS_NONE || address_b.family == ADDRESS_NONE)
        return false;
    learn(a, &address_b);
    learn(b, &address_a);
    /* A round without news may still have opened a filter for the next one; a second one has not. */
    for (int round = 1, quiet = 0; round < ROUNDS_MAX && quiet < 2; round++) {
        bool news = check_all(a, b, round * NANOS_PER_MS);
        news |= check_all(b, a, round * NANOS_PER_MS);
        quiet = news ? 0 : quiet + 1;
    }
    CU_ASSERT_TRUE(a->known_count < KNOWN_MAX && b->known_count < KNOWN_MAX);
    return a->succeeded || b->succeeded;
}

static struct side side_of(const struct nat_preset *preset, uint8_t number)
{
    struct side side = {.count = preset->count, .socket = address_ipv4(192, 168, 1, number, 5000)};
    for (size_t i = 0; i < preset->count; i++) {
        struct nat_config config = preset->nats[i];
        bool outermost = i + 1 == preset->count;
        config.seed = number;
        config.external_count = config.translate_none ? 0 : 1;
        config.external[0] = outermost ? address_ipv4(31, 0, 0, number, 0) : address_ipv4(100, 64, 0, number, 0);
        side.nats[i] = nat_create(&config, NULL);
        CU_ASSERT_PTR_NOT_NULL_FATAL(side.nats[i]);
    }
    if (preset->count == 0 || preset->nats[0].translate_none)
        side.socket = address_ipv4(31, 0, 0, number, 5000);
    return side;
}

static void side_clear(struct side *side)
{
    for (size_t i = 0; i < side->count; i++)
        nat_destroy(side->nats[i]);
}

static bool meet(const char *a, const char *b)
{
    struct side left = side_of(nat_preset_find(a), 1);
    struct side right = side_of(nat_preset_find(b), 2);
    bool met = punch(&left, &right);
    side_clear(&left);
    side_clear(&right);
    return met;
}

/* 1 direct, 0 relay; rows and columns: mapping EI, AD, APD, each with filtering EI, AD, APD. */
static const char *const meets[9] = {"111111111", "111111111", "111000000", "110110110", "110110110",
                                     "110000000", "110110000", "110110000", "110000000"};
static const char *const behaviours[9] = {"ei-ei",  "ei-ad",  "ei-apd", "ad-ei",  "ad-ad",
                                          "ad-apd", "apd-ei", "apd-ad", "apd-apd"};
static const char *const allocations[3] = {"preserve", "contiguous", "random"};

static void the_27_types(void)
{
    int direct = 0;
    int pairs = 0;
    for (int i = 0; i < 27; i++) {
        for (int k = 0; k < 27; k++) {
            char a[32];
            char b[32];
            snprintf(a, sizeof a, "%s-%s", behaviours[i / 3], allocations[i % 3]);
            snprintf(b, sizeof b, "%s-%s", behaviours[k / 3], allocations[k % 3]);
            bool met = meet(a, b);
            CU_ASSERT_EQUAL(met, meets[i / 3][k / 3] == '1');
            CU_ASSERT_EQUAL(meets[i / 3][k / 3], meets[k / 3][i / 3]);
            direct += met && i <= k;
            pairs += i <= k;
        }
    }
    CU_ASSERT_EQUAL(pairs, 378);
    CU_ASSERT_EQUAL(direct, 210);
}

static void other_presets(void)
{
    CU_ASSERT_TRUE(meet("linux", "linux")); /* overloaded, but it looks EI while nothing collides */
    CU_ASSERT_TRUE(meet("linux", "home"));
    CU_ASSERT_TRUE(meet("cgn", "cgn"));
    CU_ASSERT_TRUE(meet("cgn", "home"));
    CU_ASSERT_TRUE(meet("cgn", "mobile"));
    CU_ASSERT_FALSE(meet("cgn-symmetric", "home"));
    CU_ASSERT_TRUE(meet("cgn-symmetric", "full-cone"));
    CU_ASSERT_TRUE(meet("firewall", "firewall"));
    CU_ASSERT_TRUE(meet("firewall", "home"));
    CU_ASSERT_FALSE(meet("firewall", "symmetric"));
    CU_ASSERT_TRUE(meet("rfc4787", "symmetric"));
    CU_ASSERT_FALSE(meet("tls-only", "open"));
    CU_ASSERT_FALSE(meet("corporate-443", "open"));
}

/* Two hosts behind one NAT, their host candidates left aside: hairpinning decides. */
static void behind_the_same_nat(void)
{
    for (int hairpin = NAT_HAIRPIN_NONE; hairpin <= NAT_HAIRPIN_INTERNAL; hairpin++) {
        struct nat_preset preset = *nat_preset_find("home");
        preset.nats[0].hairpin = (enum nat_hairpin)hairpin;
        struct side a = side_of(&preset, 1);
        struct side b = {.nats = {a.nats[0]}, .count = 1, .socket = address_ipv4(192, 168, 1, 2, 5000)};
        CU_ASSERT_EQUAL(punch(&a, &b), hairpin == NAT_HAIRPIN_EXTERNAL);
        side_clear(&a);
    }
    /* Two homes behind one carrier's NAT, which hairpins. */
    const struct nat_preset *cgn = nat_preset_find("cgn");
    struct side a = side_of(cgn, 1);
    struct side b = side_of(cgn, 2);
    nat_destroy(b.nats[1]);
    b.nats[1] = a.nats[1];
    CU_ASSERT_TRUE(punch(&a, &b));
    b.count = 1;
    side_clear(&a);
    side_clear(&b);
}

/* --- a population with a closed form: S symmetric, P port-restricted, O open or a cone, B without UDP -------------------- */

enum { CLASS_S, CLASS_P, CLASS_O, CLASS_B, CLASSES };

static void relays(const char *open, bool out[CLASSES][CLASSES])
{
    const char *names[CLASSES] = {"symmetric", "home", open, "udp-blocked-tcp"};
    for (int a = 0; a < CLASSES; a++)
        for (int b = 0; b < CLASSES; b++)
            out[a][b] = !meet(names[a], names[b]);
}

/* P(no pair of `left` more members needs a relay), given who is in the room already. */
static double without_relay(bool relay[CLASSES][CLASSES], const double share[CLASSES], const int members[CLASSES],
                            int left)
{
    if (left == 0)
        return 1;
    double sum = 0;
    for (int class = 0; class < CLASSES; class ++) {
        bool fits = true;
        for (int other = 0; other < CLASSES; other++)
            fits = fits && (members[other] == 0 || !relay[class][other]);
        if (!fits)
            continue;
        int with[CLASSES];
        memcpy(with, members, sizeof with);
        with[class]++;
        sum += share[class] * without_relay(relay, share, with, left - 1);
    }
    return sum;
}

static void populations_match_the_closed_form(void)
{
    static const double shares[][CLASSES] = {
        {.10, .60, .254, .046}, {.25, .25, .25, .25}, {0, 0, 1, 0}, {.5, .1, .4, 0}, {.01, .02, .03, .94}};
    static const char *const opens[] = {"open", "full-cone", "restricted-cone", "rfc4787"};
    for (size_t o = 0; o < sizeof opens / sizeof opens[0]; o++) {
        bool relay[CLASSES][CLASSES];
        relays(opens[o], relay);
        for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
            const double *share = shares[i];
            double s = share[CLASS_S];
            double p = share[CLASS_P];
            double open = share[CLASS_O];
            double b = share[CLASS_B];
            double pair = 0;
            double by_nat = 0;
            double by_blocking = 0;
            for (int x = 0; x < CLASSES; x++) {
                for (int y = 0; y < CLASSES; y++) {
                    double weight = relay[x][y] ? share[x] * share[y] : 0;
                    pair += weight;
                    *(x == CLASS_B || y == CLASS_B ? &by_blocking : &by_nat) += weight;
                }
            }
            CU_ASSERT_DOUBLE_EQUAL(pair, 1 - ((p + open) * (p + open) + 2 * s * open), 1e-12);
            CU_ASSERT_DOUBLE_EQUAL(by_nat, s * s + 2 * s * p, 1e-12);
            CU_ASSERT_DOUBLE_EQUAL(by_blocking, 1 - (1 - b) * (1 - b), 1e-12);
            for (int n = 2; n <= 8; n++) {
                double formula = 1 - (pow(p + open, n) + n * s * pow(open, n - 1));
                double counted = 1 - without_relay(relay, share, (int[CLASSES]){0}, n);
                CU_ASSERT_DOUBLE_EQUAL(counted, formula, 1e-12);
            }
        }
    }
}

static void the_wild_population(void)
{
    static const double share[CLASSES] = {.10, .60, .254, .046};
    static const struct {
        int size;
        double percent;
    } published[] = {{2, 22.0}, {3, 35.8}, {4, 46.2}, {5, 54.4}, {6, 61.1}, {8, 71.7}, {10, 79.4}};
    bool relay[CLASSES][CLASSES];
    relays("open", relay);
    for (size_t i = 0; i < sizeof published / sizeof published[0]; i++) {
        double percent = 100 * (1 - without_relay(relay, share, (int[CLASSES]){0}, published[i].size));
        CU_ASSERT_DOUBLE_EQUAL(percent, published[i].percent, 0.05);
    }
    /* By drawing: rooms of four, each pair met or not; and one client at a public SFU. */
    enum { ROOMS = 40000 };
    struct rng rng = rng_of(1, "population", 0);
    int rooms = 0;
    int at_sfu = 0;
    for (int room = 0; room < ROOMS; room++) {
        size_t member[4];
        bool needs = false;
        for (int i = 0; i < 4; i++) {
            member[i] = rng_weighted(&rng, share, CLASSES);
            for (int k = 0; k < i; k++)
                needs = needs || relay[member[i]][member[k]];
        }
        rooms += needs;
        at_sfu += relay[member[0]][CLASS_O];
    }
    CU_ASSERT_DOUBLE_EQUAL((double)rooms / ROOMS, .462, 4 * sqrt(.462 * .538 / ROOMS));
    CU_ASSERT_DOUBLE_EQUAL((double)at_sfu / ROOMS, .046, 4 * sqrt(.046 * .954 / ROOMS));
}

void nat_punch_test(void)
{
    SUITE("nat_punch", {"the 27 types: 210 of 378 pairs meet", the_27_types}, {"other presets", other_presets},
          {"behind the same NAT", behind_the_same_nat},
          {"populations match the closed form", populations_match_the_closed_form},
          {"the wild population", the_wild_population});
}
