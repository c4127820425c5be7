#include "rtc/session_negotiation.h"

#include <jansson.h>
#include <string.h>

#include "rtc/session_codec.h"
#include "tests/support/suite.h"
#include "tests/support/text_file.h"

static struct session_description *parse(const char *text)
{
    struct error error = {0};
    struct session_description *description = session_description_parse(text, strlen(text), &error);
    if (description == NULL)
        fprintf(stderr, "%s\n", error.text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(description);
    return description;
}

static struct session_description *sample(const char *name)
{
    char path[100];
    snprintf(path, sizeof path, "tests/fuzz/seeds/sdp/%s.sdp", name);
    size_t len = 0;
    char *text = text_file_read(path, &len);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    struct session_description *description = parse(text);
    free(text);
    return description;
}

static const struct session_transport *our_transport(void)
{
    static struct session_transport transport = {
        .ufrag = "ours", .password = "0123456789abcdefghijkl", .trickle = true};
    transport.fingerprints[0] = fingerprint_of(FINGERPRINT_SHA_256, "our certificate", 15);
    transport.fingerprint_count = 1;
    return &transport;
}

static struct session_capabilities ours(void)
{
    struct session_capabilities capabilities = session_capabilities_default();
    capabilities.transport = our_transport();
    capabilities.session_id = 42;
    return capabilities;
}

static struct session_description *answer_to(const struct session_description *offer,
                                             const struct session_capabilities *capabilities)
{
    struct error error = {0};
    struct session_description *answer = session_answer(offer, capabilities, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(answer);
    CU_ASSERT_TRUE(session_check_answer(offer, answer, &error));
    if (error.code != ERROR_NONE)
        fprintf(stderr, "%s\n", error.text);
    return answer;
}

/* --- answers --------------------------------------------------------------------------------------------------------------- */

static void answers_chrome(void)
{
    struct session_description *offer = sample("chrome-simulcast");
    struct session_capabilities capabilities = ours();
    struct session_description *answer = answer_to(offer, &capabilities);
    CU_ASSERT_EQUAL(answer->session_id, 42);
    CU_ASSERT_STRING_EQUAL(answer->transport.ufrag, "ours");
    CU_ASSERT_EQUAL(answer->transport.setup, SESSION_SETUP_ACTIVE);
    CU_ASSERT_TRUE(session_is_dtls_client(&answer->transport, &offer->transport));
    CU_ASSERT_FALSE(session_is_dtls_client(&offer->transport, &answer->transport));
    CU_ASSERT_EQUAL_FATAL(answer->media_count, 3);

    const struct session_media *audio = &answer->media[0];
    CU_ASSERT_TRUE(audio->bundled && !audio->rejected && audio->rtcp_mux && audio->rtcp_reduced_size);
    CU_ASSERT_EQUAL(audio->direction, SESSION_SENDRECV);
    CU_ASSERT_EQUAL_FATAL(audio->codec_count, 1);
    CU_ASSERT_EQUAL(audio->codecs[0].payload_type, 111);
    CU_ASSERT_EQUAL(session_extension_map(audio, SESSION_RECVONLY).id[RTP_EXTENSION_AUDIO_LEVEL], 1);

    const struct session_media *video = &answer->media[1];
    CU_ASSERT_EQUAL(video->direction, SESSION_RECVONLY);               /* it only sends */
    static const uint8_t types[] = {96, 97, 106, 107, 98, 99, 45, 46}; /* of two H.264, the constrained baseline */
    CU_ASSERT_EQUAL_FATAL(video->codec_count, sizeof types);
    for (size_t i = 0; i < sizeof types; i++)
        CU_ASSERT_EQUAL(video->codecs[i].payload_type, types[i]);
    CU_ASSERT_STRING_EQUAL(video->codecs[2].fmtp,
                           "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f");
    CU_ASSERT_STRING_EQUAL(video->codecs[3].fmtp, "apt=106");
    CU_ASSERT_EQUAL(video->codecs[0].feedback, 31);
    struct rtp_extension_map map = session_extension_map(video, SESSION_RECVONLY);
    CU_ASSERT_EQUAL(map.id[RTP_EXTENSION_RID], 10); /* their numbers */
    CU_ASSERT_EQUAL(map.id[RTP_EXTENSION_ABS_CAPTURE_TIME], 0);
    CU_ASSERT_EQUAL(video->extension_count, 6);
    CU_ASSERT_EQUAL_FATAL(video->rid_count, 3);
    CU_ASSERT_STRING_EQUAL(video->rids[0].id, "h");
    CU_ASSERT_EQUAL(video->rids[0].direction, SESSION_RECVONLY);
    CU_ASSERT_TRUE(video->rids[0].simulcast);

    CU_ASSERT_TRUE(answer->media[2].rejected); /* data channels were not among our capabilities */
    char *text = session_description_write(answer);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "a=group:BUNDLE 0 1\r\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "a=rid:h recv\r\na=rid:m recv\r\na=rid:l recv\r\na=simulcast:recv h;m;l\r\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "a=setup:active\r\n"));
    session_description_destroy(parse(text));
    free(text);
    session_description_destroy(answer);
    session_description_destroy(offer);
}

