#include "loadgen/failure.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

const char *failure_name(enum failure failure)
{
    static const char *const names[FAILURES] = {
        [FAILURE_REFUSED] = "refused",
        [FAILURE_TIMEOUT] = "timeout",
        [FAILURE_UNAUTHORIZED] = "unauthorized",
        [FAILURE_NOT_FOUND] = "not-found",
        [FAILURE_FULL] = "full",
        [FAILURE_SERVER] = "server-error",
        [FAILURE_REJECTED] = "rejected",
        [FAILURE_BAD_ANSWER] = "bad-answer",
        [FAILURE_CLOSED] = "closed",
        [FAILURE_ICE] = "ice",
        [FAILURE_DTLS] = "dtls",
        [FAILURE_LOST] = "lost",
        [FAILURE_LOCAL] = "local",
    };
    return failure < FAILURES ? names[failure] : "unknown";
}

enum failure failure_of_status(int status)
{
    switch (status) {
    case 401:
    case 403:
        return FAILURE_UNAUTHORIZED;
    case 404:
    case 410:
        return FAILURE_NOT_FOUND;
    case 429:
    case 503:
        return FAILURE_FULL;
    default:
        return status >= 500 ? FAILURE_SERVER : FAILURE_REJECTED;
    }
}

enum failure failure_of_reason(const char *reason, enum failure otherwise)
{
    static const struct {
        const char *word;
        enum failure failure;
    } words[] = {
        {"refused", FAILURE_REFUSED},     {"unreachable", FAILURE_REFUSED}, {"no address", FAILURE_REFUSED},
        {"no route", FAILURE_REFUSED},    {"no answer", FAILURE_TIMEOUT},   {"timed out", FAILURE_TIMEOUT},
        {"too many open", FAILURE_LOCAL}, {"out of memory", FAILURE_LOCAL}, {"can't assign", FAILURE_LOCAL},
        {"cannot assign", FAILURE_LOCAL},
    };
    int status;
    const char *said = strstr(reason, "status ");
    if (said != NULL && sscanf(said, "status %3d", &status) == 1 && status >= 400)
        return failure_of_status(status);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcasestr(reason, words[i].word) != NULL)
            return words[i].failure;
    }
    return otherwise;
}
