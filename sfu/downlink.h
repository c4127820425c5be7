/* Shares what a participant's downlink carries among what it receives. */
#ifndef CONFAB_SFU_DOWNLINK_H
#define CONFAB_SFU_DOWNLINK_H

#include "base/nanos.h"

struct sfu_participant;

/* Chooses a layer of each video. Returns when to do that again if nothing happens before. */
nanos downlink_share(struct sfu_participant *participant, nanos now);

#endif
