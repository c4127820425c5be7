#include "sim/ns3c/capture.h"

#include <algorithm>
#include <string>

#include "sim/ns3c/host.h"
#include "sim/ns3c/router.h"

using namespace ns3c;

static const uint64_t EPOCH_NS = UINT64_C(1000000000) * NS3C_EPOCH_UNIX_S;

enum { ETHERNET_HEADER = 14 };

/* How much to keep of a UDP payload: all of it, or `media_snap` bytes of what RFC 7983 takes for RTP (its first byte 128
 * to 191) and RFC 5761, section 4, not for RTCP (its second byte 192 to 223), be it in TURN ChannelData (RFC 8656,
 * section 12.4: channel 0x4000 to 0x4fff, length, data). */
static size_t kept_of(const uint8_t *payload, size_t len, size_t media_snap)
{
    size_t at = len > 4 && payload[0] >> 4 == 4 ? 4 : 0;
    bool media = len > at + 1 && payload[at] >= 128 && payload[at] <= 191 && (payload[at + 1] & 0xe0) != 192;
    return media ? std::min(len, at + media_snap) : len;
}

void Taps::write(const Packet *packet, bool outgoing, ns3c_nanos now) const
{
    size_t len = packet->view.len;
    for (const Tap &tap : taps_) {
        size_t kept = len;
        if (tap.capture->media_snap > 0 && packet->view.protocol == PROTOCOL_UDP)
            kept = len - packet->view.payload_len +
                   kept_of(packet->view.payload, packet->view.payload_len, tap.capture->media_snap);
        uint8_t frame[ETHERNET_HEADER + MTU_MAX] = {0x02,
                                                    0,
                                                    0,
                                                    static_cast<uint8_t>(tap.interface >> 16),
                                                    static_cast<uint8_t>(tap.interface >> 8),
                                                    static_cast<uint8_t>(tap.interface),
                                                    0x02,
                                                    0xff,
                                                    0xff,
                                                    0xff,
                                                    0xff,
                                                    0xff};
        if (outgoing)
            std::swap_ranges(frame, frame + 6, frame + 6);
        bool ipv6 = packet->view.src.family == 6;
        frame[12] = ipv6 ? 0x86 : 0x08;
        frame[13] = ipv6 ? 0xdd : 0x00;
        std::copy_n(packet->bytes(), kept, frame + ETHERNET_HEADER);
        pcapng_write(tap.capture->file, tap.interface, EPOCH_NS + static_cast<uint64_t>(now), frame,
                     ETHERNET_HEADER + kept, ETHERNET_HEADER + len);
    }
}

void Taps::add(ns3c_capture *capture, const char *name)
{
    taps_.reserve(taps_.size() + 1);
    capture->vantage_points.push_back(this);
    taps_.push_back({capture, pcapng_add_interface(capture->file, name, PCAPNG_ETHERNET, 0)});
}

void Taps::remove(const ns3c_capture *capture)
{
    taps_.erase(std::remove_if(taps_.begin(), taps_.end(), [&](const Tap &tap) { return tap.capture == capture; }),
                taps_.end());
}

extern "C" struct ns3c_capture *ns3c_capture_create(struct ns3c_sim *sim, const char *path, size_t media_snap,
                                                    const char *comment, struct ns3c_error *error)
{
    if (sim == nullptr || path == nullptr || path[0] == '\0') {
        fail(error, NS3C_INVALID, "a capture needs a simulation and a path");
        return nullptr;
    }
    return guarded(error, static_cast<ns3c_capture *>(nullptr), [&]() -> ns3c_capture * {
        std::unique_ptr<ns3c_capture> capture(new ns3c_capture{sim, nullptr, media_snap, {}});
        sim->captures.reserve(sim->captures.size() + 1);
        struct error why = {};
        capture->file = pcapng_create(path, comment, &why);
        if (capture->file == nullptr) {
            fail(error, NS3C_SYSTEM, "%.200s", why.text);
            return nullptr;
        }
        sim->captures.push_back(capture.get());
        return capture.release();
    });
}

extern "C" bool ns3c_capture_host(struct ns3c_capture *capture, struct ns3c_host *host, struct ns3c_error *error)
{
    if (capture == nullptr || host == nullptr || host->sim != capture->sim)
        return fail(error, NS3C_INVALID, "needs a capture and a host of the same simulation");
    return guarded(error, false, [&] { return host->taps.add(capture, host->name.c_str()), true; });
}

extern "C" bool ns3c_capture_router(struct ns3c_capture *capture, struct ns3c_router *router, enum ns3c_side side,
                                    struct ns3c_error *error)
{
    if (capture == nullptr || router == nullptr || router->sim != capture->sim)
        return fail(error, NS3C_INVALID, "needs a capture and a router of the same simulation");
    if (raw(side) != NS3C_INSIDE && raw(side) != NS3C_OUTSIDE)
        return fail(error, NS3C_INVALID, "the side must be NS3C_INSIDE or NS3C_OUTSIDE");
    if (side == NS3C_OUTSIDE && router->is_site())
        return fail(error, NS3C_INVALID, "'%s' is a site: it has no outside", router->name.c_str());
    return guarded(error, false, [&] {
        bool inside = side == NS3C_INSIDE;
        std::string name = router->name + (inside ? ":inside" : ":outside");
        (inside ? router->inside_taps : router->outside_taps).add(capture, name.c_str());
        return true;
    });
}

extern "C" bool ns3c_capture_close(struct ns3c_capture *capture, struct ns3c_error *error)
{
    if (capture == nullptr)
        return fail(error, NS3C_INVALID, "no capture given");
    for (Taps *taps : capture->vantage_points)
        taps->remove(capture);
    std::vector<ns3c_capture *> &all = capture->sim->captures;
    all.erase(std::remove(all.begin(), all.end(), capture), all.end());
    struct error why = {};
    bool ok = pcapng_close(capture->file, &why);
    delete capture;
    return ok || fail(error, NS3C_SYSTEM, "%.200s", why.text);
}
