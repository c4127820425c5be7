/* Text into HTML. */
#ifndef CONFAB_REPORT_HTML_H
#define CONFAB_REPORT_HTML_H

#include <stdio.h>

/* Writes `text` so that it stands for itself between tags and in quoted attributes. */
void html_text(FILE *out, const char *text);

#endif
