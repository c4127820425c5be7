#include "sim/ns3c/simulation.h"

#include <arpa/inet.h>
#include <cstdarg>
#include <cstdio>
#include <new>
#include <ns3/boolean.h>
#include <ns3/global-value.h>
#include <ns3/object-factory.h>
#include <ns3/rng-seed-manager.h>
#include <ns3/scheduler.h>
#include <ns3/simulator.h>

extern "C" {
#include "base/address.h"
}
#include "sim/ns3c/attachment.h"
#include "sim/ns3c/capture.h"
#include "sim/ns3c/host.h"
#include "sim/ns3c/router.h"
#include "sim/ns3c/scheduler.h"

using namespace ns3c;

/* ns-3's state is global, so one at a time. */
static ns3c_sim *the_simulation;

namespace ns3c
{

bool fail(ns3c_error *error, ns3c_code code, const char *format, ...)
{
    if (error != nullptr) {
        va_list arguments;
        va_start(arguments, format);
        error->code = code;
        vsnprintf(error->text, sizeof error->text, format, arguments);
        va_end(arguments);
    }
    return false;
}

bool check_name(const char *name, ns3c_error *error)
{
    size_t len = name != nullptr ? strnlen(name, 64) : 0;
    bool printable = len >= 1 && len <= 63;
    for (size_t i = 0; printable && i < len; i++)
        printable = name[i] >= ' ' && name[i] <= '~';
    return printable || fail(error, NS3C_INVALID, "a name must be 1 to 63 printable ASCII characters");
}

bool check_address(const ns3c_address *address, bool port_allowed, const char *what, ns3c_error *error)
{
    if (address == nullptr)
        return fail(error, NS3C_INVALID, "%s: no address given", what);
    if (address->family != 4 && address->family != 6)
        return fail(error, NS3C_INVALID, "%s: the family must be 4 or 6, not %d", what, address->family);
    if (!port_allowed && address->port != 0)
        return fail(error, NS3C_INVALID, "%s: the port must be 0", what);
    static const uint8_t zeros[16] = {};
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    const uint8_t *ip = address->ip;
    if (address->zero != 0 || (address->family == 4 && memcmp(ip + 4, zeros, 12) != 0))
        return fail(error, NS3C_INVALID, "%s: bytes that are not used must be zero", what);
    bool bad = address->family == 4 ? ip[0] == 0 || ip[0] == 127 || ip[0] >= 224
                                    : ip[0] == 0xff || memcmp(ip, zeros, 15) == 0 || memcmp(ip, mapped, 12) == 0;
    return !bad || fail(error, NS3C_INVALID, "%s: not an address that a host may have", what);
}

} // namespace ns3c

ns3c_sim::ns3c_sim(uint64_t seed) : seed(seed), packets(this), tick_(this)
{
    ns3::ObjectFactory scheduler;
    scheduler.SetTypeId(Scheduler::GetTypeId());
    ns3::Simulator::SetScheduler(scheduler);
    impl = ns3::Simulator::GetImplementation();
    /* ns-3 takes seeds of 1 to 4294944442. */
    ns3::RngSeedManager::SetSeed(static_cast<uint32_t>(1 + seed % 4294944442u));
    ns3::RngSeedManager::SetRun(seed / 4294944442u);
    ns3::GlobalValue::Bind("ChecksumEnabled", ns3::BooleanValue(true));
}

ns3c_sim::~ns3c_sim()
{
    while (!captures.empty())
        ns3c_capture_close(captures.back(), nullptr);
    for (auto &host : hosts)
        host->close_all();
    for (auto &attachment : attachments)
        attachment->detach();
    impl = nullptr;
    /* Drops the events still queued and disposes of nodes and channels; only then may what they point to go. */
    ns3::Simulator::Destroy();
    ns3::GlobalValue::Bind("ChecksumEnabled", ns3::BooleanValue(false));
}

int64_t ns3c_sim::take_streams(int64_t count)
{
    int64_t first = next_stream_;
    next_stream_ += count;
    return first;
}

