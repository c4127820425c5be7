#include "bench/stock_network.h"

#include <ctime>
#include <functional>
#include <ns3/data-rate.h>
#include <ns3/drop-tail-queue.h>
#include <ns3/inet-socket-address.h>
#include <ns3/internet-stack-helper.h>
#include <ns3/ipv4-static-routing-helper.h>
#include <ns3/ipv4-static-routing.h>
#include <ns3/mac48-address.h>
#include <ns3/node.h>
#include <ns3/point-to-point-channel.h>
#include <ns3/point-to-point-net-device.h>
#include <ns3/queue-size.h>
#include <ns3/simulator.h>
#include <ns3/udp-socket-factory.h>
#include <vector>

using ns3::Ptr;

static double cpu_s()
{
    timespec at;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at);
    return static_cast<double>(at.tv_sec) + static_cast<double>(at.tv_nsec) / 1e9;
}

static Ptr<ns3::PointToPointNetDevice> add_device(const Ptr<ns3::Node> &node, const star &star)
{
    Ptr<ns3::PointToPointNetDevice> device = ns3::CreateObject<ns3::PointToPointNetDevice>();
    device->SetAddress(ns3::Mac48Address::Allocate());
    device->SetDataRate(ns3::DataRate(static_cast<uint64_t>(star.rate_bps)));
    node->AddDevice(device);
    ns3::QueueSize limit(ns3::QueueSizeUnit::BYTES, static_cast<uint32_t>(star.queue_bytes));
    Ptr<ns3::Queue<ns3::Packet>> queue =
        ns3::CreateObjectWithAttributes<ns3::DropTailQueue<ns3::Packet>>("MaxSize", ns3::QueueSizeValue(limit));
    device->SetQueue(queue);
    return device;
}

static uint32_t add_interface(const Ptr<ns3::Node> &node, const Ptr<ns3::NetDevice> &device, ns3::Ipv4Address address)
{
    Ptr<ns3::Ipv4> ipv4 = node->GetObject<ns3::Ipv4>();
    uint32_t interface = ipv4->AddInterface(device);
    ipv4->AddAddress(interface, ns3::Ipv4InterfaceAddress(address, ns3::Ipv4Mask("255.255.255.252")));
    ipv4->SetUp(interface);
    return interface;
}

extern "C" star_cost stock_network_run(const star *config)
{
    const star &star = *config;
    ns3::ObjectFactory scheduler;
    scheduler.SetTypeId("ns3::PriorityQueueScheduler");
    ns3::Simulator::SetScheduler(scheduler);
    ns3::InternetStackHelper stack;
    stack.SetRoutingHelper(ns3::Ipv4StaticRoutingHelper());
    stack.SetIpv6StackInstall(false);
    Ptr<ns3::Node> router = ns3::CreateObject<ns3::Node>();
    stack.Install(router);
    star_cost cost = {0, 0};
    std::vector<Ptr<ns3::Socket>> sockets;
    std::vector<ns3::Ipv4Address> addresses;
    for (size_t i = 0; i < star.hosts; i++) {
        Ptr<ns3::Node> host = ns3::CreateObject<ns3::Node>();
        stack.Install(host);
        Ptr<ns3::PointToPointNetDevice> below = add_device(host, star);
        Ptr<ns3::PointToPointNetDevice> above = add_device(router, star);
        Ptr<ns3::PointToPointChannel> channel = ns3::CreateObject<ns3::PointToPointChannel>();
        channel->SetAttribute("Delay", ns3::TimeValue(ns3::NanoSeconds(star.delay_ns)));
        below->Attach(channel);
        above->Attach(channel);
        /* A /30 for each link; the router has a route for each from its interfaces. */
        auto net = static_cast<uint32_t>(0x0a000000 + i * 4);
        addresses.emplace_back(net + 1);
        uint32_t interface = add_interface(host, below, addresses.back());
        add_interface(router, above, ns3::Ipv4Address(net + 2));
        ns3::Ipv4StaticRoutingHelper()
            .GetStaticRouting(host->GetObject<ns3::Ipv4>())
            ->SetDefaultRoute(ns3::Ipv4Address(net + 2), interface);
        Ptr<ns3::Socket> socket = ns3::Socket::CreateSocket(host, ns3::UdpSocketFactory::GetTypeId());
        socket->Bind(ns3::InetSocketAddress(addresses.back(), 9));
        socket->SetRecvCallback(ns3::Callback<void, Ptr<ns3::Socket>>([&cost](Ptr<ns3::Socket> from) {
            while (from->Recv() != nullptr)
                cost.received++;
        }));
        sockets.push_back(socket);
    }
    uint64_t left = star.datagrams;
    std::function<void(size_t)> send = [&](size_t i) {
        if (left == 0)
            return;
        left--;
        size_t to = (i + star.hosts / 2) % star.hosts;
        sockets[i]->SendTo(ns3::Create<ns3::Packet>(static_cast<uint32_t>(star.datagram_bytes)), 0,
                           ns3::InetSocketAddress(addresses[to], 9));
        ns3::Simulator::Schedule(ns3::NanoSeconds(star.interval_ns), [&send, i] { send(i); });
    };
    for (size_t i = 0; i < star.hosts; i++)
        ns3::Simulator::Schedule(
            ns3::NanoSeconds(star.interval_ns * static_cast<int64_t>(i) / static_cast<int64_t>(star.hosts)),
            [&send, i] { send(i); });
    double start = cpu_s();
    ns3::Simulator::Run();
    cost.cpu_s = cpu_s() - start;
    sockets.clear();
    router = nullptr;
    ns3::Simulator::Destroy();
    return cost;
}
