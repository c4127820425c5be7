/* Virtual time for libraries that read the clock themselves. OpenSSL's DTLS timer and usrsctp call gettimeofday and
 * time through the dynamic symbol table, so the definitions in this file, being in the executable, come before the C
 * library's. While a virtual clock is installed they answer from it; otherwise they tell the real time.
 *
 * clock_gettime is left alone: nothing that decides what is sent calls it, and measurements of real time need it. */
#ifndef CONFAB_SIM_VIRTUAL_CLOCK_H
#define CONFAB_SIM_VIRTUAL_CLOCK_H

#include "base/nanos.h"
#include "sim/ns3c.h"

/* What the wall clock says at virtual time 0: what captures say, so that certificates, sender reports and TURN's
 * credentials in them agree with when they were sent. */
#define VIRTUAL_CLOCK_EPOCH_UNIX_S NS3C_EPOCH_UNIX_S

/* From now on, in this thread, the wall clock stands at the epoch plus what `now(user)` says at each reading. */
void virtual_clock_install(nanos (*now)(void *user), void *user);

void virtual_clock_remove(void);

#endif
