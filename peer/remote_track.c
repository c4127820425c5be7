#include "peer/remote_track.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rtc/frame_trailer.h"
#include "rtc/vp8.h"

struct remote_track *remote_track_create(enum track_kind kind, const char *publisher, const char *mid)
{
    struct remote_track *track = calloc(1, sizeof *track);
    if (track == NULL)
        return NULL;
    track->kind = kind;
    track->first_media = track->last_media = NANOS_NEVER;
    snprintf(track->publisher, sizeof track->publisher, "%s", publisher);
    snprintf(track->mid, sizeof track->mid, "%s", mid);
    if (kind != TRACK_AUDIO) {
        track->frames = malloc(sizeof *track->frames);
        if (track->frames == NULL) {
            free(track);
            return NULL;
        }
        frame_buffer_init(track->frames, &(struct frame_buffer_config){0});
    }
    return track;
}

void remote_track_destroy(struct remote_track *track)
{
    if (track == NULL)
        return;
    if (track->frames != NULL)
        frame_buffer_clear(track->frames);
    free(track->frames);
    free(track);
}

static void give_out(struct remote_track *track, const struct received_frame *frame, nanos now,
                     remote_track_frame callback, void *user)
{
    track->frame_count++;
    if (track->first_media == NANOS_NEVER)
        track->first_media = now;
    track->last_media = now;
    callback(user, track, frame, now);
}

static void audio_packet(struct remote_track *track, const struct rtp_packet *packet, bool recovered, nanos now,
                         remote_track_frame callback, void *user)
{
    struct frame_trailer trailer;
    struct received_frame frame = {.timestamp = packet->timestamp,
                                   .key = true,
                                   .first_arrival = now,
                                   .completed = now,
                                   .decodable = now,
                                   .size = (uint32_t)packet->payload_len,
                                   .packets = 1,
                                   .recovered = recovered,
                                   .first_sequence = packet->sequence,
                                   .last_sequence = packet->sequence};
    frame.has_trailer = frame_trailer_read(&trailer, packet->payload, packet->payload_len);
    if (frame.has_trailer) {
        frame.captured = trailer.captured;
        frame.frame_number = trailer.frame_number;
    }
    give_out(track, &frame, now, callback, user);
}

bool remote_track_run(struct remote_track *track, nanos now, remote_track_frame callback, void *user)
{
    struct received_frame frame;
    if (track->frames == NULL)
        return false;
    while (frame_buffer_next(track->frames, &frame, now))
        give_out(track, &frame, now, callback, user);
    return frame_buffer_wants_key_frame(track->frames, now);
}

bool remote_track_packet(struct remote_track *track, const struct rtp_packet *packet, bool recovered, nanos now,
                         remote_track_frame callback, void *user)
{
    struct frame_packet part;
    struct vp8_descriptor vp8;
    if (track->frames == NULL) {
        if (packet->payload_len > 0)
            audio_packet(track, packet, recovered, now, callback, user);
        return false;
    }
    if (packet->payload_len == 0) {
        frame_buffer_skip(track->frames, packet->sequence);
    } else if (frame_packet_from_vp8(&part, packet, recovered)) {
        if (part.key && vp8_parse(&vp8, packet->payload, packet->payload_len) && vp8.height > 0)
            track->height = vp8.height;
        frame_buffer_insert(track->frames, &part, now);
    }
    return remote_track_run(track, now, callback, user);
}
