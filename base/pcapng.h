/* Writes capture files that Wireshark opens: pcapng (IETF draft-ietf-opsawg-pcapng), little-endian, with one section, an
 * interface for each vantage point and a nanosecond timestamp on each packet. The same calls give the same bytes. */
#ifndef CONFAB_BASE_PCAPNG_H
#define CONFAB_BASE_PCAPNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Link types, as tcpdump.org registers them. libpcap reads only files whose interfaces all have the same one. */
#define PCAPNG_ETHERNET 1
#define PCAPNG_RAW_IP                                                                                                  \
    101 /* each packet starts with its IPv4 or IPv6 header; libpcap 1.10 takes only one such interface */

struct pcapng;

/* Starts a file, replacing what was there. `comment`, for the file's header, may be NULL. NULL and `error` when it can't
 * be made. */
struct pcapng *pcapng_create(const char *path, const char *comment, struct error *error);

/* Adds an interface, named `name` (UTF-8), and returns its number: 0, 1, 2 … `snap_len` is the most that is kept of a
 * packet, 0 for no limit; it is only noted in the file. */
uint32_t pcapng_add_interface(struct pcapng *pcapng, const char *name, uint16_t link_type, uint32_t snap_len);

/* Adds a packet: `len` bytes of one that had `original_len`, at `time_ns` nanoseconds since 1970-01-01T00:00:00Z. */
void pcapng_write(struct pcapng *pcapng, uint32_t interface, uint64_t time_ns, const uint8_t *data, size_t len,
                  size_t original_len);

/* Ends the file. False and `error` when any of it could not be written, as on a full disk: then the file ends early. */
bool pcapng_close(struct pcapng *pcapng, struct error *error);

#endif
