/* How TCP sends again what was lost: Proportional Rate Reduction (RFC 6937), in bytes. ns-3 3.37 has it, too, but forgets
 * what an acknowledgement allowed unless that was a whole segment. So a sender of small segments repaired one loss in each
 * round trip, and a call relayed over TCP stood still for a third of a second where a Wi-Fi lost five packets in a row. */
#ifndef CONFAB_SIM_NS3C_TCP_RECOVERY_H
#define CONFAB_SIM_NS3C_TCP_RECOVERY_H

#include <ns3/tcp-recovery-ops.h>

namespace ns3c
{

class Recovery final : public ns3::TcpRecoveryOps
{
  public:
    static ns3::TypeId GetTypeId();

    std::string GetName() const override { return "ns3c::Recovery"; }
    void EnterRecovery(ns3::Ptr<ns3::TcpSocketState> state, uint32_t duplicates, uint32_t unacknowledged,
                       uint32_t delivered) override;
    void DoRecovery(ns3::Ptr<ns3::TcpSocketState> state, uint32_t delivered) override;
    void ExitRecovery(ns3::Ptr<ns3::TcpSocketState> state) override;
    void UpdateBytesSent(uint32_t sent) override { sent_ += sent; }
    ns3::Ptr<ns3::TcpRecoveryOps> Fork() override { return ns3::CopyObject<Recovery>(this); }

  private:
    /* Bytes: in flight when it began; since then delivered and sent. */
    int64_t flight_ = 0;
    int64_t delivered_ = 0;
    int64_t sent_ = 0;
};

} // namespace ns3c

#endif
