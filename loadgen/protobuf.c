#include "loadgen/protobuf.h"

enum { REPEATED_MAX = 4096 }; /* of one field: what a small message could make us keep is bounded */

struct reader {
    const uint8_t *at, *end;
};

enum wire_type { WIRE_VARINT = 0, WIRE_64_BITS = 1, WIRE_BYTES = 2, WIRE_32_BITS = 5 };

static bool read_varint(struct reader *reader, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && reader->at < reader->end; shift += 7) {
        uint8_t byte = *reader->at++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0)
            return true;
    }
    return false;
}

/* One field's bytes, or its value. */
static bool read_field(struct reader *reader, enum wire_type type, uint64_t *value, struct reader *bytes)
{
    uint64_t len = type == WIRE_64_BITS ? 8 : 4;
    *bytes = (struct reader){0};
    switch (type) {
    case WIRE_VARINT:
        return read_varint(reader, value);
    case WIRE_BYTES:
        if (!read_varint(reader, &len))
            return false;
        break;
    case WIRE_64_BITS:
    case WIRE_32_BITS:
        break;
    default:
        return false; /* groups, of which nothing new is made */
    }
    if (len > (uint64_t)(reader->end - reader->at))
        return false;
    *bytes = (struct reader){reader->at, reader->at + len};
    reader->at += len;
    return true;
}

static json_t *value_of(const struct protobuf_field *field, enum wire_type type, uint64_t value, struct reader bytes)
{
    bool takes_bytes = field->kind == PROTOBUF_TEXT || field->kind == PROTOBUF_MESSAGE;
    if (type != (takes_bytes ? WIRE_BYTES : WIRE_VARINT))
        return NULL;
    switch (field->kind) {
    case PROTOBUF_TEXT:
        return json_stringn((const char *)bytes.at, (size_t)(bytes.end - bytes.at));
    case PROTOBUF_MESSAGE:
        return protobuf_read(field->message, bytes.at, (size_t)(bytes.end - bytes.at));
    case PROTOBUF_BOOLEAN:
        return json_boolean(value != 0);
    case PROTOBUF_ENUM:
        for (uint64_t i = 0; field->names[i] != NULL; i++) {
            if (i == value)
                return json_string(field->names[i]);
        }
        return json_integer((json_int_t)value);
    default:
        return json_integer((json_int_t)value);
    }
}

static bool put(json_t *json, const struct protobuf_field *field, json_t *value)
{
    if (!field->repeated)
        return json_object_set_new(json, field->name, value) == 0;
    json_t *list = json_object_get(json, field->name);
    if (list == NULL && json_object_set_new(json, field->name, list = json_array()) != 0) {
        json_decref(value);
        return false;
    }
    if (json_array_size(list) == REPEATED_MAX) {
        json_decref(value);
        return false;
    }
    return json_array_append_new(list, value) == 0;
}

json_t *protobuf_read(const struct protobuf_field *fields, const uint8_t *data, size_t len)
{
    struct reader reader = {data, data + len}, bytes;
    json_t *json = json_object();
    bool good = json != NULL;
    while (good && reader.at < reader.end) {
        uint64_t tag, value = 0;
        good = read_varint(&reader, &tag) && read_field(&reader, (enum wire_type)(tag & 7), &value, &bytes);
        const struct protobuf_field *field = fields;
        while (field->number != 0 && field->number != tag >> 3)
            field++;
        if (good && field->number != 0) {
            json_t *read = value_of(field, (enum wire_type)(tag & 7), value, bytes);
            good = read != NULL && put(json, field, read);
        }
    }
    if (good)
        return json;
    json_decref(json);
    return NULL;
}
