#include "rtc/ice_candidate.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *const type_names[] = {"host", "srflx", "prflx", "relay"};
static const char *const tcp_type_names[] = {"", "active", "passive", "so"};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

uint8_t ice_type_preference(enum ice_candidate_type type, enum ice_relay_transport relay)
{
    switch (type) {
    case ICE_HOST:
        return ICE_PREFERENCE_HOST;
    case ICE_PEER_REFLEXIVE:
        return ICE_PREFERENCE_PEER_REFLEXIVE;
    case ICE_SERVER_REFLEXIVE:
        return ICE_PREFERENCE_SERVER_REFLEXIVE;
    case ICE_RELAYED:
    default:
        if (relay == ICE_RELAY_TLS)
            return ICE_PREFERENCE_RELAY_TLS;
        return relay == ICE_RELAY_TCP ? ICE_PREFERENCE_RELAY_TCP : ICE_PREFERENCE_RELAY_UDP;
    }
}

uint32_t ice_candidate_priority(uint8_t type_preference, uint16_t local_preference, uint16_t component)
{
    return (uint32_t)type_preference << 24 | (uint32_t)local_preference << 8 | (uint32_t)(256 - component);
}

uint64_t ice_pair_priority(uint32_t controlling, uint32_t controlled)
{
    uint64_t least = controlling < controlled ? controlling : controlled;
    uint64_t most = controlling < controlled ? controlled : controlling;
    return (least << 32) + 2 * most + (controlling > controlled ? 1 : 0);
}

const char *ice_candidate_type_name(enum ice_candidate_type type)
{
    return (size_t)type < COUNT(type_names) ? type_names[type] : "unknown";
}

static bool ice_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

static bool all_ice_chars(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!ice_char(text[i]))
            return false;
    }
    return true;
}

bool ice_ufrag_valid(const char *ufrag)
{
    size_t len = strnlen(ufrag, ICE_UFRAG_CAP);
    return len >= 4 && len < ICE_UFRAG_CAP && all_ice_chars(ufrag, len);
}

bool ice_password_valid(const char *password)
{
    size_t len = strnlen(password, ICE_PASSWORD_CAP);
    return len >= 22 && len < ICE_PASSWORD_CAP && all_ice_chars(password, len);
}

struct token {
    const char *at;
    size_t len;
};

/* The next run of characters up to a space; empty at the end of the text. */
static struct token next_token(const char **text)
{
    *text += strspn(*text, " ");
    struct token token = {.at = *text, .len = strcspn(*text, " \r\n")};
    *text += token.len;
    return token;
}

static bool token_is(struct token token, const char *word)
{
    return token.len == strlen(word) && strncasecmp(token.at, word, token.len) == 0;
}

