#include "base/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

struct line {
    char text[LOG_LINE_MAX];
    size_t len;
};

static void add(struct line *line, char c)
{
    if (line->len + 2 < sizeof line->text) /* leaves room for a quote and the newline */
        line->text[line->len++] = c;
}

static void add_text(struct line *line, const char *text)
{
    while (*text != '\0')
        add(line, *text++);
}

static bool is_plain(const char *value)
{
    const unsigned char *at = (const unsigned char *)value;
    while (*at > ' ' && *at != '"' && *at != '=' && *at != '\\' && *at != 0x7f)
        at++;
    return *at == '\0' && *value != '\0';
}

static void add_value(struct line *line, const char *value)
{
    if (is_plain(value)) {
        add_text(line, value);
        return;
    }
    add(line, '"');
    for (const unsigned char *at = (const unsigned char *)value; *at != '\0'; at++) {
        if (*at == '"' || *at == '\\')
            add(line, '\\');
        add(line, *at < ' ' || *at == 0x7f ? '?' : (char)*at);
    }
    if (line->len + 1 < sizeof line->text)
        line->text[line->len++] = '"';
}

static bool may_write(struct log *log, int64_t second)
{
    if (second != log->second) {
        if (log->suppressed > 0)
            fprintf(log->file, "event=suppressed lines=%" PRIu64 "\n", log->suppressed);
        log->second = second;
        log->lines = 0;
        log->suppressed = 0;
    }
    if (log->lines++ < LOG_LINES_PER_S)
        return true;
    log->suppressed++;
    return false;
}

void log_event(struct log *log, int64_t unix_ns, const char *event, ...)
{
    const int64_t ns_per_s = 1000000000;
    char when[40];
    char fraction[8];
    struct tm broken_down;
    struct line line = {.len = 0};
    va_list arguments;
    const char *key;
    const time_t second = (time_t)(unix_ns / ns_per_s);
    if (log->file == NULL || !may_write(log, second))
        return;
    gmtime_r(&second, &broken_down);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &broken_down);
    snprintf(fraction, sizeof fraction, ".%03dZ", (int)(unix_ns % ns_per_s / 1000000));
    add_text(&line, "time=");
    add_text(&line, when);
    add_text(&line, fraction);
    add_text(&line, " event=");
    add_value(&line, event);
    va_start(arguments, event);
    while ((key = va_arg(arguments, const char *)) != NULL) {
        const char *value = va_arg(arguments, const char *);
        if (value == NULL)
            continue;
        add(&line, ' ');
        add_text(&line, key);
        add(&line, '=');
        add_value(&line, value);
    }
    va_end(arguments);
    line.text[line.len++] = '\n';
    fwrite(line.text, 1, line.len, log->file);
    fflush(log->file);
}
