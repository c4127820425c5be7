#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#include "base/rng.h"
#include "world/live_network.h"

/* Host numbers skip 0 and 255, which look like network and broadcast addresses. */
enum { HOSTS_IN_24 = 254, NETS_IN_16 = 255, NETS_IN_10 = 1 << 14, NETS_IN_8 = 1 << 16 };
/* The world's block is 127.n.0.0/16; those below are in use by people. */
enum { BLOCK_FIRST = 16, BLOCK_LAST = 254, CLAIM_PORT = 65535 };

/* --- addresses ------------------------------------------------------------------------------------------------------------- */

/* The block is taken by binding one socket of it that nobody else wants. */
static bool claim_block(struct live_world *live, struct error *error)
{
    for (int block = BLOCK_FIRST; block <= BLOCK_LAST && live->claim_fd < 0; block++) {
        struct address address = address_ipv4(127, (uint8_t)block, 255, 254, CLAIM_PORT);
        struct sockaddr_storage name;
        socklen_t len = live_to_sockaddr(&address, &name);
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
            return error_set(error, ERROR_SYSTEM, "UDP socket: %s", strerror(errno));
        if (bind(fd, (struct sockaddr *)&name, len) == 0) {
            live->claim_fd = fd;
            live->block = (uint8_t)block;
        } else {
            close(fd);
        }
    }
    return live->claim_fd >= 0 ||
           error_set(error, ERROR_SYSTEM, "every block from 127.%d/16 to 127.%d/16 is taken by another live world",
                     BLOCK_FIRST, BLOCK_LAST);
}

static struct live_place *add_place(struct live_world *live, const struct live_place *like, struct error *error)
{
    struct live_place *place = malloc(sizeof *place);
    if (place != NULL) {
        *place = *like;
        place->ip.port = 0;
        HASH_ADD(hh, live->places, ip, sizeof place->ip, place);
        if (place->hh.tbl == NULL) {
            free(place);
            place = NULL;
        }
    }
    if (place == NULL)
        error_set(error, ERROR_SYSTEM, "out of memory");
    return place;
}

struct live_place *live_place_find(const struct live_world *live, const struct address *address)
{
    struct address ip = *address;
    struct live_place *place;
    ip.port = 0;
    HASH_FIND(hh, live->places, &ip, sizeof ip, place);
    return place;
}

static bool next_public(struct live_world *live, int site, struct live_lan *lan, bool host, struct address *out,
                        struct error *error)
{
    uint32_t net = live->publics / HOSTS_IN_24;
    if (live->claim_fd < 0 && !claim_block(live, error))
        return false;
    if (net >= NETS_IN_16)
        return error_set(error, ERROR_USAGE, "no address is left in 127.%d.0.0/16", live->block);
    *out = address_ipv4(127, live->block, (uint8_t)net, (uint8_t)(1 + live->publics % HOSTS_IN_24), 0);
    live->publics++;
    return add_place(live, &(struct live_place){.ip = *out, .host = host, .site = site, .lan = lan}, error) != NULL;
}

static bool next_carried(struct live_world *live, struct live_lan *lan, struct live_box *carrier, struct address *out,
                         struct error *error)
{
    uint32_t net = live->carried / HOSTS_IN_24;
    if (net >= NETS_IN_10)
        return error_set(error, ERROR_USAGE, "no address is left in 100.64.0.0/10");
    *out = address_ipv4(100, (uint8_t)(64 + (net >> 8)), (uint8_t)net, (uint8_t)(1 + live->carried % HOSTS_IN_24), 0);
    live->carried++;
    if (address_same_ip(out, &live->config.server))
        return next_carried(live, lan, carrier, out, error);
    const struct live_place place = {.ip = *out, .hidden = true, .site = lan->site, .lan = lan, .carrier = carrier};
    return add_place(live, &place, error) != NULL;
}

