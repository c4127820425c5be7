/* All calls of one person: they hear one microphone and are run by one timer. */
#ifndef CONFAB_PEER_CALL_GROUP_H
#define CONFAB_PEER_CALL_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/nanos.h"
#include "peer/call.h"
#include "peer/media_plan.h"
#include "peer/speech.h"
#include "world/world.h"

struct call_group;

struct call_group_config {
    struct world_host *host;
    const struct media_plan *plan;    /* must outlive the group */
    struct conversation conversation; /* who talks when: the same for everyone in the room */
    uint32_t number;                  /* in it, from 0 */
};

/* NULL and `error`. */
struct call_group *call_group_create(const struct call_group_config *config, struct error *error);
/* With its calls. NULL is allowed. */
void call_group_destroy(struct call_group *group);

/* The microphone is on from now, if the plan has audio. */
void call_group_talk(struct call_group *group, nanos now);

/* The group owns the call from now on. False when out of memory: then it doesn't. */
bool call_group_add(struct call_group *group, struct call *call);
/* Gives a call back. */
void call_group_remove(struct call_group *group, struct call *call);

/* In the order in which they were added, `index` from 0; NULL past the last. */
struct call *call_group_at(const struct call_group *group, size_t index);

/* To be called after whatever was done to a call: sets the timer. */
void call_group_update(struct call_group *group);

#endif