/* Ends the run when everything that is due at `until` is done, also what that brings about at the same instant: when
 * nothing has run since the last look, at which there had been `events`. */
void ns3c_sim::end_at(ns3c_nanos until, uint64_t run, uint64_t events)
{
    ns3::Simulator::Schedule(ns3::Time(until - now()), [this, until, run, events] {
        if (run_number != run)
            return; /* left behind by a run that was stopped early */
        if (impl->GetEventCount() == events + 1)
            impl->Stop();
        else
            end_at(until, run, impl->GetEventCount());
    });
}

/* --- timers: a heap of our own, of which ns-3 knows only the first -------------------------------------------------
 * A timer that is set again and again would leave a dead event in ns-3's queue each time: its Cancel only marks them. */

void TimerHeap::put(size_t slot, const Entry &entry)
{
    entries_[slot] = entry;
    entry.timer->slot = slot + 1;
}

void TimerHeap::rise(size_t slot, const Entry &entry)
{
    while (slot > 0 && entry.before(entries_[(slot - 1) / 2])) {
        put(slot, entries_[(slot - 1) / 2]);
        slot = (slot - 1) / 2;
    }
    put(slot, entry);
}

void TimerHeap::sink(size_t slot, const Entry &entry)
{
    for (;;) {
        size_t child = 2 * slot + 1;
        if (child + 1 < entries_.size() && entries_[child + 1].before(entries_[child]))
            child++;
        if (child >= entries_.size() || entry.before(entries_[child]))
            break;
        put(slot, entries_[child]);
        slot = child;
    }
    put(slot, entry);
}

void TimerHeap::set(ns3c_timer *timer, ns3c_nanos at)
{
    Entry entry = {at, next_order_++, timer};
    if (timer->slot == 0) {
        entries_.push_back(entry);
        rise(entries_.size() - 1, entry);
    } else if (entry.before(entries_[timer->slot - 1])) {
        rise(timer->slot - 1, entry);
    } else {
        sink(timer->slot - 1, entry);
    }
}

void TimerHeap::remove(ns3c_timer *timer)
{
    if (timer->slot == 0)
        return;
    size_t slot = timer->slot - 1;
    timer->slot = 0;
    Entry last = entries_.back();
    entries_.pop_back();
    if (last.timer == timer)
        return;
    if (slot > 0 && last.before(entries_[(slot - 1) / 2]))
        rise(slot, last);
    else
        sink(slot, last);
}

ns3c_timer *TimerHeap::pop_due(ns3c_nanos now)
{
    if (first_at() > now || entries_.empty())
        return nullptr;
    ns3c_timer *timer = entries_[0].timer;
    remove(timer);
    return timer;
}

void ns3c_sim::arm_timers()
{
    ns3c_nanos at = timers_.first_at();
    if (at >= tick_at_)
        return;
    tick_at_ = nanos_max(at, now());
    schedule(tick_at_, &tick_);
}

void ns3c_sim::fire_timers()
{
    ns3c_nanos time = now();
    if (tick_at_ == time)
        tick_at_ = NS3C_NEVER;
    firing_ = true;
    while (!stopped) {
        ns3c_timer *timer = timers_.pop_due(time);
        if (timer == nullptr)
            break;
        timer->fired(timer->context, time);
    }
    firing_ = false;
    arm_timers();
}

void ns3c_sim::set_timer(ns3c_timer *timer, ns3c_nanos at)
{
    if (at == NS3C_NEVER)
        timers_.remove(timer);
    else
        timers_.set(timer, nanos_max(at, now()));
    if (!firing_) /* then it is armed once, when all are done */
        arm_timers();
}

