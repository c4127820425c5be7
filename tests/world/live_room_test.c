/* The same peers, SFU, TURN server and signalling as in sim, on real sockets. */
#include <stdio.h>
#include <string.h>

#include "peer/participant.h"
#include "sfu/sfu.h"
#include "sfu/signalling_server.h"
#include "sfu/turn_server.h"
#include "tests/support/suite.h"
#include "world/live_world.h"

enum { PEOPLE_MAX = 4 };

struct room {
    struct live_world *live;
    struct certificate *certificate;
    struct turn_server *turn;
    struct sfu *sfu;
    struct signalling_server *signalling;
    struct address signalling_address;
    char urls[3][96];
    struct person {
        struct room *room;
        struct participant *participant;
        unsigned frames[PEOPLE_MAX][2]; /* of each other's audio and video */
    } people[PEOPLE_MAX];
    int count;
};

static void failed(void *user, struct participant *participant, const char *reason, nanos now)
{
    (void)user, (void)now;
    fprintf(stderr, "%s: %s\n", participant_name(participant), reason);
    CU_FAIL("a participant failed");
}

static void frame(void *user, struct participant *participant, struct remote_track *track,
                  const struct received_frame *received, nanos now)
{
    struct person *person = user;
    (void)participant, (void)now;
    CU_ASSERT_TRUE(!received->has_trailer || received->captured <= now);
    person->frames[track->publisher[1] - '0'][track->kind == TRACK_VIDEO]++;
}

static const struct participant_callbacks callbacks = {.failed = failed, .frame = frame};

static void must(bool well, const struct error *error)
{
    if (!well) {
        fprintf(stderr, "%s\n", error->text);
        abort();
    }
}

static void add_url(struct room *room, struct signalling_server_config *config, const char *format,
                    const struct address *address)
{
    char text[ADDRESS_TEXT_CAP];
    char *url = room->urls[config->ice_server_count];
    snprintf(url, sizeof room->urls[0], format, address_format(address, text));
    config->ice_servers[config->ice_server_count++] = (struct room_ice_server){url, "me", "secret"};
}

static struct world_host *add_server(struct room *room, struct address *address)
{
    struct error error = {0};
    struct world_host *host = internet_add_server(live_world_internet(room->live),
                                                  &(struct internet_server_config){.name = "server"}, &error);
    must(host != NULL, &error);
    world_host_addresses(host, address, 1);
    return host;
}

static struct room *room_open(void)
{
    struct error error = {0};
    struct room *room = calloc(1, sizeof *room);
    room->live = live_world_create(&(struct live_world_config){.seed = 3, .loopback_only = true}, &error);
    must(room->live != NULL, &error);
    room->certificate = certificate_create(
        &(struct certificate_config){.not_before_unix_s = live_world_unix_origin_s(room->live) - 86400}, &error);
    struct address media, turn;
    struct world_host *server = add_server(room, &media);
    struct world_host *relay = add_server(room, &turn); /* a TURN server doesn't relay to its own address */
    struct address address = turn;
    room->signalling_address = media;
    media.port = 5000;
    turn.port = 3478;
    room->signalling_address.port = 8443;
    const struct turn_user user = {"me", "secret"};
    room->turn = turn_server_create(&(struct turn_server_config){.host = relay,
                                                                 .udp = &turn,
                                                                 .udp_count = 1,
                                                                 .tcp = &turn,
                                                                 .tcp_count = 1,
                                                                 .relay_ipv4 = address,
                                                                 .users = &user,
                                                                 .user_count = 1,
                                                                 .allowed_scopes = 1u << ADDRESS_LOOPBACK,
                                                                 .seed = 4},
                                    &error);
    must(room->turn != NULL, &error);
    room->sfu = sfu_create(&(struct sfu_config){.host = server,
                                                .addresses = &media,
                                                .address_count = 1,
                                                .certificate = room->certificate,
                                                .seed = 5,
                                                .ntp_origin = live_world_ntp_origin(room->live)},
                           &error);
    must(room->sfu != NULL, &error);
    struct signalling_server_config config = {.host = server, .address = room->signalling_address, .sfu = room->sfu};
    add_url(room, &config, "stun:%s", &turn);
    add_url(room, &config, "turn:%s?transport=udp", &turn);
    add_url(room, &config, "turn:%s?transport=tcp", &turn);
    room->signalling = signalling_server_create(&config, &error);
    must(room->signalling != NULL, &error);
    return room;
}

