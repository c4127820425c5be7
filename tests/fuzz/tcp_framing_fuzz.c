/* A stream cut into pieces must give the same datagrams, and the same verdict, as the stream in one. The first byte is
 * the size of the pieces. */
#include <stdlib.h>
#include <string.h>

#include "rtc/tcp_framing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    size_t datagrams;
    size_t bytes;
    uint32_t sum;
    int verdict;
};

static struct outcome run(const uint8_t *data, size_t size, size_t piece)
{
    struct tcp_framing framing = {0};
    struct outcome outcome = {0};
    uint8_t *datagram;
    size_t len;
    for (size_t at = 0; at < size && outcome.verdict == 0; at += piece) {
        if (!tcp_framing_add(&framing, data + at, size - at < piece ? size - at : piece))
            abort();
        while ((outcome.verdict = tcp_framing_next(&framing, &datagram, &len)) > 0) {
            outcome.datagrams++;
            outcome.bytes += len;
            for (size_t i = 0; i < len; i++)
                outcome.sum = outcome.sum * 31 + datagram[i];
        }
    }
    tcp_framing_clear(&framing);
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct outcome whole = run(data + 1, size - 1, size);
    struct outcome pieces = run(data + 1, size - 1, (size_t)data[0] + 1);
    if (whole.datagrams != pieces.datagrams || whole.bytes != pieces.bytes || whole.sum != pieces.sum ||
        whole.verdict != pieces.verdict)
        abort();
    return 0;
}
