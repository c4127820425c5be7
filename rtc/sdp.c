#include "rtc/sdp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What sdp_parse hands out is the first member; the rest is what it points into. */
struct parsed {
    struct sdp sdp;
    char *text; /* a copy, cut into strings */
    struct sdp_line *lines;
    size_t line_count;
    struct sdp_media *media;
    const char **formats;
};

void sdp_destroy(struct sdp *sdp)
{
    if (sdp == NULL)
        return;
    struct parsed *parsed = (struct parsed *)sdp;
    free(parsed->text);
    free(parsed->lines);
    free(parsed->media);
    free(parsed->formats);
    free(parsed);
}

/* Cuts off the next word; NULL when there is none. */
static char *next_word(char **at)
{
    char *word = *at + strspn(*at, " ");
    if (*word == '\0')
        return NULL;
    *at = word + strcspn(word, " ");
    if (**at != '\0')
        *(*at)++ = '\0';
    return word;
}

static bool parse_number(const char *word, uint64_t max, uint64_t *out)
{
    if (word == NULL || *word < '0' || *word > '9')
        return false;
    char *end;
    errno = 0;
    unsigned long long value = strtoull(word, &end, 10);
    if (*end != '\0' || errno != 0 || value > max)
        return false;
    *out = value;
    return true;
}

static bool parse_origin(struct sdp_origin *origin, char *at)
{
    origin->username = next_word(&at);
    origin->session_id = next_word(&at);
    origin->version = next_word(&at);
    origin->address = at + strspn(at, " ");
    return origin->version != NULL && strncmp(origin->address, "IN IP", 5) == 0;
}

static bool parse_media(struct sdp_media *media, char *at, const char **formats, struct error *error)
{
    media->kind = next_word(&at);
    char *port = next_word(&at);
    media->protocol = next_word(&at);
    uint64_t value = 0;
    uint64_t count = 1;
    char *slash = port != NULL ? strchr(port, '/') : NULL;
    if (slash != NULL)
        *slash++ = '\0';
    if (!parse_number(port, UINT16_MAX, &value) || (slash != NULL && !parse_number(slash, UINT16_MAX, &count)))
        return error_set(error, ERROR_INPUT, "SDP line %u: m= needs a port from 0 to 65535, not '%.40s'", media->number,
                         port != NULL ? port : "");
    media->port = (uint16_t)value;
    media->port_count = (uint16_t)count;
    media->formats = formats;
    for (const char *format; (format = next_word(&at)) != NULL; media->format_count++)
        formats[media->format_count] = format;
    if (media->format_count == 0)
        return error_set(error, ERROR_INPUT, "SDP line %u: m= needs a kind, a port, a protocol and a format",
                         media->number);
    return true;
}

/* --- lines ------------------------------------------------------------------------------------------------------------ */

struct counts {
    size_t lines, media, formats;
};

/* Everything that bounds memory is counted, and refused, before anything is allocated for it. */
static bool count_lines(const char *text, size_t len, struct counts *counts, struct error *error)
{
    if (len > SDP_TEXT_MAX)
        return error_set(error, ERROR_INPUT, "SDP has %zu bytes, at most %zu are read", len, SDP_TEXT_MAX);
    for (size_t at = 0; at < len;) {
        const char *line = text + at;
        const char *end = memchr(line, '\n', len - at);
        size_t line_len = end != NULL ? (size_t)(end - line) : len - at;
        counts->lines++;
        if (line_len > SDP_LINE_MAX)
            return error_set(error, ERROR_INPUT, "SDP line %zu: has %zu bytes, at most %zu are read", counts->lines,
                             line_len, SDP_LINE_MAX);
        if (memchr(line, '\0', line_len) != NULL)
            return error_set(error, ERROR_INPUT, "SDP line %zu: holds a zero byte", counts->lines);
        if (line_len >= 2 && line[0] == 'm' && line[1] == '=') {
            counts->media++;
            for (size_t i = 0; i < line_len; i++)
                counts->formats += line[i] == ' ';
        }
        at += line_len + 1;
    }
    if (counts->lines > SDP_LINES_MAX || counts->media > SDP_MEDIA_MAX)
        return error_set(error, ERROR_INPUT, "SDP has %zu lines and %zu m= lines, at most %zu and %zu are read",
                         counts->lines, counts->media, SDP_LINES_MAX, SDP_MEDIA_MAX);
    return true;
}

