#include "rtc/session_description.h"

#include <string.h>

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

/* --- what browsers and servers send ----------------------------------------------------------------------------------- */

static void reads_chrome(void)
{
    struct session_description *offer = sample("chrome-simulcast");
    const struct session_transport *transport = &offer->transport;
    CU_ASSERT_EQUAL(offer->session_id, 4611731400430051336u);
    CU_ASSERT_EQUAL(offer->version, 2);
    CU_ASSERT_TRUE(offer->extmap_allow_mixed);
    CU_ASSERT_STRING_EQUAL(transport->ufrag, "8hhY");
    CU_ASSERT_STRING_EQUAL(transport->password, "asd88fgpdd777uzjYhagZgaa");
    CU_ASSERT_TRUE(transport->trickle && !transport->ice_lite && !transport->end_of_candidates);
    CU_ASSERT_EQUAL(transport->setup, SESSION_SETUP_ACTPASS);
    CU_ASSERT_EQUAL(transport->fingerprint_count, 1);
    CU_ASSERT_EQUAL(transport->candidate_count, 0);
    CU_ASSERT_EQUAL_FATAL(offer->media_count, 3);

    const struct session_media *audio = &offer->media[0];
    CU_ASSERT_EQUAL(audio->kind, SESSION_AUDIO);
    CU_ASSERT_EQUAL(audio->direction, SESSION_SENDRECV);
    CU_ASSERT_TRUE(audio->bundled && !audio->rejected && audio->rtcp_mux && audio->rtcp_reduced_size);
    CU_ASSERT_EQUAL_FATAL(audio->codec_count, 8);
    CU_ASSERT_EQUAL(audio->codecs[0].payload_type, 111);
    CU_ASSERT_STRING_EQUAL(audio->codecs[0].name, "opus");
    CU_ASSERT_EQUAL(audio->codecs[0].clock_rate, 48000);
    CU_ASSERT_EQUAL(audio->codecs[0].channels, 2);
    CU_ASSERT_EQUAL(audio->codecs[0].feedback, SESSION_FEEDBACK_TRANSPORT_CC);
    CU_ASSERT_STRING_EQUAL(audio->codecs[0].fmtp, "minptime=10;useinbandfec=1");
    CU_ASSERT_STRING_EQUAL(audio->codecs[1].fmtp, "111/111");
    CU_ASSERT_EQUAL(audio->extension_count, 4);
    CU_ASSERT_EQUAL_FATAL(audio->ssrc_count, 1);
    CU_ASSERT_EQUAL(audio->ssrcs[0].ssrc, 2231627014u);
    CU_ASSERT_STRING_EQUAL(audio->ssrcs[0].cname, "4TOk42mSjXCkVIa6");
    CU_ASSERT_STRING_EQUAL(audio->ssrcs[0].track_id, "0b7e6ab5-5ee7-4b5e-9d7e-0d6a2f9f8c11");
    CU_ASSERT_STRING_EQUAL(audio->stream_id, "6c3a2a1e-5d0e-4f4c-8c2b-1b1f7c9c7d3f");

    const struct session_media *video = &offer->media[1];
    CU_ASSERT_EQUAL(video->kind, SESSION_VIDEO);
    CU_ASSERT_EQUAL(video->direction, SESSION_SENDONLY);
    CU_ASSERT_EQUAL(video->codec_count, 13);
    CU_ASSERT_EQUAL(session_codec_of(video, 96)->feedback, 31);
    CU_ASSERT_EQUAL(session_retransmission_of(video, 96)->payload_type, 97);
    CU_ASSERT_EQUAL(session_retransmission_of(video, 118)->payload_type, 119);
    CU_ASSERT_PTR_NULL(session_retransmission_of(video, 120));
    CU_ASSERT_PTR_NULL(session_codec_of(video, 111));
    struct rtp_extension_map map = session_extension_map(video, SESSION_SENDONLY);
    CU_ASSERT_EQUAL(map.id[RTP_EXTENSION_MID], 4);
    CU_ASSERT_EQUAL(map.id[RTP_EXTENSION_RID], 10);
    CU_ASSERT_EQUAL(map.id[RTP_EXTENSION_REPAIRED_RID], 11);
    CU_ASSERT_EQUAL(map.id[RTP_EXTENSION_TRANSPORT_SEQUENCE], 3);
    CU_ASSERT_EQUAL(map.id[RTP_EXTENSION_AUDIO_LEVEL], 0);
    CU_ASSERT_EQUAL_FATAL(video->rid_count, 3);
    for (size_t i = 0; i < 3; i++) {
        CU_ASSERT_STRING_EQUAL(video->rids[i].id, ((const char *const[]){"h", "m", "l"})[i]);
        CU_ASSERT_TRUE(video->rids[i].simulcast && !video->rids[i].paused);
        CU_ASSERT_EQUAL(video->rids[i].direction, SESSION_SENDONLY);
    }

    const struct session_media *data = &offer->media[2];
    CU_ASSERT_EQUAL(data->kind, SESSION_DATA);
    CU_ASSERT_EQUAL(data->sctp_port, 5000);
    CU_ASSERT_EQUAL(data->max_message_size, 262144);
    CU_ASSERT_PTR_EQUAL(session_media_of_mid(offer, "2"), data);
    CU_ASSERT_PTR_NULL(session_media_of_mid(offer, "3"));
    session_description_destroy(offer);
}

