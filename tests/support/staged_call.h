/* Calls staged for the analyzers, packet by packet, so that every figure is known beforehand. Times count from
 * STAGED_START. */
#ifndef CONFAB_TESTS_SUPPORT_STAGED_CALL_H
#define CONFAB_TESTS_SUPPORT_STAGED_CALL_H

#include "analyzers/analysis.h"
#include "rtc/stun.h"
#include "tests/support/capture_builder.h"

#define STAGED_START (1700000000 * NANOS_PER_S)

/* The address that the text says. */
struct address staged_at(const char *text);

/* Of a capture without damage. */
struct analysis *staged_analysis(const struct capture_builder *builder);
/* Of several, which only files can be; at most 4. */
struct analysis *staged_analysis_of(const struct capture_builder *builders, size_t count);

/* --- datagrams ---------------------------------------------------------------------------------------------------------- */

void staged_send(struct capture_builder *b, nanos time, const struct address *from, const struct address *to,
                 const void *data, size_t len);
void staged_rtp(struct capture_builder *b, nanos time, const struct address *from, const struct address *to,
                uint8_t type, uint16_t sequence, uint32_t timestamp, uint32_t ssrc, size_t payload);

struct staged_message {
    uint8_t data[1500];
    size_t len;
    struct stun_builder builder;
};

/* Begins one with `id` in its transaction id; finish it before it is sent. */
void staged_begin(struct staged_message *m, enum stun_class class, uint16_t method, uint32_t id);
void staged_finish(struct staged_message *m);

/* A connectivity check and its answer `rtt` later. */
void staged_check(struct capture_builder *b, nanos time, nanos rtt, const struct address *from,
                  const struct address *to, const struct address *mapped, const char *name, bool nominate, uint32_t id);

/* --- TURN over UDP ------------------------------------------------------------------------------------------------------ */

struct staged_turn {
    struct address client, mapped, server, relayed, peer;
};

struct staged_turn staged_turn_addresses(void);

/* An allocation after one 401, as the client's side (`inside` true) or the server's sees it. */
void staged_allocate(struct capture_builder *b, nanos time, const struct staged_turn *turn, bool inside, uint32_t id);
void staged_bind_channel(struct capture_builder *b, nanos time, const struct address *client,
                         const struct staged_turn *turn);

/* `data` in a ChannelData message, in a Send indication (`send_it`) or a Data indication; they return its length. */
size_t staged_channel_data(uint8_t *out, uint16_t channel, const uint8_t *data, size_t len);
size_t staged_indication(uint8_t *out, size_t cap, bool send_it, const struct address *peer, const void *data,
                         size_t len);

#endif