static void enter(struct room *room, const char *nat, enum call_shape shape)
{
    struct error error = {0};
    int number = room->count++;
    struct person *person = &room->people[number];
    const struct nat_preset *preset = nat_preset_find(nat);
    char name[4] = {'p', (char)('0' + number)};
    const struct internet_client_config client = {
        .name = name, .nats = preset->nats, .nat_count = preset->count, .up.delay = NANOS_PER_MS};
    struct world_host *host = internet_add_client(live_world_internet(room->live), &client, &error);
    must(host != NULL, &error);
    person->room = room;
    const struct participant_config config = {
        .host = host,
        .server = room->signalling_address,
        .room = "live",
        .name = name,
        .shape = shape,
        .plan = {.audio = true, .video = true, .audio_bps = 32000, .layers = {{180, 30, 200000}}, .layer_count = 1},
        .conversation = {.people = 3},
        .number = (uint32_t)number,
        .certificate = room->certificate,
        .seed = (uint64_t)number + 1,
        .ntp_origin = live_world_ntp_origin(room->live),
        .callbacks = &callbacks,
        .user = person};
    person->participant = participant_create(&config, world_now(live_world_of(room->live)), &error);
    must(person->participant != NULL, &error);
}

/* Someone still waits for video of someone. */
static bool waits(void *user, nanos now)
{
    const struct room *room = user;
    unsigned least = 1000;
    (void)now;
    for (int i = 0; i < room->count; i++) {
        for (int j = 0; j < room->count; j++) {
            if (i != j && room->people[i].frames[j][1] < least)
                least = room->people[i].frames[j][1];
        }
    }
    return least < 5;
}

static void watch(struct room *room)
{
    struct error error = {0};
    nanos until = world_now(live_world_of(room->live)) + 15 * NANOS_PER_S;
    CU_ASSERT_TRUE(live_world_run_until(room->live, until, 10 * NANOS_PER_MS, waits, room, &error));
    CU_ASSERT_FALSE(waits(room, 0));
}

/* Whether the path of this one's first call goes through TURN at either end. */
static bool is_relayed(const struct room *room, int person)
{
    struct transport_path_info path = {0};
    struct call *call = participant_call(room->people[person].participant, 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(call);
    CU_ASSERT_TRUE(transport_path(connection_transport(call_connection(call)), &path));
    return path.local == ICE_RELAYED || path.remote == ICE_RELAYED;
}

static void room_close(struct room *room)
{
    for (int i = 0; i < room->count; i++)
        participant_destroy(room->people[i].participant);
    signalling_server_destroy(room->signalling);
    sfu_destroy(room->sfu);
    turn_server_destroy(room->turn);
    live_world_destroy(room->live);
    certificate_destroy(room->certificate);
    free(room);
}

static void an_sfu_serves_everyone(void)
{
    struct room *room = room_open();
    enter(room, "home", CALL_SFU);
    enter(room, "cgn-symmetric", CALL_SFU);
    enter(room, "udp-blocked-tcp", CALL_SFU);
    watch(room);
    CU_ASSERT_EQUAL(sfu_statistics(room->sfu).participants, 3);
    CU_ASSERT_FALSE(is_relayed(room, 0) || is_relayed(room, 1));
    CU_ASSERT_TRUE(is_relayed(room, 2));
    CU_ASSERT_TRUE(turn_server_statistics(room->turn)->allocations[TURN_TCP] > 0);
    room_close(room);
}

static void a_mesh_takes_the_path_that_its_nats_allow(const char *a, const char *b, bool direct)
{
    struct room *room = room_open();
    enter(room, a, CALL_MESH);
    enter(room, b, CALL_MESH);
    watch(room);
    for (int i = 0; i < room->count; i++)
        CU_ASSERT_EQUAL(is_relayed(room, i), !direct);
    room_close(room);
}

static void meshes_take_the_paths_that_their_nats_allow(void)
{
    a_mesh_takes_the_path_that_its_nats_allow("home", "cgn", true);
    a_mesh_takes_the_path_that_its_nats_allow("symmetric", "cgn-symmetric", false);
}

void live_room_test(void)
{
    SUITE("live_room", {"an SFU serves everyone", an_sfu_serves_everyone},
          {"meshes take the paths that their NATs allow", meshes_take_the_paths_that_their_nats_allow});
}