static bool token_number(struct token token, uint64_t most, uint64_t *number)
{
    uint64_t value = 0;
    if (token.len == 0 || token.len > 10)
        return false;
    for (size_t i = 0; i < token.len; i++) {
        if (token.at[i] < '0' || token.at[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(token.at[i] - '0');
    }
    *number = value;
    return value <= most;
}

static bool token_copy(struct token token, char *text, size_t cap)
{
    if (token.len >= cap)
        return false;
    memcpy(text, token.at, token.len);
    text[token.len] = '\0';
    return true;
}

/* A literal without a port, as SDP has them. */
static bool token_address(struct token token, struct address *address)
{
    char text[ADDRESS_TEXT_CAP];
    struct address parsed;
    if (!token_copy(token, text, sizeof text) || strchr(text, '[') != NULL || !address_parse(&parsed, text) ||
        (parsed.family == ADDRESS_IPV4 && strchr(text, ':') != NULL))
        return false;
    *address = parsed;
    return true;
}

static bool token_hostname(struct token token, char *hostname, size_t cap)
{
    for (size_t i = 0; i < token.len; i++) {
        char c = token.at[i];
        if (c == '+' || c == '/' || (!ice_char(c) && c != '.' && c != '-' && c != '_'))
            return false;
    }
    return token.len > 0 && memchr(token.at, '.', token.len) != NULL && token_copy(token, hostname, cap);
}

static size_t token_index(struct token token, const char *const *names, size_t count)
{
    size_t i = 0;
    while (i < count && !token_is(token, names[i]))
        i++;
    return i;
}

static bool wrong(struct error *error, const char *field, struct token token)
{
    int shown = token.len < 64 ? (int)token.len : 64;
    return error_set(error, ERROR_PROTOCOL, "ICE candidate: %s '%.*s' is not one", field, shown, token.at);
}

/* raddr and rport, and whatever name-value pairs follow; what we don't know is skipped (RFC 8839, section 5.1). */
static bool parse_extensions(struct ice_candidate *candidate, const char *text, struct error *error)
{
    for (;;) {
        struct token name = next_token(&text);
        struct token value = next_token(&text);
        uint64_t number = 0;
        if (name.len == 0)
            return true;
        if (token_is(name, "raddr")) {
            token_address(value, &candidate->related); /* a name, or nothing of use, when it is hidden */
        } else if (token_is(name, "rport")) {
            if (!token_number(value, UINT16_MAX, &number))
                return wrong(error, "rport", value);
            candidate->related.port = (uint16_t)number;
        } else if (token_is(name, "tcptype")) {
            size_t index = token_index(value, tcp_type_names, COUNT(tcp_type_names));
            if (index == 0 || index == COUNT(tcp_type_names))
                return wrong(error, "tcptype", value);
            candidate->tcp_type = (uint8_t)index;
        } else if (token_is(name, "ufrag")) {
            if (!all_ice_chars(value.at, value.len) || !token_copy(value, candidate->ufrag, sizeof candidate->ufrag))
                return wrong(error, "ufrag", value);
        } else if (token_is(name, "generation") && token_number(value, UINT16_MAX, &number)) {
            candidate->generation = (uint16_t)number;
        } else if (token_is(name, "network-id") && token_number(value, UINT16_MAX, &number)) {
            candidate->network_id = (uint16_t)number;
        } else if (token_is(name, "network-cost") && token_number(value, UINT16_MAX, &number)) {
            candidate->network_cost = (uint16_t)number;
        }
    }
}

/* candidate:FOUNDATION COMPONENT TRANSPORT PRIORITY ADDRESS PORT typ TYPE [raddr A rport P] [NAME VALUE]… */
bool ice_candidate_parse(struct ice_candidate *candidate, const char *text, struct error *error)
{
    static const char prefix[] = "candidate:";
    struct ice_candidate read = {0};
    uint64_t number = 0;
    if (strncmp(text, "a=", 2) == 0)
        text += 2;
    if (strncasecmp(text, prefix, sizeof prefix - 1) != 0)
        return error_set(error, ERROR_PROTOCOL, "ICE candidate: does not start with 'candidate:'");
    text += sizeof prefix - 1;

    struct token token = next_token(&text);
    if (token.len == 0 || !all_ice_chars(token.at, token.len) ||
        !token_copy(token, read.foundation, sizeof read.foundation))
        return wrong(error, "foundation", token);
    token = next_token(&text);
    if (!token_number(token, 256, &number) || number == 0)
        return wrong(error, "component", token);
    read.component = (uint16_t)number;
    token = next_token(&text);
    if (token.len == 0)
        return wrong(error, "transport", token);
    read.transport = ICE_OTHER_TRANSPORT;
    if (token_is(token, "udp"))
        read.transport = ICE_UDP;
    else if (token_is(token, "tcp"))
        read.transport = ICE_TCP;
    token = next_token(&text);
    if (!token_number(token, UINT32_MAX, &number))
        return wrong(error, "priority", token);
    read.priority = (uint32_t)number;
    token = next_token(&text);
    if (!token_address(token, &read.address) && !token_hostname(token, read.hostname, sizeof read.hostname))
        return wrong(error, "address", token);
    token = next_token(&text);
    if (!token_number(token, UINT16_MAX, &number))
        return wrong(error, "port", token);
    read.address.port = (uint16_t)number;
    token = next_token(&text);
    if (!token_is(token, "typ"))
        return error_set(error, ERROR_PROTOCOL, "ICE candidate: 'typ' is missing after the port");
    token = next_token(&text);
    size_t type = token_index(token, type_names, COUNT(type_names));
    if (type == COUNT(type_names))
        return wrong(error, "type", token);
    read.type = (uint8_t)type;
    if (!parse_extensions(&read, text, error))
        return false;
    if (read.related.family == ADDRESS_NONE)
        read.related = (struct address){0};
    *candidate = read;
    return true;
}

bool ice_candidate_is_mdns(const struct ice_candidate *candidate)
{
    static const char suffix[] = ".local";
    size_t len = strlen(candidate->hostname);
    return len > sizeof suffix - 1 && strcasecmp(candidate->hostname + len - (sizeof suffix - 1), suffix) == 0;
}

struct text {
    char *at;
    size_t len;
    size_t cap;
};

static void append(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void append(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (text->len < text->cap) {
        int len = vsnprintf(text->at + text->len, text->cap - text->len, format, arguments);
        text->len += len > 0 ? (size_t)len : 0;
    }
    va_end(arguments);
}

size_t ice_candidate_format(const struct ice_candidate *candidate, char *text, size_t cap)
{
    struct text out = {.at = text, .cap = cap};
    char ip[ADDRESS_TEXT_CAP];
    const char *host = candidate->hostname;
    if (candidate->address.family != ADDRESS_NONE)
        host = address_format_ip(&candidate->address, ip);
    append(&out, "candidate:%s %u %s %u %s %u typ %s", candidate->foundation, candidate->component,
           candidate->transport == ICE_TCP ? "tcp" : "udp", candidate->priority, host, candidate->address.port,
           ice_candidate_type_name(candidate->type));
    if (candidate->related.family != ADDRESS_NONE)
        append(&out, " raddr %s rport %u", address_format_ip(&candidate->related, ip), candidate->related.port);
    if (candidate->tcp_type != ICE_TCP_NONE && candidate->tcp_type < COUNT(tcp_type_names))
        append(&out, " tcptype %s", tcp_type_names[candidate->tcp_type]);
    if (candidate->ufrag[0] != '\0' || candidate->generation > 0)
        append(&out, " generation %u", candidate->generation);
    if (candidate->ufrag[0] != '\0')
        append(&out, " ufrag %s", candidate->ufrag);
    if (candidate->network_id > 0)
        append(&out, " network-id %u", candidate->network_id);
    if (candidate->network_cost > 0)
        append(&out, " network-cost %u", candidate->network_cost);
    return out.len < out.cap ? out.len : 0;
}
