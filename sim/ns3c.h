/* ns3c: a C interface to network simulation on ns-3.
 *
 * ns-3 brings the event queue, its TCP, and, where asked, its devices and queue disciplines. Hosts, routers and the
 * default link are ns3c's own, so that a packet costs one event for each link it crosses and one hash look-up for each
 * router, however many hosts there are. Packets carry their real IPv4, IPv6, UDP and TCP headers; captures of them open
 * in Wireshark.
 *
 *       site ------ core delay ------ site              routers of the core, every pair with a one-way delay
 *      /    \                        /    \
 *    host   router with a hook     host   router        each line a link: up towards the core, down away from it
 *            /   \                          |
 *         host   host                     host
 *
 * Everything is by handle, in one thread, in virtual time: nanoseconds from the simulation's start. Nothing here aborts
 * or throws: what ns-3 would not survive is refused with a code and a message. The same calls with the same seed give
 * the same packets at the same times, also for the second simulation in a process; but ns-3 keeps its state in globals,
 * so there can be only one simulation at a time.
 *
 * Callbacks come from ns3c_run_until alone. A callback may call anything but ns3c_run_until and ns3c_destroy; what it is
 * given by pointer is valid until it returns. A handle that was closed or destroyed calls back no more.
 *
 * This header needs nothing else. Link with -lns3c, or load the library at run time and ask it for its table of
 * functions with ns3c_api(NS3C_VERSION). */
#ifndef NS3C_H
#define NS3C_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

#define NS3C_VERSION 1

/* Nanoseconds, of virtual time since the start or of duration. */
typedef int64_t ns3c_nanos;
#define NS3C_NEVER INT64_MAX

/* --- errors ------------------------------------------------------------------------------------------------------- */

enum ns3c_code {
    NS3C_OK = 0,
    NS3C_INVALID,     /* an argument that can't be; the message names it and says what would be right */
    NS3C_BUSY,        /* a second simulation, an address or a port that is taken */
    NS3C_SYSTEM,      /* out of memory, a file that can't be written */
    NS3C_UNSUPPORTED, /* right, but not something this build does */
};

/* What went wrong. Every function that can fail takes one, last, which may be NULL, and returns false or NULL. */
struct ns3c_error {
    enum ns3c_code code;
    char text[256];
};

/* --- the simulation ------------------------------------------------------------------------------------------------ */

struct ns3c_sim;

struct ns3c_counters {
    uint64_t events;          /* that ns-3 has run */
    uint64_t sent;            /* packets that hosts sent, UDP and TCP */
    uint64_t received;        /* packets that reached a UDP socket or TCP */
    uint64_t hops;            /* packets offered to a link */
    uint64_t no_route;        /* dropped: no such address */
    uint64_t no_socket;       /* dropped: nobody listens there */
    uint64_t too_big;         /* dropped: larger than an MTU on the way; nothing is fragmented */
    uint64_t refused_by_hook; /* dropped: a hook said so */
    uint64_t disabled;        /* dropped: an attachment was disabled */
    uint64_t packet_buffers;  /* that exist; in steady state this does not grow */
};

/* NS3C_BUSY while there is another one. */
struct ns3c_sim *ns3c_create(uint64_t seed, struct ns3c_error *error);
/* Frees everything that was made in it and finishes its captures. */
void ns3c_destroy(struct ns3c_sim *sim);

ns3c_nanos ns3c_now(const struct ns3c_sim *sim);
/* Runs what is due up to and including `until`, which must not be past; the time is `until` afterwards unless ns3c_stop
 * was called. */
bool ns3c_run_until(struct ns3c_sim *sim, ns3c_nanos until, struct ns3c_error *error);
/* Makes ns3c_run_until return after the callback that calls this. */
void ns3c_stop(struct ns3c_sim *sim);
void ns3c_count(const struct ns3c_sim *sim, struct ns3c_counters *counters);

/* --- timers -------------------------------------------------------------------------------------------------------- */

struct ns3c_timer;
typedef void (*ns3c_timer_fired)(void *context, ns3c_nanos now);

