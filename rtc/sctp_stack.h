/* usrsctp is one stack for the whole process: one table of associations, one queue of timers, one function that takes
 * what it sends. This file is the only one that knows; everything about it that is shared is in here.
 *
 * It runs without threads of its own (the one that usrsctp starts all the same sleeps until the end: it serves requests
 * that are never made here). Nothing in it may be called by two threads at once, not even for different associations,
 * since timers of one association run inside a call about another. So each call is made between sctp_stack_enter and
 * sctp_stack_leave, which hold one lock, and what an association is told or sends is only touched there. Several worker
 * threads may have associations; they wait for each other for the microseconds that a call takes.
 *
 * Time: usrsctp counts milliseconds that it is told have passed. Whoever enters tells the time, which runs the timers
 * that are due, whosever they are. All who take part at one time must therefore live in one world, with one clock. */
#ifndef CONFAB_RTC_SCTP_STACK_H
#define CONFAB_RTC_SCTP_STACK_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/nanos.h"

/* Takes a packet that is to be sent; called between enter and leave, perhaps by another thread. */
typedef void sctp_stack_output(void *user, const void *packet, size_t len);

/* Starts the stack when nobody else uses it. The number, from 1, is that of a place in the stack's network, by which it
 * tells its associations apart: an address of the family AF_CONN. 0 and `error` when out of memory. */
uint32_t sctp_stack_join(sctp_stack_output *output, void *user, nanos now, struct error *error);

/* Gives the number back, to be used again; the last one out ends the stack. Its sockets must be closed. */
void sctp_stack_quit(uint32_t number);

/* Takes the lock, and runs the timers that are due at `now`; with 0 none are. Not to be nested. */
void sctp_stack_enter(nanos now);
void sctp_stack_leave(void);

/* The address that the number stands for. */
static inline void *sctp_stack_address(uint32_t number)
{
    return (void *)(uintptr_t)number; // NOLINT(performance-no-int-to-ptr): usrsctp never follows it
}

#endif
