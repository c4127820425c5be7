/* Offer and answer with one participant (RFC 8829): it offers what it publishes; what it receives is offered to it.
 *
 *     section 0, 1, …   as the participant offered them: we only receive there
 *             n, n + 1, …  ours: one for each subscription, inactive once that has ended, then used again
 *
 * A viewer (WHEP) offers the sections in which it receives, and there is no offer after that: each is a slot with a
 * stream of its own, in which one publication after another may be sent.
 *
 * What changes is gathered for a moment, and one offer of ours is on its way at a time. When both sides offer at once,
 * ours is taken back: the participant may ignore it, and is offered the same again later. */
#ifndef CONFAB_SFU_SFU_NEGOTIATION_H
#define CONFAB_SFU_SFU_NEGOTIATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/nanos.h"
#include "rtc/rtp_extensions.h"
#include "rtc/sequence_rewriter.h"
#include "rtc/session_description.h"
#include "sfu/codec_numbers.h"

struct publication;
struct sfu_participant;
struct subscription;

/* Sections that a participant may offer. */
enum { SFU_SECTIONS_MAX = 64 };

struct sfu_section {
    char mid[SESSION_MID_CAP];
    uint8_t kind;                      /* enum session_kind */
    uint8_t codec;                     /* enum sfu_codec, of what is or was sent there */
    bool ours;                         /* we send, or may */
    bool offered;                      /* for sending, in our offer that is unanswered */
    bool live;                         /* for sending, and that was agreed */
    struct publication *publication;   /* what they send; NULL: nothing */
    struct subscription *subscription; /* what we send; NULL: nothing */
    struct session_media *rejected;    /* its m= line, for ever refused; else NULL */
    /* A viewer's: one stream for whatever is sent there. */
    bool slot;
    uint8_t codecs; /* that may be sent there: a bit for each sfu_codec */
    bool continues; /* with `numbers` */
    uint32_t ssrc, rtx_ssrc;
    struct sequence_rewriter_config numbers;
};

struct negotiation {
    struct sfu_section *sections;
    size_t count;
    size_t agreed;                     /* the first so many; those after them are new in our offer */
    struct session_description *offer; /* ours, unanswered */
    bool changed;                      /* there is something to offer */
    nanos due;                         /* and then it is */
    uint64_t session_id, version;      /* of o= */
    struct rtp_extension_map extensions;
    struct codec_numbers codecs;
};

void negotiation_init(struct negotiation *negotiation, uint64_t session_id);
/* Back to the beginning. */
void negotiation_clear(struct negotiation *negotiation);

/* An offer or answer came. False and `error` when it makes no sense; then nothing has changed, or little. */
bool negotiation_take_offer(struct sfu_participant *participant, const char *sdp, nanos now, struct error *error);
bool negotiation_take_answer(struct sfu_participant *participant, const char *sdp, nanos now, struct error *error);

/* An ICE restart without a description, as WHIP has it (RFC 9725, section 4.3.3): the participant's new ufrag and
 * password; ours are new after it. False and `error` when it can't be. */
bool negotiation_restart(struct sfu_participant *participant, const struct session_transport *remote, nanos now,
                         struct error *error);

/* Our half of the transport, as an answer to that has it; candidates are the SFU's. */
void negotiation_describe_transport(const struct sfu_participant *participant, struct session_transport *out);

/* There is something new to offer. */
void negotiation_want(struct sfu_participant *participant, nanos now);

/* A subscription ends. */
void negotiation_unsubscribe(struct sfu_participant *participant, struct subscription *subscription, nanos now);

/* Says an offer, if there is reason to and none is on its way. */
void negotiation_offer(struct sfu_participant *participant, nanos now);
nanos negotiation_deadline(const struct negotiation *negotiation);

#endif