/* Pooled and cheap: there may be hundreds of thousands, and setting one again and again costs O(log n) and leaves nothing
 * behind. NULL only when out of memory. */
struct ns3c_timer *ns3c_timer_create(struct ns3c_sim *sim, ns3c_timer_fired fired, void *context);
/* Fires once at `at`, at once when that is past, instead of when it was set to before. NS3C_NEVER stops it. Timers due at
 * the same time fire in the order in which they were set. */
void ns3c_timer_set(struct ns3c_timer *timer, ns3c_nanos at);
void ns3c_timer_destroy(struct ns3c_timer *timer);

/* --- addresses ----------------------------------------------------------------------------------------------------- */

/* An address and a port. Bytes that are not used are zero. */
struct ns3c_address {
    uint8_t family; /* 4 or 6 */
    uint8_t zero;
    uint16_t port;  /* host byte order */
    uint8_t ip[16]; /* network byte order; IPv4 uses the first 4 */
};

/* Reads "192.0.2.1", "192.0.2.1:5000", "2001:db8::1" or "[2001:db8::1]:5000". */
bool ns3c_address_parse(struct ns3c_address *address, const char *text, struct ns3c_error *error);

/* --- links --------------------------------------------------------------------------------------------------------- */

enum ns3c_discipline {
    NS3C_DROP_TAIL,
    NS3C_CODEL, /* RFC 8289, target 5 ms, interval 100 ms */
};

/* One direction of a link: a queue, a transmitter, a wire. With drop-tail it behaves, packet for packet and to the
 * nanosecond, like ns-3's PointToPointNetDevice with a DropTailQueue in bytes. Packets never overtake each other. All
 * zero: infinitely fast, without delay or loss. */
struct ns3c_link {
    int64_t rate_bps; /* 0: infinite */
    ns3c_nanos delay;
    ns3c_nanos jitter;   /* standard deviation; RFC 8868, section 4.5.2 (NR-BPDV), cut off at three deviations */
    double loss;         /* share of the packets lost on the wire, 0 to 1 */
    double loss_burst;   /* mean number of packets lost in a row; at most 1: independently */
    int64_t queue_bytes; /* how much may wait; > 0 unless rate_bps is 0 */
    enum ns3c_discipline discipline;
    uint32_t overhead_bytes; /* added to each packet, below IP */
};

struct ns3c_link_counters {
    uint64_t offered; /* packets */
    uint64_t offered_bytes;
    uint64_t delivered;
    uint64_t delivered_bytes;
    uint64_t overflowed; /* the queue was full */
    uint64_t shed;       /* dropped by CoDel */
    uint64_t lost;       /* on the wire */
    ns3c_nanos queue_delay_max;
    ns3c_nanos queue_delay_sum;
};

enum ns3c_medium {
    NS3C_MODEL,          /* two ns3c_links */
    NS3C_POINT_TO_POINT, /* ns-3's PointToPointNetDevice pair */
    NS3C_CSMA,           /* ns-3's CsmaNetDevice; all CSMA attachments of a router share one channel */
    NS3C_WIFI,           /* ns-3's WifiNetDevice; all Wi-Fi attachments of a router share its access point */
};

enum ns3c_wifi_standard {
    NS3C_WIFI_4, /* 802.11n, 20 MHz at 2.4 GHz */
    NS3C_WIFI_5, /* 802.11ac, 80 MHz at 5 GHz */
    NS3C_WIFI_6, /* 802.11ax, 80 MHz at 5 GHz */
};

/* A station's place in the cell of its router. One antenna, Minstrel's choice of rate, ns-3's log-distance path loss; out
 * of range from some 60 m on. It joins the cell within the first second; until then, packets are lost. */
struct ns3c_wifi {
    enum ns3c_wifi_standard standard; /* the same for the whole cell */
    double distance_m;                /* from the access point; above 0, at most 1000 */
};

enum ns3c_direction {
    NS3C_UP,   /* from a host or an inner router towards the core; outbound */
    NS3C_DOWN, /* inbound */
};

