/* Somebody who speaks STUN to a server one message at a time, well or badly: every attribute is put by the test. */
#ifndef CONFAB_TESTS_SUPPORT_TURN_ASKER_H
#define CONFAB_TESTS_SUPPORT_TURN_ASKER_H

#include "rtc/stun.h"
#include "tests/support/turn_party.h"
#include "tests/support/wire_world.h"

struct asker {
    struct wire_world *wire;
    struct witness socket;
    struct address server;
    const char *username, *password;
    char realm[128], nonce[128]; /* as the server's last challenge gave them */
    bool md5;                    /* an old client: no PASSWORD-ALGORITHMS, SHA-1 integrity */
    uint8_t id[STUN_TRANSACTION_ID_LEN];
    struct stun_builder builder;
    uint8_t request[2048];
    size_t request_len;
    struct stun_message response; /* of the last question, if there was one */
};

/* A socket at `local` ("6.1.1.1:0"); alice by name. */
void asker_open(struct asker *asker, struct wire_world *wire, struct world_host *host, const char *local,
                const struct address *server);

/* Begins a message with a new transaction id; attributes go to `builder`. */
struct stun_builder *asker_begin(struct asker *asker, enum stun_class class, uint16_t method);

/* Asks without credentials, so as to have realm and nonce: 401 when all is well. */
int asker_challenge(struct asker *asker);

/* Puts the credentials and integrity. */
void asker_sign(struct asker *asker);

/* Sends what was begun, lets a second pass and returns the answer: 0 for success, the error code, or -1 for none. */
int asker_send(struct asker *asker);

/* asker_sign and asker_send. */
int asker_ask(struct asker *asker);

/* The same bytes once more. */
int asker_repeat(struct asker *asker);

/* Allocates as simply as can be. */
int asker_allocate(struct asker *asker);
int asker_permit(struct asker *asker, const char *peer);
int asker_bind(struct asker *asker, uint16_t channel, const char *peer);
int asker_refresh(struct asker *asker, uint32_t lifetime_s);
/* A Send indication; nothing comes back. */
void asker_send_data(struct asker *asker, const char *peer, const char *text);

/* The relayed address in the last response. */
struct address asker_relayed(const struct asker *asker);

#endif
