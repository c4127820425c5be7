#include "peer/data_exchange.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/rng.h"

enum {
    MAGIC = 0x63666462, /* "cfdb" */
    PIECE_BYTES = 16384,
    /* So much waits in the channel at most, and below this more is given. */
    QUEUE_HIGH = 131072,
    QUEUE_LOW = 65536,
    SENDERS_MAX = 64, /* of files, at a time */
};

/* The header of each message, then its content:
 *
 *      0       4      6       8        12       16          24          32
 *      | magic | kind | sender | number | 0 | sent (nanos) | total bytes | …
 *
 * Of a piece the number counts pieces, and `sent` is when the file began. The last has the SHA-256 as its content. */
enum message_kind { KIND_MESSAGE = 1, KIND_PIECE = 2, KIND_FILE_END = 3 };

struct header {
    uint16_t kind, sender;
    uint32_t number;
    nanos sent;
    uint64_t total;
};

struct incoming_file {
    struct incoming_file *next;
    uint16_t sender;
    uint32_t pieces;
    uint64_t bytes;
    bool whole; /* from the first piece on, without a gap */
    SHA256_CTX hash;
};

struct data_exchange {
    struct data_exchange_config config;
    struct data_channel *messages, *file; /* NULL before they are open, and after */
    uint32_t next_number;
    nanos next_message;
    nanos file_due; /* NANOS_NEVER once that was seen to */
    struct {
        struct rng content;
        SHA256_CTX hash;
        int64_t given;
        uint32_t pieces;
        nanos began;
        bool active, done;
    } outgoing;
    struct incoming_file *incoming;
    uint8_t *buffer; /* of DATA_HEADER_LEN and a message or piece */
};

static void write_header(uint8_t *out, const struct header *header)
{
    memset(out, 0, DATA_HEADER_LEN);
    bytes_put32(out, MAGIC);
    bytes_put16(out + 4, header->kind);
    bytes_put16(out + 6, header->sender);
    bytes_put32(out + 8, header->number);
    bytes_put64(out + 16, (uint64_t)header->sent);
    bytes_put64(out + 24, header->total);
}

static bool read_header(struct header *header, const uint8_t *data, size_t len)
{
    if (len < DATA_HEADER_LEN || bytes_get32(data) != MAGIC)
        return false;
    *header = (struct header){.kind = bytes_get16(data + 4),
                              .sender = bytes_get16(data + 6),
                              .number = bytes_get32(data + 8),
                              .sent = (nanos)bytes_get64(data + 16),
                              .total = bytes_get64(data + 24)};
    return true;
}

static void tell(struct data_exchange *x, const struct data_report *report, nanos now)
{
    x->config.report(x->config.user, report, now);
}

/* --- life ---------------------------------------------------------------------------------------------------------------- */

static nanos interval(const struct data_plan *plan) { return (nanos)(1e9 / plan->messages_per_s); }

struct data_exchange *data_exchange_create(const struct data_exchange_config *config, nanos now)
{
    const struct data_plan *plan = config->plan;
    struct rng rng = rng_of(config->seed, "data", 0);
    struct data_exchange *x = calloc(1, sizeof *x);
    if (x == NULL)
        return NULL;
    x->config = *config;
    size_t content = plan->file_bytes > 0 ? PIECE_BYTES : 0;
    if (plan->message_bytes > content + DATA_HEADER_LEN)
        content = plan->message_bytes - DATA_HEADER_LEN;
    x->buffer = malloc(DATA_HEADER_LEN + content);
    if (x->buffer == NULL) {
        free(x);
        return NULL;
    }
    x->next_message = NANOS_NEVER;
    x->file_due = plan->file_bytes > 0 ? plan->file_at : NANOS_NEVER;
    if (plan->messages_per_s > 0)
        x->next_message = nanos_max(now, plan->from) + (nanos)rng_below(&rng, (uint64_t)interval(plan));
    static const char *const labels[] = {DATA_MESSAGES_LABEL, DATA_FILE_LABEL};
    for (size_t i = 0; i < 2 && config->opens; i++) {
        const struct data_channel_config channel = {.label = labels[i]};
        data_channel_open(connection_data(config->connection), &channel, now, NULL);
    }
    return x;
}