/* How a host or router hangs below a router. All zero but the addresses: an ideal link. */
struct ns3c_attachment_config {
    const struct ns3c_address *addresses; /* of this side, ports 0; copied */
    size_t address_count;                 /* at least one for a host */
    uint32_t mtu;                         /* of both directions; 0 is 1500; 576 to 1500, 1280 to 1500 with IPv6 */
    enum ns3c_medium medium;
    struct ns3c_link
        up; /* with an ns-3 medium: rate_bps (> 0), delay and queue_bytes are used, the rest must be zero */
    struct ns3c_link down;
    /* With an ns-3 medium: the name of ns-3's root queue discipline in front of both devices' queues, "CoDel", "FqCoDel",
     * "Pie", "FqPie", "Red", "Cobalt", "FqCobalt", "Fifo" or "PfifoFast"; NULL for none. The device's own drop-tail queue
     * then holds 2 packets, and queue_bytes is the discipline's limit, as packets of 1500 bytes where it counts those.
     * ns-3's channels have one delay for both directions, and CSMA has one rate. */
    const char *queue_disc;
    struct ns3c_wifi wifi; /* NS3C_WIFI: this, and up, down and queue_disc are zero; queues are ns-3's (500 packets) */
};

/* The place where a host or an inner router hangs on its router. */
struct ns3c_attachment;

/* Changes one direction while packets are on their way; it holds from the next packet whose transmission starts, also of
 * those that wait. All of NS3C_MODEL but the discipline can change, of NS3C_POINT_TO_POINT the rate, of others nothing. */
bool ns3c_attachment_set_link(struct ns3c_attachment *attachment, enum ns3c_direction direction,
                              const struct ns3c_link *link, struct ns3c_error *error);
/* Of NS3C_MODEL; zeros for other media. */
void ns3c_attachment_count(const struct ns3c_attachment *attachment, enum ns3c_direction direction,
                           struct ns3c_link_counters *counters);
/* While disabled, it drops what it is given in either direction: a cable pulled, a machine dead. */
void ns3c_attachment_enable(struct ns3c_attachment *attachment, bool enabled);
/* One more address, as from ns3c_attachment_config. NS3C_BUSY when it is taken where it would be reachable. */
bool ns3c_attachment_add_address(struct ns3c_attachment *attachment, const struct ns3c_address *address,
                                 struct ns3c_error *error);

/* --- routers and hooks --------------------------------------------------------------------------------------------- */

struct ns3c_router;

/* A packet as a hook sees it. It may change `src` and `dst`, addresses and ports alike, within one family; checksums
 * follow. */
struct ns3c_packet {
    struct ns3c_address src;
    struct ns3c_address dst;
    uint8_t protocol;       /* IP's number: 6 TCP, 17 UDP; ports are 0 for others */
    uint8_t tcp_flags;      /* as in the header: FIN 1, SYN 2, RST 4, PSH 8, ACK 16; 0 unless TCP */
    uint16_t len;           /* of the whole packet, IP header included */
    const uint8_t *payload; /* behind the UDP or TCP header */
    size_t payload_len;
};

enum ns3c_verdict {
    NS3C_PASS,
    NS3C_DROP,
    NS3C_HAIRPIN, /* outbound only: `dst` (rewritten) is inside after all; send it there */
};

/* Called for every packet that crosses the router: NS3C_UP from the inside towards anything that is not inside, also to
 * the router's own outer addresses; NS3C_DOWN from the outside to one of those. Packets between two inside addresses
 * don't cross it. A packet passed NS3C_DOWN goes to `dst`, which must be inside. */
typedef enum ns3c_verdict (*ns3c_hook)(void *context, enum ns3c_direction direction, struct ns3c_packet *packet,
                                       ns3c_nanos now);

/* A router of the core. `name` is for messages and captures: 1 to 63 printable ASCII characters, as all names here. */
struct ns3c_router *ns3c_site_create(struct ns3c_sim *sim, const char *name, struct ns3c_error *error);
/* How long packets from site `a` to site `b` and back take one way, on top of links; 0 to 1 hour, 0 if never set. For
 * `a` = `b`: between two attachments of one site. */
