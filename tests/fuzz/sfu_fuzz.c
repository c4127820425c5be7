/* An SFU whose participants say and send anything, signed or not. Records:
 *
 *     | what | length | bytes … |
 *
 * what: 0 an offer of the first participant's, as it is; 1 its answer, as it is; 2 its right answer to what it was
 * offered last, each byte the direction of a section; 3 its right offer, each byte a section: kind, direction, layers;
 * 4 a datagram; 5 a packet in the clear from the second participant: layer, then RTP; 6 the first asks for packets, two
 * bytes each; 7 layers that the first is to get, one byte each; 8 so many tenths of a second pass; 9 the second leaves
 * and comes back. */
#include <stdlib.h>
#include <string.h>

#include "rtc/session_negotiation.h"
#include "sfu/publication.h"
#include "sfu/sfu_participant.h"
#include "sfu/sfu_state.h"
#include "sfu/subscription.h"
/* The rule for fuzz targets links the floors alone. */
#include "tests/support/wire_world.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct play {
    struct wire_world *wire;
    struct certificate *certificate;
    struct world_udp *stranger;
    struct address server;
    struct sfu *sfu;
    struct sfu_participant *first, *second;
    struct session_description *offered; /* to the first, last */
    struct session_transport transport;
    struct session_capabilities ours;
};

static void hear(void *user, const struct room_message *message)
{
    struct play *play = user;
    if (message->type != ROOM_OFFER)
        return;
    session_description_destroy(play->offered);
    play->offered = session_description_parse(message->sdp, strlen(message->sdp), NULL);
    if (play->offered == NULL)
        abort(); /* what we say is right */
}

static void hear_nothing(void *user, const struct room_message *message) { (void)user, (void)message; }

static void nothing(void *user, struct world_udp *udp, struct datagram *batch, size_t count, nanos now)
{
    (void)user, (void)udp, (void)batch, (void)count, (void)now;
}

static void say(struct play *play, struct sfu_participant *who, enum room_message_type type, const char *sdp)
{
    sfu_message(who, &(struct room_message){.type = type, .sdp = sdp}, wire_world_now(play->wire));
}

static void say_description(struct play *play, struct sfu_participant *who, enum room_message_type type,
                            struct session_description *description)
{
    char *sdp = description != NULL ? session_description_write(description) : NULL;
    session_description_destroy(description);
    if (sdp != NULL)
        say(play, who, type, sdp);
    free(sdp);
}

static void say_text(struct play *play, enum room_message_type type, const uint8_t *data, size_t len)
{
    char text[256];
    memcpy(text, data, len);
    text[len] = '\0';
    say(play, play->first, type, text);
}

static void offer(struct play *play, struct sfu_participant *who, const uint8_t *sections, size_t count)
{
    static const char *const rids[] = {"q", "h", "f"};
    struct session_description *description = session_description_create();
    size_t total = count > who->negotiation.agreed ? count : who->negotiation.agreed;
    for (size_t i = 0; i < total; i++) {
        uint8_t section = i < count ? sections[i] : 0;
        bool known = i < who->negotiation.agreed;
        uint8_t kind = known ? who->negotiation.sections[i].kind : section & 3;
        struct session_media *media =
            session_offer_media(description, &play->ours, (enum session_kind)kind, (section >> 2) & 3);
        if (media == NULL)
            break;
        if (known)
            memcpy(media->mid, who->negotiation.sections[i].mid, sizeof media->mid);
        if (kind == SESSION_VIDEO)
            session_offer_simulcast(media, rids, (size_t)(section >> 4) & 3);
    }
    say_description(play, who, ROOM_OFFER, description);
}

static void answer(struct play *play, const uint8_t *directions, size_t count)
{
    if (play->offered == NULL)
        return;
    struct session_description *description = session_answer(play->offered, &play->ours, NULL);
    for (size_t i = 0; description != NULL && i < description->media_count && i < count; i++)
        description->media[i].direction &= directions[i] & 3;
    say_description(play, play->first, ROOM_ANSWER, description);
}

static void enter_second(struct play *play)
{
    static const uint8_t sections[] = {SESSION_AUDIO | SESSION_SENDONLY << 2,
                                       SESSION_VIDEO | SESSION_SENDONLY << 2 | 3 << 4};
    play->second = sfu_join(play->sfu, "room", "second", hear_nothing, NULL, wire_world_now(play->wire));
    offer(play, play->second, sections, sizeof sections);
}