#define DATA_HEAD "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE data\r\n"
#define DATA_TRANSPORT                                                                                                 \
    "a=mid:data\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdefghijkl\r\na=setup:actpass\r\n"                        \
    "a=fingerprint:sha-256 "                                                                                           \
    "00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F\r\n"

/* Data channels alone (RFC 8841, section 12.1), and as they were offered before, which is answered likewise. */
static void data_channels_alone(void)
{
    static const struct {
        const char *offer, *line, *port;
        uint16_t offered;
    } forms[] = {
        {DATA_HEAD "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n" DATA_TRANSPORT
                   "a=sctp-port:5001\r\na=max-message-size:100000\r\n",
         "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n", "a=sctp-port:5000\r\na=max-message-size:262144\r\n",
         5001},
        {DATA_HEAD "m=application 9 DTLS/SCTP 5002\r\nc=IN IP4 0.0.0.0\r\n" DATA_TRANSPORT
                   "a=sctpmap:5002 webrtc-datachannel 65535\r\na=max-message-size:100000\r\n",
         "m=application 9 DTLS/SCTP 5000\r\n",
         "a=sctpmap:5000 webrtc-datachannel 1024\r\na=max-message-size:262144\r\n", 5002},
    };
    struct session_capabilities capabilities = ours();
    capabilities.data_channels = true;
    for (size_t i = 0; i < 2; i++) {
        struct session_description *offer = parse(forms[i].offer);
        CU_ASSERT_EQUAL(offer->media[0].sctp_port, forms[i].offered);
        CU_ASSERT_EQUAL(offer->media[0].max_message_size, 100000);
        struct session_description *answer = answer_to(offer, &capabilities);
        struct error error;
        CU_ASSERT_FALSE(answer->media[0].rejected);
        CU_ASSERT_TRUE(session_check_answer(offer, answer, &error));
        char *text = session_description_write(answer);
        CU_ASSERT_PTR_NOT_NULL(strstr(text, forms[i].line));
        CU_ASSERT_PTR_NOT_NULL(strstr(text, forms[i].port));
        CU_ASSERT_PTR_NOT_NULL(strstr(text, "a=group:BUNDLE data\r\n"));
        CU_ASSERT_PTR_NULL(strstr(text, "a=inactive"));
        struct session_description *again = parse(text);
        CU_ASSERT_EQUAL(again->media[0].sctp_port, 5000);
        session_description_destroy(again);
        free(text);
        session_description_destroy(answer);
        session_description_destroy(offer);
    }
}

