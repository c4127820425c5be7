#include <stdlib.h>
#include <string.h>

#include "rtc/ice_candidate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *text = malloc(len + 1);
    if (text == NULL)
        return 0;
    if (len > 0)
        memcpy(text, data, len);
    text[len] = '\0';
    struct ice_candidate candidate;
    struct error error;
    if (ice_candidate_parse(&candidate, text, &error) && candidate.transport != ICE_OTHER_TRANSPORT) {
        /* What was read is written, and read again as the same. */
        char out[ICE_CANDIDATE_TEXT_CAP];
        char again_out[ICE_CANDIDATE_TEXT_CAP];
        struct ice_candidate again;
        if (ice_candidate_format(&candidate, out, sizeof out) == 0 || !ice_candidate_parse(&again, out, &error) ||
            ice_candidate_format(&again, again_out, sizeof again_out) == 0 || strcmp(out, again_out) != 0)
            abort();
    }
    free(text);
    return 0;
}
