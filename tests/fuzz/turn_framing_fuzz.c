/* A stream cut into pieces must give the same messages, and the same verdict, as the stream in one. The first byte is
 * the size of the pieces. */
#include <stdlib.h>
#include <string.h>

#include "rtc/turn_framing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    size_t messages;
    size_t bytes;
    uint32_t sum;
    int verdict;
};

static struct outcome run(const uint8_t *data, size_t size, size_t piece)
{
    struct turn_framing framing = {0};
    struct outcome outcome = {0};
    const uint8_t *message;
    size_t len;
    for (size_t at = 0; at < size && outcome.verdict == 0; at += piece) {
        if (!turn_framing_add(&framing, data + at, size - at < piece ? size - at : piece))
            abort();
        while ((outcome.verdict = turn_framing_next(&framing, &message, &len)) > 0) {
            outcome.messages++;
            outcome.bytes += len;
            for (size_t i = 0; i < len; i++)
                outcome.sum = outcome.sum * 31 + message[i];
        }
    }
    turn_framing_clear(&framing);
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct outcome whole = run(data + 1, size - 1, size);
    struct outcome pieces = run(data + 1, size - 1, (size_t)data[0] + 1);
    if (whole.messages != pieces.messages || whole.bytes != pieces.bytes || whole.sum != pieces.sum ||
        whole.verdict != pieces.verdict)
        abort();
    return 0;
}
