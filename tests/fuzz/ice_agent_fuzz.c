/* The input is a script for one agent: what its owner and the network do to it, one operation after another. Messages
 * can be raw, or attributes that are put into a well-formed, signed message, so that the script gets past integrity. */
#include <stdlib.h>
#include <string.h>

#include "rtc/ice_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const char password[] = "0123456789012345678901";

struct script {
    struct reader reader;
    struct ice_agent *agent;
    nanos now;
    uint8_t last_id[STUN_TRANSACTION_ID_LEN]; /* of the agent's last request */
};

static struct address some_address(struct script *script)
{
    uint8_t pick = reader_u8(&script->reader);
    struct address address = address_ipv4(10, 0, pick >> 6, pick >> 4 & 3, 1000 + (pick & 15));
    if (pick & 1) {
        address.family = ADDRESS_IPV6;
        address.ip[15] = 1;
    }
    return address;
}

static void read_signed(struct script *script, uint8_t base, const struct address *from)
{
    uint8_t buf[600];
    uint8_t flags = reader_u8(&script->reader);
    uint8_t attributes_len = reader_u8(&script->reader);
    const uint8_t *attributes = reader_take(&script->reader, attributes_len);
    uint8_t id[STUN_TRANSACTION_ID_LEN] = {flags};
    struct stun_builder builder;
    enum stun_class class = flags & 3;
    if (class == STUN_SUCCESS || class == STUN_ERROR)
        memcpy(id, script->last_id, sizeof id);
    stun_begin(&builder, buf, sizeof buf, class, STUN_BINDING, id);
    if (class == STUN_REQUEST && flags & 4) {
        char username[64] = {0};
        strncat(username, ice_agent_ufrag(script->agent), 40);
        strcat(username, ":peer");
        stun_put_text(&builder, STUN_ATTR_USERNAME, username);
        stun_put_u32(&builder, STUN_ATTR_PRIORITY, (uint32_t)flags << 20);
    }
    if (class == STUN_SUCCESS && flags & 4)
        stun_put_xor_address(&builder, STUN_ATTR_XOR_MAPPED_ADDRESS, from);
    if (flags & 8)
        stun_put_flag(&builder, STUN_ATTR_USE_CANDIDATE);
    if (flags & 16)
        stun_put_u64(&builder, flags & 32 ? STUN_ATTR_ICE_CONTROLLED : STUN_ATTR_ICE_CONTROLLING, flags);
    if (attributes != NULL && attributes_len % 4 == 0)
        writer_bytes(&builder.writer, attributes, attributes_len);
    const char *key = class == STUN_REQUEST ? ice_agent_password(script->agent) : password;
    stun_put_integrity(&builder, STUN_INTEGRITY_SHA1, key, strlen(key));
    stun_put_fingerprint(&builder);
    size_t len = stun_finish(&builder);
    ice_agent_read(script->agent, base, from, buf, len, script->now);
}

static void drain(struct script *script)
{
    uint8_t buf[ICE_DATAGRAM_CAP];
    struct ice_event event;
    struct address remote;
    int base;
    ssize_t len;
    int written = 0;
    while ((len = ice_agent_write(script->agent, &base, &remote, buf, sizeof buf, script->now)) > 0) {
        struct stun_message message;
        if (!stun_parse(&message, buf, (size_t)len, NULL) || ++written > 500)
            abort();
        if (message.class == STUN_REQUEST)
            memcpy(script->last_id, message.transaction_id, sizeof script->last_id);
    }
    while (ice_agent_event(script->agent, &event)) {
        if (++written > 1000)
            abort();
    }
    if (ice_agent_deadline(script->agent) <= script->now)
        abort(); /* an owner would spin */
}

static void step(struct script *script)
{
    struct reader *reader = &script->reader;
    uint8_t operation = reader_u8(reader);
    struct address address;
    struct ice_base base;
    struct ice_candidate candidate = {.component = 1, .foundation = "1"};
    switch (operation % 12) {
    case 0:
        base = (struct ice_base){.type = operation & 64 ? ICE_RELAYED : ICE_HOST, .address = some_address(script)};
        ice_agent_add_base(script->agent, &base);
        break;
    case 1:
        ice_agent_remove_base(script->agent, reader_u8(reader) & 15);
        break;
    case 2:
        candidate.address = some_address(script);
        candidate.type = operation >> 6;
        candidate.priority = (uint32_t)operation << 20;
        ice_agent_add_remote_candidate(script->agent, &candidate);
        break;
    case 3:
        ice_agent_set_remote(script->agent, operation & 64 ? "peer" : "reep", password, operation & 128, NULL);
        break;
    case 4:
        if (operation & 64)
            ice_agent_bases_done(script->agent);
        else
            ice_agent_end_of_candidates(script->agent);
        break;
    case 5:
        ice_agent_restart(script->agent);
        break;
    case 6:
        script->now += (nanos)reader_u8(reader) * (operation & 64 ? NANOS_PER_S / 4 : NANOS_PER_MS);
        break;
    case 7: {
        uint8_t raw_len = reader_u8(reader);
        const uint8_t *raw = reader_take(reader, raw_len);
        address = some_address(script);
        if (raw != NULL)
            ice_agent_read(script->agent, operation >> 6, &address, raw, raw_len, script->now);
        break;
    }
    case 8:
        if (operation > 250)
            ice_agent_close(script->agent);
        break;
    default:
        address = some_address(script);
        read_signed(script, operation >> 6, &address);
        break;
    }
    if (script->agent->pair_count > ICE_MAX_PAIRS || script->agent->remote_count > ICE_MAX_REMOTES ||
        script->agent->local_count > ICE_MAX_LOCALS || script->agent->base_count > ICE_MAX_BASES)
        abort();
    struct ice_pair_info pair;
    int selected_base;
    if (ice_agent_selected(script->agent, &selected_base, &address, &pair) &&
        !ice_agent_valid_source(script->agent, selected_base, &address))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct script script = {.reader = reader_of(data, len), .now = NANOS_PER_S};
    struct address server = address_ipv4(10, 0, 0, 0, 1000);
    uint8_t flags = reader_u8(&script.reader);
    struct ice_config config = {.seed = 1,
                                .lite = flags & 1,
                                .controlling = flags & 2,
                                .stun_servers = &server,
                                .stun_server_count = flags & 4 ? 1 : 0};
    script.agent = ice_agent_create(&config, NULL);
    if (script.agent == NULL)
        return 0;
    while (script.reader.left > 0 && !script.reader.failed) {
        step(&script);
        drain(&script);
    }
    ice_agent_destroy(script.agent);
    return 0;
}
