/* A room at an SFU, for tests: the SFU and its signalling on one host, participants (peer/participant.h) on others, in
 * a world in memory whose links a test may narrow, and what each participant saw of each other. */
#ifndef CONFAB_TESTS_SUPPORT_MEETING_H
#define CONFAB_TESTS_SUPPORT_MEETING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"
#include "peer/participant.h"
#include "sfu/sfu.h"
#include "sfu/signalling_server.h"
#include "tests/support/wire_world.h"

enum { MEETING_PEOPLE_MAX = 128, MEETING_KINDS = 3 };

/* What one saw of one track of another. */
struct sighting {
    uint32_t frames, key_frames, recovered;
    uint32_t added, removed;
    nanos added_at, first, last; /* frames; NANOS_NEVER: none */
    nanos longest_gap;           /* between two frames, since it was last set to 0 */
    uint16_t height;             /* of the last key frame */
    uint32_t nacks;              /* sequence numbers asked for, until the track was last seen */
    double worst_latency_ms;     /* since it was last set to 0 */
};

/* A policer in front of a participant: what is beyond the rate is dropped. */
struct narrowing {
    int64_t rate_bps; /* 0: none */
    double tokens;    /* bytes */
    nanos refilled;
    unsigned drop_percent;
};

struct person {
    struct meeting *meeting;
    struct participant *participant;
    struct world_host *host;
    uint8_t last_byte; /* of its address, and the one before */
    bool silenced;     /* nothing of it gets out any more, and nothing in */
    struct narrowing down, up;
    uint32_t connected;
    char failure[200];
    char speaker[SESSION_ID_CAP]; /* who speaks, as it was told last */
    unsigned speakers;            /* how often */
    char muted[100];              /* the last it was told: "p1 audio off" */
    struct {
        uint32_t sent, received, files_sent, files, closed;
        uint32_t damaged; /* messages and files that are not what was sent */
        nanos file_at;    /* when the last one was complete */
    } data;
    struct sighting (*seen)[MEETING_KINDS]; /* of MEETING_PEOPLE_MAX */
};

struct meeting {
    struct wire_world *wire;
    struct certificate *certificate;
    struct sfu *sfu;
    struct signalling_server *signalling;
    struct address signalling_address, sfu_address;
    struct rng rng;
    struct person people[MEETING_PEOPLE_MAX];
    uint64_t bytes_to_sfu, bytes_from_sfu;
    struct data_plan data; /* of those who enter with MEETING_DATA; who isn't number 0 sends no file */
    /* The hook of a test itself, before ours. */
    bool (*spy)(struct meeting *meeting, struct datagram *datagram, nanos now);
    void *spy_user;
};

struct meeting *meeting_open(nanos delay);
void meeting_close(struct meeting *meeting);

enum meeting_media {
    MEETING_AUDIO = 1,
    MEETING_VIDEO = 2,
    MEETING_SCREEN = 4,
    MEETING_SIMULCAST = 8,
    MEETING_DATA = 16
};
#define MEETING_ALL (MEETING_AUDIO | MEETING_VIDEO | MEETING_SIMULCAST)

/* Person number `who` enters a room as "pN", sending what `media` says. */
struct person *meeting_enter(struct meeting *meeting, int who, const char *room, unsigned media);
/* Says goodbye. */
void meeting_leave(struct meeting *meeting, int who);
/* Is gone without a word. */
void meeting_vanish(struct meeting *meeting, int who);

void meeting_run(struct meeting *meeting, nanos duration);

/* What `viewer` saw of a track of `publisher`. */
struct sighting *meeting_seen(struct meeting *meeting, int viewer, int publisher, enum track_kind kind);
/* The gap and the latency start anew. */
void meeting_look_anew(struct meeting *meeting);

#endif
