/* Writing a session description, in the order in which browsers do. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rtc/session_description.h"

static void write_transport(FILE *out, const struct session_transport *transport)
{
    for (size_t i = 0; i < transport->candidate_count; i++) {
        char text[ICE_CANDIDATE_TEXT_CAP];
        if (ice_candidate_format(&transport->candidates[i], text, sizeof text) > 0)
            fprintf(out, "a=%s\r\n", text);
    }
    if (transport->end_of_candidates)
        fputs("a=end-of-candidates\r\n", out);
    fprintf(out, "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\n", transport->ufrag, transport->password);
    if (transport->trickle)
        fputs("a=ice-options:trickle\r\n", out);
    for (size_t i = 0; i < transport->fingerprint_count; i++) {
        char text[FINGERPRINT_TEXT_CAP];
        fprintf(out, "a=fingerprint:%s\r\n", fingerprint_format(&transport->fingerprints[i], text));
    }
    static const char *const setups[] = {NULL, "actpass", "active", "passive"};
    if (transport->setup != SESSION_SETUP_NONE)
        fprintf(out, "a=setup:%s\r\n", setups[transport->setup]);
}

static void write_codec(FILE *out, const struct session_codec *codec)
{
    fprintf(out, "a=rtpmap:%u %s/%" PRIu32, codec->payload_type, codec->name, codec->clock_rate);
    if (codec->channels > 1)
        fprintf(out, "/%u", codec->channels);
    fputs("\r\n", out);
    static const char *const feedbacks[] = {"nack", "nack pli", "ccm fir", "goog-remb", "transport-cc"};
    for (size_t bit = 0; bit < sizeof feedbacks / sizeof feedbacks[0]; bit++) {
        if (codec->feedback >> bit & 1)
            fprintf(out, "a=rtcp-fb:%u %s\r\n", codec->payload_type, feedbacks[bit]);
    }
    if (codec->fmtp[0] != '\0')
        fprintf(out, "a=fmtp:%u %s\r\n", codec->payload_type, codec->fmtp);
}

static void write_extension(FILE *out, const struct session_extension *extension)
{
    static const char *const ways[] = {"/inactive", "/sendonly", "/recvonly", ""};
    fprintf(out, "a=extmap:%u%s %s\r\n", extension->id, ways[extension->direction & 3], extension->uri);
}

static void write_ssrc(FILE *out, const struct session_ssrc *ssrc)
{
    if (ssrc->has_retransmission)
        fprintf(out, "a=ssrc-group:FID %" PRIu32 " %" PRIu32 "\r\n", ssrc->ssrc, ssrc->retransmission);
    for (int i = 0; i < 1 + ssrc->has_retransmission; i++) {
        uint32_t number = i == 0 ? ssrc->ssrc : ssrc->retransmission;
        fprintf(out, "a=ssrc:%" PRIu32 " cname:%s\r\n", number, ssrc->cname);
        if (ssrc->stream_id[0] != '\0')
            fprintf(out, "a=ssrc:%" PRIu32 " msid:%s%s%s\r\n", number, ssrc->stream_id,
                    ssrc->track_id[0] != '\0' ? " " : "", ssrc->track_id);
    }
}

static void write_rid(FILE *out, const struct session_rid *rid)
{
    fprintf(out, "a=rid:%s %s", rid->id, rid->direction == SESSION_SENDONLY ? "send" : "recv");
    const struct {
        const char *name;
        uint32_t limit;
    } limits[] = {{"max-width", rid->max_width},
                  {"max-height", rid->max_height},
                  {"max-fps", rid->max_fps},
                  {"max-br", rid->max_bitrate_bps}};
    char separator = ' ';
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        if (limits[i].limit != 0) {
            fprintf(out, "%c%s=%" PRIu32, separator, limits[i].name, limits[i].limit);
            separator = ';';
        }
    }
    fputs("\r\n", out);
}

static void write_simulcast(FILE *out, const struct session_media *media)
{
    bool any = false;
    for (unsigned direction = SESSION_SENDONLY; direction <= SESSION_RECVONLY; direction++) {
        const char *separator = direction == SESSION_SENDONLY ? "send " : "recv ";
        for (size_t i = 0; i < media->rid_count; i++) {
            const struct session_rid *rid = &media->rids[i];
            if (rid->direction != direction || !rid->simulcast)
                continue;
            fprintf(out, "%s%s%s%s",
                    !any                    ? "a=simulcast:"
                    : strlen(separator) > 1 ? " "
                                            : "",
                    separator, rid->paused ? "~" : "", rid->id);
            separator = ";";
            any = true;
        }
    }
    if (any)
        fputs("\r\n", out);
}

/* The default candidate's address (RFC 8839, section 4.2.1.2): a relayed one is the likeliest to be reached. With none,
 * port 9 and 0.0.0.0 (RFC 8840, section 4.1.1). */