static void does_no_more_than_it_can(void)
{
    struct session_description *offer = sample("chrome-simulcast");
    struct session_capabilities capabilities = ours();
    capabilities.video = session_abilities_of_codec(&capabilities.video, "vp9");
    CU_ASSERT_EQUAL(capabilities.video.codec_count, 2);
    CU_ASSERT_EQUAL(session_abilities_of_codec(&capabilities.audio, "vp9").codec_count, 0);
    capabilities.video.simulcast_received = 2;
    capabilities.audio.direction = SESSION_RECVONLY;
    capabilities.data_channels = true;
    struct session_transport transport = *our_transport();
    transport.setup = SESSION_SETUP_PASSIVE;
    transport.ice_lite = true;
    capabilities.transport = &transport;
    struct session_description *answer = answer_to(offer, &capabilities);
    CU_ASSERT_EQUAL(answer->transport.setup, SESSION_SETUP_PASSIVE);
    CU_ASSERT_FALSE(session_is_dtls_client(&answer->transport, &offer->transport));
    CU_ASSERT_EQUAL(answer->media[0].direction, SESSION_RECVONLY);
    CU_ASSERT_EQUAL(answer->media[1].codec_count, 2);
    CU_ASSERT_EQUAL(answer->media[1].codecs[0].payload_type, 98);
    CU_ASSERT_EQUAL(answer->media[1].rid_count, 2);
    CU_ASSERT_FALSE(answer->media[2].rejected);
    CU_ASSERT_EQUAL(answer->media[2].sctp_port, 5000);
    CU_ASSERT_EQUAL(answer->media[2].max_message_size, 262144);
    session_description_destroy(answer);

    capabilities.video.simulcast_received = 0;
    capabilities.audio.codec_count = 0;
    answer = answer_to(offer, &capabilities);
    CU_ASSERT_TRUE(answer->media[0].rejected);
    CU_ASSERT_EQUAL(answer->media[1].rid_count, 0);
    char *text = session_description_write(answer);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "m=audio 0 UDP/TLS/RTP/SAVPF 111\r\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "a=group:BUNDLE 1 2\r\n"));
    free(text);
    session_description_destroy(answer);
    session_description_destroy(offer);
}

static void answers_the_others(void)
{
    struct session_capabilities capabilities = ours();
    struct session_description *offer = sample("firefox");
    struct session_description *answer = answer_to(offer, &capabilities);
    CU_ASSERT_EQUAL(answer->media[0].codecs[0].payload_type, 109);
    CU_ASSERT_STRING_EQUAL(answer->media[0].codecs[0].fmtp, "minptime=10;useinbandfec=1");
    /* VP8, VP9, H.264 of packetization mode 1, AV1, each with rtx; not mode 0, red and ulpfec */
    CU_ASSERT_EQUAL(answer->media[1].codec_count, 8);
    CU_ASSERT_FALSE(answer->media[1].bundle_only); /* which is for offers (RFC 8843, section 6) */
    CU_ASSERT_EQUAL(session_extension_map(&answer->media[1], SESSION_SENDONLY).id[RTP_EXTENSION_RID], 8);
    session_description_destroy(answer);
    session_description_destroy(offer);

    offer = sample("safari");
    answer = answer_to(offer, &capabilities);
    CU_ASSERT_FALSE(answer->media[0].rtcp_reduced_size);
    CU_ASSERT_PTR_NULL(session_codec_of(&answer->media[1], 96)); /* constrained high */
    CU_ASSERT_PTR_NOT_NULL(session_codec_of(&answer->media[1], 98));
    CU_ASSERT_PTR_NOT_NULL(session_codec_of(&answer->media[1], 103));
    session_description_destroy(answer);
    session_description_destroy(offer);

    offer = sample("mediasoup"); /* a receive-only client of an ICE-lite server */
    answer = answer_to(offer, &capabilities);
    CU_ASSERT_EQUAL(answer->media[0].direction, SESSION_RECVONLY);
    CU_ASSERT_FALSE(answer->transport.ice_lite);
    CU_ASSERT_EQUAL(answer->media[1].codec_count, 1); /* vp8 is VP8 */
    session_description_destroy(answer);
    session_description_destroy(offer);

    offer = sample("janus");
    answer = answer_to(offer, &capabilities);
    CU_ASSERT_STRING_EQUAL(answer->media[1].mid, "v");
    session_description_destroy(answer);
    session_description_destroy(offer);
}

#define START "v=0\no=- 1 2 IN IP4 127.0.0.1\ns=-\nt=0 0\n"
#define TRANSPORT(setup)                                                                                               \
    "a=ice-ufrag:abcd\na=ice-pwd:0123456789abcdefghijkl\n" setup                                                       \
    "a=fingerprint:sha-1 A9:99:3E:36:47:06:81:6A:BA:3E:25:71:78:50:C2:6C:9C:D0:D8:9D\n"
#define OPUS "m=audio 9 UDP/TLS/RTP/SAVPF 111\na=rtpmap:111 opus/48000/2\n"