void data_exchange_destroy(struct data_exchange *x)
{
    if (x == NULL)
        return;
    while (x->incoming != NULL) {
        struct incoming_file *next = x->incoming->next;
        free(x->incoming);
        x->incoming = next;
    }
    free(x->buffer);
    free(x);
}

/* --- out ----------------------------------------------------------------------------------------------------------------- */

static void send_message(struct data_exchange *x, nanos now)
{
    size_t len = x->config.plan->message_bytes;
    const struct header header = {.kind = KIND_MESSAGE,
                                  .sender = (uint16_t)x->config.number,
                                  .number = x->next_number,
                                  .sent = now,
                                  .total = len};
    write_header(x->buffer, &header);
    for (size_t i = DATA_HEADER_LEN; i < len; i++)
        x->buffer[i] = (uint8_t)(i + x->next_number);
    if (!data_channel_send(x->messages, false, x->buffer, len, now))
        return;
    x->next_number++;
    tell(x,
         &(struct data_report){
             .type = DATA_REPORT_MESSAGE_SENT, .sender = x->config.number, .bytes = len, .intact = true},
         now);
}

static void begin_file(struct data_exchange *x, nanos now)
{
    /* The same bytes to everyone in a mesh: they follow from who sends them. */
    x->outgoing.content = rng_of(x->config.plan->file_seed, "file", x->config.number);
    SHA256_Init(&x->outgoing.hash);
    x->outgoing.began = now;
    x->outgoing.active = true;
    data_channel_set_low(x->file, QUEUE_LOW);
    tell(x,
         &(struct data_report){.type = DATA_REPORT_FILE_SENT,
                               .sender = x->config.number,
                               .bytes = (size_t)x->config.plan->file_bytes,
                               .intact = true},
         now);
}

static void send_pieces(struct data_exchange *x, nanos now)
{
    int64_t total = x->config.plan->file_bytes;
    struct header header = {.sender = (uint16_t)x->config.number, .sent = x->outgoing.began, .total = (uint64_t)total};
    while (!x->outgoing.done && data_channel_buffered(x->file) < QUEUE_HIGH) {
        int64_t left = total - x->outgoing.given;
        size_t len = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
        header.kind = left > 0 ? KIND_PIECE : KIND_FILE_END;
        header.number = x->outgoing.pieces++;
        write_header(x->buffer, &header);
        if (left > 0) {
            rng_bytes(&x->outgoing.content, x->buffer + DATA_HEADER_LEN, len);
            SHA256_Update(&x->outgoing.hash, x->buffer + DATA_HEADER_LEN, len);
            x->outgoing.given += (int64_t)len;
        } else {
            len = SHA256_DIGEST_LENGTH;
            SHA256_Final(x->buffer + DATA_HEADER_LEN, &x->outgoing.hash);
            x->outgoing.done = true;
        }
        if (!data_channel_send(x->file, false, x->buffer, DATA_HEADER_LEN + len, now))
            x->outgoing.done = true; /* the channel is closing */
    }
}

void data_exchange_run(struct data_exchange *x, nanos now)
{
    const struct data_plan *plan = x->config.plan;
    while (x->next_message <= now) {
        if (x->messages != NULL && now < plan->until)
            send_message(x, now);
        x->next_message = now < plan->until ? x->next_message + interval(plan) : NANOS_NEVER;
    }
    if (x->file_due <= now)
        x->file_due = NANOS_NEVER; /* if the channel isn't open yet, its opening runs us again */
    bool due = plan->file_bytes > 0 && now >= plan->file_at && x->file != NULL && !x->outgoing.done;
    if (due && !x->outgoing.active)
        begin_file(x, now);
    if (due)
        send_pieces(x, now);
}

