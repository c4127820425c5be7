#include "loadgen/nat_survey.h"

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "loadgen/nat_oracle.h"
#include "peer/nat_prober.h"
#include "sfu/turn_server.h"
#include "sim/sim_world.h"

#define CORE_DELAY (10 * NANOS_PER_MS)
/* Longer than any probe: at most six rounds of four tries, 7.5 s each. */
#define TIME_LIMIT (60 * NANOS_PER_S)
#define POLL (10 * NANOS_PER_MS)

enum { STUN_PORT = 3478 };

struct survey {
    struct internet *internet;
    nanos rto;
    unsigned tries;
    struct turn_server *server;
    struct address address; /* where the server answers */
    struct client {
        struct survey *survey;
        struct nat_survey_entry *entry;
        struct nat_prober *prober;
    } * clients;
    size_t count;
    size_t done;
};

/* --- what should be found ------------------------------------------------------------------------------------------------- */

static enum nat_behavior behavior(int dependence)
{
    return NAT_BEHAVIOR_ENDPOINT_INDEPENDENT + (enum nat_behavior)dependence;
}

/* A packet turned round comes from a mapping made for the way back. With an EI mapping that is the one that the other
 * socket has sent to; otherwise only its address is the same. */
static enum nat_probe_hairpin hairpin_of(const struct nat_preset *preset, int kind)
{
    enum nat_dependence mapping = (enum nat_dependence)(kind / 3);
    enum nat_dependence filtering = (enum nat_dependence)(kind % 3);
    bool let_in = mapping == NAT_ENDPOINT_INDEPENDENT || filtering != NAT_ADDRESS_AND_PORT_DEPENDENT;
    bool turned = preset->nats[preset->count - 1].hairpin != NAT_HAIRPIN_NONE;
    return turned && let_in ? NAT_PROBE_HAIRPIN_YES : NAT_PROBE_HAIRPIN_NO;
}

bool nat_survey_configured(const struct nat_preset *preset, struct nat_probe_result *configured, struct error *error)
{
    int kind = nat_kind_of(preset, error);
    *configured = (struct nat_probe_result){.blocked = kind == NAT_KIND_UDP_BLOCKED};
    if (kind < 0 || configured->blocked)
        return kind >= 0;
    configured->mapping = behavior(kind / 3);
    configured->filtering = behavior(kind % 3);
    configured->port_preserved = true;
    for (size_t i = 0; i < preset->count; i++) {
        const struct nat_config *nat = &preset->nats[i];
        configured->translated = configured->translated || !nat->translate_none;
        if (!nat->translate_none && nat->allocation != NAT_PRESERVE)
            configured->port_preserved = false;
    }
    if (configured->translated)
        configured->hairpin = hairpin_of(preset, kind);
    return true;
}

static bool agree(const struct nat_probe_result *found, const struct nat_probe_result *configured)
{
    return found->blocked == configured->blocked && found->translated == configured->translated &&
           found->mapping == configured->mapping && found->filtering == configured->filtering &&
           found->port_preserved == configured->port_preserved && found->hairpin == configured->hairpin && !found->alg;
}

/* --- the network ---------------------------------------------------------------------------------------------------------- */

static bool add_server(struct survey *survey, uint64_t seed, struct error *error)
{
    struct internet_server_config config = {.name = "stun", .addresses = 2};
    struct address addresses[INTERNET_SERVER_ADDRESSES_MAX];
    struct world_host *host = internet_add_server(survey->internet, &config, error);
    if (host == NULL)
        return false;
    world_host_addresses(host, addresses, INTERNET_SERVER_ADDRESSES_MAX);
    survey->address = addresses[0];
    survey->address.port = STUN_PORT;
    addresses[1].port = STUN_PORT + 1;
    survey->server = turn_server_create(&(struct turn_server_config){.host = host,
                                                                     .udp = &survey->address,
                                                                     .udp_count = 1,
                                                                     .alternate = &addresses[1],
                                                                     .alternate_count = 1,
                                                                     .seed = seed},
                                        error);
    return survey->server != NULL;
}

static void found(void *user, const struct nat_probe_result *result, nanos now)
{
    struct client *client = user;
    (void)now;
    client->entry->found = *result;
    client->entry->as_configured = agree(result, &client->entry->configured);
    client->survey->done++;
}

static bool add_client(struct survey *survey, size_t index, const struct nat_preset *preset, uint64_t seed,
                       struct nat_survey_entry *entry, struct error *error)
{
    struct client *client = &survey->clients[index];
    struct rng rng = rng_of(seed, "nat survey", index);
    const struct nat_preset *drawn = nat_preset_draw(preset, &rng);
    struct internet_client_config config = {.name = drawn->name, .nats = drawn->nats, .nat_count = drawn->count};
    *entry = (struct nat_survey_entry){.preset = preset};
    *client = (struct client){.survey = survey, .entry = entry};
    if (!nat_survey_configured(drawn, &entry->configured, error))
        return false;
    struct world_host *host = internet_add_client(survey->internet, &config, error);
    if (host == NULL)
        return false;
    client->prober = nat_prober_create(&(struct nat_prober_config){.host = host,
                                                                   .server = survey->address,
                                                                   .rto = survey->rto,
                                                                   .tries = survey->tries,
                                                                   .seed = rng_u64(&rng),
                                                                   .done = found,
                                                                   .user = client},
                                       error);
    return client->prober != NULL;
}

static bool unfinished(void *user, nanos now)
{
    const struct survey *survey = user;
    (void)now;
    return survey->done < survey->count;
}

static bool run(struct survey *survey, const struct nat_preset *const *presets, uint64_t seed,
                struct nat_survey_entry *out, struct error *error)
{
    if (!add_server(survey, seed, error))
        return false;
    for (size_t i = 0; i < survey->count; i++) {
        if (!add_client(survey, i, presets[i], seed, &out[i], error))
            return error_prefix(error, "NAT preset '%s'", presets[i]->name);
    }
    nanos end = world_now(internet_world(survey->internet)) + TIME_LIMIT;
    if (survey->done < survey->count && !internet_run_until(survey->internet, end, POLL, unfinished, survey, error))
        return false;
    return survey->done == survey->count ||
           error_set(error, ERROR_PROTOCOL, "only %zu of %zu NATs were probed", survey->done, survey->count);
}

bool nat_survey_in(struct internet *internet, nanos rto, unsigned tries, const struct nat_preset *const *presets,
                   size_t count, uint64_t seed, struct nat_survey_entry *out, struct error *error)
{
    struct survey survey = {.internet = internet, .rto = rto, .tries = tries, .count = count};
    survey.clients = calloc(count > 0 ? count : 1, sizeof *survey.clients);
    if (survey.clients == NULL)
        return error_set(error, ERROR_SYSTEM, "out of memory");
    bool ok = run(&survey, presets, seed, out, error);
    for (size_t i = 0; i < count; i++)
        nat_prober_destroy(survey.clients[i].prober);
    turn_server_destroy(survey.server);
    free(survey.clients);
    return ok;
}

bool nat_survey(const struct nat_preset *const *presets, size_t count, uint64_t seed, struct nat_survey_entry *out,
                struct error *error)
{
    struct sim_world *sim = sim_world_create(&(struct sim_world_config){.seed = seed, .core_delay = CORE_DELAY}, error);
    bool ok = sim != NULL && nat_survey_in(sim_world_internet(sim), 0, 0, presets, count, seed, out, error);
    sim_world_destroy(sim);
    return ok;
}