static void rejects_what_it_must(void)
{
    struct session_capabilities capabilities = ours();
    static const struct {
        const char *text;
        size_t accepted; /* a bit for each section */
    } cases[] = {
        {START TRANSPORT("") OPUS "a=rtcp-mux\n", 1},
        {START TRANSPORT("") OPUS, 0}, /* no rtcp-mux */
        {START TRANSPORT("") OPUS "a=rtcp-mux\na=mid:0\n" OPUS "a=rtcp-mux\na=mid:1\n",
         1}, /* no group: the first alone */
        {START TRANSPORT("") "a=group:BUNDLE 1\n" OPUS "a=rtcp-mux\na=mid:0\n" OPUS "a=rtcp-mux\na=mid:1\n", 2},
        {START TRANSPORT("") "m=audio 9 RTP/AVP 0\na=rtcp-mux\n", 0},
        {START TRANSPORT("") "m=audio 9 UDP/TLS/RTP/SAVPF 111\na=rtpmap:111 opus/48000\na=rtcp-mux\n", 0}, /* mono */
        {START TRANSPORT("") "a=group:BUNDLE 0 1 2\nm=message 9 TCP/MSRP *\na=mid:0\nm=audio 0 UDP/TLS/RTP/SAVPF 111\n"
                             "a=mid:1\na=rtpmap:111 opus/48000/2\na=rtcp-mux\n" OPUS "a=rtcp-mux\na=mid:2\n",
         4},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct session_description *offer = parse(cases[i].text);
        struct session_description *answer = answer_to(offer, &capabilities);
        CU_ASSERT_EQUAL_FATAL(answer->media_count, offer->media_count);
        for (size_t j = 0; j < answer->media_count; j++)
            CU_ASSERT_EQUAL(!answer->media[j].rejected, cases[i].accepted >> j & 1);
        char *text = session_description_write(answer);
        session_description_destroy(parse(text));
        free(text);
        session_description_destroy(answer);
        session_description_destroy(offer);
    }
}