nanos data_exchange_deadline(const struct data_exchange *x) { return nanos_min(x->next_message, x->file_due); }

/* --- in ------------------------------------------------------------------------------------------------------------------ */

static void take_message(struct data_exchange *x, const struct header *header, const uint8_t *data, size_t len,
                         nanos now)
{
    bool intact = header->total == len;
    for (size_t i = DATA_HEADER_LEN; i < len && intact; i++)
        intact = data[i] == (uint8_t)(i + header->number);
    tell(x,
         &(struct data_report){.type = DATA_REPORT_MESSAGE,
                               .sender = header->sender,
                               .bytes = len,
                               .intact = intact,
                               .latency = now - header->sent},
         now);
}

static struct incoming_file *file_from(struct data_exchange *x, uint16_t sender)
{
    struct incoming_file *file = x->incoming;
    size_t count = 0;
    for (; file != NULL && file->sender != sender; file = file->next)
        count++;
    if (file != NULL || count == SENDERS_MAX)
        return file;
    file = calloc(1, sizeof *file);
    if (file == NULL)
        return NULL;
    file->sender = sender;
    file->whole = true;
    SHA256_Init(&file->hash);
    file->next = x->incoming;
    x->incoming = file;
    return file;
}

static void forget(struct data_exchange *x, struct incoming_file *file)
{
    struct incoming_file **at = &x->incoming;
    while (*at != file)
        at = &(*at)->next;
    *at = file->next;
    free(file);
}

static void take_piece(struct data_exchange *x, const struct header *header, const uint8_t *data, size_t len, nanos now)
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    struct incoming_file *file = file_from(x, header->sender);
    if (file == NULL)
        return;
    file->whole = file->whole && header->number == file->pieces;
    file->pieces++;
    if (header->kind == KIND_PIECE) {
        SHA256_Update(&file->hash, data, len);
        file->bytes += len;
        return;
    }
    SHA256_Final(digest, &file->hash);
    tell(x,
         &(struct data_report){.type = DATA_REPORT_FILE,
                               .sender = header->sender,
                               .bytes = file->bytes,
                               .intact = file->whole && file->bytes == header->total && len == sizeof digest &&
                                         memcmp(digest, data, sizeof digest) == 0,
                               .latency = now - header->sent},
         now);
    forget(x, file);
}

static void take_channel(struct data_exchange *x, struct data_channel *channel, nanos now)
{
    const char *label = data_channel_label(channel);
    if (strcmp(label, DATA_MESSAGES_LABEL) == 0)
        x->messages = channel;
    else if (strcmp(label, DATA_FILE_LABEL) == 0)
        x->file = channel;
    data_exchange_run(x, now);
}

void data_exchange_event(struct data_exchange *x, const struct data_channel_event *event, nanos now)
{
    struct header header;
    switch (event->type) {
    case DATA_CHANNEL_INCOMING:
    case DATA_CHANNEL_OPEN:
        take_channel(x, event->channel, now);
        break;
    case DATA_CHANNEL_MESSAGE:
        if (!read_header(&header, event->data, event->len))
            break; /* somebody else's */
        if (header.kind == KIND_MESSAGE)
            take_message(x, &header, event->data, event->len, now);
        else
            take_piece(x, &header, event->data + DATA_HEADER_LEN, event->len - DATA_HEADER_LEN, now);
        break;
    case DATA_CHANNEL_LOW:
        if (event->channel == x->file && x->outgoing.active)
            send_pieces(x, now);
        break;
    case DATA_CHANNEL_CLOSED:
        if (event->channel == x->messages)
            x->messages = NULL;
        else if (event->channel == x->file)
            x->file = NULL;
        tell(x, &(struct data_report){.type = DATA_REPORT_CLOSED, .reason = event->reason}, now);
        break;
    }
}
