/* One HTTP request over loopback, and what comes back. */
#ifndef CONFAB_TESTS_HTTP_CLIENT_H
#define CONFAB_TESTS_HTTP_CLIENT_H

#include <stddef.h>
#include <stdint.h>

struct http_answer {
    int status; /* 0: there was no answer */
    char *text; /* head and body, terminated; never NULL */
    const char *body;
};

/* `head`: the request line and headers, each ended by CRLF, without Host, Content-Length and the empty line. */
struct http_answer http_ask(uint16_t port, const char *head, const char *body, size_t len);

/* The value of a header, until the call after the next three; NULL when it isn't there. */
const char *http_answer_header(const struct http_answer *answer, const char *name);

void http_answer_free(struct http_answer *answer);

#endif
