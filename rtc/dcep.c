#include "rtc/dcep.h"

#include "base/bytes.h"
#include "rtc/sctp_association.h"

enum { MESSAGE_OPEN = 0x03, UNORDERED = 0x80, HEADER_LEN = 12 };

/* RFC 8832, section 5.1:
 *
 *     0              1              2              3
 *     | type 3       | channel type | priority                    |
 *     | reliability parameter                                     |
 *     | length of label             | length of protocol          |
 *     | label … protocol …                                        |
 *
 * The channel type is 0 reliable, 1 limited in retransmissions, 2 in time; with 0x80 for unordered. */
bool dcep_read_open(struct dcep_open *open, const uint8_t *data, size_t len, struct error *error)
{
    struct reader reader = reader_of(data, len);
    uint8_t type = reader_u8(&reader);
    uint8_t channel_type = reader_u8(&reader);
    *open = (struct dcep_open){.unordered = (channel_type & UNORDERED) != 0,
                               .reliability = channel_type & (uint8_t)~UNORDERED};
    open->priority = reader_u16(&reader);
    open->limit = reader_u32(&reader);
    open->label_len = reader_u16(&reader);
    open->protocol_len = reader_u16(&reader);
    if (reader.failed || type != MESSAGE_OPEN)
        return error_set(error, ERROR_PROTOCOL, "data channel: a message of %zu bytes and type %u is no open", len,
                         type);
    if (open->reliability > SCTP_MAX_LIFETIME)
        return error_set(error, ERROR_UNSUPPORTED, "data channel: type 0x%02x is unknown", channel_type);
    if (open->label_len + open->protocol_len != reader.left)
        return error_set(error, ERROR_PROTOCOL, "data channel: texts of %zu and %zu bytes in %zu", open->label_len,
                         open->protocol_len, reader.left);
    if (reader.left > DCEP_TEXT_MAX)
        return error_set(error, ERROR_UNSUPPORTED, "data channel: label and protocol of %zu bytes, at most %d",
                         reader.left, DCEP_TEXT_MAX);
    open->label = (const char *)reader_take(&reader, open->label_len);
    open->protocol = (const char *)reader_take(&reader, open->protocol_len);
    return true;
}

size_t dcep_write_open(const struct dcep_open *open, uint8_t buf[DCEP_OPEN_MAX])
{
    struct writer writer = writer_of(buf, DCEP_OPEN_MAX);
    writer_u8(&writer, MESSAGE_OPEN);
    writer_u8(&writer, (uint8_t)(open->reliability | (open->unordered ? UNORDERED : 0)));
    writer_u16(&writer, open->priority);
    writer_u32(&writer, open->reliability == SCTP_RELIABLE ? 0 : open->limit);
    writer_u16(&writer, (uint16_t)open->label_len);
    writer_u16(&writer, (uint16_t)open->protocol_len);
    writer_bytes(&writer, open->label, open->label_len);
    writer_bytes(&writer, open->protocol, open->protocol_len);
    return writer.failed ? 0 : writer.len;
}
