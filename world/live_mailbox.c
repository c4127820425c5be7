#include "world/live_mailbox.h"

#include <pthread.h>
#include <stdlib.h>

#include "world/live_internal.h"

struct live_mailbox {
    struct live_mailbox_config config;
    uv_async_t async;
    pthread_mutex_t lock; /* of what follows */
    struct live_letter *first, *last;
    size_t bytes;
};

static void take_all(struct live_mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->lock);
    struct live_letter *letter = mailbox->first;
    mailbox->first = mailbox->last = NULL;
    mailbox->bytes = 0;
    pthread_mutex_unlock(&mailbox->lock);
    while (letter != NULL) {
        struct live_letter *next = letter->next;
        mailbox->config.take(mailbox->config.user, letter, live_now(mailbox->config.live));
        letter = next;
    }
}

static void woken(uv_async_t *async)
{
    struct live_mailbox *mailbox = async->data;
    const struct live_mailbox_config *config = &mailbox->config;
    take_all(mailbox);
    if (config->woken != NULL)
        config->woken(config->user, live_now(config->live));
}

struct live_mailbox *live_mailbox_create(const struct live_mailbox_config *config, struct error *error)
{
    struct live_mailbox *mailbox = calloc(1, sizeof *mailbox);
    if (mailbox == NULL || uv_async_init(&config->live->loop, &mailbox->async, woken) != 0) {
        free(mailbox);
        error_set(error, ERROR_SYSTEM, "out of memory or descriptors");
        return NULL;
    }
    mailbox->config = *config;
    mailbox->async.data = mailbox;
    pthread_mutex_init(&mailbox->lock, NULL);
    return mailbox;
}

static void closed(uv_handle_t *handle)
{
    struct live_mailbox *mailbox = handle->data;
    pthread_mutex_destroy(&mailbox->lock);
    free(mailbox);
}

void live_mailbox_destroy(struct live_mailbox *mailbox)
{
    if (mailbox == NULL)
        return;
    while (mailbox->first != NULL)
        take_all(mailbox);
    uv_close((uv_handle_t *)&mailbox->async, closed);
}

static bool put(struct live_mailbox *mailbox, struct live_letter *letter, size_t bytes_max)
{
    letter->next = NULL;
    pthread_mutex_lock(&mailbox->lock);
    bool taken = letter->size <= bytes_max && mailbox->bytes <= bytes_max - letter->size;
    if (taken) {
        *(mailbox->last != NULL ? &mailbox->last->next : &mailbox->first) = letter;
        mailbox->last = letter;
        mailbox->bytes += letter->size;
    }
    pthread_mutex_unlock(&mailbox->lock);
    if (taken)
        uv_async_send(&mailbox->async);
    return taken;
}

bool live_mailbox_post(struct live_mailbox *mailbox, struct live_letter *letter)
{
    return put(mailbox, letter, mailbox->config.bytes_max);
}

void live_mailbox_press(struct live_mailbox *mailbox, struct live_letter *letter) { put(mailbox, letter, SIZE_MAX); }

void live_mailbox_wake(struct live_mailbox *mailbox) { uv_async_send(&mailbox->async); }