bool ns3c_site_delay(struct ns3c_router *a, struct ns3c_router *b, ns3c_nanos one_way, struct ns3c_error *error);

/* A router below `parent`, a site or another router, so that several hosts share a link. Without a hook the addresses of
 * what hangs below it are reachable from above. With one it is a middlebox: those above it see only its own addresses,
 * the ones in `config`, so inside addresses may be the same behind each of them, and middleboxes may be chained. */
struct ns3c_router *ns3c_router_create(struct ns3c_router *parent, const char *name,
                                       const struct ns3c_attachment_config *config, ns3c_hook hook, void *context,
                                       struct ns3c_error *error);
/* Its uplink; NULL for a site. */
struct ns3c_attachment *ns3c_router_attachment(struct ns3c_router *router);

/* --- hosts --------------------------------------------------------------------------------------------------------- */

struct ns3c_host;

struct ns3c_host *ns3c_host_create(struct ns3c_sim *sim, const char *name, struct ns3c_error *error);
/* Attaches the host to a router, under the addresses in `config`. A host may be attached several times; what it sends
 * leaves by the attachment that has the source address. What it sends to itself takes no time and no link. */
struct ns3c_attachment *ns3c_host_attach(struct ns3c_host *host, struct ns3c_router *router,
                                         const struct ns3c_attachment_config *config, struct ns3c_error *error);
/* Its addresses in the order in which they were given; returns how many there are, of which at most `cap` are stored. */
size_t ns3c_host_addresses(const struct ns3c_host *host, struct ns3c_address *out, size_t cap);

/* --- UDP ----------------------------------------------------------------------------------------------------------- */

struct ns3c_udp;

struct ns3c_datagram {
    struct ns3c_address local; /* of the receiving or sending socket */
    struct ns3c_address remote;
    uint8_t *data; /* received ones may be changed in place */
    size_t len;
};

/* A run of datagrams that arrived at one socket at the same instant, oldest first. */
typedef void (*ns3c_udp_received)(void *context, struct ns3c_udp *udp, struct ns3c_datagram *batch, size_t count,
                                  ns3c_nanos now);

/* A socket at `local`, an address of the host's; port 0 picks a free one between 49152 and 65535. */
struct ns3c_udp *ns3c_udp_open(struct ns3c_host *host, const struct ns3c_address *local, ns3c_udp_received received,
                               void *context, struct ns3c_error *error);
struct ns3c_address ns3c_udp_address(const struct ns3c_udp *udp);
/* Sends from this socket to each datagram's `remote` (`local` is not looked at); the bytes are copied. Returns how many
 * went out: not those larger than the attachment's MTU (nothing is fragmented; ns3c_counters.too_big) or of the other
 * address family. */
size_t ns3c_udp_send(struct ns3c_udp *udp, const struct ns3c_datagram *batch, size_t count);
void ns3c_udp_close(struct ns3c_udp *udp);

/* --- TCP: ns-3's own, its packets on the links above ----------------------------------------------------------------- */

struct ns3c_tcp;
struct ns3c_tcp_listener;

enum ns3c_tcp_end {
    NS3C_TCP_CLOSED,  /* the other side closed: all it sent has been received */
    NS3C_TCP_RESET,   /* the other side reset the connection, or refused it */
    NS3C_TCP_TIMEOUT, /* no answer */
};

struct ns3c_tcp_callbacks {
    void (*connected)(void *context, struct ns3c_tcp *tcp, ns3c_nanos now);
    void (*received)(void *context, struct ns3c_tcp *tcp, const uint8_t *data, size_t len, ns3c_nanos now);
    /* Less waits to be sent than when ns3c_tcp_send was last called. May be NULL. */
    void (*drained)(void *context, struct ns3c_tcp *tcp, size_t waiting, ns3c_nanos now);
    /* Nothing more will be received. The handle still has to be closed. */
    void (*ended)(void *context, struct ns3c_tcp *tcp, enum ns3c_tcp_end how, ns3c_nanos now);
};

/* A new connection, already connected. The callee sets its callbacks with ns3c_tcp_adopt or closes it. */
typedef void (*ns3c_tcp_accepted)(void *context, struct ns3c_tcp *tcp, ns3c_nanos now);

