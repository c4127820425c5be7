#include "tests/support/http_client.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TIMEOUT_S = 5 };

static int dial(uint16_t port)
{
    const struct timeval timeout = {.tv_sec = TIMEOUT_S};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    close(fd);
    return -1;
}

static void send_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        data += sent;
        len -= (size_t)sent;
    }
}

struct http_answer http_ask(uint16_t port, const char *head, const char *body, size_t len)
{
    enum { CAP = 1024 * 1024 };
    struct http_answer answer = {.text = calloc(1, CAP)};
    char rest[128];
    size_t got = 0;
    int fd = dial(port);
    if (answer.text == NULL)
        abort();
    answer.body = answer.text;
    if (fd < 0)
        return answer;
    snprintf(rest, sizeof rest, "Host: localhost\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", len);
    send_all(fd, head, strlen(head));
    send_all(fd, rest, strlen(rest));
    send_all(fd, body, len);
    ssize_t more;
    while ((more = recv(fd, answer.text + got, CAP - 1 - got, 0)) > 0)
        got += (size_t)more;
    close(fd);
    if (strncmp(answer.text, "HTTP/1.1 ", 9) == 0)
        answer.status = atoi(answer.text + 9);
    const char *end = strstr(answer.text, "\r\n\r\n");
    answer.body = end != NULL ? end + 4 : answer.text + got;
    return answer;
}

const char *http_answer_header(const struct http_answer *answer, const char *name)
{
    static char values[4][1024];
    static unsigned next;
    char *value = values[next++ % 4];
    for (const char *line = strstr(answer->text, "\r\n"); line != NULL && line + 2 < answer->body;
         line = strstr(line + 2, "\r\n")) {
        size_t len = strlen(name);
        if (strncasecmp(line + 2, name, len) != 0 || line[2 + len] != ':')
            continue;
        const char *at = line + 3 + len;
        at += strspn(at, " ");
        snprintf(value, sizeof values[0], "%.*s", (int)strcspn(at, "\r"), at);
        return value;
    }
    return NULL;
}

void http_answer_free(struct http_answer *answer) { free(answer->text); }