static void reads_firefox(void)
{
    struct session_description *offer = sample("firefox");
    CU_ASSERT_EQUAL(offer->transport.fingerprint_count, 1); /* of the session */
    CU_ASSERT_TRUE(offer->transport.trickle);
    CU_ASSERT_EQUAL_FATAL(offer->media_count, 3);
    const struct session_media *audio = &offer->media[0];
    CU_ASSERT_STRING_EQUAL(audio->codecs[0].fmtp, "maxplaybackrate=48000;stereo=1;useinbandfec=1");
    CU_ASSERT_EQUAL(audio->codecs[1].channels, 1);
    CU_ASSERT_EQUAL(audio->extensions[1].direction, SESSION_RECVONLY);
    CU_ASSERT_EQUAL(session_extension_map(audio, SESSION_RECVONLY).id[RTP_EXTENSION_AUDIO_LEVEL], 1);
    const struct session_media *video = &offer->media[1];
    CU_ASSERT_TRUE(video->bundle_only && video->bundled && !video->rejected); /* port 0, yet wanted */
    CU_ASSERT_EQUAL(session_codec_of(video, 124)->repairs, 120);
    CU_ASSERT_EQUAL_FATAL(video->ssrc_count, 1);
    CU_ASSERT_EQUAL(video->ssrcs[0].ssrc, 3091542367u);
    CU_ASSERT_TRUE(video->ssrcs[0].has_retransmission);
    CU_ASSERT_EQUAL(video->ssrcs[0].retransmission, 813904772u);
    CU_ASSERT_EQUAL(offer->media[2].max_message_size, 1073741823);
    session_description_destroy(offer);
}

static void reads_safari(void)
{
    struct session_description *offer = sample("safari");
    CU_ASSERT_EQUAL_FATAL(offer->transport.candidate_count, 2);
    CU_ASSERT_TRUE(ice_candidate_is_mdns(&offer->transport.candidates[0]));
    CU_ASSERT_EQUAL(offer->transport.candidates[1].type, ICE_SERVER_REFLEXIVE);
    CU_ASSERT_FALSE(offer->media[0].rtcp_reduced_size);
    CU_ASSERT_EQUAL(offer->media[0].codec_count, 11);
    CU_ASSERT_STRING_EQUAL(session_codec_of(&offer->media[1], 100)->name, "H265");
    session_description_destroy(offer);
}