static struct address default_address(const struct session_transport *transport)
{
    const struct ice_candidate *best = NULL;
    for (size_t i = 0; i < transport->candidate_count; i++) {
        const struct ice_candidate *candidate = &transport->candidates[i];
        if (candidate->transport == ICE_UDP && candidate->address.family != ADDRESS_NONE &&
            (best == NULL || candidate->type > best->type))
            best = candidate;
    }
    return best != NULL ? best->address : address_ipv4(0, 0, 0, 0, 9);
}

/* The form of drafts before RFC 8841, for who offers it. */
static bool is_old_data(const struct session_media *media) { return strcmp(media->protocol, "DTLS/SCTP") == 0; }

static void write_data(FILE *out, const struct session_media *media)
{
    if (is_old_data(media))
        fprintf(out, "a=sctpmap:%u webrtc-datachannel 1024\r\n", media->sctp_port);
    else
        fprintf(out, "a=sctp-port:%u\r\n", media->sctp_port);
    fprintf(out, "a=max-message-size:%" PRIu32 "\r\n", media->max_message_size);
}

static void write_media_line(FILE *out, const struct session_description *description,
                             const struct session_media *media)
{
    struct address address = media->rejected ? address_ipv4(0, 0, 0, 0, 0) : default_address(&description->transport);
    unsigned port = media->bundle_only ? 0 : address.port;
    fprintf(out, "m=%s %u %s", media->kind_name, port, media->protocol);
    if (media->kind == SESSION_DATA && is_old_data(media))
        fprintf(out, " %u", media->sctp_port);
    else if (media->kind == SESSION_DATA)
        fputs(" webrtc-datachannel", out);
    else if (media->codec_count == 0)
        fprintf(out, " %s", media->format);
    for (size_t i = 0; i < media->codec_count; i++)
        fprintf(out, " %u", media->codecs[i].payload_type);
    char ip[ADDRESS_TEXT_CAP];
    fprintf(out, "\r\nc=IN IP%d %s\r\n", address.family, address_format_ip(&address, ip));
}

static void write_rtp(FILE *out, const struct session_media *media)
{
    for (size_t i = 0; i < media->extension_count; i++)
        write_extension(out, &media->extensions[i]);
    static const char *const directions[] = {"inactive", "sendonly", "recvonly", "sendrecv"};
    fprintf(out, "a=%s\r\n", directions[media->direction & 3]);
    if (media->stream_id[0] != '\0')
        fprintf(out, "a=msid:%s%s%s\r\n", media->stream_id, media->track_id[0] != '\0' ? " " : "", media->track_id);
    if (media->rtcp_mux)
        fputs("a=rtcp-mux\r\n", out);
    if (media->rtcp_reduced_size)
        fputs("a=rtcp-rsize\r\n", out);
    if (media->rtcp_receiver_rtt)
        fputs("a=rtcp-xr:rcvr-rtt=all\r\n", out);
    for (size_t i = 0; i < media->codec_count; i++)
        write_codec(out, &media->codecs[i]);
    for (size_t i = 0; i < media->ssrc_count; i++)
        write_ssrc(out, &media->ssrcs[i]);
    for (size_t i = 0; i < media->rid_count; i++)
        write_rid(out, &media->rids[i]);
    write_simulcast(out, media);
}

