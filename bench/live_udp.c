/* What a datagram costs in the live world: packets a second of one core that sends and receives over loopback, and the
 * time of a single one there and back; beside one sendto and one recvfrom for each, and beside libuv's own UDP. Each
 * round runs every way once, so that all see the same machine.
 *
 *     live_udp [ROUNDS]      5 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "world/live_world.h"

enum { BYTES = 1200, FLIGHT = 64, PACKETS = 64 * 1000, SINGLES = 4000, ROUNDS_MAX = 99, DESTINATIONS = 8 };

static uint8_t payload[BYTES];

static double clock_s(clockid_t clock)
{
    struct timespec at;
    clock_gettime(clock, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static void must(bool well, const char *what)
{
    if (!well) {
        fprintf(stderr, "%s\n", what);
        exit(EXIT_FAILURE);
    }
}

struct result {
    double packets_per_s; /* of CPU time, the kernel's included */
    double p50_us, p99_us;
};

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static void set_percentiles(struct result *result, double *us)
{
    qsort(us, SINGLES, sizeof *us, compare);
    result->p50_us = us[SINGLES / 2];
    result->p99_us = us[SINGLES * 99 / 100];
}

static double round_trips[SINGLES];

/* --- one system call for each ------------------------------------------------------------------------------------------- */

static int plain_socket(struct sockaddr_in *name)
{
    int bytes = 4 << 20;
    socklen_t len = sizeof *name;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    *name = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    must(fd >= 0 && bind(fd, (struct sockaddr *)name, len) == 0, "no socket");
    getsockname(fd, (struct sockaddr *)name, &len);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    return fd;
}

static void plain_send(int fd, const struct sockaddr_in *to)
{
    must(sendto(fd, payload, BYTES, 0, (const struct sockaddr *)to, sizeof *to) == BYTES, "sendto");
}

static void plain_receive(int fd)
{
    static uint8_t buffer[2048];
    struct sockaddr_in from;
    socklen_t len = sizeof from;
    must(recvfrom(fd, buffer, sizeof buffer, 0, (struct sockaddr *)&from, &len) == BYTES, "recvfrom");
}

static struct result plain(void)
{
    struct result result;
    struct sockaddr_in a_name, b_name;
    int a = plain_socket(&a_name);
    int b = plain_socket(&b_name);
    double start = clock_s(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < PACKETS; i += FLIGHT) {
        for (int n = 0; n < FLIGHT; n++)
            plain_send(a, &b_name);
        for (int n = 0; n < FLIGHT; n++)
            plain_receive(b);
    }
    result.packets_per_s = PACKETS / (clock_s(CLOCK_PROCESS_CPUTIME_ID) - start);
    for (int i = 0; i < SINGLES; i++) {
        start = clock_s(CLOCK_MONOTONIC);
        plain_send(a, &b_name);
        plain_receive(b);
        plain_send(b, &a_name);
        plain_receive(a);
        round_trips[i] = (clock_s(CLOCK_MONOTONIC) - start) * 1e6;
    }
    set_percentiles(&result, round_trips);
    close(a);
    close(b);
    return result;
}

/* --- libuv ---------------------------------------------------------------------------------------------------------------- */

struct uv_run {
    uv_loop_t loop;
    uv_udp_t ends[2];
    struct sockaddr_in names[2];
    int in_flight, left, singles;
    double sent_at;
    uint8_t *buffer;
};

static void uv_give(uv_handle_t *handle, size_t wanted, uv_buf_t *buffer)
{
    struct uv_run *run = handle->data;
    (void)wanted;
    *buffer = uv_buf_init((char *)run->buffer, 20 << 16); /* 20 datagrams for recvmmsg */
}

static void uv_send(struct uv_run *run, int from)
{
    uv_buf_t buffer = uv_buf_init((char *)payload, BYTES);
    must(uv_udp_try_send(&run->ends[from], &buffer, 1, (struct sockaddr *)&run->names[!from]) == BYTES, "try_send");
}

static void uv_fly(struct uv_run *run)
{
    run->in_flight = FLIGHT;
    run->left -= FLIGHT;
    for (int i = 0; i < FLIGHT; i++)
        uv_send(run, 0);
}

