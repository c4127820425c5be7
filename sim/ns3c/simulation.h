/* The simulation: ns-3's event queue, our timers on it, and what all parts share. */
#ifndef CONFAB_SIM_NS3C_SIMULATION_H
#define CONFAB_SIM_NS3C_SIMULATION_H

#include <cstring>
#include <deque>
#include <memory>
#include <ns3/nstime.h>
#include <ns3/simulator-impl.h>
#include <vector>

extern "C" {
#include "base/nanos.h"
}
#include "sim/ns3c.h"
#include "sim/ns3c/address_map.h"
#include "sim/ns3c/packet.h"

struct ns3c_timer {
    ns3c_sim *sim;
    ns3c_timer_fired fired;
    void *context;
    size_t slot; /* 1-based place in the heap; 0: not set */
    ns3c_timer *next_free;
};

namespace ns3c
{

/* Fills `error`, which may be NULL, and returns false. */
bool fail(ns3c_error *error, ns3c_code code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Runs `body`, and turns what it throws (ns-3 and the standard library throw for want of memory) into a value. */
template <typename Result, typename Body> Result guarded(ns3c_error *error, Result otherwise, Body body) noexcept
{
    try {
        return body();
    } catch (...) {
        fail(error, NS3C_SYSTEM, "out of memory");
        return otherwise;
    }
}

/* 1 to 63 printable ASCII characters. */
bool check_name(const char *name, ns3c_error *error);

/* An address that a host may have, with port 0 unless `port_allowed`; `what` names it in the message. */
bool check_address(const ns3c_address *address, bool port_allowed, const char *what, ns3c_error *error);

/* The timers that are set, the earliest at hand. Unlike base's deadline_heap it keeps what it compares by in its own array:
 * with thousands of timers, looking into each on the way is what would cost. */
class TimerHeap
{
  public:
    ns3c_nanos first_at() const { return entries_.empty() ? NS3C_NEVER : entries_[0].at; }
    void set(ns3c_timer *timer, ns3c_nanos at);
    void remove(ns3c_timer *timer);
    /* Takes out the first that is due at `now`; NULL when none is. */
    ns3c_timer *pop_due(ns3c_nanos now);

  private:
    struct Entry {
        ns3c_nanos at;
        uint64_t order; /* of being set */
        ns3c_timer *timer;
        bool before(const Entry &other) const { return at < other.at || (at == other.at && order < other.order); }
    };
    void put(size_t slot, const Entry &entry);
    void rise(size_t slot, const Entry &entry);
    void sink(size_t slot, const Entry &entry);

    std::vector<Entry> entries_;
    uint64_t next_order_ = 0;
};

/* What a C program put into an enum, which may be anything; C++ may not even look at a value that is none of its own. */
template <typename Enum> int raw(const Enum &value)
{
    int number;
    static_assert(sizeof number == sizeof value, "an enum of C is an int");
    memcpy(&number, &value, sizeof number);
    return number;
}

/* An event that calls a member function whenever it is scheduled, which may be many times over: it is part of its owner
 * and never freed by ns-3. */
template <typename Owner, void (Owner::*Method)()> class MemberEvent final : public ns3::EventImpl
{
  public:
    explicit MemberEvent(Owner *owner) : owner_(owner) {}

  protected:
    void Notify() override { (owner_->*Method)(); }

  private:
    Owner *owner_;
};

} // namespace ns3c

struct ns3c_sim {
    explicit ns3c_sim(uint64_t seed);
    ~ns3c_sim();
    ns3c_sim(const ns3c_sim &) = delete;
    ns3c_sim &operator=(const ns3c_sim &) = delete;

    ns3c_nanos now() const { return impl->Now().GetTimeStep(); }
    /* `at` must not be past. ns-3 gives back one reference when the event has run. */
    void schedule(ns3c_nanos at, ns3::EventImpl *event)
    {
        event->Ref();
        impl->Schedule(ns3::Time(at - now()), event);
    }
    /* ns-3's objects that draw random numbers each take their streams from here, because those that ns-3 would choose
     * depend on what else ran in the process. */
    int64_t take_streams(int64_t count);

    void end_at(ns3c_nanos until, uint64_t run, uint64_t events);

    void fire_timers();
    void set_timer(ns3c_timer *timer, ns3c_nanos at);
    /* Makes sure that fire_timers runs when the first timer is due. */
    void arm_timers();

    ns3::Ptr<ns3::SimulatorImpl> impl;
    uint64_t seed;
    ns3c_counters counters{};
    bool running = false;
    bool stopped = false;
    uint64_t run_number = 0;
    uint64_t links = 0;               /* numbers them, for their seeds */
    uint32_t mtu_min = ns3c::MTU_MAX; /* of all attachments: ns-3's TCP does not negotiate its segment size */
    std::vector<uint8_t> tcp_bytes;   /* on their way to a receiver */

    ns3c::PacketPool packets;
    ns3c::AddressMap<ns3c_attachment> core; /* where each address of the core hangs on a site */
    std::vector<ns3c_router *> sites;
    std::vector<ns3c_nanos> site_delays; /* sites x sites */

    std::deque<std::unique_ptr<ns3c_router>> routers;
    std::deque<std::unique_ptr<ns3c_host>> hosts;
    std::deque<std::unique_ptr<ns3c_attachment>> attachments;
    std::vector<ns3c_capture *> captures;

  private:
    ns3c::TimerHeap timers_;
    ns3c_nanos tick_at_ = NS3C_NEVER; /* the earliest fire_timers that is scheduled */
    ns3c::MemberEvent<ns3c_sim, &ns3c_sim::fire_timers> tick_;
    int64_t next_stream_ = 1;
    bool firing_ = false;

  public:
    ns3c_timer *free_timers = nullptr;
    std::vector<std::unique_ptr<ns3c_timer[]>> timer_slabs;
};

#endif
