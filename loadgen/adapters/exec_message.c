#include "loadgen/adapters/exec_message.h"

#include <string.h>

/* What each type needs besides its client. */
static const struct {
    const char *name;
    bool connection, sdp, candidate, reason;
} types[] = {
    [EXEC_OPEN] = {"open", .connection = true},
    [EXEC_OFFER] = {"offer", .connection = true, .sdp = true},
    [EXEC_ANSWER] = {"answer", .connection = true, .sdp = true},
    [EXEC_CANDIDATE] = {"candidate", .connection = true, .candidate = true},
    [EXEC_MORE] = {"more", .connection = true},
    [EXEC_CLOSE] = {"close", .connection = true},
    [EXEC_SIGNALLED] = {"signalled"},
    [EXEC_EXPECT] = {"expect"},
    [EXEC_FAILED] = {"failed", .reason = true},
};

static bool type_of(enum exec_message_type *type, const char *name)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(types[i].name, name) != 0)
            continue;
        *type = (enum exec_message_type)i;
        return true;
    }
    return false;
}

static bool failure_of_name(enum failure *failure, const char *name)
{
    for (int i = 0; i < FAILURES; i++) {
        if (strcmp(failure_name((enum failure)i), name) != 0)
            continue;
        *failure = (enum failure)i;
        return true;
    }
    return false;
}

static bool is_complete(const struct exec_message *message, bool candidate, struct error *error)
{
    const char *name = types[message->type].name;
    if (types[message->type].connection && message->connection == NULL)
        return error_set(error, ERROR_INPUT, "'%s' needs a 'connection'", name);
    if (types[message->type].sdp && message->sdp == NULL)
        return error_set(error, ERROR_INPUT, "'%s' needs an 'sdp'", name);
    if (types[message->type].candidate && !candidate)
        return error_set(error, ERROR_INPUT, "'%s' needs a 'candidate', a text, or null after the last", name);
    if (types[message->type].reason && message->reason == NULL)
        return error_set(error, ERROR_INPUT, "'%s' needs a 'reason'", name);
    return true;
}

/* Nothing but the members there are, each of the right kind. */
static bool unpack(struct exec_message *message, struct error *error)
{
    json_error_t wrong;
    json_t *candidate = NULL, *ice_servers = NULL;
    const char *type, *class = "rejected";
    int offers = true, trickle = false, sends = false, data = false, simulcast = true, audio = 0, video = 0;
    if (json_unpack_ex(message->json, &wrong, JSON_STRICT,
                       "{ss ss s?s s?s s?o s?s s?s s?b s?b s?b s?b s?b s?i s?i s?o}", "type", &type, "client",
                       &message->client, "connection", &message->connection, "sdp", &message->sdp, "candidate",
                       &candidate, "class", &class, "reason", &message->reason, "offers", &offers, "trickle", &trickle,
                       "sends", &sends, "data", &data, "simulcast", &simulcast, "audio", &audio, "video", &video,
                       "ice_servers", &ice_servers) != 0)
        return error_set(error, ERROR_INPUT, "%.150s", wrong.text);
    if (!type_of(&message->type, type))
        return error_set(error, ERROR_INPUT, "'%.40s' is no type of message", type);
    if (!failure_of_name(&message->failure, class))
        return error_set(error, ERROR_INPUT, "'%.40s' is no class of failures", class);
    if (audio < 0 || audio > EXEC_SECTIONS_MAX || video < 0 || video > EXEC_SECTIONS_MAX)
        return error_set(error, ERROR_INPUT, "'%s': 'audio' and 'video' are numbers from 0 to %d", type,
                         EXEC_SECTIONS_MAX);
    message->offers = offers, message->trickle = trickle, message->sends = sends;
    message->data = data, message->simulcast = simulcast;
    message->audio = (uint32_t)audio, message->video = (uint32_t)video;
    message->candidate = json_string_value(candidate);
    message->ice_servers = ice_servers;
    return is_complete(message, json_is_string(candidate) || json_is_null(candidate), error);
}

bool exec_message_read(struct exec_message *message, const char *text, size_t len, struct error *error)
{
    json_error_t wrong;
    *message = (struct exec_message){.json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &wrong)};
    bool read = message->json != NULL ? unpack(message, error)
                                      : error_set(error, ERROR_INPUT, "it is no JSON (%.80s)", wrong.text);
    if (!read)
        exec_message_clear(message);
    return read;
}

void exec_message_clear(struct exec_message *message)
{
    json_decref(message->json);
    *message = (struct exec_message){0};
}
