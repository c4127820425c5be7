/* Any text: what can be read is written, read again and the same then; and it can be answered. */
#include <stdlib.h>
#include <string.h>

#include "rtc/session_negotiation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_syntax(const char *text, size_t len, enum sdp_form form)
{
    struct sdp *sdp = sdp_parse(text, len, form, NULL);
    if (sdp == NULL)
        return;
    char *written = sdp_write(sdp);
    struct sdp *again = sdp_parse(written, strlen(written), form, NULL);
    if (again == NULL)
        abort();
    char *written_again = sdp_write(again);
    if (strcmp(written, written_again) != 0)
        abort();
    free(written);
    free(written_again);
    sdp_destroy(sdp);
    sdp_destroy(again);
}

static void try_meaning(const char *text, size_t len)
{
    struct session_description *offer = session_description_parse(text, len, NULL);
    if (offer == NULL)
        return;
    char *written = session_description_write(offer);
    struct session_description *again = session_description_parse(written, strlen(written), NULL);
    if (again == NULL)
        abort();
    char *written_again = session_description_write(again);
    if (strcmp(written, written_again) != 0)
        abort();
    free(written);
    free(written_again);
    session_description_destroy(again);

    struct session_transport transport = {.ufrag = "ours", .password = "0123456789abcdefghijkl"};
    transport.fingerprints[transport.fingerprint_count++] = fingerprint_of(FINGERPRINT_SHA_1, "abc", 3);
    struct session_capabilities ours = session_capabilities_default();
    ours.transport = &transport;
    ours.data_channels = true;
    struct session_description *answer = session_answer(offer, &ours, NULL);
    if (answer == NULL || !session_check_answer(offer, answer, NULL))
        abort();
    written = session_description_write(answer);
    again = session_description_parse(written, strlen(written), NULL);
    if (again == NULL)
        abort();
    free(written);
    session_description_destroy(again);
    session_description_destroy(answer);
    session_description_destroy(offer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    try_syntax(text, size, SDP_WHOLE);
    try_syntax(text, size, SDP_FRAGMENT);
    try_meaning(text, size);
    struct session_transport transport;
    char mid[SESSION_MID_CAP];
    if (session_fragment_parse(text, size, &transport, mid, NULL)) {
        char *written = session_fragment_write(&transport, mid);
        free(written);
        free(transport.candidates);
    }
    return 0;
}