static struct parsed *allocate(const char *text, size_t len, const struct counts *counts)
{
    struct parsed *parsed = calloc(1, sizeof *parsed);
    if (parsed == NULL)
        return NULL;
    parsed->text = malloc(len + 1);
    parsed->lines = calloc(counts->lines + 1, sizeof *parsed->lines);
    parsed->media = calloc(counts->media + 1, sizeof *parsed->media);
    parsed->formats = calloc(counts->formats + 1, sizeof *parsed->formats);
    if (parsed->text == NULL || parsed->lines == NULL || parsed->media == NULL || parsed->formats == NULL) {
        sdp_destroy(&parsed->sdp);
        return NULL;
    }
    memcpy(parsed->text, text, len);
    parsed->text[len] = '\0';
    return parsed;
}

/* A whole description starts with v=0, o=, s=, and has its t= before the first m= (RFC 8866, section 5). */
static bool check_order(const struct parsed *parsed, const struct sdp_line *line, struct error *error)
{
    static const char first[] = "vos";
    size_t place = parsed->line_count;
    if (place < 3 && line->type != first[place])
        return error_set(error, ERROR_INPUT, "SDP line %u: %c= where %c= must be", line->number, line->type,
                         first[place]);
    if (place == 0 && strcmp(line->value, "0") != 0)
        return error_set(error, ERROR_UNSUPPORTED, "SDP line %u: version '%.20s' is unknown", line->number,
                         line->value);
    return true;
}

static bool has_time(const struct parsed *parsed)
{
    for (size_t i = 0; i < parsed->line_count; i++) {
        if (parsed->lines[i].type == 't')
            return true;
    }
    return false;
}

static bool take_line(struct parsed *parsed, struct sdp_line line, char *text, size_t *format_count, enum sdp_form form,
                      struct error *error)
{
    if (text[0] < 'a' || text[0] > 'z' || text[1] != '=')
        return error_set(error, ERROR_INPUT, "SDP line %u: '%.20s' does not start with a letter and '='", line.number,
                         text);
    line.type = text[0];
    line.value = text + 2;
    if (form == SDP_WHOLE && !check_order(parsed, &line, error))
        return false;
    struct sdp *sdp = &parsed->sdp;
    if (line.type == 'm') {
        if (form == SDP_WHOLE && sdp->media_count == 0 && !has_time(parsed))
            return error_set(error, ERROR_INPUT, "SDP line %u: m= before t=", line.number);
        struct sdp_media *media = &parsed->media[sdp->media_count++];
        media->number = line.number;
        media->section.lines = &parsed->lines[parsed->line_count];
        if (!parse_media(media, text + 2, parsed->formats + *format_count, error))
            return false;
        *format_count += media->format_count;
        return true;
    }
    if (line.type == 'o' && sdp->media_count == 0 && sdp->origin.username == NULL) {
        if (!parse_origin(&sdp->origin, text + 2))
            return error_set(error, ERROR_INPUT,
                             "SDP line %u: o= needs a name, two numbers, and IN IP4 or IP6 with an "
                             "address",
                             line.number);
        line.value = sdp->origin.address; /* the rest is cut into words now */
    }
    if (line.type == 'a') {
        char *colon = strchr(text, ':');
        line.name = text + 2;
        line.value = colon != NULL ? colon + 1 : NULL;
        if (colon != NULL)
            *colon = '\0';
        if (*line.name == '\0')
            return error_set(error, ERROR_INPUT, "SDP line %u: an attribute without a name", line.number);
    }
    parsed->lines[parsed->line_count++] = line;
    if (sdp->media_count == 0)
        sdp->session.count++;
    else
        parsed->media[sdp->media_count - 1].section.count++;
    return true;
}