static void write_media(FILE *out, const struct session_description *description, const struct session_media *media,
                        bool is_first)
{
    write_media_line(out, description, media);
    if (media->max_bitrate_bps > 0)
        fprintf(out, "b=AS:%" PRIu32 "\r\nb=TIAS:%" PRIu32 "\r\n", (media->max_bitrate_bps + 999) / 1000,
                media->max_bitrate_bps);
    if (!media->rejected) {
        /* Candidates once, in the section whose transport it is (RFC 8843, section 7.1.3). */
        struct session_transport transport = description->transport;
        transport.candidate_count = is_first ? transport.candidate_count : 0;
        transport.end_of_candidates &= is_first;
        write_transport(out, &transport);
    }
    if (media->mid[0] != '\0')
        fprintf(out, "a=mid:%s\r\n", media->mid);
    if (media->bundle_only)
        fputs("a=bundle-only\r\n", out);
    if (media->kind == SESSION_DATA && !media->rejected)
        write_data(out, media);
    else if (media->kind == SESSION_AUDIO || media->kind == SESSION_VIDEO)
        write_rtp(out, media);
}

static void write_session(FILE *out, const struct session_description *description)
{
    fprintf(out, "v=0\r\no=- %" PRIu64 " %" PRIu64 " IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n", description->session_id,
            description->version);
    if (description->transport.ice_lite)
        fputs("a=ice-lite\r\n", out);
    bool any = false;
    for (size_t i = 0; i < description->media_count; i++) {
        const struct session_media *media = &description->media[i];
        if (!media->bundled || media->rejected || media->mid[0] == '\0')
            continue;
        fprintf(out, "%s %s", any ? "" : "a=group:BUNDLE", media->mid);
        any = true;
    }
    if (any)
        fputs("\r\n", out);
    if (description->extmap_allow_mixed)
        fputs("a=extmap-allow-mixed\r\n", out);
}

/* A stream into memory, and what came of it. */
struct memory {
    FILE *out;
    char *text;
    size_t len;
};

static bool memory_open(struct memory *memory)
{
    *memory = (struct memory){0};
    memory->out = open_memstream(&memory->text, &memory->len);
    return memory->out != NULL;
}

static char *memory_close(struct memory *memory)
{
    bool ok = ferror(memory->out) == 0;
    if (fclose(memory->out) == 0 && ok)
        return memory->text;
    free(memory->text);
    return NULL;
}

char *session_description_write(const struct session_description *description)
{
    struct memory memory;
    if (!memory_open(&memory))
        return NULL;
    write_session(memory.out, description);
    bool has_candidates = false;
    for (size_t i = 0; i < description->media_count; i++) {
        const struct session_media *media = &description->media[i];
        bool is_first = media->bundled && !media->rejected && !has_candidates;
        write_media(memory.out, description, media, is_first);
        has_candidates |= is_first;
    }
    return memory_close(&memory);
}

char *session_fragment_write(const struct session_transport *transport, const char *mid)
{
    struct memory memory;
    if (!memory_open(&memory))
        return NULL;
    fprintf(memory.out, "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:%s\r\n",
            transport->ufrag, transport->password, mid);
    for (size_t i = 0; i < transport->candidate_count; i++) {
        char text[ICE_CANDIDATE_TEXT_CAP];
        if (ice_candidate_format(&transport->candidates[i], text, sizeof text) > 0)
            fprintf(memory.out, "a=%s\r\n", text);
    }
    if (transport->end_of_candidates)
        fputs("a=end-of-candidates\r\n", memory.out);
    return memory_close(&memory);
}
