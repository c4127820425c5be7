#include "sim/ns3c/scheduler.h"

#include <algorithm>
#include <typeinfo>

#include "sim/ns3c/attachment.h"
#include "sim/ns3c/host.h"

namespace ns3c
{

enum { BRANCHES = 4 };
/* The last slots of the levels below the top. */
enum { LEVEL_1 = 4, LEVEL_2 = LEVEL_1 + 16, LEVEL_3 = LEVEL_2 + 64 };

NS_OBJECT_ENSURE_REGISTERED(Scheduler);

ns3::TypeId Scheduler::GetTypeId()
{
    static const ns3::TypeId type =
        ns3::TypeId("ns3c::Scheduler").SetParent<ns3::Scheduler>().AddConstructor<Scheduler>();
    return type;
}

/* An event has come to a place near the top, which it reaches a level at a time: first the packet itself, which is the
 * event; then where it goes, which is a link or a host; then the host's table of sockets. */
static void warm(size_t slot, const ns3::EventImpl *event)
{
    if (slot > LEVEL_2) {
        fetch(event, 3 * LINE);
        return;
    }
    if (typeid(*event) != typeid(Packet))
        return;
    const auto *packet = static_cast<const Packet *>(event);
    const ns3c_attachment *where = packet->where;
    bool to_host = packet->stage == Stage::AT_CHILD;
    if (slot > LEVEL_1 && to_host)
        fetch(where, LINE);
    else if (slot > LEVEL_1)
        where->down.expect();
    else if (to_host && where->host != nullptr && slot > 0)
        fetch(where->host, 2 * LINE);
    else if (to_host && where->host != nullptr)
        where->host->expect();
}

void Scheduler::put(size_t slot, const Entry &entry)
{
    entries_[slot] = entry;
    if (slot <= LEVEL_3)
        warm(slot, entry.impl);
}

void Scheduler::rise(size_t slot, const Entry &entry)
{
    while (slot > 0) {
        size_t above = (slot - 1) / BRANCHES;
        if (!entry.before(entries_[above]))
            break;
        entries_[slot] = entries_[above];
        slot = above;
    }
    entries_[slot] = entry;
}

void Scheduler::sink(size_t slot, const Entry &entry)
{
    size_t count = entries_.size();
    for (;;) {
        size_t first = slot * BRANCHES + 1;
        if (first >= count)
            break;
        size_t least = first;
        for (size_t i = first + 1; i < std::min(first + BRANCHES, count); i++)
            least = entries_[i].before(entries_[least]) ? i : least;
        if (!entries_[least].before(entry))
            break;
        put(slot, entries_[least]);
        slot = least;
    }
    put(slot, entry);
}

void Scheduler::Insert(const Event &event)
{
    const Entry entry{event.key.m_ts, event.impl, event.key.m_uid, event.key.m_context};
    entries_.emplace_back();
    rise(entries_.size() - 1, entry);
}

ns3::Scheduler::Event Scheduler::RemoveNext()
{
    Event next = entries_[0].event();
    Entry last = entries_.back();
    entries_.pop_back();
    if (!entries_.empty())
        sink(0, last);
    return next;
}

void Scheduler::Remove(const Event &event)
{
    size_t slot = 0;
    while (slot < entries_.size() && entries_[slot].uid != event.key.m_uid)
        slot++;
    if (slot == entries_.size())
        return;
    Entry last = entries_.back();
    entries_.pop_back();
    if (slot == entries_.size())
        return;
    if (last.before(entries_[slot]))
        rise(slot, last);
    else
        sink(slot, last);
}

} // namespace ns3c
