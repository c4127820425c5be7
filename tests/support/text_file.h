/* A small file whole, for tests that read samples; paths are from the root of the repository, where tests run. */
#ifndef CONFAB_TESTS_TEXT_FILE_H
#define CONFAB_TESTS_TEXT_FILE_H

#include <stdio.h>
#include <stdlib.h>

/* To be freed, with a terminator behind its *len bytes; NULL when it can't be read. */
static inline char *text_file_read(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return NULL;
    char *text = NULL;
    size_t cap = 0;
    *len = 0;
    do {
        cap = cap > 0 ? 2 * cap : 4096;
        text = realloc(text, cap + 1);
        if (text == NULL)
            abort();
        *len += fread(text + *len, 1, cap - *len, file);
    } while (*len == cap);
    text[*len] = '\0';
    fclose(file);
    return text;
}

#endif