static bool is_in_lan(const struct address *address, uint32_t number)
{
    const struct address net = address_ipv4(10, (uint8_t)(number >> 8), (uint8_t)number, address->ip[3], 0);
    return address_same_ip(address, &net);
}

bool live_lan_address(struct live_lan *lan, struct address *out, struct error *error)
{
    lan->hosts++;
    if (!lan->translated)
        return next_public(lan->live, lan->site, lan, true, out, error);
    if (lan->number >= NETS_IN_8 || lan->hosts >= HOSTS_IN_24)
        return error_set(error, ERROR_USAGE, "no address is left in 10.0.0.0/8: %u LANs, %u hosts in this one",
                         lan->number + 1, lan->hosts);
    /* .1 would be the router */
    *out = address_ipv4(10, (uint8_t)(lan->number >> 8), (uint8_t)lan->number, (uint8_t)(1 + lan->hosts), 0);
    const struct live_place place = {.ip = *out, .hidden = true, .host = true, .site = lan->site, .lan = lan};
    return add_place(lan->live, &place, error) != NULL;
}

/* --- NATs ------------------------------------------------------------------------------------------------------------------ */

static void began(void *user, uint8_t protocol, const struct address *external)
{
    struct live_box *box = user;
    if (protocol == NAT_UDP && (box->lan == NULL || box->lan->box_count == 1))
        live_path_open(box, external);
}

static void ended(void *user, uint8_t protocol, const struct address *external)
{
    struct live_box *box = user;
    if (protocol == NAT_UDP && (box->lan == NULL || box->lan->box_count == 1))
        live_path_close(box, external);
}

static void expired(void *user, nanos now)
{
    struct live_box *box = user;
    nat_expire(box->nat, now);
    live_deadline_set(box->live, &box->expiry, nat_deadline(box->nat));
}

/* Its external addresses, and a seed of its own. */
static bool complete(struct live_box *box, struct nat_config *config, int site, struct live_box *carrier,
                     struct error *error)
{
    struct live_world *live = box->live;
    struct rng rng = rng_of(live->config.seed, "sim nat", live->box_count++); /* the same NAT as in sim */
    config->seed = rng_u64(&rng);
    if (config->translate_none)
        return true;
    if (config->external_count == 0)
        config->external_count = 1;
    if (config->external_count > NAT_EXTERNAL_MAX)
        return error_set(error, ERROR_USAGE, "a NAT has at most %d external addresses", NAT_EXTERNAL_MAX);
    for (size_t i = 0; i < config->external_count; i++) {
        struct address *external = &config->external[i];
        if (carrier != NULL ? !next_carried(live, box->lan, carrier, external, error)
                            : !next_public(live, site, box->lan, false, external, error))
            return false;
    }
    return true;
}