static void uv_took(uv_udp_t *udp, ssize_t len, const uv_buf_t *buffer, const struct sockaddr *from, unsigned flags)
{
    struct uv_run *run = udp->data;
    (void)buffer;
    (void)flags;
    if (len <= 0 || from == NULL)
        return;
    if (run->singles < 0) {
        if (--run->in_flight > 0)
            return;
        if (run->left > 0)
            uv_fly(run);
        else
            uv_stop(&run->loop);
    } else if (udp == &run->ends[1]) {
        uv_send(run, 1);
    } else {
        double now = clock_s(CLOCK_MONOTONIC);
        round_trips[run->singles++] = (now - run->sent_at) * 1e6;
        run->sent_at = now;
        if (run->singles < SINGLES)
            uv_send(run, 0);
        else
            uv_stop(&run->loop);
    }
}

static struct result with_libuv(unsigned flags)
{
    static struct uv_run run;
    struct result result;
    memset(&run, 0, sizeof run);
    run.buffer = malloc(20 << 16);
    must(run.buffer != NULL && uv_loop_init(&run.loop) == 0, "uv_loop_init");
    for (int i = 0; i < 2; i++) {
        int len = sizeof run.names[i];
        int bytes = 4 << 20;
        run.names[i] = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        run.ends[i].data = &run;
        must(uv_udp_init_ex(&run.loop, &run.ends[i], AF_INET | flags) == 0 &&
                 uv_udp_bind(&run.ends[i], (struct sockaddr *)&run.names[i], 0) == 0,
             "uv_udp");
        run.ends[i].data = &run;
        uv_udp_getsockname(&run.ends[i], (struct sockaddr *)&run.names[i], &len);
        uv_recv_buffer_size((uv_handle_t *)&run.ends[i], &bytes);
        uv_send_buffer_size((uv_handle_t *)&run.ends[i], &bytes);
        uv_udp_recv_start(&run.ends[i], uv_give, uv_took);
    }
    run.left = PACKETS;
    run.singles = -1;
    double start = clock_s(CLOCK_PROCESS_CPUTIME_ID);
    uv_fly(&run);
    uv_run(&run.loop, UV_RUN_DEFAULT);
    result.packets_per_s = PACKETS / (clock_s(CLOCK_PROCESS_CPUTIME_ID) - start);
    run.singles = 0;
    run.sent_at = clock_s(CLOCK_MONOTONIC);
    uv_send(&run, 0);
    uv_run(&run.loop, UV_RUN_DEFAULT);
    set_percentiles(&result, round_trips);
    for (int i = 0; i < 2; i++)
        uv_close((uv_handle_t *)&run.ends[i], NULL);
    uv_run(&run.loop, UV_RUN_DEFAULT);
    uv_loop_close(&run.loop);
    free(run.buffer);
    return result;
}

static struct result libuv(void) { return with_libuv(0); }
static struct result libuv_recvmmsg(void) { return with_libuv(UV_UDP_RECVMMSG); }

/* --- the live world ------------------------------------------------------------------------------------------------------- */

struct run {
    struct live_world *live;
    struct world_udp *sender, *receivers[DESTINATIONS];
    size_t destinations;
    size_t in_flight, left;
    int singles; /* < 0: many at a time */
    double sent_at;
};

static void fly(struct run *run)
{
    struct datagram batch[FLIGHT];
    run->in_flight = FLIGHT;
    run->left -= FLIGHT;
    for (size_t i = 0; i < FLIGHT; i++)
        batch[i] = (struct datagram){
            .remote = world_udp_address(run->receivers[i % run->destinations]), .data = payload, .len = BYTES};
    world_udp_send(run->sender, batch, FLIGHT);
}

static void send_one(struct world_udp *from, struct world_udp *to)
{
    world_udp_send(from, &(struct datagram){.remote = world_udp_address(to), .data = payload, .len = BYTES}, 1);
}

