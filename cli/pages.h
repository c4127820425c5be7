/* The files of web/, which are part of the program: `make` puts them into build/pages.c. */
#ifndef CONFAB_CLI_PAGES_H
#define CONFAB_CLI_PAGES_H

#include <stddef.h>

#include "sfu/server.h"

extern const struct server_page pages[];
extern const size_t page_count;

#endif