static void reads_servers(void)
{
    struct session_description *offer = sample("aiortc");
    CU_ASSERT_EQUAL(offer->transport.candidate_count, 2);
    CU_ASSERT_TRUE(offer->transport.end_of_candidates && !offer->transport.trickle);
    CU_ASSERT_EQUAL(session_codec_of(&offer->media[0], 8)->clock_rate, 8000);
    session_description_destroy(offer);

    offer = sample("janus");
    CU_ASSERT_EQUAL(offer->transport.candidate_count, 2);
    CU_ASSERT_EQUAL(offer->transport.candidates[1].tcp_type, ICE_TCP_PASSIVE);
    CU_ASSERT_EQUAL(offer->media[1].ssrcs[0].retransmission, 2233445566u);
    CU_ASSERT_EQUAL(offer->media[2].max_message_size, 65536); /* not given: RFC 8841, section 6.1 */
    session_description_destroy(offer);

    offer = sample("mediasoup");
    CU_ASSERT_TRUE(offer->transport.ice_lite);
    CU_ASSERT_EQUAL(offer->transport.fingerprints[0].hash, FINGERPRINT_SHA_512);
    CU_ASSERT_EQUAL(offer->media_count, 2);
    CU_ASSERT_STRING_EQUAL(offer->media[1].mid, "probator");
    CU_ASSERT_STRING_EQUAL(offer->media[1].codecs[0].name, "vp8");
    session_description_destroy(offer);
}

/* --- writing ------------------------------------------------------------------------------------------------------------ */

static bool same_list(const void *a, const void *b, size_t size) { return size == 0 || memcmp(a, b, size) == 0; }

static bool same_media(const struct session_media *a, const struct session_media *b)
{
    struct session_media x = *a;
    struct session_media y = *b;
    x.codecs = y.codecs = NULL;
    x.extensions = y.extensions = NULL;
    x.ssrcs = y.ssrcs = NULL;
    x.rids = y.rids = NULL;
    return memcmp(&x, &y, sizeof x) == 0 && same_list(a->codecs, b->codecs, a->codec_count * sizeof *a->codecs) &&
           same_list(a->extensions, b->extensions, a->extension_count * sizeof *a->extensions) &&
           same_list(a->ssrcs, b->ssrcs, a->ssrc_count * sizeof *a->ssrcs) &&
           same_list(a->rids, b->rids, a->rid_count * sizeof *a->rids);
}

/* What was read, written and read again means the same, to the byte; and written again is the same text. */
static void survives_writing(void)
{
    static const char *const names[] = {"chrome-simulcast", "firefox", "safari", "aiortc", "janus", "mediasoup"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct session_description *first = sample(names[i]);
        char *text = session_description_write(first);
        CU_ASSERT_PTR_NOT_NULL_FATAL(text);
        struct session_description *second = parse(text);
        char *text_again = session_description_write(second);
        CU_ASSERT_STRING_EQUAL(text, text_again);
        CU_ASSERT_EQUAL_FATAL(first->media_count, second->media_count);
        for (size_t j = 0; j < first->media_count; j++)
            CU_ASSERT_TRUE(same_media(&first->media[j], &second->media[j]));
        CU_ASSERT_EQUAL(first->transport.candidate_count, second->transport.candidate_count);
        CU_ASSERT_TRUE(same_list(first->transport.candidates, second->transport.candidates,
                                 first->transport.candidate_count * sizeof *first->transport.candidates));
        struct ice_candidate *candidates = second->transport.candidates;
        second->transport.candidates = first->transport.candidates;
        CU_ASSERT_EQUAL(memcmp(&first->transport, &second->transport, sizeof first->transport), 0);
        second->transport.candidates = candidates;
        free(text);
        free(text_again);
        session_description_destroy(first);
        session_description_destroy(second);
    }
}

