/* The network of bench/sim.c on ns-3's own Internet stack. Of no use but to compare with: it aborts on trouble. */
#ifndef CONFAB_BENCH_STOCK_NETWORK_H
#define CONFAB_BENCH_STOCK_NETWORK_H

#include <stddef.h>
#include <stdint.h>

struct star {
    size_t hosts;
    int64_t rate_bps;
    int64_t delay_ns; /* of each of the two links on the way */
    int64_t queue_bytes;
    size_t datagram_bytes;
    int64_t interval_ns; /* between two datagrams of a host */
    uint64_t datagrams;  /* of all hosts together */
};

struct star_cost {
    double cpu_s; /* of the run, not of building the network */
    uint64_t received;
};

#ifdef __cplusplus
extern "C"
#endif
    /* Hosts around one router by point-to-point devices with drop-tail queues, static routes, no queue disciplines, no
     * checksums, payloads of nothing. Each host sends to the one half-way round. */
    struct star_cost
    stock_network_run(const struct star *star);

#endif