static void took(void *user, struct world_udp *udp, struct datagram *batch, size_t count, nanos now)
{
    struct run *run = user;
    (void)batch;
    (void)now;
    if (run->singles < 0) {
        run->in_flight -= count;
        if (run->in_flight > 0)
            return;
        if (run->left > 0)
            fly(run);
        else
            live_world_stop(run->live);
    } else if (udp != run->sender) {
        send_one(udp, run->sender);
    } else {
        double at = clock_s(CLOCK_MONOTONIC);
        round_trips[run->singles++] = (at - run->sent_at) * 1e6;
        run->sent_at = at;
        if (run->singles < SINGLES)
            send_one(run->sender, run->receivers[0]);
        else
            live_world_stop(run->live);
    }
}

static struct result in_live_world(size_t destinations, bool no_offload)
{
    struct result result;
    struct error error;
    struct address local = address_ipv4(127, 0, 0, 1, 0);
    struct run run = {.destinations = destinations, .left = PACKETS, .singles = -1};
    run.live = live_world_create(&(struct live_world_config){.no_offload = no_offload, .loopback_only = true}, &error);
    must(run.live != NULL, "no live world");
    struct world_host *host =
        live_world_add_host(run.live, &(struct live_host_config){.addresses = &local, .address_count = 1}, &error);
    must(host != NULL, "no host");
    run.sender = world_udp_open(host, &local, took, &run, &error);
    must(run.sender != NULL, "no socket");
    for (size_t i = 0; i < destinations; i++) {
        run.receivers[i] = world_udp_open(host, &local, took, &run, &error);
        must(run.receivers[i] != NULL, "no socket");
    }
    double start = clock_s(CLOCK_PROCESS_CPUTIME_ID);
    fly(&run);
    live_world_run_until(run.live, NANOS_NEVER, 0, NULL, NULL, &error);
    result.packets_per_s = PACKETS / (clock_s(CLOCK_PROCESS_CPUTIME_ID) - start);
    run.singles = 0;
    run.sent_at = clock_s(CLOCK_MONOTONIC);
    send_one(run.sender, run.receivers[0]);
    live_world_run_until(run.live, NANOS_NEVER, 0, NULL, NULL, &error);
    set_percentiles(&result, round_trips);
    live_world_destroy(run.live);
    return result;
}

static struct result live_runs(void) { return in_live_world(1, false); }
static struct result live_mixed(void) { return in_live_world(DESTINATIONS, false); }
static struct result live_no_offload(void) { return in_live_world(1, true); }

/* --- all of them ------------------------------------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    struct result (*run)(void);
} ways[] = {
    {"one sendto, one recvfrom", plain},
    {"libuv's uv_udp, try_send", libuv},
    {"... with UV_UDP_RECVMMSG", libuv_recvmmsg},
    {"live world, GSO and GRO, one destination", live_runs},
    {"live world, 8 destinations in turns", live_mixed},
    {"live world, sendmmsg and recvmmsg alone", live_no_offload},
};
enum { WAYS = sizeof ways / sizeof ways[0] };

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, compare);
    return values[count / 2];
}

int main(int argc, char **argv)
{
    static double rates[WAYS][ROUNDS_MAX], ratios[WAYS][ROUNDS_MAX], p50[WAYS][ROUNDS_MAX], p99[WAYS][ROUNDS_MAX];
    int rounds = argc > 1 ? atoi(argv[1]) : 5;
    if (rounds < 1 || rounds > ROUNDS_MAX)
        rounds = 5;
    for (int round = 0; round < rounds; round++) {
        for (int way = 0; way < WAYS; way++) {
            struct result result = ways[way].run();
            rates[way][round] = result.packets_per_s;
            ratios[way][round] = result.packets_per_s / rates[0][round];
            p50[way][round] = result.p50_us;
            p99[way][round] = result.p99_us;
        }
    }
    printf("%d datagrams of %d bytes, %d in flight, medians of %d rounds; ratios are of pairs\n", PACKETS, BYTES,
           FLIGHT, rounds);
    printf("%-42s %12s %7s %22s\n", "", "k packets/s", "ratio", "one there and back, us");
    printf("%-42s %12s %7s %10s %11s\n", "", "of a core", "", "p50", "p99");
    for (int way = 0; way < WAYS; way++)
        printf("%-42s %12.0f %7.2f %10.1f %11.1f\n", ways[way].name, median(rates[way], rounds) / 1e3,
               median(ratios[way], rounds), median(p50[way], rounds), median(p99[way], rounds));
    return EXIT_SUCCESS;
}
