#include "sfu/server_letter.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct server_letter *server_letter_create(enum server_letter_type type, uint64_t id, const char *text, size_t len)
{
    struct server_letter *letter = malloc(sizeof *letter + len + 1);
    if (letter == NULL)
        return NULL;
    *letter =
        (struct server_letter){.letter = {.size = sizeof *letter + len}, .type = type, .fd = -1, .id = id, .len = len};
    if (len > 0)
        memcpy(letter->text, text, len);
    letter->text[len] = '\0';
    return letter;
}

void server_letter_destroy(struct server_letter *letter)
{
    if (letter == NULL)
        return;
    if (letter->fd >= 0)
        close(letter->fd);
    if (letter->response != NULL)
        http_response_clear(letter->response);
    free(letter->response);
    free(letter->request);
    free(letter->statistics);
    free(letter);
}

bool server_letter_send(struct live_mailbox *to, struct server_letter *letter)
{
    if (letter != NULL && live_mailbox_post(to, &letter->letter))
        return true;
    server_letter_destroy(letter);
    return false;
}

void server_letter_press(struct live_mailbox *to, struct server_letter *letter)
{
    if (letter != NULL)
        live_mailbox_press(to, &letter->letter);
}
