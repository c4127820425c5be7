/* What a program behind exec: says, a line at a time, as the adapter reads it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "loadgen/adapters/exec_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct exec_message message;
    struct error error = {0};
    bool read = exec_message_read(&message, (const char *)data, size, &error);
    if (read && (message.client == NULL || message.audio > EXEC_SECTIONS_MAX || message.video > EXEC_SECTIONS_MAX ||
                 message.failure >= FAILURES || strlen(message.client) > size))
        abort();
    if (read && message.type <= EXEC_CLOSE && message.connection == NULL)
        abort();
    if (!read && (error.text[0] == '\0' || message.json != NULL))
        abort();
    exec_message_clear(&message);
    return 0;
}