extern "C" struct ns3c_timer *ns3c_timer_create(struct ns3c_sim *sim, ns3c_timer_fired fired, void *context)
{
    if (sim == nullptr || fired == nullptr)
        return nullptr;
    if (sim->free_timers == nullptr) {
        enum { SLAB = 256 };
        auto *slab = new (std::nothrow) ns3c_timer[SLAB]();
        if (slab == nullptr)
            return nullptr;
        sim->timer_slabs.emplace_back(slab);
        for (size_t i = SLAB; i-- > 0;) {
            slab[i].next_free = sim->free_timers;
            sim->free_timers = &slab[i];
        }
    }
    ns3c_timer *timer = sim->free_timers;
    sim->free_timers = timer->next_free;
    *timer = ns3c_timer{};
    timer->sim = sim;
    timer->fired = fired;
    timer->context = context;
    return timer;
}

extern "C" void ns3c_timer_set(struct ns3c_timer *timer, ns3c_nanos at)
{
    if (timer != nullptr)
        guarded(nullptr, 0, [&] { return timer->sim->set_timer(timer, at), 0; });
}

extern "C" void ns3c_timer_destroy(struct ns3c_timer *timer)
{
    if (timer == nullptr)
        return;
    timer->sim->set_timer(timer, NS3C_NEVER);
    timer->next_free = timer->sim->free_timers;
    timer->sim->free_timers = timer;
}

/* --- the simulation ---------------------------------------------------------------------------------------------------- */

extern "C" struct ns3c_sim *ns3c_create(uint64_t seed, struct ns3c_error *error)
{
    if (the_simulation != nullptr) {
        fail(error, NS3C_BUSY, "there is a simulation already: ns-3 can do one at a time");
        return nullptr;
    }
    return guarded(error, static_cast<ns3c_sim *>(nullptr), [&] { return the_simulation = new ns3c_sim(seed); });
}

extern "C" void ns3c_destroy(struct ns3c_sim *sim)
{
    if (sim == nullptr || sim->running)
        return;
    guarded(nullptr, 0, [&] { return delete sim, 0; });
    the_simulation = nullptr;
}

extern "C" ns3c_nanos ns3c_now(const struct ns3c_sim *sim) { return sim != nullptr ? sim->now() : 0; }

extern "C" bool ns3c_run_until(struct ns3c_sim *sim, ns3c_nanos until, struct ns3c_error *error)
{
    if (sim == nullptr)
        return fail(error, NS3C_INVALID, "no simulation given");
    if (sim->running)
        return fail(error, NS3C_INVALID, "the simulation is running: a callback can't run it");
    if (until < sim->now() || until > INT64_MAX / 2)
        return fail(error, NS3C_INVALID, "can't run until %lld ns: it is %lld ns now", static_cast<long long>(until),
                    static_cast<long long>(sim->now()));
    sim->running = true;
    sim->stopped = false;
    bool ok = guarded(error, false, [&] {
        sim->arm_timers();
        sim->end_at(until, ++sim->run_number, 0);
        ns3::Simulator::Run(); /* not the implementation's: this also ends ns-3's bookkeeping of every Time there is */
        return true;
    });
    sim->running = false;
    return ok;
}

extern "C" void ns3c_stop(struct ns3c_sim *sim)
{
    if (sim == nullptr || !sim->running)
        return;
    sim->stopped = true;
    sim->impl->Stop();
}

extern "C" void ns3c_count(const struct ns3c_sim *sim, struct ns3c_counters *counters)
{
    if (sim == nullptr || counters == nullptr)
        return;
    *counters = sim->counters;
    counters->events = sim->impl->GetEventCount();
    counters->packet_buffers = sim->packets.count();
}

extern "C" bool ns3c_address_parse(struct ns3c_address *address, const char *text, struct ns3c_error *error)
{
    static_assert(sizeof(ns3c_address) == sizeof(struct address) &&
                      offsetof(ns3c_address, ip) == offsetof(struct address, ip) &&
                      offsetof(ns3c_address, port) == offsetof(struct address, port),
                  "one layout");
    struct address parsed;
    if (address == nullptr || text == nullptr || !address_parse(&parsed, text))
        return fail(error, NS3C_INVALID, "'%.60s' is not an IPv4 or IPv6 address", text != nullptr ? text : "");
    memcpy(address, &parsed, sizeof *address);
    return true;
}