static void writes_as_browsers_do(void)
{
    struct session_description *offer = session_description_create();
    CU_ASSERT_PTR_NOT_NULL_FATAL(offer);
    offer->session_id = 77;
    offer->version = 3;
    struct session_transport *transport = &offer->transport;
    strcpy(transport->ufrag, "abcd");
    strcpy(transport->password, "0123456789abcdefghijkl");
    transport->setup = SESSION_SETUP_ACTPASS;
    transport->ice_lite = true;
    transport->fingerprints[transport->fingerprint_count++] = fingerprint_of(FINGERPRINT_SHA_1, "abc", 3);
    struct ice_candidate candidate;
    CU_ASSERT_TRUE(ice_candidate_parse(&candidate, "candidate:1 1 udp 2130706431 192.0.2.1 50000 typ host", NULL));
    CU_ASSERT_TRUE(session_add_candidate(transport, &candidate));
    transport->end_of_candidates = true;
    struct session_media *media = session_add_media(offer);
    media->kind = SESSION_VIDEO;
    media->direction = SESSION_SENDONLY;
    media->bundled = media->rtcp_mux = true;
    strcpy(media->mid, "v");
    strcpy(media->kind_name, "video");
    strcpy(media->protocol, "UDP/TLS/RTP/SAVPF");
    strcpy(media->stream_id, "-");
    media->max_bitrate_bps = 1500000;
    struct session_codec *codec = session_add_codec(media);
    codec->payload_type = 96;
    codec->clock_rate = 90000;
    codec->feedback = SESSION_FEEDBACK_NACK | SESSION_FEEDBACK_NACK_PLI;
    strcpy(codec->name, "VP8");
    for (int i = 0; i < 3; i++) {
        struct session_rid *rid = session_add_rid(media);
        rid->id[0] = (char)('a' + i);
        rid->direction = i < 2 ? SESSION_SENDONLY : SESSION_RECVONLY;
        rid->simulcast = true;
        rid->paused = i == 1;
        rid->max_width = i == 0 ? 1280 : 0;
        rid->max_bitrate_bps = i == 0 ? 1000000 : 0;
    }
    struct session_ssrc *ssrc = session_add_ssrc(media);
    ssrc->ssrc = 1;
    ssrc->has_retransmission = true;
    ssrc->retransmission = 2;
    strcpy(ssrc->cname, "c");
    media = session_add_media(offer);
    media->kind = SESSION_AUDIO;
    media->rejected = true;
    strcpy(media->mid, "a");
    strcpy(media->kind_name, "audio");
    strcpy(media->protocol, "UDP/TLS/RTP/SAVPF");
    strcpy(media->format, "0");
    char *text = session_description_write(offer);
    CU_ASSERT_STRING_EQUAL(
        text, "v=0\r\no=- 77 3 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=ice-lite\r\na=group:BUNDLE v\r\n"
              "m=video 50000 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 192.0.2.1\r\nb=AS:1500\r\nb=TIAS:1500000\r\n"
              "a=candidate:1 1 udp 2130706431 192.0.2.1 50000 typ host\r\na=end-of-candidates\r\n"
              "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdefghijkl\r\n"
              "a=fingerprint:sha-1 A9:99:3E:36:47:06:81:6A:BA:3E:25:71:78:50:C2:6C:9C:D0:D8:9D\r\na=setup:actpass\r\n"
              "a=mid:v\r\na=sendonly\r\na=msid:-\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\n"
              "a=rtcp-fb:96 nack pli\r\na=ssrc-group:FID 1 2\r\na=ssrc:1 cname:c\r\na=ssrc:2 cname:c\r\n"
              "a=rid:a send max-width=1280;max-br=1000000\r\na=rid:b send\r\na=rid:c recv\r\n"
              "a=simulcast:send a;~b recv c\r\n"
              "m=audio 0 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\na=mid:a\r\na=inactive\r\n");
    free(text);
    session_description_destroy(offer);
}

