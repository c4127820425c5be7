/* SFUs of several threads behind one UDP port. The kernel gives each datagram to one of their sockets, by the address that
 * it comes from, which needn't be that of the SFU whose participant sent it; so they pass datagrams on.
 *
 * Whose a STUN check is tells the ufrag that it names, whose first character is its SFU's mark. When the check was
 * authentic, that SFU claims the address at the sibling whose socket it came to, and all from there is passed on:
 *
 *     remote -- check, "B..." --> socket of A ... pass ---> B: authentic
 *                                             <-- claim --- B
 *     remote -- media ----------> socket of A ... pass ---> B
 *
 * Each SFU belongs to one thread. How datagrams and claims get from one to another is the owner's affair. */
#ifndef CONFAB_SFU_SFU_SIBLINGS_H
#define CONFAB_SFU_SFU_SIBLINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/nanos.h"

struct datagram;
struct sfu;

enum { SFU_SIBLINGS_MAX = 64 }; /* marks are ICE characters */

struct sfu_siblings_config {
    unsigned count; /* 0 or 1: there are no others */
    unsigned own;   /* number, from 0 */
    /* To another SFU's sfu_siblings_take: a copy, for the datagram is the caller's. False when there is no room. */
    bool (*pass)(void *user, unsigned to, int socket, const struct datagram *datagram);
    /* That was all, for now. */
    void (*passed)(void *user);
    /* To another SFU's sfu_siblings_claimed, in the order of the calls and without fail. */
    void (*claim)(void *user, unsigned at, const struct address *address, bool ours);
    void *user;
};

/* Which of `count` siblings a ufrag's mark names; -1: none. */
int sfu_siblings_of_ufrag(unsigned count, const char *ufrag);
/* The mark of this one; 0 when it has no siblings. */
char sfu_siblings_mark(const struct sfu *sfu);

/* Passes on what belongs to a sibling: `ufrag` is the one that a check names, or "". False when it doesn't. */
bool sfu_siblings_pass(struct sfu *sfu, int socket, const struct datagram *datagram, const char *ufrag);
void sfu_siblings_passed(struct sfu *sfu);

/* A datagram that came to the socket of sibling `from`; sfu_siblings_taken is to follow. */
void sfu_siblings_take(struct sfu *sfu, unsigned from, int socket, struct datagram *datagram, nanos now);
void sfu_siblings_taken(struct sfu *sfu, nanos now);

/* An address is, or no longer is, that of a participant of the sibling `by`. */
void sfu_siblings_claimed(struct sfu *sfu, unsigned by, const struct address *address, bool theirs);

/* An address is our participant's, from now on or no longer, and what comes from it comes in at sibling `at`. */
void sfu_siblings_claim(struct sfu *sfu, unsigned at, const struct address *address, bool ours);

void sfu_siblings_clear(struct sfu *sfu);

#endif
