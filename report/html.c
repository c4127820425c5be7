#include "report/html.h"

#include <string.h>

void html_text(FILE *out, const char *text)
{
    static const char *const entities[] = {
        ['<'] = "&lt;", ['>'] = "&gt;", ['&'] = "&amp;", ['"'] = "&quot;", ['\''] = "&#39;"};
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < sizeof entities / sizeof entities[0] && entities[c] != NULL)
            fputs(entities[c], out);
        else
            fputc(c, out);
    }
}
