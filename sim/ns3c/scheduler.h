/* ns-3's event queue: a heap with four branches that fetches what its next events will touch into the cache meanwhile.
 * With thousands of hosts that is what a packet costs most: each event is about another one, long gone from the cache. */
#ifndef CONFAB_SIM_NS3C_SCHEDULER_H
#define CONFAB_SIM_NS3C_SCHEDULER_H

#include <ns3/scheduler.h>
#include <vector>

namespace ns3c
{

class Scheduler final : public ns3::Scheduler
{
  public:
    static ns3::TypeId GetTypeId();

    void Insert(const Event &event) override;
    bool IsEmpty() const override { return entries_.empty(); }
    Event PeekNext() const override { return entries_[0].event(); }
    Event RemoveNext() override;
    /* Looks through all of them; ns-3 cancels events instead wherever it matters. */
    void Remove(const Event &event) override;

  private:
    /* As Event, but copied piece by piece: an Event just written that is read in a larger piece waits until the processor
     * has got rid of all it had to write before, and that is a packet. */
    struct Entry {
        uint64_t at;
        ns3::EventImpl *impl;
        uint32_t uid, context;
        bool before(const Entry &other) const { return at < other.at || (at == other.at && uid < other.uid); }
        Event event() const { return {impl, {at, uid, context}}; }
    };

    void put(size_t slot, const Entry &entry);
    void rise(size_t slot, const Entry &entry);
    void sink(size_t slot, const Entry &entry);

    std::vector<Entry> entries_;
};

} // namespace ns3c

#endif