/* RFC 8842, section 5.3. */
static void settles_who_is_the_dtls_client(void)
{
    static const struct {
        const char *text;
        uint8_t wanted, answer;
    } cases[] = {
        {START TRANSPORT("a=setup:actpass\n") OPUS, SESSION_SETUP_NONE, SESSION_SETUP_ACTIVE},
        {START TRANSPORT("a=setup:actpass\n") OPUS, SESSION_SETUP_PASSIVE, SESSION_SETUP_PASSIVE},
        {START TRANSPORT("a=setup:active\n") OPUS, SESSION_SETUP_ACTIVE, SESSION_SETUP_PASSIVE},
        {START TRANSPORT("a=setup:passive\n") OPUS, SESSION_SETUP_PASSIVE, SESSION_SETUP_ACTIVE},
        {START TRANSPORT("") OPUS, SESSION_SETUP_NONE, SESSION_SETUP_ACTIVE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct session_capabilities capabilities = ours();
        struct session_transport transport = *our_transport();
        transport.setup = cases[i].wanted;
        capabilities.transport = &transport;
        struct session_description *offer = parse(cases[i].text);
        struct session_description *answer = answer_to(offer, &capabilities);
        CU_ASSERT_EQUAL(answer->transport.setup, cases[i].answer);
        CU_ASSERT_NOT_EQUAL(session_is_dtls_client(&answer->transport, &offer->transport),
                            session_is_dtls_client(&offer->transport, &answer->transport));
        session_description_destroy(answer);
        session_description_destroy(offer);
    }
}

/* --- codecs ------------------------------------------------------------------------------------------------------------------ */

static struct session_codec codec_of(const char *name, uint32_t clock_rate, const char *fmtp)
{
    struct session_codec codec = {.clock_rate = clock_rate, .channels = 1, .repairs = SESSION_NO_PAYLOAD_TYPE};
    snprintf(codec.name, sizeof codec.name, "%s", name);
    snprintf(codec.fmtp, sizeof codec.fmtp, "%s", fmtp);
    return codec;
}

static void knows_codecs_apart(void)
{
    static const struct {
        const char *name, *a, *b;
        bool same;
    } pairs[] = {
        {"VP8", "", "max-fs=12288", true},
        {"VP9", "", "profile-id=0", true},
        {"VP9", "profile-id=2", "profile-id=0", false},
        {"AV1", "level-idx=5;profile=0;tier=0", "", true},
        {"AV1", "profile=1", "profile=0", false},
        {"H264", "packetization-mode=1;profile-level-id=42e01f", "packetization-mode=1;profile-level-id=42C00B", true},
        {"H264", "packetization-mode=1;profile-level-id=4d801f", "packetization-mode=1;profile-level-id=42e01f", true},
        {"H264", "packetization-mode=1;profile-level-id=42001f", "packetization-mode=1;profile-level-id=42e01f", false},
        {"H264", "profile-level-id=42e01f", "packetization-mode=0;profile-level-id=42e01f", true},
        {"H264", "packetization-mode=1", "packetization-mode=0", false},
        {"H264", "packetization-mode=1;profile-level-id=640c1f", "packetization-mode=1;profile-level-id=64001f", false},
        {"H264", "packetization-mode=1;profile-level-id=4d001f", "packetization-mode=1;profile-level-id=64001f", false},
        {"H264", "profile-level-id=f4001f", "profile-level-id=f40028", true},
        {"H264", "profile-level-id=f4001f", "profile-level-id=7a001f", false},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        struct session_codec a = codec_of(pairs[i].name, 90000, pairs[i].a);
        struct session_codec b = codec_of(pairs[i].name, 90000, pairs[i].b);
        CU_ASSERT_EQUAL(session_codec_matches(&a, &b), pairs[i].same);
        CU_ASSERT_EQUAL(session_codec_matches(&b, &a), pairs[i].same);
    }
    struct session_codec a = codec_of("vp8", 90000, "");
    struct session_codec b = codec_of("VP8", 90000, "");
    CU_ASSERT_TRUE(session_codec_matches(&a, &b));
    b.clock_rate = 48000;
    CU_ASSERT_FALSE(session_codec_matches(&a, &b));
}

static void reads_parameters(void)
{
    char value[8];
    CU_ASSERT_TRUE(session_fmtp_get("a=1; Bb=22 ;c=333", "bb", value, sizeof value));
    CU_ASSERT_STRING_EQUAL(value, "22");
    CU_ASSERT_TRUE(session_fmtp_get("a=1;c=", "c", value, sizeof value));
    CU_ASSERT_STRING_EQUAL(value, "");
    CU_ASSERT_FALSE(session_fmtp_get("ab=1", "a", value, sizeof value));
    CU_ASSERT_FALSE(session_fmtp_get("ab=1", "b", value, sizeof value));
    CU_ASSERT_FALSE(session_fmtp_get("a=12345678", "a", value, sizeof value));
    CU_ASSERT_FALSE(session_fmtp_get("", "a", value, sizeof value));
}

/* RFC 6184, section 8.2.2: the profile is symmetric; the level is too, unless both allow otherwise. */
static void settles_the_level(void)
{
    static const struct {
        const char *offered, *ours, *answer;
    } cases[] = {
        {"packetization-mode=1;profile-level-id=42e00d", "packetization-mode=1;profile-level-id=42e01f",
         "packetization-mode=1;profile-level-id=42e00d"},
        {"packetization-mode=1;profile-level-id=42e029", "packetization-mode=1;profile-level-id=42e01f",
         "packetization-mode=1;profile-level-id=42e01f"},
        {"level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42c00d",
         "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
         "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42c01f"},
        {"level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e00d",
         "packetization-mode=1;profile-level-id=42e01f", "packetization-mode=1;profile-level-id=42e00d"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct session_codec offered = codec_of("H264", 90000, cases[i].offered);
        struct session_codec mine = codec_of("H264", 90000, cases[i].ours);
        char fmtp[SESSION_FMTP_CAP];
        session_codec_answer_fmtp(&offered, &mine, fmtp);
        CU_ASSERT_STRING_EQUAL(fmtp, cases[i].answer);
    }
}

/* --- offers ------------------------------------------------------------------------------------------------------------------ */

static struct session_description *our_offer(const struct session_capabilities *capabilities)
{
    struct session_description *offer = session_description_create();
    CU_ASSERT_PTR_NOT_NULL_FATAL(offer);
    CU_ASSERT_PTR_NOT_NULL_FATAL(session_offer_media(offer, capabilities, SESSION_AUDIO, SESSION_SENDRECV));
    struct session_media *video = session_offer_media(offer, capabilities, SESSION_VIDEO, SESSION_SENDONLY);
    CU_ASSERT_PTR_NOT_NULL_FATAL(video);
    static const char *const rids[] = {"f", "h", "q"};
    CU_ASSERT_TRUE(session_offer_simulcast(video, rids, 3));
    CU_ASSERT_PTR_NOT_NULL_FATAL(session_offer_media(offer, capabilities, SESSION_DATA, 0));
    return offer;
}

/* Offered, written, read by the other side, answered, written, read by us. */
static void agrees_with_itself(void)
{
    struct session_capabilities capabilities = ours();
    capabilities.data_channels = true;
    struct session_description *offer = our_offer(&capabilities);
    char *text = session_description_write(offer);
    struct session_description *received = parse(text);
    free(text);
    CU_ASSERT_EQUAL(received->transport.setup, SESSION_SETUP_ACTPASS);
    CU_ASSERT_EQUAL(received->media[1].rid_count, 3);
    struct session_description *answer = answer_to(received, &capabilities);
    text = session_description_write(answer);
    struct session_description *answer_received = parse(text);
    free(text);
    struct error error = {0};
    CU_ASSERT_TRUE(session_check_answer(offer, answer_received, &error));
    CU_ASSERT_STRING_EQUAL(error.text, "");
    CU_ASSERT_EQUAL(answer_received->media_count, 3);
    CU_ASSERT_EQUAL(answer_received->media[0].codec_count, capabilities.audio.codec_count);
    CU_ASSERT_EQUAL(answer_received->media[1].codec_count, capabilities.video.codec_count);
    CU_ASSERT_EQUAL(answer_received->media[1].extension_count, capabilities.video.extension_count);
    CU_ASSERT_EQUAL(answer_received->media[1].direction, SESSION_RECVONLY);
    CU_ASSERT_FALSE(answer_received->media[2].rejected);
    for (size_t i = 0; i < capabilities.video.codec_count; i++)
        CU_ASSERT_EQUAL(memcmp(&answer_received->media[1].codecs[i], &capabilities.video.codecs[i],
                               sizeof *capabilities.video.codecs),
                        0);
    session_description_destroy(answer_received);
    session_description_destroy(answer);
    session_description_destroy(received);
    session_description_destroy(offer);
}

/* The numbers of our own offers: extensions one URI each over the whole bundle, as RFC 8843, section 9.2, wants. */
static void our_numbers_are_consistent(void)
{
    struct session_capabilities capabilities = ours();
    const struct session_abilities *all[] = {&capabilities.audio, &capabilities.video};
    const char *uris[15] = {0};
    bool types[128] = {0};
    for (int k = 0; k < 2; k++) {
        for (size_t i = 0; i < all[k]->extension_count; i++) {
            const struct session_extension *extension = &all[k]->extensions[i];
            CU_ASSERT_TRUE_FATAL(extension->id >= 1 && extension->id <= 14);
            CU_ASSERT_TRUE(uris[extension->id] == NULL || strcmp(uris[extension->id], extension->uri) == 0);
            uris[extension->id] = extension->uri;
            CU_ASSERT_STRING_EQUAL(extension->uri, rtp_extension_uri(extension->kind));
        }
        for (size_t i = 0; i < all[k]->codec_count; i++) {
            uint8_t type = all[k]->codecs[i].payload_type;
            /* RFC 5761, section 4: 64 to 95 would look like RTCP */
            CU_ASSERT_TRUE(type >= 96 || (type >= 35 && type < 64));
            CU_ASSERT_FALSE(types[type]);
            types[type] = true;
            if (all[k]->codecs[i].repairs != SESSION_NO_PAYLOAD_TYPE)
                CU_ASSERT_EQUAL(all[k]->codecs[i].repairs, all[k]->codecs[i - 1].payload_type);
        }
    }
}

static void sees_through_bad_answers(void)
{
    struct session_capabilities capabilities = ours();
    capabilities.data_channels = true;
    struct session_description *offer = our_offer(&capabilities);
    static const char *const says[] = {
        "has 2 m= sections, 3 were offered",
        "section 1 is video with mid 'x', offered was video with '1'",
        "section 0 is video with mid '0'",
        "section 1 sends or receives what was not offered",
        "section 0 has none of the offered codecs",
        "setup is actpass",
        "section 1 has no rtcp-mux",
        "section 1 is accepted, but not bundled",
        "section 2 accepts what was not offered",
    };
    for (size_t i = 0; i < sizeof says / sizeof says[0]; i++) {
        struct session_description *answer = answer_to(offer, &capabilities);
        offer->media[2].rejected = i == 8;
        answer->media_count -= i == 0;
        if (i == 1)
            strcpy(answer->media[1].mid, "x");
        if (i == 2)
            strcpy(answer->media[0].kind_name, "video");
        if (i == 3)
            answer->media[1].direction = SESSION_SENDRECV;
        if (i == 4)
            answer->media[0].codecs[0].payload_type = 96;
        if (i == 5)
            answer->transport.setup = SESSION_SETUP_ACTPASS;
        answer->media[1].rtcp_mux = i != 6;
        answer->media[1].bundled = i != 7;
        struct error error = {0};
        CU_ASSERT_FALSE(session_check_answer(offer, answer, &error));
        CU_ASSERT_PTR_NOT_NULL(strstr(error.text, says[i]));
        answer->media_count += i == 0;
        offer->media[2].rejected = false;
        session_description_destroy(answer);
    }
    session_description_destroy(offer);
}

/* --- the real ones, where captures are at hand -------------------------------------------------------------------------------- */

static void understands_recorded_chromium(void)
{
    static const char *const paths[] = {"../shared/pcaps/chrome/chrome156_p2p.getstats.jsonl",
                                        "../shared/pcaps/chrome/chrome156_relay_udp.getstats.jsonl"};
    for (size_t i = 0; i < 2; i++) {
        FILE *file = fopen(paths[i], "r");
        if (file == NULL) {
            printf("SKIPPED: no %s ... ", paths[i]);
            continue;
        }
        struct session_description *descriptions[2] = {NULL, NULL};
        char *line = NULL;
        size_t cap = 0;
        while (getline(&line, &cap, file) > 0) {
            json_t *json = json_loads(line, 0, NULL);
            const char *key = json_string_value(json_object_get(json, "k"));
            if (key != NULL && (strcmp(key, "sdpA") == 0 || strcmp(key, "sdpB") == 0) &&
                descriptions[key[3] - 'A'] == NULL)
                descriptions[key[3] - 'A'] = parse(json_string_value(json_object_get(json, "v")));
            json_decref(json);
        }
        free(line);
        fclose(file);
        CU_ASSERT_TRUE_FATAL(descriptions[0] != NULL && descriptions[1] != NULL);
        /* Chromium's answer is one to Chromium's offer, as we judge answers; and ours is accepted likewise. */
        struct error error = {0};
        CU_ASSERT_TRUE(session_check_answer(descriptions[0], descriptions[1], &error));
        CU_ASSERT_STRING_EQUAL(error.text, "");
        struct session_capabilities capabilities = ours();
        struct session_description *answer = answer_to(descriptions[0], &capabilities);
        for (size_t j = 0; j < answer->media_count; j++)
            CU_ASSERT_FALSE(answer->media[j].rejected);
        CU_ASSERT_PTR_NOT_NULL(session_codec_of(&answer->media[1], 96));
        CU_ASSERT_PTR_NOT_NULL(session_codec_of(&answer->media[1], 108)); /* H.264 42e01f, packetization mode 1 */
        CU_ASSERT_PTR_NULL(session_codec_of(&answer->media[1], 114));     /* mode 0 */
        session_description_destroy(answer);
        session_description_destroy(descriptions[0]);
        session_description_destroy(descriptions[1]);
    }
}

void session_negotiation_test(void)
{
    SUITE("session_negotiation", {"answers Chrome", answers_chrome}, {"data channels alone", data_channels_alone},
          {"does no more than it can", does_no_more_than_it_can}, {"answers the others", answers_the_others},
          {"rejects what it must", rejects_what_it_must},
          {"settles who is the DTLS client", settles_who_is_the_dtls_client},
          {"knows codecs apart", knows_codecs_apart}, {"reads parameters", reads_parameters},
          {"settles H.264's level", settles_the_level}, {"agrees with itself", agrees_with_itself},
          {"our numbers are consistent", our_numbers_are_consistent},
          {"sees through bad answers", sees_through_bad_answers},
          {"understands recorded Chromium", understands_recorded_chromium});
}
