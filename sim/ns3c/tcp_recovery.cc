#include "sim/ns3c/tcp_recovery.h"

#include <algorithm>
#include <ns3/tcp-socket-state.h>

namespace ns3c
{

NS_OBJECT_ENSURE_REGISTERED(Recovery);

ns3::TypeId Recovery::GetTypeId()
{
    static const ns3::TypeId type =
        ns3::TypeId("ns3c::Recovery").SetParent<ns3::TcpRecoveryOps>().AddConstructor<Recovery>();
    return type;
}

void Recovery::EnterRecovery(ns3::Ptr<ns3::TcpSocketState> state, uint32_t, uint32_t unacknowledged, uint32_t delivered)
{
    flight_ = std::max<int64_t>(unacknowledged, 1);
    delivered_ = sent_ = 0;
    DoRecovery(state, delivered);
}

/* RFC 6937, section 3, with its slow start reduction bound. */
void Recovery::DoRecovery(ns3::Ptr<ns3::TcpSocketState> state, uint32_t delivered)
{
    const int64_t target = state->m_ssThresh.Get();
    const int64_t in_flight = state->m_bytesInFlight.Get();
    const int64_t segment = state->m_segmentSize;
    delivered_ += delivered;
    int64_t room;
    if (in_flight > target)
        room = (delivered_ * target + flight_ - 1) / flight_ - sent_;
    else
        room = std::min(target - in_flight, std::max<int64_t>(delivered_ - sent_, delivered) + segment);
    /* What was found lost first is sent at once. */
    room = std::max(room, sent_ > 0 ? 0 : segment);
    state->m_cWnd = static_cast<uint32_t>(in_flight + room);
    state->m_cWndInfl = state->m_cWnd;
}

void Recovery::ExitRecovery(ns3::Ptr<ns3::TcpSocketState> state) { state->m_cWndInfl = state->m_cWnd; }

} // namespace ns3c
