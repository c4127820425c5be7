#include "sfu/sfu_siblings.h"

#include <stdlib.h>
#include <string.h>

#include "sfu/sfu_participant.h"
#include "sfu/sfu_state.h"

static const char marks[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* An address of a sibling's participant, from which datagrams come to our socket. */
struct sfu_claim {
    struct address address;
    unsigned by;
    UT_hash_handle hh;
};

int sfu_siblings_of_ufrag(unsigned count, const char *ufrag)
{
    const char *mark = *ufrag != '\0' ? strchr(marks, *ufrag) : NULL;
    return mark != NULL && (unsigned)(mark - marks) < count ? (int)(mark - marks) : -1;
}

char sfu_siblings_mark(const struct sfu *sfu) { return sfu->siblings.count > 1 ? marks[sfu->siblings.own] : '\0'; }

static struct sfu_claim *find(const struct sfu *sfu, const struct address *address)
{
    struct sfu_claim *claim;
    HASH_FIND(hh, sfu->claims, address, sizeof *address, claim);
    return claim;
}

bool sfu_siblings_pass(struct sfu *sfu, int socket, const struct datagram *datagram, const char *ufrag)
{
    int to = sfu_siblings_of_ufrag(sfu->siblings.count, ufrag);
    if (to < 0) {
        const struct sfu_claim *claim = find(sfu, &datagram->remote);
        to = claim != NULL ? (int)claim->by : -1;
    }
    /* What was passed on once isn't again, or two could do so for ever. */
    if (to < 0 || (unsigned)to == sfu->siblings.own || sfu->via != sfu->siblings.own)
        return false;
    if (sfu->siblings.pass(sfu->siblings.user, (unsigned)to, socket, datagram)) {
        sfu->statistics.passed++;
        sfu->passed = true;
    } else {
        sfu->statistics.pass_overflowed++;
    }
    return true;
}

void sfu_siblings_passed(struct sfu *sfu)
{
    if (sfu->passed)
        sfu->siblings.passed(sfu->siblings.user);
    sfu->passed = false;
}

void sfu_siblings_take(struct sfu *sfu, unsigned from, int socket, struct datagram *datagram, nanos now)
{
    sfu->via = from;
    sfu_take(sfu, socket, datagram, now);
    sfu->via = sfu->siblings.own;
}

void sfu_siblings_taken(struct sfu *sfu, nanos now) { sfu_flush(sfu, now); }

void sfu_siblings_claimed(struct sfu *sfu, unsigned by, const struct address *address, bool theirs)
{
    struct sfu_claim *claim = find(sfu, address);
    if (theirs) {
        sfu_participant_forget_source(sfu, address); /* whoever was there before has gone */
        if (claim == NULL && (claim = malloc(sizeof *claim)) != NULL) {
            claim->address = *address;
            HASH_ADD(hh, sfu->claims, address, sizeof claim->address, claim);
        }
        if (claim != NULL)
            claim->by = by;
    } else if (claim != NULL && claim->by == by) {
        HASH_DELETE(hh, sfu->claims, claim);
        free(claim);
    }
}

void sfu_siblings_claim(struct sfu *sfu, unsigned at, const struct address *address, bool ours)
{
    if (at != sfu->siblings.own)
        sfu->siblings.claim(sfu->siblings.user, at, address, ours);
}

void sfu_siblings_clear(struct sfu *sfu)
{
    struct sfu_claim *claim, *next;
    HASH_ITER(hh, sfu->claims, claim, next)
    {
        HASH_DELETE(hh, sfu->claims, claim);
        free(claim);
    }
}
