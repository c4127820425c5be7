/* A key log from anybody. */
#include <stdint.h>
#include <stdio.h>

#include "analyzers/keylog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FILE *file = size > 0 ? fmemopen((void *)data, size, "r") : NULL;
    if (file == NULL)
        return 0;
    struct keylog *keylog = keylog_read(file, "fuzz", NULL);
    if (keylog != NULL && size >= KEYLOG_RANDOM_LEN)
        keylog_find(keylog, data);
    keylog_close(keylog);
    fclose(file);
    return 0;
}
