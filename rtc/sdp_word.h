/* Words in the values of SDP's lines: pieces of text with no terminator of their own. */
#ifndef CONFAB_RTC_SDP_WORD_H
#define CONFAB_RTC_SDP_WORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

struct sdp_word {
    const char *at;
    size_t len;
};

/* The next run of characters other than those in `separators`; length 0 at the end. */
static inline struct sdp_word sdp_next_word(const char **at, const char *separators)
{
    *at += strspn(*at, separators);
    struct sdp_word word = {*at, strcspn(*at, separators)};
    *at += word.len;
    return word;
}

static inline bool sdp_word_is(struct sdp_word word, const char *text)
{
    return strlen(text) == word.len && strncasecmp(word.at, text, word.len) == 0;
}

static inline bool sdp_word_starts(struct sdp_word word, const char *text)
{
    return word.len >= strlen(text) && strncasecmp(word.at, text, strlen(text)) == 0;
}

/* False when it doesn't fit. */
static inline bool sdp_word_copy(struct sdp_word word, char *out, size_t cap)
{
    if (word.len >= cap)
        return false;
    memcpy(out, word.at, word.len);
    out[word.len] = '\0';
    return true;
}

static inline struct sdp_word sdp_word_of(const char *text) { return (struct sdp_word){text, strlen(text)}; }

static inline bool sdp_word_number(struct sdp_word word, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    if (word.len == 0 || word.len > 19)
        return false;
    for (size_t i = 0; i < word.len; i++) {
        if (word.at[i] < '0' || word.at[i] > '9')
            return false;
        value = 10 * value + (uint64_t)(word.at[i] - '0');
    }
    *out = value;
    return value <= max;
}

#endif