struct ns3c_tcp_listener *ns3c_tcp_listen(struct ns3c_host *host, const struct ns3c_address *local,
                                          ns3c_tcp_accepted accepted, void *context, struct ns3c_error *error);
void ns3c_tcp_listener_close(struct ns3c_tcp_listener *listener);
/* `local` may be NULL for the host's first address of the family and any port, or have port 0. */
struct ns3c_tcp *ns3c_tcp_connect(struct ns3c_host *host, const struct ns3c_address *local,
                                  const struct ns3c_address *remote, const struct ns3c_tcp_callbacks *callbacks,
                                  void *context, struct ns3c_error *error);
void ns3c_tcp_adopt(struct ns3c_tcp *tcp, const struct ns3c_tcp_callbacks *callbacks, void *context);
struct ns3c_address ns3c_tcp_local(const struct ns3c_tcp *tcp);
struct ns3c_address ns3c_tcp_remote(const struct ns3c_tcp *tcp);
/* Queues bytes; also before it is connected. Returns how many wait to be acknowledged or sent, these included. */
size_t ns3c_tcp_send(struct ns3c_tcp *tcp, const uint8_t *data, size_t len);
/* Sends what waits, then closes; the handle is gone at once. */
void ns3c_tcp_close(struct ns3c_tcp *tcp);
/* Resets the connection; the handle is gone at once. */
void ns3c_tcp_reset(struct ns3c_tcp *tcp);

/* --- captures ------------------------------------------------------------------------------------------------------ */

/* Virtual time 0 on the wall clock of captures: 2026-01-01T00:00:00Z. */
#define NS3C_EPOCH_UNIX_S 1767225600

/* A pcapng file with one interface, named for it, for each host or side of a router that is captured into it. Timestamps
 * are NS3C_EPOCH_UNIX_S plus virtual time, in nanoseconds. Packets are framed as Ethernet, because libpcap reads no file
 * with several interfaces of raw IP; the MAC addresses are made up: 02:00:00 and the interface's number for the one who
 * is captured, 02:ff:ff:ff:ff:ff for whoever is at the other end. */
struct ns3c_capture;

enum ns3c_side {
    NS3C_INSIDE,
    NS3C_OUTSIDE,
};

/* `media_snap` > 0 keeps only that many bytes of a UDP payload that looks like RTP or SRTP (its first byte 128 to 191),
 * also inside TURN ChannelData, and all of every other packet; the original length is kept. 0 keeps everything.
 * `comment`, which may be NULL, goes into the file's header. */
struct ns3c_capture *ns3c_capture_create(struct ns3c_sim *sim, const char *path, size_t media_snap, const char *comment,
                                         struct ns3c_error *error);
/* Captures what the host sends, as it leaves, and receives, as it arrives. */
bool ns3c_capture_host(struct ns3c_capture *capture, struct ns3c_host *host, struct ns3c_error *error);
/* Captures what passes the router's inside (the links below it; what goes from one to another, once) or outside (its
 * uplink). A site has no outside, and sees on its inside what it sends down. */
bool ns3c_capture_router(struct ns3c_capture *capture, struct ns3c_router *router, enum ns3c_side side,
                         struct ns3c_error *error);
/* Finishes the file. False when any of it could not be written, as on a full disk. */
bool ns3c_capture_close(struct ns3c_capture *capture, struct ns3c_error *error);

/* --- all of it as a table, for those who load the library at run time ------------------------------------------------- */

