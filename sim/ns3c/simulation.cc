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
    scheduler.SetTypeId("ns3::PriorityQueueScheduler");
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
    deadline_heap_clear(&timers_);
}

int64_t ns3c_sim::take_streams(int64_t count)
{
    int64_t first = next_stream_;
    next_stream_ += count;
    return first;
}

/* --- timers: a heap of our own, of which ns-3 knows only the first -------------------------------------------------
 * A timer that is set again and again would leave a dead event in ns-3's queue each time: its Cancel only marks them. */

void ns3c_sim::arm_timers()
{
    ns3c_nanos at = deadline_heap_at(&timers_);
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
    while (!stopped) {
        struct deadline *due = deadline_heap_pop_due(&timers_, time);
        if (due == nullptr)
            break;
        auto *timer = static_cast<ns3c_timer *>(due->owner);
        timer->fired(timer->context, time);
    }
    arm_timers();
}

void ns3c_sim::set_timer(ns3c_timer *timer, ns3c_nanos at)
{
    deadline_heap_set(&timers_, &timer->deadline, at == NS3C_NEVER ? NANOS_NEVER : nanos_max(at, now()));
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
    timer->deadline.owner = timer;
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
    uint64_t run = ++sim->run_number;
    bool ok = guarded(error, false, [&] {
        sim->arm_timers();
        /* A run that was stopped early leaves this behind; then it must not stop a later one. */
        ns3::Simulator::Schedule(ns3::Time(until - sim->now()), [sim, run] {
            if (sim->run_number == run)
                sim->impl->Stop();
        });
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