static void trickles_in_fragments(void)
{
    size_t len = 0;
    char *text = text_file_read("tests/fuzz/seeds/sdp/fragment.sdp", &len);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    struct session_transport transport;
    char mid[SESSION_MID_CAP];
    CU_ASSERT_TRUE_FATAL(session_fragment_parse(text, len, &transport, mid, NULL));
    free(text);
    CU_ASSERT_STRING_EQUAL(transport.ufrag, "EsAw");
    CU_ASSERT_STRING_EQUAL(transport.password, "P2uYro0UCOQ4zxjKXaWCBui1");
    CU_ASSERT_STRING_EQUAL(mid, "0");
    CU_ASSERT_EQUAL(transport.candidate_count, 3);
    CU_ASSERT_TRUE(transport.end_of_candidates);
    char *written = session_fragment_write(&transport, mid);
    struct session_transport again;
    CU_ASSERT_TRUE_FATAL(session_fragment_parse(written, strlen(written), &again, mid, NULL));
    CU_ASSERT_STRING_EQUAL(again.ufrag, "EsAw");
    CU_ASSERT_STRING_EQUAL(mid, "0");
    CU_ASSERT_EQUAL(again.candidate_count, 3);
    CU_ASSERT_EQUAL(memcmp(again.candidates, transport.candidates, 3 * sizeof *again.candidates), 0);
    free(again.candidates);
    free(transport.candidates);
    free(written);
    struct error error = {0};
    CU_ASSERT_FALSE(session_fragment_parse("a=ice-ufrag:x\n", 14, &transport, mid, &error));
    CU_ASSERT_STRING_EQUAL(error.text, "SDP line 1: a=ice-ufrag needs 4 to 256 letters, digits, '+' and '/', not 'x'");
}

/* --- odd input ------------------------------------------------------------------------------------------------------------ */

#define START "v=0\no=- 1 2 IN IP4 127.0.0.1\ns=-\nt=0 0\n"
#define TRANSPORT                                                                                                      \
    "a=ice-ufrag:abcd\na=ice-pwd:0123456789abcdefghijkl\na=setup:actpass\n"                                            \
    "a=fingerprint:sha-1 A9:99:3E:36:47:06:81:6A:BA:3E:25:71:78:50:C2:6C:9C:D0:D8:9D\n"
#define AUDIO "m=audio 9 UDP/TLS/RTP/SAVPF 111\n"

