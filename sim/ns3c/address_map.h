/* A hash table from an address, with its port or without, to a pointer: open addressing with linear probing, so that a
 * look-up is one or two cache lines however many entries there are. Entries leave no tombstones. */
#ifndef CONFAB_SIM_NS3C_ADDRESS_MAP_H
#define CONFAB_SIM_NS3C_ADDRESS_MAP_H

#include <cstdint>
#include <cstring>
#include <vector>

#include "sim/ns3c.h"

namespace ns3c
{

struct AddressKey {
    uint64_t high;
    uint64_t low;
    uint32_t port;
    bool operator==(const AddressKey &other) const
    {
        return low == other.low && high == other.high && port == other.port;
    }
};

/* IPv4 addresses are keyed as IPv4-mapped IPv6 addresses, which no host may have as its own. */
inline AddressKey key_of_ip(const ns3c_address &address)
{
    AddressKey key{0, 0, 0};
    if (address.family == 4) {
        uint32_t ip;
        std::memcpy(&ip, address.ip, sizeof ip);
        key.low = uint64_t{0xffff} << 32 | ip;
    } else {
        std::memcpy(&key.high, address.ip, sizeof key.high);
        std::memcpy(&key.low, address.ip + 8, sizeof key.low);
    }
    return key;
}

inline AddressKey key_of_socket(const ns3c_address &address)
{
    AddressKey key = key_of_ip(address);
    key.port = address.port;
    return key;
}

template <typename T> class AddressMap
{
  public:
    T *find(const AddressKey &key) const
    {
        if (count_ == 0)
            return nullptr;
        for (size_t i = home(key);; i = (i + 1) & mask()) {
            const Entry &entry = entries_[i];
            if (entry.value == nullptr || entry.key == key)
                return entry.value;
        }
    }

    /* It is about to be asked for this one. */
    void expect(const AddressKey &key) const
    {
        if (count_ > 0)
            __builtin_prefetch(&entries_[home(key)]);
    }

    /* False, and nothing changed, when the key is there already. */
    bool insert(const AddressKey &key, T *value)
    {
        if (find(key) != nullptr)
            return false;
        if ((count_ + 1) * 2 > entries_.size())
            grow();
        place(key, value);
        count_++;
        return true;
    }

    void erase(const AddressKey &key)
    {
        if (find(key) == nullptr)
            return;
        size_t hole = home(key);
        while (!(entries_[hole].key == key))
            hole = (hole + 1) & mask();
        /* Move back whatever behind the hole would no longer be found across it. */
        for (size_t i = (hole + 1) & mask(); entries_[i].value != nullptr; i = (i + 1) & mask()) {
            size_t distance = (i - home(entries_[i].key)) & mask();
            if (distance >= ((i - hole) & mask())) {
                entries_[hole] = entries_[i];
                hole = i;
            }
        }
        entries_[hole].value = nullptr;
        count_--;
    }

  private:
    struct Entry {
        AddressKey key;
        T *value;
    };

    size_t mask() const { return entries_.size() - 1; }

    size_t home(const AddressKey &key) const
    {
        uint64_t h = (key.high ^ key.port) * 0x9e3779b97f4a7c15u ^ key.low * 0xc2b2ae3d27d4eb4fu;
        h ^= h >> 29;
        h *= 0xbf58476d1ce4e5b9u;
        return (h ^ h >> 32) & mask();
    }

    void place(const AddressKey &key, T *value)
    {
        size_t i = home(key);
        while (entries_[i].value != nullptr)
            i = (i + 1) & mask();
        entries_[i] = Entry{key, value};
    }

    void grow()
    {
        std::vector<Entry> old(entries_.empty() ? 8 : entries_.size() * 2, Entry{{0, 0, 0}, nullptr});
        old.swap(entries_);
        for (const Entry &entry : old)
            if (entry.value != nullptr)
                place(entry.key, entry.value);
    }

    std::vector<Entry> entries_;
    size_t count_ = 0;
};

} // namespace ns3c

#endif
