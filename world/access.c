#include "world/access.h"

#include <string.h>

#define MS NANOS_PER_MS
#define KBPS ((int64_t)1000)
#define MBPS ((int64_t)1000000)

/* A drop-tail queue that takes so long to drain at the link's rate. RFC 8867 has 300 ms in its recommended path
 * (section 4.2) and 300 or 1,000 ms for media against a long TCP flow (section 5.6). */
#define RATE_AND_QUEUE(rate, queue_ms) .rate_bps = (rate), .queue_bytes = (rate) / 8 * (queue_ms) / 1000

/* Layer 2, for each packet: Ethernet's header and checksum, IEEE 802.3; with preamble and gap on a LAN; PPPoE, RFC
 * 2516; the DOCSIS MAC header. */
enum {
    ETHERNET = 18,
    ETHERNET_ON_THE_WIRE = 38,
    ETHERNET_AND_PPPOE = ETHERNET + 8,
    ETHERNET_AND_DOCSIS = ETHERNET + 6
};

/* Latencies that others measured are round trips to a server near by: half of one is a link's delay. What nobody
 * publishes is marked as chosen. */
static const struct access_preset presets[] = {
    {.name = "ideal", .source = "infinitely fast, no delay, no loss: the network as it never is"},

    {.name = "lan",
     .source = "IEEE 802.3ab gigabit Ethernet; 0.1 ms one way and a queue of 10 ms chosen",
     .up = {RATE_AND_QUEUE(1000 * MBPS, 10), .delay = MS / 10, .overhead_bytes = ETHERNET_ON_THE_WIRE},
     .down = {RATE_AND_QUEUE(1000 * MBPS, 10), .delay = MS / 10, .overhead_bytes = ETHERNET_ON_THE_WIRE}},

    /* Loss of the fixed lines: chosen well inside the class below 0.4 % that the FCC's reports (Measuring Fixed
     * Broadband, chart 8) find nearly all subscribers in. */
    {.name = "cable",
     .source =
         "100/20 Mbit/s: FCC broadband benchmark 2024 (FCC 24-27); RTT 28 ms: FCC Measuring Broadband America 2011, "
         "as in WebPageTest's Cable profile; queue 300 ms: RFC 8867; jitter 2 ms (DOCSIS request and grant) and "
         "loss 0.05 % chosen",
     .up = {RATE_AND_QUEUE(20 * MBPS, 300), .delay = 14 * MS, .jitter = 2 * MS, .loss = 0.0005, .loss_burst = 2,
            .overhead_bytes = ETHERNET_AND_DOCSIS},
     .down = {RATE_AND_QUEUE(100 * MBPS, 300), .delay = 14 * MS, .loss = 0.0005, .loss_burst = 2,
              .overhead_bytes = ETHERNET_AND_DOCSIS}},

    {.name = "dsl",
     .source =
         "10/1 Mbit/s: FCC Connect America benchmark 2014 (FCC 14-190); RTT 44 ms: FCC Measuring Broadband America "
         "2011; queues 300 ms down, 1,000 ms up: RFC 8867 (large modem buffers: Sundaresan et al., SIGCOMM 2011); "
         "loss 0.1 % in bursts chosen",
     .up = {RATE_AND_QUEUE(1 * MBPS, 1000), .delay = 22 * MS, .loss = 0.001, .loss_burst = 3,
            .overhead_bytes = ETHERNET_AND_PPPOE},
     .down = {RATE_AND_QUEUE(10 * MBPS, 300), .delay = 22 * MS, .loss = 0.001, .loss_burst = 3,
              .overhead_bytes = ETHERNET_AND_PPPOE}},

    {.name = "fibre",
     .source = "RTT 17 ms: FCC Measuring Broadband America 2011; 300/300 Mbit/s (a common plan), queue 100 ms and loss "
               "0.01 % chosen",
     .up = {RATE_AND_QUEUE(300 * MBPS, 100), .delay = 17 * MS / 2, .loss = 0.0001, .overhead_bytes = ETHERNET},
     .down = {RATE_AND_QUEUE(300 * MBPS, 100), .delay = 17 * MS / 2, .loss = 0.0001, .overhead_bytes = ETHERNET}},

    /* A wireless last hop in front of a fixed line that is not the bottleneck. */
    {.name = "wifi",
     .source =
         "jitter up to 30 ms (three deviations of 10 ms) and queue 300 ms: RFC 8869 section 4; RTT of the hop 20 ms "
         "in the median: Pei et al., INFOCOM 2016, and 17 ms behind it: fibre; 30/15 Mbit/s: Firefox's and "
         "WebdriverIO's WiFi profile; loss 0.3 % in bursts, what retransmission leaves of it, chosen",
     .up = {RATE_AND_QUEUE(15 * MBPS, 300), .delay = 37 * MS / 2, .jitter = 10 * MS, .loss = 0.003, .loss_burst = 4,
            .overhead_bytes = ETHERNET},
     .down = {RATE_AND_QUEUE(30 * MBPS, 300), .delay = 37 * MS / 2, .jitter = 10 * MS, .loss = 0.003, .loss_burst = 4,
              .overhead_bytes = ETHERNET}},

    /* Radio links repeat what is lost, so that losses become delay: 3GPP TS 23.203, table 6.1.7, has a packet loss of
     * 1e-6 for QCI 8 and 9, the default bearer. */
    {.name = "lte",
     .source =
         "14.7/13.6 Mbit/s, RTT 53.1 ms: Ofcom, Measuring mobile broadband performance in the UK, 2015; jitter 8 ms: "
         "one HARQ round trip (3GPP TS 36.321); loss 1e-6: 3GPP TS 23.203 table 6.1.7; queue 1,000 ms: RFC 8867",
     .up = {RATE_AND_QUEUE(13600 * KBPS, 1000), .delay = 26550 * NANOS_PER_US, .jitter = 8 * MS, .loss = 1e-6},
     .down = {RATE_AND_QUEUE(14700 * KBPS, 1000), .delay = 26550 * NANOS_PER_US, .jitter = 8 * MS, .loss = 1e-6}},

    {.name = "3g",
     .source =
         "1.6/0.768 Mbit/s, RTT 150 ms: WebPageTest's 3GFast profile; jitter 10 ms: one radio frame (3GPP TS 25.211); "
         "queue 1,000 ms: RFC 8867; loss 0.5 % (handovers) chosen",
     .up = {RATE_AND_QUEUE(768 * KBPS, 1000), .delay = 75 * MS, .jitter = 10 * MS, .loss = 0.005, .loss_burst = 5},
     .down = {RATE_AND_QUEUE(1600 * KBPS, 1000), .delay = 75 * MS, .jitter = 10 * MS, .loss = 0.005, .loss_burst = 5}},

    {.name = "satellite",
     .source =
         "low orbit: 105/12 Mbit/s, RTT 40 ms: Ookla on Starlink, US, Q4 2021; worst case 65 ms, so 10 ms of jitter: "
         "SpaceX, March 2024; loss 0.4 %, in bursts: Michel et al., IMC 2022; queue 300 ms: RFC 8867",
     .up = {RATE_AND_QUEUE(12 * MBPS, 300), .delay = 20 * MS, .jitter = 10 * MS, .loss = 0.004, .loss_burst = 5},
     .down = {RATE_AND_QUEUE(105 * MBPS, 300), .delay = 20 * MS, .jitter = 10 * MS, .loss = 0.004, .loss_burst = 5}},

    {.name = "satellite-geostationary",
     .source =
         "19.3 Mbit/s down, RTT 744 ms: Ookla on HughesNet, US, Q3 2021; 3 Mbit/s up: its plans; loss 0.4 % and queue "
         "300 ms as above",
     .up = {RATE_AND_QUEUE(3 * MBPS, 300), .delay = 372 * MS, .jitter = 10 * MS, .loss = 0.004, .loss_burst = 5},
     .down = {RATE_AND_QUEUE(19300 * KBPS, 300), .delay = 372 * MS, .jitter = 10 * MS, .loss = 0.004, .loss_burst = 5}},

    {.name = "congested",
     .source =
         "1 Mbit/s each way, one-way delay 50 ms, queue 300 ms, jitter up to 30 ms: RFC 8867 section 4.2; loss 2 %: the "
         "upper end of ITU-T G.1050's partially managed profile",
     .up = {RATE_AND_QUEUE(1 * MBPS, 300), .delay = 50 * MS, .jitter = 10 * MS, .loss = 0.02, .loss_burst = 3},
     .down = {RATE_AND_QUEUE(1 * MBPS, 300), .delay = 50 * MS, .jitter = 10 * MS, .loss = 0.02, .loss_burst = 3}},
};

enum { PRESETS = sizeof presets / sizeof presets[0] };

const struct access_preset *access_preset_at(size_t i) { return i < PRESETS ? &presets[i] : NULL; }

const struct access_preset *access_preset_find(const char *name)
{
    for (size_t i = 0; i < PRESETS; i++)
        if (strcmp(presets[i].name, name) == 0)
            return &presets[i];
    return NULL;
}