static void publish(struct play *play, const uint8_t *data, size_t len)
{
    struct publication *publication = play->second->publications;
    struct rtp_packet packet;
    struct rtp_extensions extensions;
    uint8_t bytes[256];
    if (len == 0 || publication == NULL)
        return;
    memcpy(bytes, data + 1, len - 1);
    if (!rtp_parse(&packet, bytes, len - 1, RTP_CLEAR))
        return;
    if (data[0] & 4)
        publication = publication->next;
    rtp_extensions_read(&packet, &play->second->negotiation.extensions, &extensions);
    publication_packet(&publication->layers[data[0] % publication->layer_count], &packet, &extensions,
                       (data[0] & 8) != 0, wire_world_now(play->wire));
}

static void ask(struct play *play, const uint8_t *data, size_t len, bool for_layers)
{
    nanos now = wire_world_now(play->wire);
    size_t at = 0;
    for (struct subscription *s = play->first->subscriptions; s != NULL; s = s->of_subscriber.next) {
        if (s->stream == NULL)
            continue;
        if (for_layers && at < len) {
            subscription_want(s, (int)(data[at++] % (s->publication->layer_count + 1)) - 1, now);
            subscription_key_frame_wanted(s, now);
        }
        for (at = for_layers ? at : 0; !for_layers && at + 2 <= len; at += 2)
            subscription_repair(s, bytes_get16(data + at), now);
    }
}

static void step(struct play *play, uint8_t what, const uint8_t *data, size_t len)
{
    struct datagram datagram = {.remote = play->server, .data = (uint8_t *)(uintptr_t)data, .len = len};
    switch (what % 10) {
    case 0:
        say_text(play, ROOM_OFFER, data, len);
        break;
    case 1:
        say_text(play, ROOM_ANSWER, data, len);
        break;
    case 2:
        answer(play, data, len);
        break;
    case 3:
        offer(play, play->first, data, len);
        break;
    case 4:
        world_udp_send(play->stranger, &datagram, 1);
        break;
    case 5:
        publish(play, data, len);
        break;
    case 6:
    case 7:
        ask(play, data, len, what % 10 == 7);
        break;
    case 8:
        wire_world_run_for(play->wire, (nanos)(len > 0 ? data[0] : 1) * 100 * NANOS_PER_MS);
        break;
    default:
        sfu_leave(play->second, wire_world_now(play->wire));
        enter_second(play);
        break;
    }
    wire_world_run_for(play->wire, 0);
}

/* A certificate takes a while to make. */
static const struct certificate *certificate(void)
{
    static struct certificate *made;
    if (made == NULL)
        made = certificate_create(&(struct certificate_config){.not_before_unix_s = 1700000000}, NULL);
    return made;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct play play = {.server = address_ipv4(5, 1, 1, 1, 5000)};
    struct address local = address_ipv4(6, 1, 1, 1, 6000);
    play.wire = wire_world_create(NULL);
    const struct sfu_config config = {.host = wire_world_host(play.wire, "5.1.1.1"),
                                      .addresses = &play.server,
                                      .address_count = 1,
                                      .certificate = certificate(),
                                      .seed = 1};
    play.sfu = sfu_create(&config, NULL);
    play.stranger = world_udp_open(wire_world_host(play.wire, "6.1.1.1"), &local, nothing, NULL, NULL);
    play.transport = (struct session_transport){.ufrag = "abcd",
                                                .password = "abcdefghijklmnopqrstuvwx",
                                                .setup = SESSION_SETUP_ACTPASS,
                                                .fingerprint_count = 1,
                                                .fingerprints = {{.hash = FINGERPRINT_SHA_256, .len = 32}}};
    play.ours = session_capabilities_default();
    play.ours.transport = &play.transport;
    play.first = sfu_join(play.sfu, "room", "first", hear, &play, 0);
    enter_second(&play);
    for (size_t at = 0; at + 2 <= size;) {
        size_t len = data[at + 1] < size - at - 2 ? data[at + 1] : size - at - 2;
        step(&play, data[at], data + at + 2, len);
        at += 2 + len;
    }
    sfu_leave(play.first, wire_world_now(play.wire));
    struct sfu_statistics statistics = sfu_statistics(play.sfu);
    if (statistics.participants != 1 || statistics.publications > 2 || statistics.subscriptions != 0)
        abort(); /* the second may have been given up: it never connects */
    sfu_destroy(play.sfu);
    session_description_destroy(play.offered);
    wire_world_destroy(play.wire);
    return 0;
}
