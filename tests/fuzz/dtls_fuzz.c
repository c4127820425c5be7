/* A handshake between two ends whose datagrams the fuzzer bends: the input is a list of edits {which datagram, what,
 * where, how}, and datagrams of its own.
 *
 *     | number | 0..249: XOR this byte of it, 250: cut there, 251: lose it, 252: twice, 253: insert the rest | where,
 *       2 bytes | value | */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "rtc/dtls.h"
#include "sim/virtual_clock.h"
#include "sim/virtual_random.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static nanos now;
static nanos read_now(void *user) { return *(nanos *)user; }

/* Applies the edits to datagram `number`; how often it is to be delivered. */
static int bend(const uint8_t *edits, size_t size, uint8_t number, uint8_t *datagram, size_t *len, struct dtls *to)
{
    int times = 1;
    for (; size >= 5; edits += 5, size -= 5) {
        if (edits[0] != number || *len == 0)
            continue;
        size_t where = bytes_get16(edits + 2) % *len;
        if (edits[1] == 250)
            *len = where;
        else if (edits[1] == 251)
            times = 0;
        else if (edits[1] == 252)
            times = 2;
        else if (edits[1] == 253)
            dtls_read(to, edits + 4, size - 4, now);
        else
            datagram[where] ^= edits[4];
    }
    return times;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct certificate *certificate;
    virtual_random_install(1, NULL);
    if (certificate == NULL)
        certificate = certificate_create(&(struct certificate_config){0}, NULL);
    struct fingerprint fingerprint = certificate_fingerprint(certificate, FINGERPRINT_SHA_256);
    now = 0;
    virtual_clock_install(read_now, &now);
    struct dtls *ends[2];
    for (int i = 0; i < 2; i++)
        ends[i] = dtls_create(&(struct dtls_config){.certificate = certificate,
                                                    .role = i == 0 ? DTLS_CLIENT : DTLS_SERVER,
                                                    .fingerprints = &fingerprint,
                                                    .fingerprint_count = 1,
                                                    .mtu = 600},
                              NULL);
    uint8_t number = 0;
    for (int round = 0; round < 12; round++, now += 150 * NANOS_PER_MS) {
        for (int from = 0; from < 2; from++) {
            uint8_t buf[2048];
            ssize_t written;
            while ((written = dtls_write(ends[from], buf, sizeof buf, now)) > 0) {
                size_t len = (size_t)written;
                int times = bend(data, size, number++, buf, &len, ends[1 - from]);
                for (int i = 0; i < times; i++)
                    dtls_read(ends[1 - from], buf, len, now);
            }
            struct dtls_event event;
            while (dtls_event(ends[from], &event)) {
                if (event.type == DTLS_EVENT_CONNECTED)
                    dtls_send(ends[from], (const uint8_t *)"hello", 5, now);
                if (event.type == DTLS_EVENT_DATA && (event.len != 5 || memcmp(event.data, "hello", 5) != 0))
                    abort();
            }
        }
    }
    dtls_close(ends[0], now);
    dtls_destroy(ends[0]);
    dtls_destroy(ends[1]);
    return 0;
}
