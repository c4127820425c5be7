/* What is read as a message is written as one that reads the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "rtc/room_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error error;
    struct room_message message, again;
    size_t len, len_again;
    if (!room_message_read(&message, (const char *)data, size, &error))
        return 0;
    char *text = room_message_write(&message, &len);
    if (text == NULL || !room_message_read(&again, text, len, &error))
        abort();
    char *text_again = room_message_write(&again, &len_again);
    if (text_again == NULL || len != len_again || memcmp(text, text_again, len) != 0)
        abort();
    free(text);
    free(text_again);
    room_message_clear(&message);
    room_message_clear(&again);
    return 0;
}