static struct live_box *box_create(struct live_world *live, const struct nat_config *config, int site,
                                   struct live_lan *lan, struct live_box *carrier, struct error *error)
{
    struct nat_config completed = *config;
    struct live_box *box = calloc(1, sizeof *box);
    if (box == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    LL_PREPEND(live->boxes, box);
    box->live = live;
    box->lan = lan;
    box->expiry = (struct live_deadline){.fired = expired, .user = box};
    if (!complete(box, &completed, site, carrier, error))
        return NULL;
    box->nat = nat_create(&completed, error);
    if (box->nat != NULL)
        nat_observe(box->nat, &(struct nat_observer){.began = began, .ended = ended, .user = box});
    return box->nat != NULL ? box : NULL;
}

/* The carrier's NAT of that number, which several homes may be behind. */
static struct live_box *carrier_box(struct live_world *live, const struct internet_client_config *config,
                                    struct error *error)
{
    struct live_box *box = NULL;
    if (config->carrier != 0)
        HASH_FIND(hh, live->carriers, &config->carrier, sizeof config->carrier, box);
    if (box != NULL)
        return box;
    box = box_create(live, &config->nats[1], config->site, NULL, NULL, error);
    if (box == NULL || config->carrier == 0)
        return box;
    box->carrier = config->carrier;
    HASH_ADD(hh, live->carriers, carrier, sizeof box->carrier, box);
    if (box->hh.tbl == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    return box;
}

/* --- LANs ------------------------------------------------------------------------------------------------------------------ */

static struct live_lan *create(struct live_world *live, int site, const struct link_config *up,
                               const struct link_config *down, struct error *error)
{
    if (site < 0 || site >= live->site_count) {
        error_set(error, ERROR_USAGE, "there is no site %d", site);
        return NULL;
    }
    struct live_lan *lan = calloc(1, sizeof *lan);
    if (lan == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    lan->live = live;
    lan->number = live->lan_count++;
    if (is_in_lan(&live->config.server, lan->number))
        lan->number = live->lan_count++;
    lan->site = site;
    LL_PREPEND(live->lans, lan);
    if (!live_pipe_init(&lan->up, live, up, 2ull * lan->number, live_path_beyond, lan, error) ||
        !live_pipe_init(&lan->down, live, down, 2ull * lan->number + 1, live_path_arrived, lan, error))
        return NULL;
    return lan;
}

struct live_lan *live_lan_alone(struct live_world *live, const struct internet_server_config *config,
                                struct error *error)
{
    struct live_lan *lan = create(live, config->site, &config->up, &config->down, error);
    if (lan != NULL)
        lan->server = true;
    return lan;
}

static bool build(struct live_lan *lan, const struct internet_client_config *config, struct error *error)
{
    struct live_world *live = lan->live;
    lan->box_count = config->nat_count;
    if (config->nat_count > 1) {
        lan->boxes[1] = carrier_box(live, config, error);
        if (lan->boxes[1] == NULL)
            return false;
    }
    if (config->nat_count > 0) {
        lan->boxes[0] = box_create(live, &config->nats[0], config->site, lan, lan->boxes[1], error);
        lan->translated = !config->nats[0].translate_none;
    }
    return config->nat_count == 0 || lan->boxes[0] != NULL;
}

struct live_lan *live_lan_for(struct live_world *live, const struct internet_client_config *config, struct error *error)
{
    struct live_lan *lan = NULL;
    if (config->lan != 0)
        HASH_FIND(hh, live->lans_by_id, &config->lan, sizeof config->lan, lan);
    if (lan != NULL)
        return lan;
    if (!internet_check_nats(config, error))
        return NULL;
    lan = create(live, config->site, &config->up, &config->down, error);
    if (lan == NULL || !build(lan, config, error))
        return NULL;
    lan->id = config->lan;
    if (lan->id != 0) {
        HASH_ADD(hh, live->lans_by_id, id, sizeof lan->id, lan);
        if (lan->hh.tbl == NULL) {
            error_set(error, ERROR_SYSTEM, "out of memory");
            return NULL;
        }
    }
    return lan;
}

void live_lans_destroy(struct live_world *live)
{
    HASH_CLEAR(hh, live->lans_by_id);
    HASH_CLEAR(hh, live->carriers);
    while (live->boxes != NULL) {
        struct live_box *box = live->boxes;
        LL_DELETE(live->boxes, box);
        live_deadline_set(live, &box->expiry, NANOS_NEVER);
        nat_destroy(box->nat);
        free(box);
    }
    for (size_t i = 0; i < sizeof live->wires / sizeof live->wires[0]; i++) {
        if (live->wires[i] != NULL)
            live_pipe_clear(live->wires[i]);
        free(live->wires[i]);
    }
    while (live->lans != NULL) {
        struct live_lan *lan = live->lans;
        LL_DELETE(live->lans, lan);
        live_pipe_clear(&lan->up);
        live_pipe_clear(&lan->down);
        free(lan);
    }
    struct live_place *place, *next;
    HASH_ITER(hh, live->places, place, next)
    {
        HASH_DEL(live->places, place);
        free(place);
    }
    if (live->claim_fd >= 0)
        close(live->claim_fd);
}
