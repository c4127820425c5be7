/* A self-signed certificate that stays the same from one start of a server to the next: PEM files in a directory, the
 * key readable by its owner alone. */
#ifndef CONFAB_RTC_CERTIFICATE_FILE_H
#define CONFAB_RTC_CERTIFICATE_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum { CERTIFICATE_PATH_CAP = 512 };

struct certificate_files {
    char certificate[CERTIFICATE_PATH_CAP];
    char key[CERTIFICATE_PATH_CAP];
};

/* Those in `directory`, which is made if need be; made anew (for a year) when they aren't there, can't be read or are
 * about to expire. False and `error` when they can't be written. */
bool certificate_files_prepare(const char *directory, int64_t unix_s, struct certificate_files *files,
                               struct error *error);

#endif
