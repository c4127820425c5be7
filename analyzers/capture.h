/* Reads the packets of a capture file, pcap or pcapng, in file order, in place: the file is mapped into memory and a
 * packet is a pointer into it. Both byte orders; microsecond, nanosecond and any other resolution; several sections
 * and interfaces, each with its own link type. What is not a regular file (a pipe) is copied to a temporary file.
 * A file that others shrink while it is read ends the program, as with every mapped file. */
#ifndef CONFAB_ANALYZERS_CAPTURE_H
#define CONFAB_ANALYZERS_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/nanos.h"

struct capture;

struct capture_packet {
    uint64_t number;       /* 1 for the first in the file, as Wireshark counts */
    nanos time;            /* since 1970 */
    uint32_t interface;    /* counted from 0 over all sections of the file */
    uint16_t link_type;    /* a LINKTYPE_ value (packet.h) */
    const uint8_t *data;   /* what was captured of it; valid until capture_close */
    uint32_t captured_len; /* bytes at `data` */
    uint32_t original_len; /* bytes on the wire, never less than captured_len */
};

/* Opens the file at `path`; "-" is standard input. NULL and a line that names the file when it can't be read, is empty
 * or is neither pcap nor pcapng. */
struct capture *capture_open(const char *path, struct error *error);

/* The same for bytes that the caller keeps until capture_close; `name` is for messages. */
struct capture *capture_of_memory(const char *name, const uint8_t *data, size_t len, struct error *error);

void capture_close(struct capture *capture);

/* The next packet; false at the end, or where the rest can't be read: then capture_damage tells. */
bool capture_next(struct capture *capture, struct capture_packet *packet);

/* The file's name as it was given. */
const char *capture_name(const struct capture *capture);

/* One line that says at which packet and byte the file breaks off or stops making sense; NULL while it is sound. */
const char *capture_damage(const struct capture *capture);

#endif