static void names_the_line_at_fault(void)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        {START AUDIO, "SDP line 5: the m= section has no a=ice-ufrag, nor has the session"},
        {START AUDIO "a=ice-ufrag:abcd\n", "SDP line 5: the m= section has no a=ice-pwd"},
        {START AUDIO "a=ice-ufrag:abcd\na=ice-pwd:0123456789abcdefghijkl\n",
         "SDP line 5: the m= section has no a=fingerprint"},
        {START AUDIO "a=ice-ufrag:abcd\na=ice-pwd:0123456789abcdefghijkl\na=fingerprint:md5 00\n",
         "unknown hash functions"},
        {START "a=ice-pwd:short\n", "SDP line 5: a=ice-pwd needs 22 to 256"},
        {START "a=ice-ufrag\n", "SDP line 5: a=ice-ufrag needs a value, not ''"},
        {START "a=fingerprint:sha-1 A9:99\n", "SDP line 5: a sha-1 fingerprint needs 20 bytes"},
        {START "a=setup:holdconn\n", "SDP line 5: a=setup needs actpass, active or passive, not 'holdconn'"},
        {START TRANSPORT AUDIO "a=mid:0\n" AUDIO "a=mid:0\n", "SDP line 12: a=mid:0 is there already"},
        {START TRANSPORT AUDIO "a=mid:\n", "SDP line 10: a=mid needs 1 to 32 characters"},
        {START TRANSPORT AUDIO "a=mid:012345678901234567890123456789012\n", "SDP line 10: a=mid"},
        {START TRANSPORT AUDIO "a=candidate:1 1 udp\n", "SDP line 10: "},
        {START TRANSPORT AUDIO "a=rtpmap:128 x/1\n", "SDP line 10: a=rtpmap needs a payload type from 0 to 127"},
        {START TRANSPORT AUDIO "a=rtpmap:111 opus\n",
         "SDP line 10: a=rtpmap needs a name of at most 31 characters and"},
        {START TRANSPORT AUDIO "a=rtpmap:111 opus/0\n", "SDP line 10: a=rtpmap"},
        {START TRANSPORT AUDIO "a=rtpmap:111 opus/48000/0\n", "SDP line 10: a=rtpmap needs 1 to 255 channels"},
        {START TRANSPORT AUDIO "a=extmap:0 urn:x\n", "SDP line 10: a=extmap needs a number from 1 and a URI"},
        {START TRANSPORT AUDIO "a=extmap:1\n", "SDP line 10: a=extmap"},
        {START TRANSPORT "a=extmap:x y\n" AUDIO, "SDP line 9: a=extmap"},
        {START TRANSPORT AUDIO "a=ssrc:4294967296 cname:x\n", "SDP line 10: a=ssrc needs a number of 32 bits"},
        {START TRANSPORT AUDIO "a=ssrc-group:FID 1\n", "SDP line 10: a=ssrc-group needs two SSRCs"},
        {START TRANSPORT AUDIO "a=rid:01234567890123456 send\n", "SDP line 10: a=rid needs a name of 1 to 16"},
        {START TRANSPORT AUDIO "a=rid:a both\n", "SDP line 10: a=rid"},
        {START TRANSPORT "m=audio 9 UDP/TLS/RTP/SAVPF 111 x\n", "SDP line 9: m= needs payload types from 0 to 127"},
        {START TRANSPORT "m=audio 9 UDP/TLS/RTP/SAVPF 128\n", "not '128'"},
        {START TRANSPORT "m=application 9 UDP/DTLS/SCTP x\na=sctp-port:0\n", "SDP line 10: a=sctp-port needs a port"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct error error = {0};
        CU_ASSERT_PTR_NULL(session_description_parse(bad[i].text, strlen(bad[i].text), &error));
        if (strstr(error.text, bad[i].says) == NULL)
            fprintf(stderr, "%zu: %s\n", i, error.text);
        CU_ASSERT_PTR_NOT_NULL(strstr(error.text, bad[i].says));
    }
}