struct ns3c_api {
    int version; /* NS3C_VERSION */
    struct ns3c_sim *(*create)(uint64_t seed, struct ns3c_error *error);
    void (*destroy)(struct ns3c_sim *sim);
    ns3c_nanos (*now)(const struct ns3c_sim *sim);
    bool (*run_until)(struct ns3c_sim *sim, ns3c_nanos until, struct ns3c_error *error);
    void (*stop)(struct ns3c_sim *sim);
    void (*count)(const struct ns3c_sim *sim, struct ns3c_counters *counters);
    struct ns3c_timer *(*timer_create)(struct ns3c_sim *sim, ns3c_timer_fired fired, void *context);
    void (*timer_set)(struct ns3c_timer *timer, ns3c_nanos at);
    void (*timer_destroy)(struct ns3c_timer *timer);
    bool (*address_parse)(struct ns3c_address *address, const char *text, struct ns3c_error *error);
    bool (*attachment_set_link)(struct ns3c_attachment *attachment, enum ns3c_direction direction,
                                const struct ns3c_link *link, struct ns3c_error *error);
    void (*attachment_count)(const struct ns3c_attachment *attachment, enum ns3c_direction direction,
                             struct ns3c_link_counters *counters);
    void (*attachment_enable)(struct ns3c_attachment *attachment, bool enabled);
    bool (*attachment_add_address)(struct ns3c_attachment *attachment, const struct ns3c_address *address,
                                   struct ns3c_error *error);
    struct ns3c_router *(*site_create)(struct ns3c_sim *sim, const char *name, struct ns3c_error *error);
    bool (*site_delay)(struct ns3c_router *a, struct ns3c_router *b, ns3c_nanos one_way, struct ns3c_error *error);
    struct ns3c_router *(*router_create)(struct ns3c_router *parent, const char *name,
                                         const struct ns3c_attachment_config *config, ns3c_hook hook, void *context,
                                         struct ns3c_error *error);
    struct ns3c_attachment *(*router_attachment)(struct ns3c_router *router);
    struct ns3c_host *(*host_create)(struct ns3c_sim *sim, const char *name, struct ns3c_error *error);
    struct ns3c_attachment *(*host_attach)(struct ns3c_host *host, struct ns3c_router *router,
                                           const struct ns3c_attachment_config *config, struct ns3c_error *error);
    size_t (*host_addresses)(const struct ns3c_host *host, struct ns3c_address *out, size_t cap);
    struct ns3c_udp *(*udp_open)(struct ns3c_host *host, const struct ns3c_address *local, ns3c_udp_received received,
                                 void *context, struct ns3c_error *error);
    struct ns3c_address (*udp_address)(const struct ns3c_udp *udp);
    size_t (*udp_send)(struct ns3c_udp *udp, const struct ns3c_datagram *batch, size_t count);
    void (*udp_close)(struct ns3c_udp *udp);
    struct ns3c_tcp_listener *(*tcp_listen)(struct ns3c_host *host, const struct ns3c_address *local,
                                            ns3c_tcp_accepted accepted, void *context, struct ns3c_error *error);
    void (*tcp_listener_close)(struct ns3c_tcp_listener *listener);
    struct ns3c_tcp *(*tcp_connect)(struct ns3c_host *host, const struct ns3c_address *local,
                                    const struct ns3c_address *remote, const struct ns3c_tcp_callbacks *callbacks,
                                    void *context, struct ns3c_error *error);
    void (*tcp_adopt)(struct ns3c_tcp *tcp, const struct ns3c_tcp_callbacks *callbacks, void *context);
    struct ns3c_address (*tcp_local)(const struct ns3c_tcp *tcp);
    struct ns3c_address (*tcp_remote)(const struct ns3c_tcp *tcp);
    size_t (*tcp_send)(struct ns3c_tcp *tcp, const uint8_t *data, size_t len);
    void (*tcp_close)(struct ns3c_tcp *tcp);
    void (*tcp_reset)(struct ns3c_tcp *tcp);
    struct ns3c_capture *(*capture_create)(struct ns3c_sim *sim, const char *path, size_t media_snap,
                                           const char *comment, struct ns3c_error *error);
    bool (*capture_host)(struct ns3c_capture *capture, struct ns3c_host *host, struct ns3c_error *error);
    bool (*capture_router)(struct ns3c_capture *capture, struct ns3c_router *router, enum ns3c_side side,
                           struct ns3c_error *error);
    bool (*capture_close)(struct ns3c_capture *capture, struct ns3c_error *error);
};

/* The table for the version asked for; NULL when this library does not have it. */
const struct ns3c_api *ns3c_api(int version);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
