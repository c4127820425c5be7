#include "rtc/sctp_stack.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <usrsctp.h>

/* Sockets that were closed are freed by timers of some 20 ms. */
enum { ENDING_STEP_MS = 100, ENDING_STEPS = 20 };

/* How finely usrsctp is told of time, as its own threads do: it walks all its timers each time, and every association
 * has one. */
enum { TICK_MS = 10 };

struct place {
    sctp_stack_output *output; /* NULL: free */
    void *user;
    uint32_t next_free; /* the number of another free one; 0: none */
};

/* The one global of this floor: usrsctp's own state can't be had twice. Everything in it is under the lock. */
static struct {
    pthread_mutex_t lock;
    bool running;
    struct place *places; /* [number - 1] */
    uint32_t place_count; /* an address, once registered, stays so until the end */
    uint32_t place_cap;
    uint32_t first_free;
    uint32_t users;
    nanos origin;
    int64_t told_ms; /* how much time has passed since then, as usrsctp knows */
} stack = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int take_output(void *address, void *packet, size_t len, uint8_t type_of_service, uint8_t dont_fragment)
{
    uintptr_t number = (uintptr_t)address;
    (void)type_of_service, (void)dont_fragment;
    if (number >= 1 && number <= stack.place_count && stack.places[number - 1].output != NULL)
        stack.places[number - 1].output(stack.places[number - 1].user, packet, len);
    return 0;
}

static void start(nanos now)
{
    usrsctp_init_nothreads(0, take_output, NULL);
    usrsctp_sysctl_set_sctp_blackhole(2); /* no word to packets that belong to no association */
    /* There is one path, and DTLS looks after authenticity (RFC 8831, section 5); losses are no congestion marks. */
    usrsctp_sysctl_set_sctp_ecn_enable(0);
    usrsctp_sysctl_set_sctp_asconf_enable(0);
    usrsctp_sysctl_set_sctp_auth_enable(0);
    usrsctp_sysctl_set_sctp_nrsack_enable(0);
    usrsctp_sysctl_set_sctp_pktdrop_enable(0);
    stack.running = true;
    stack.origin = now;
    stack.told_ms = 0;
}

/* When usrsctp can't end yet it goes on, and is simply used again. */
static void end(void)
{
    bool ended = usrsctp_finish() == 0;
    for (int step = 0; step < ENDING_STEPS && !ended; step++) {
        usrsctp_handle_timers(ENDING_STEP_MS);
        stack.told_ms += ENDING_STEP_MS;
        ended = usrsctp_finish() == 0;
    }
    if (!ended)
        return;
    free(stack.places);
    stack.places = NULL;
    stack.place_count = stack.place_cap = stack.first_free = 0;
    stack.running = false;
}

static uint32_t take_place(void)
{
    uint32_t number = stack.first_free;
    if (number != 0) {
        stack.first_free = stack.places[number - 1].next_free;
        return number;
    }
    if (stack.place_count == stack.place_cap) {
        uint32_t cap = stack.place_cap == 0 ? 8 : 2 * stack.place_cap;
        struct place *grown = realloc(stack.places, cap * sizeof *grown);
        if (grown == NULL)
            return 0;
        stack.places = grown;
        stack.place_cap = cap;
    }
    usrsctp_register_address(sctp_stack_address(++stack.place_count));
    return stack.place_count;
}

uint32_t sctp_stack_join(sctp_stack_output *output, void *user, nanos now, struct error *error)
{
    pthread_mutex_lock(&stack.lock);
    if (!stack.running)
        start(now);
    else if (stack.users == 0)
        stack.origin = now - stack.told_ms * NANOS_PER_MS;
    uint32_t number = take_place();
    if (number != 0) {
        stack.places[number - 1] = (struct place){.output = output, .user = user};
        stack.users++;
    } else {
        error_set(error, ERROR_SYSTEM, "SCTP: out of memory");
    }
    pthread_mutex_unlock(&stack.lock);
    return number;
}

void sctp_stack_quit(uint32_t number)
{
    pthread_mutex_lock(&stack.lock);
    stack.places[number - 1] = (struct place){.next_free = stack.first_free};
    stack.first_free = number;
    if (--stack.users == 0)
        end();
    pthread_mutex_unlock(&stack.lock);
}

void sctp_stack_enter(nanos now)
{
    pthread_mutex_lock(&stack.lock);
    int64_t passed_ms = (now - stack.origin) / (TICK_MS * NANOS_PER_MS) * TICK_MS;
    if (passed_ms > stack.told_ms) {
        usrsctp_handle_timers((uint32_t)(passed_ms - stack.told_ms));
        stack.told_ms = passed_ms;
    }
}

void sctp_stack_leave(void) { pthread_mutex_unlock(&stack.lock); }
