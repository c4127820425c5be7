#include "loadgen/load_target.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "loadgen/adapter.h"

static const char exec_prefix[] = "exec:";

static const struct adapter *adapter_of(const char *scheme, size_t len)
{
    for (size_t i = 0; adapters[i] != NULL; i++) {
        if (strlen(adapters[i]->scheme) == len && strncmp(adapters[i]->scheme, scheme, len) == 0)
            return adapters[i];
    }
    return NULL;
}

/* Takes "token=…" out of the query: it is a secret of ours, not a part of the address. */
static bool take_token(struct load_target *target, struct error *error)
{
    static const char key[] = "token=";
    char *query = strchr(target->url.path, '?');
    for (char *at = query; at != NULL; at = strchr(at + 1, '&')) {
        if (strncmp(at + 1, key, sizeof key - 1) != 0)
            continue;
        if (!web_url_query(&target->url, "token", target->token, sizeof target->token))
            return error_set(error, ERROR_USAGE, "the token has more than %d bytes", LOAD_TOKEN_CAP - 1);
        const char *rest = at + 1 + strcspn(at + 1, "&");
        if (*rest == '\0')
            *at = '\0';
        else
            memmove(at + 1, rest + 1, strlen(rest + 1) + 1);
        return true;
    }
    return true;
}

static void complete_path(struct web_url *url, const char *usual)
{
    char query[WEB_PATH_CAP];
    if (usual == NULL || (url->path[1] != '\0' && url->path[1] != '?'))
        return;
    memcpy(query, url->path + 1, strlen(url->path));
    snprintf(url->path, sizeof url->path, "%s%.*s", usual, (int)(sizeof query - 1 - strlen(usual)), query);
}

bool load_target_parse(struct load_target *target, const char *text, struct error *error)
{
    size_t len = strcspn(text, "+:");
    bool runs_command = strncmp(text, exec_prefix, sizeof exec_prefix - 1) == 0;
    *target = (struct load_target){.adapter = adapter_of(text, len)};
    if (text[len] != '+' && !runs_command)
        return error_set(error, ERROR_USAGE,
                         "'%.200s' does not say what kind of server it is, as in whip+https://HOST/PATH; "
                         "'confab help load' has the kinds",
                         text);
    if (target->adapter == NULL)
        return error_set(error, ERROR_USAGE,
                         "'%.*s' is no kind of server that confab knows; 'confab help load' has them", (int)len, text);
    if (runs_command) {
        int length = snprintf(target->command, sizeof target->command, "%s", text + sizeof exec_prefix - 1);
        if (length <= 0 || (size_t)length >= sizeof target->command)
            return error_set(error, ERROR_USAGE, "exec: lacks its command, or has too long a one");
        return true;
    }
    if (!web_url_parse(&target->url, text + len + 1, error))
        return false;
    const struct adapter *adapter = target->adapter;
    complete_path(&target->url, adapter->path);
    if (target->url.websocket ? !adapter->websocket : !adapter->http)
        return error_set(error, ERROR_USAGE, "'%.200s': it is %s", text, adapter->form);
    return take_token(target, error) && (adapter->check == NULL || adapter->check(target, error));
}

/* Percent-encodes what is no unreserved character (RFC 3986, section 2.3). */
static bool append(struct web_url *url, size_t *len, const char *text, size_t text_len, bool encoded)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text_len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (*len + 4 > sizeof url->path)
            return false;
        if (encoded || isalnum(c) || strchr("-._~", c) != NULL) {
            url->path[(*len)++] = (char)c;
        } else {
            url->path[(*len)++] = '%';
            url->path[(*len)++] = digits[c >> 4];
            url->path[(*len)++] = digits[c & 15];
        }
    }
    url->path[*len] = '\0';
    return true;
}

bool load_target_expand(const struct load_target *target, const struct load_target_names *names, struct web_url *url,
                        struct error *error)
{
    char number[12];
    snprintf(number, sizeof number, "%u", names->number);
    const struct {
        const char *word, *value;
    } words[] = {{"{room}", names->room}, {"{name}", names->name}, {"{number}", number}};
    size_t len = 0;
    bool fits = true;
    *url = target->url;
    for (const char *at = target->url.path; *at != '\0' && fits;) {
        size_t skip = 1;
        const char *value = NULL;
        for (size_t i = 0; i < sizeof words / sizeof words[0] && value == NULL; i++) {
            size_t word_len = strlen(words[i].word);
            if (strncmp(at, words[i].word, word_len) != 0)
                continue;
            value = words[i].value;
            skip = word_len;
        }
        fits = value != NULL ? append(url, &len, value, strlen(value), false) : append(url, &len, at, 1, true);
        at += skip;
    }
    return fits || error_set(error, ERROR_USAGE, "the URL is too long with its names in it");
}
