#include <stdlib.h>

#include "rtc/stun.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void read_all(const struct stun_message *message)
{
    static const uint16_t known[] = {STUN_ATTR_USERNAME, STUN_ATTR_PRIORITY};
    struct stun_attribute attribute = {0};
    size_t visited = 0;
    while (stun_next(message, &attribute)) {
        /* Touch the bytes, so that the sanitizer sees whether they are ours. */
        for (size_t i = 0; i < attribute.len; i++)
            visited += attribute.value[i] == 0;
        struct address address;
        uint32_t u32;
        uint64_t u64;
        uint16_t u16;
        uint8_t u8;
        char text[64];
        uint16_t algorithms[2];
        stun_get_address(message, attribute.type, &address);
        stun_get_xor_address(message, attribute.type, &address);
        stun_get_u32(message, attribute.type, &u32);
        stun_get_u64(message, attribute.type, &u64);
        stun_get_u16(message, attribute.type, &u16);
        stun_get_u8(message, attribute.type, &u8);
        stun_get_family(message, attribute.type, &u8);
        stun_get_text(message, attribute.type, text, sizeof text);
        stun_get_password_algorithms(message, attribute.type, algorithms, 2);
    }
    unsigned code;
    char reason[16];
    uint8_t family;
    uint16_t unknown[4];
    stun_get_error_code(message, &code, reason, sizeof reason);
    stun_get_address_error_code(message, &family, &code);
    if (stun_unknown_attributes(message, known, 2, unknown, 4) > 4 || visited > message->len)
        abort();
    stun_check_integrity(message, "VOkJxbRl1RmTxUk/WvJxBt", 22);
    stun_check_fingerprint(message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct stun_message message;
    struct error error;
    if (stun_parse_classic(&message, data, len, &error))
        read_all(&message);
    if (!stun_parse(&message, data, len, &error))
        return 0;
    read_all(&message);

    /* What was parsed can be written again: the same attributes come out. */
    uint8_t *copy = malloc(len + 64);
    if (copy == NULL)
        return 0;
    struct stun_builder builder;
    stun_begin(&builder, copy, len, message.class, message.method, message.transaction_id);
    struct stun_attribute attribute = {0};
    while (stun_next(&message, &attribute))
        stun_put_bytes(&builder, attribute.type, attribute.value, attribute.len);
    size_t written = stun_finish(&builder);
    struct stun_message again;
    if (written == 0 || !stun_parse(&again, copy, written, NULL) || again.class != message.class ||
        again.method != message.method)
        abort();
    free(copy);
    return 0;
}