static bool take_lines(struct parsed *parsed, size_t len, enum sdp_form form, struct error *error)
{
    size_t format_count = 0;
    uint32_t number = 0;
    for (char *at = parsed->text, *end = at + len; at < end;) {
        char *line_end = memchr(at, '\n', (size_t)(end - at));
        char *next = line_end != NULL ? line_end + 1 : end;
        if (line_end == NULL)
            line_end = end;
        if (line_end > at && line_end[-1] == '\r')
            line_end--;
        *line_end = '\0';
        number++;
        bool blank = at[strspn(at, " \t\r")] == '\0';
        if (!blank && !take_line(parsed, (struct sdp_line){.number = number}, at, &format_count, form, error))
            return false;
        at = next;
    }
    if (form == SDP_WHOLE && (parsed->line_count < 3 || !has_time(parsed)))
        return error_set(error, ERROR_INPUT, "SDP line %u: ends without %s", number,
                         parsed->line_count == 0   ? "v="
                         : parsed->line_count == 1 ? "o="
                         : parsed->line_count == 2 ? "s="
                                                   : "t=");
    return true;
}

struct sdp *sdp_parse(const char *text, size_t len, enum sdp_form form, struct error *error)
{
    struct counts counts = {0};
    if (!count_lines(text, len, &counts, error))
        return NULL;
    struct parsed *parsed = allocate(text, len, &counts);
    if (parsed == NULL) {
        error_set(error, ERROR_SYSTEM, "SDP: out of memory");
        return NULL;
    }
    parsed->sdp.session.lines = parsed->lines;
    parsed->sdp.media = parsed->media;
    if (!take_lines(parsed, len, form, error)) {
        sdp_destroy(&parsed->sdp);
        return NULL;
    }
    return &parsed->sdp;
}

const struct sdp_line *sdp_find(const struct sdp_section *section, const char *name)
{
    for (size_t i = 0; i < section->count; i++) {
        if (section->lines[i].type == 'a' && strcmp(section->lines[i].name, name) == 0)
            return &section->lines[i];
    }
    return NULL;
}

/* --- writing ---------------------------------------------------------------------------------------------------------- */

static void write_section(FILE *out, const struct sdp_section *section, const struct sdp_origin *origin)
{
    for (size_t i = 0; i < section->count; i++) {
        const struct sdp_line *line = &section->lines[i];
        if (line->type == 'o' && line->value == origin->address)
            fprintf(out, "o=%s %s %s %s\r\n", origin->username, origin->session_id, origin->version, origin->address);
        else if (line->type != 'a')
            fprintf(out, "%c=%s\r\n", line->type, line->value);
        else if (line->value != NULL)
            fprintf(out, "a=%s:%s\r\n", line->name, line->value);
        else
            fprintf(out, "a=%s\r\n", line->name);
    }
}

char *sdp_write(const struct sdp *sdp)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    if (out == NULL)
        return NULL;
    write_section(out, &sdp->session, &sdp->origin);
    for (size_t i = 0; i < sdp->media_count; i++) {
        const struct sdp_media *media = &sdp->media[i];
        fprintf(out, "m=%s %u", media->kind, media->port);
        if (media->port_count != 1)
            fprintf(out, "/%u", media->port_count);
        fprintf(out, " %s", media->protocol);
        for (size_t j = 0; j < media->format_count; j++)
            fprintf(out, " %s", media->formats[j]);
        fputs("\r\n", out);
        write_section(out, &media->section, &sdp->origin);
    }
    bool ok = ferror(out) == 0;
    if (fclose(out) != 0 || !ok) {
        free(text);
        return NULL;
    }
    return text;
}
