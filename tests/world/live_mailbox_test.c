#include "world/live_mailbox.h"

#include <pthread.h>
#include <stdlib.h>

#include "tests/support/suite.h"
#include "world/live_world.h"

enum { THREADS = 4, LETTERS = 5000 };

struct letter {
    struct live_letter letter;
    size_t thread, number;
};

struct reader {
    struct live_mailbox *mailbox;
    size_t next[THREADS]; /* the number of the next letter of each */
    size_t taken, wakes;
    bool right;
};

struct writer {
    struct live_mailbox *mailbox;
    size_t thread;
};

static struct letter *write_letter(size_t thread, size_t number)
{
    struct letter *letter = calloc(1, sizeof *letter);
    *letter = (struct letter){.letter = {.size = 100}, .thread = thread, .number = number};
    return letter;
}

static void take(void *user, struct live_letter *taken, nanos now)
{
    struct reader *reader = user;
    struct letter *letter = (struct letter *)taken;
    (void)now;
    reader->right = reader->right && letter->number == reader->next[letter->thread]++;
    reader->taken++;
    free(letter);
}

static void woken(void *user, nanos now)
{
    (void)now;
    ((struct reader *)user)->wakes++;
}

static void *post_all(void *user)
{
    const struct writer *writer = user;
    for (size_t i = 0; i < LETTERS; i++) {
        struct letter *letter = write_letter(writer->thread, i);
        if (i % 2 == 0)
            live_mailbox_press(writer->mailbox, &letter->letter);
        else
            while (!live_mailbox_post(writer->mailbox, &letter->letter))
                ;
    }
    return NULL;
}

static bool some_are_missing(void *user, nanos now)
{
    (void)now;
    return ((struct reader *)user)->taken < (size_t)THREADS * LETTERS;
}

/* In order from each, whoever else writes. */
static void many_write(void)
{
    struct error error;
    struct reader reader = {.right = true};
    struct writer writers[THREADS];
    pthread_t threads[THREADS];
    struct live_world *live = live_world_create(&(struct live_world_config){.loopback_only = true}, &error);
    const struct live_mailbox_config config = {
        .live = live, .bytes_max = 20000, .take = take, .woken = woken, .user = &reader};
    reader.mailbox = live_mailbox_create(&config, &error);
    for (size_t i = 0; i < THREADS; i++) {
        writers[i] = (struct writer){.mailbox = reader.mailbox, .thread = i};
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, post_all, &writers[i]), 0);
    }
    live_world_run_until(live, NANOS_NEVER, NANOS_PER_MS, some_are_missing, &reader, &error);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CU_ASSERT_TRUE(reader.right);
    CU_ASSERT_EQUAL(reader.taken, (size_t)THREADS * LETTERS);
    CU_ASSERT_TRUE(reader.wakes > 0);
    live_mailbox_destroy(reader.mailbox);
    live_world_destroy(live);
}

static void a_full_one_refuses(void)
{
    struct error error;
    struct reader reader = {.right = true};
    struct live_world *live = live_world_create(&(struct live_world_config){.loopback_only = true}, &error);
    const struct live_mailbox_config config = {.live = live, .bytes_max = 250, .take = take, .user = &reader};
    struct live_mailbox *mailbox = live_mailbox_create(&config, &error);
    CU_ASSERT_TRUE(live_mailbox_post(mailbox, &write_letter(0, 0)->letter));
    CU_ASSERT_TRUE(live_mailbox_post(mailbox, &write_letter(0, 1)->letter));
    struct letter *refused = write_letter(0, 2);
    CU_ASSERT_FALSE(live_mailbox_post(mailbox, &refused->letter));
    live_mailbox_press(mailbox, &refused->letter);
    CU_ASSERT_EQUAL(reader.taken, 0);
    live_mailbox_destroy(mailbox); /* what is left is taken */
    CU_ASSERT_EQUAL(reader.taken, 3);
    CU_ASSERT_TRUE(reader.right);
    live_world_destroy(live);
}

void live_mailbox_test(void);
void live_mailbox_test(void)
{
    SUITE("live_mailbox", {"many write", many_write}, {"a full one refuses", a_full_one_refuses});
}
