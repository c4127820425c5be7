#include "rtc/session_description.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void session_stream_id(char out[SESSION_ID_CAP], const char *name)
{
    snprintf(out, SESSION_ID_CAP, "%s", name);
    for (char *at = out; *at != '\0'; at++) {
        /* RFC 4566, section 9: token-char */
        bool token = *at > ' ' && *at < 127 && strchr("\"(),/:;<=>?@[\\]", *at) == NULL;
        if (!token)
            *at = '_';
    }
}

/* --- lists ------------------------------------------------------------------------------------------------------------ */

/* A zeroed element behind the last. Arrays have room for a power of two, so the count tells when they are full. */
static void *grow_list(void *list, size_t *count, size_t size, size_t max, void **element)
{
    *element = NULL;
    if (*count >= max)
        return list;
    if ((*count & (*count - 1)) == 0) {
        void *grown = realloc(list, (*count == 0 ? 1 : 2 * *count) * size);
        if (grown == NULL)
            return list;
        list = grown;
    }
    *element = memset((char *)list + *count * size, 0, size);
    (*count)++;
    return list;
}

struct session_media *session_add_media(struct session_description *description)
{
    void *added;
    description->media =
        grow_list(description->media, &description->media_count, sizeof *description->media, SDP_MEDIA_MAX, &added);
    return added;
}

struct session_codec *session_add_codec(struct session_media *media)
{
    void *added;
    media->codecs = grow_list(media->codecs, &media->codec_count, sizeof *media->codecs, 128, &added);
    struct session_codec *codec = added;
    if (codec != NULL) {
        codec->repairs = SESSION_NO_PAYLOAD_TYPE;
        codec->channels = 1;
    }
    return codec;
}

struct session_extension *session_add_extension(struct session_media *media)
{
    void *added;
    media->extensions = grow_list(media->extensions, &media->extension_count, sizeof *media->extensions,
                                  SESSION_EXTENSIONS_MAX, &added);
    return added;
}

struct session_ssrc *session_add_ssrc(struct session_media *media)
{
    void *added;
    media->ssrcs = grow_list(media->ssrcs, &media->ssrc_count, sizeof *media->ssrcs, SESSION_SSRCS_MAX, &added);
    return added;
}

struct session_rid *session_add_rid(struct session_media *media)
{
    void *added;
    media->rids = grow_list(media->rids, &media->rid_count, sizeof *media->rids, SESSION_RIDS_MAX, &added);
    return added;
}

bool session_add_candidate(struct session_transport *transport, const struct ice_candidate *candidate)
{
    void *added;
    transport->candidates = grow_list(transport->candidates, &transport->candidate_count, sizeof *transport->candidates,
                                      SESSION_CANDIDATES_MAX, &added);
    if (added != NULL)
        memcpy(added, candidate, sizeof *candidate);
    return added != NULL;
}

struct session_description *session_description_create(void) { return calloc(1, sizeof(struct session_description)); }

void session_description_destroy(struct session_description *description)
{
    if (description == NULL)
        return;
    for (size_t i = 0; i < description->media_count; i++) {
        free(description->media[i].codecs);
        free(description->media[i].extensions);
        free(description->media[i].ssrcs);
        free(description->media[i].rids);
    }
    free(description->media);
    free(description->transport.candidates);
    free(description);
}

/* --- looking things up -------------------------------------------------------------------------------------------------- */

const struct session_media *session_media_of_mid(const struct session_description *description, const char *mid)
{
    for (size_t i = 0; i < description->media_count; i++) {
        if (strcmp(description->media[i].mid, mid) == 0)
            return &description->media[i];
    }
    return NULL;
}

const struct session_codec *session_codec_of(const struct session_media *media, uint8_t payload_type)
{
    for (size_t i = 0; i < media->codec_count; i++) {
        if (media->codecs[i].payload_type == payload_type)
            return &media->codecs[i];
    }
    return NULL;
}

const struct session_codec *session_retransmission_of(const struct session_media *media, uint8_t payload_type)
{
    for (size_t i = 0; i < media->codec_count; i++) {
        if (media->codecs[i].repairs == payload_type)
            return &media->codecs[i];
    }
    return NULL;
}

struct rtp_extension_map session_extension_map(const struct session_media *media, enum session_direction direction)
{
    struct rtp_extension_map map = {0};
    for (size_t i = 0; i < media->extension_count; i++) {
        const struct session_extension *extension = &media->extensions[i];
        if (extension->kind < RTP_EXTENSION_KINDS && extension->direction & direction && map.id[extension->kind] == 0)
            map.id[extension->kind] = extension->id;
    }
    return map;
}