static void is_as_lenient_as_browsers(void)
{
    struct session_description *description = parse(
        START
        "a=group:BUNDLE b nobody\na=recvonly\na=extmap:7 urn:ietf:params:rtp-hdrext:sdes:mid\n" AUDIO
        "a=mid:x\n" /* no transport, since it is not in the group; nor does it get one */
        "m=video 5 UDP/TLS/RTP/SAVPF 96 96 97 5\n" TRANSPORT
        "a=mid:b\na=rtcp-fb:* nack\na=rtcp-fb:* transport-cc \na=rtpmap:96 VP8/90000\na=rtpmap:42 VP9/90000\n"
        "a=fmtp:43 x\na=extmap:4096 urn:later\na=extmap:8/sendonly urn:unknown with attributes\n"
        "a=simulcast:send 3;1,2;~4 recv 5\na=rid:1 send max-fps=30;depend=2\na=rid:3 send\na=rid:4 send\na=rid:5 recv\n"
        "b=AS:300\na=ssrc:9 label:x\na=unknown\na=candidate:1 2 udp 1 192.0.2.1 1 typ host\n"
        "m=message 5 TCP/MSRP *\na=mid:m\n"
        "m=application 5 DTLS/SCTP 5000\na=mid:d\na=sctpmap:5001 webrtc-datachannel 1024\n");
    CU_ASSERT_EQUAL_FATAL(description->media_count, 4);
    CU_ASSERT_STRING_EQUAL(description->transport.ufrag, "abcd");
    CU_ASSERT_EQUAL(description->transport.candidate_count, 0); /* that one is for RTCP */
    CU_ASSERT_FALSE(description->media[0].bundled);
    CU_ASSERT_EQUAL(description->media[0].direction, SESSION_RECVONLY);
    CU_ASSERT_EQUAL(description->media[0].codec_count, 0); /* without rtpmap */
    const struct session_media *video = &description->media[1];
    CU_ASSERT_TRUE(video->bundled);
    CU_ASSERT_EQUAL(video->codec_count, 1);
    CU_ASSERT_EQUAL(video->codecs[0].feedback, SESSION_FEEDBACK_NACK | SESSION_FEEDBACK_TRANSPORT_CC);
    CU_ASSERT_EQUAL_FATAL(video->extension_count, 2);
    CU_ASSERT_EQUAL(video->extensions[0].kind, RTP_EXTENSION_MID);
    CU_ASSERT_STRING_EQUAL(video->extensions[1].uri, "urn:unknown");
    CU_ASSERT_EQUAL(video->extensions[1].direction, SESSION_SENDONLY);
    CU_ASSERT_EQUAL(video->max_bitrate_bps, 300000);
    CU_ASSERT_EQUAL_FATAL(video->rid_count, 4);
    CU_ASSERT_STRING_EQUAL(video->rids[0].id, "3"); /* in the order of simulcast */
    CU_ASSERT_STRING_EQUAL(video->rids[1].id, "1");
    CU_ASSERT_EQUAL(video->rids[1].max_fps, 30);
    CU_ASSERT_TRUE(video->rids[2].paused);
    CU_ASSERT_EQUAL(video->rids[3].direction, SESSION_RECVONLY);
    CU_ASSERT_TRUE(video->rids[3].simulcast);
    CU_ASSERT_EQUAL(description->media[2].kind, SESSION_OTHER);
    CU_ASSERT_EQUAL(description->media[3].kind, SESSION_DATA);
    CU_ASSERT_EQUAL(description->media[3].sctp_port, 5001);
    session_description_destroy(description);

    description = parse(START TRANSPORT "m=audio 9 UDP/TLS/RTP/SAVPF 0\n"); /* no mid, no group: alone, so bundled */
    CU_ASSERT_TRUE(description->media[0].bundled);
    CU_ASSERT_STRING_EQUAL(description->media[0].codecs[0].name, "PCMU");
    session_description_destroy(description);

    description = parse(START "m=audio 0 UDP/TLS/RTP/SAVPF 0\n"); /* rejected: needs no transport */
    CU_ASSERT_TRUE(description->media[0].rejected);
    session_description_destroy(description);
}

static void lists_are_bounded(void)
{
    char *text = malloc(400000);
    size_t len = (size_t)sprintf(text, "%s", START TRANSPORT AUDIO);
    for (int i = 0; i < 2000; i++)
        len += (size_t)sprintf(text + len,
                               "a=ssrc:%d cname:x\na=extmap:%d urn:%d\na=rid:%d send\n"
                               "a=candidate:%d 1 udp 1 192.0.2.1 %d typ host\n",
                               i, 1 + i % 255, i, i, i, i + 1);
    struct session_description *description = parse(text);
    CU_ASSERT_EQUAL(description->media[0].ssrc_count, SESSION_SSRCS_MAX);
    CU_ASSERT_EQUAL(description->media[0].extension_count, SESSION_EXTENSIONS_MAX);
    CU_ASSERT_EQUAL(description->media[0].rid_count, SESSION_RIDS_MAX);
    CU_ASSERT_EQUAL(description->transport.candidate_count, SESSION_CANDIDATES_MAX);
    session_description_destroy(description);
    free(text);
}

void session_description_test(void)
{
    SUITE("session_description", {"reads Chrome's offer", reads_chrome}, {"reads Firefox's offer", reads_firefox},
          {"reads Safari's offer", reads_safari}, {"reads offers of servers", reads_servers},
          {"survives writing", survives_writing}, {"writes as browsers do", writes_as_browsers_do},
          {"trickles in fragments", trickles_in_fragments}, {"names the line at fault", names_the_line_at_fault},
          {"is as lenient as browsers", is_as_lenient_as_browsers}, {"lists are bounded", lists_are_bounded});
}
