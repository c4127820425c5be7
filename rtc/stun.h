/* STUN messages (RFC 8489), with the methods and attributes of TURN (RFC 8656, 6062, 8016), ICE (RFC 8445) and NAT
 * behaviour discovery (RFC 5780): a view that reads one in place, and a builder that writes one into a buffer.
 *
 * Neither allocates. Text (usernames, realms, passwords) is UTF-8 taken as it is: SASLprep and OpaqueString (RFC 8489,
 * section 9.2) are the business of whoever asks a person for it; what they leave alone, which is all that servers hand
 * out to WebRTC clients, needs neither. */
#ifndef CONFAB_RTC_STUN_H
#define CONFAB_RTC_STUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/bytes.h"
#include "base/error.h"

#define STUN_MAGIC_COOKIE 0x2112a442u    /* RFC 8489, section 5 */
#define STUN_HEADER_LEN 20               /* section 5 */
#define STUN_TRANSACTION_ID_LEN 12       /* section 5 */
#define STUN_PORT 3478                   /* section 8.1 */
#define STUN_TLS_PORT 5349               /* section 8.1 */
#define STUN_MAX_USERNAME 508            /* section 14.3: fewer than 509 bytes */
#define STUN_MAX_TEXT 763                /* sections 14.8 to 14.10, 14.14: realm, nonce, reason, software */
#define STUN_KEY_CAP 32                  /* the longest long-term key, SHA-256 */
#define STUN_USERHASH_LEN 32             /* section 14.4 */
#define STUN_FINGERPRINT_XOR 0x5354554eu /* section 14.7 */

/* RFC 8489, section 5. */
enum stun_class {
    STUN_REQUEST = 0,
    STUN_INDICATION = 1,
    STUN_SUCCESS = 2,
    STUN_ERROR = 3,
};

enum stun_method {
    STUN_BINDING = 0x001,            /* RFC 8489, section 3 */
    STUN_SHARED_SECRET = 0x002,      /* RFC 3489 only */
    STUN_ALLOCATE = 0x003,           /* RFC 8656, section 17, as are the next five */
    STUN_REFRESH = 0x004,            /* */
    STUN_SEND = 0x006,               /* an indication */
    STUN_DATA = 0x007,               /* an indication */
    STUN_CREATE_PERMISSION = 0x008,  /* */
    STUN_CHANNEL_BIND = 0x009,       /* */
    STUN_CONNECT = 0x00a,            /* RFC 6062, section 6.1, as are the next two */
    STUN_CONNECTION_BIND = 0x00b,    /* */
    STUN_CONNECTION_ATTEMPT = 0x00c, /* an indication */
};

/* Below 0x8000: comprehension required. */
enum stun_attribute_type {
    STUN_ATTR_MAPPED_ADDRESS = 0x0001,           /* RFC 8489, section 14.1 */
    STUN_ATTR_RESPONSE_ADDRESS = 0x0002,         /* RFC 3489 only */
    STUN_ATTR_CHANGE_REQUEST = 0x0003,           /* RFC 5780, section 7.2 */
    STUN_ATTR_SOURCE_ADDRESS = 0x0004,           /* RFC 3489 only */
    STUN_ATTR_CHANGED_ADDRESS = 0x0005,          /* RFC 3489 only */
    STUN_ATTR_USERNAME = 0x0006,                 /* RFC 8489, section 14.3 */
    STUN_ATTR_PASSWORD = 0x0007,                 /* RFC 3489 only */
    STUN_ATTR_MESSAGE_INTEGRITY = 0x0008,        /* RFC 8489, section 14.5 */
    STUN_ATTR_ERROR_CODE = 0x0009,               /* section 14.8 */
    STUN_ATTR_UNKNOWN_ATTRIBUTES = 0x000a,       /* section 14.13 */
    STUN_ATTR_REFLECTED_FROM = 0x000b,           /* RFC 3489 only */
    STUN_ATTR_CHANNEL_NUMBER = 0x000c,           /* RFC 8656, section 18.1 */
    STUN_ATTR_LIFETIME = 0x000d,                 /* section 18.2 */
    STUN_ATTR_BANDWIDTH = 0x0010,                /* reserved; seen from old clients */
    STUN_ATTR_XOR_PEER_ADDRESS = 0x0012,         /* section 18.3 */
    STUN_ATTR_DATA = 0x0013,                     /* section 18.4 */
    STUN_ATTR_REALM = 0x0014,                    /* RFC 8489, section 14.9 */
    STUN_ATTR_NONCE = 0x0015,                    /* section 14.10 */
    STUN_ATTR_XOR_RELAYED_ADDRESS = 0x0016,      /* RFC 8656, section 18.5 */
    STUN_ATTR_REQUESTED_ADDRESS_FAMILY = 0x0017, /* section 18.6 */
    STUN_ATTR_EVEN_PORT = 0x0018,                /* section 18.7 */
    STUN_ATTR_REQUESTED_TRANSPORT = 0x0019,      /* section 18.8 */
    STUN_ATTR_DONT_FRAGMENT = 0x001a,            /* section 18.9 */
    STUN_ATTR_ACCESS_TOKEN = 0x001b,             /* RFC 7635, section 6.2 */
    STUN_ATTR_MESSAGE_INTEGRITY_SHA256 = 0x001c, /* RFC 8489, section 14.6 */
    STUN_ATTR_PASSWORD_ALGORITHM = 0x001d,       /* section 14.12 */
    STUN_ATTR_USERHASH = 0x001e,                 /* section 14.4 */
    STUN_ATTR_XOR_MAPPED_ADDRESS = 0x0020,       /* section 14.2 */
    STUN_ATTR_RESERVATION_TOKEN = 0x0022,        /* RFC 8656, section 18.10 */
    STUN_ATTR_PRIORITY = 0x0024,                 /* RFC 8445, section 16.1 */
    STUN_ATTR_USE_CANDIDATE = 0x0025,            /* section 16.1 */
    STUN_ATTR_PADDING = 0x0026,                  /* RFC 5780, section 7.6 */
    STUN_ATTR_RESPONSE_PORT = 0x0027,            /* section 7.5 */
    STUN_ATTR_CONNECTION_ID = 0x002a,            /* RFC 6062, section 6.2.1 */

    STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY = 0x8000, /* RFC 8656, section 18.11 */
    STUN_ATTR_ADDRESS_ERROR_CODE = 0x8001,        /* section 18.12 */
    STUN_ATTR_PASSWORD_ALGORITHMS = 0x8002,       /* RFC 8489, section 14.11 */
    STUN_ATTR_ALTERNATE_DOMAIN = 0x8003,          /* section 14.16 */
    STUN_ATTR_ICMP = 0x8004,                      /* RFC 8656, section 18.13 */
    STUN_ATTR_SOFTWARE = 0x8022,                  /* RFC 8489, section 14.14 */
    STUN_ATTR_ALTERNATE_SERVER = 0x8023,          /* section 14.15 */
    STUN_ATTR_CACHE_TIMEOUT = 0x8027,             /* RFC 5780, section 9.1 */
    STUN_ATTR_FINGERPRINT = 0x8028,               /* RFC 8489, section 14.7 */
    STUN_ATTR_ICE_CONTROLLED = 0x8029,            /* RFC 8445, section 16.1 */
    STUN_ATTR_ICE_CONTROLLING = 0x802a,           /* section 16.1 */
    STUN_ATTR_RESPONSE_ORIGIN = 0x802b,           /* RFC 5780, section 7.3 */
    STUN_ATTR_OTHER_ADDRESS = 0x802c,             /* section 7.4 */
    STUN_ATTR_THIRD_PARTY_AUTHORIZATION = 0x802e, /* RFC 7635, section 6.1 */
    STUN_ATTR_MOBILITY_TICKET = 0x8030,           /* RFC 8016, section 4 */
};

enum stun_error_code {
    STUN_TRY_ALTERNATE = 300,                  /* RFC 8489, section 14.8 */
    STUN_BAD_REQUEST = 400,                    /* */
    STUN_UNAUTHENTICATED = 401,                /* */
    STUN_FORBIDDEN = 403,                      /* RFC 8656, section 19, with the other TURN ones */
    STUN_MOBILITY_FORBIDDEN = 405,             /* RFC 8016, section 3.3 */
    STUN_UNKNOWN_ATTRIBUTE = 420,              /* RFC 8489 */
    STUN_ALLOCATION_MISMATCH = 437,            /* RFC 8656 */
    STUN_STALE_NONCE = 438,                    /* RFC 8489 */
    STUN_ADDRESS_FAMILY_NOT_SUPPORTED = 440,   /* RFC 8656 */
    STUN_WRONG_CREDENTIALS = 441,              /* RFC 8656 */
    STUN_UNSUPPORTED_TRANSPORT_PROTOCOL = 442, /* RFC 8656 */
    STUN_PEER_ADDRESS_FAMILY_MISMATCH = 443,   /* RFC 8656 */
    STUN_CONNECTION_ALREADY_EXISTS = 446,      /* RFC 6062, section 6.3 */
    STUN_CONNECTION_TIMEOUT_OR_FAILURE = 447,  /* RFC 6062, section 6.3 */
    STUN_ALLOCATION_QUOTA_REACHED = 486,       /* RFC 8656 */
    STUN_ROLE_CONFLICT = 487,                  /* RFC 8445, section 16.2 */
    STUN_SERVER_ERROR = 500,                   /* RFC 8489 */
    STUN_INSUFFICIENT_CAPACITY = 508,          /* RFC 8656 */
};

/* The words the RFCs suggest for a code; "Error" for one they don't know. */
const char *stun_error_reason(unsigned code);

/* CHANGE-REQUEST's flags (RFC 5780, section 7.2). */
#define STUN_CHANGE_IP 0x4u
#define STUN_CHANGE_PORT 0x2u

/* IP protocol numbers, as REQUESTED-TRANSPORT carries in its first byte (RFC 8656, section 18.8). */
#define STUN_TRANSPORT_UDP 17
#define STUN_TRANSPORT_TCP 6

/* --- reading ---------------------------------------------------------------------------------------------------------- */

/* A parsed message: a view into the bytes, valid as long as they are. Read the first five members, leave the rest. */
struct stun_message {
    const uint8_t *data;           /* the header's first byte */
    size_t len;                    /* header included */
    const uint8_t *transaction_id; /* 12 bytes; 16 when classic */
    uint16_t method;               /* enum stun_method, or one we don't know */
    uint8_t class;                 /* enum stun_class */
    bool classic;                  /* RFC 3489: no magic cookie */

    size_t integrity; /* where each attribute's header is, 0 for none */
    size_t integrity_sha256;
    size_t fingerprint;
};

struct stun_attribute {
    const uint8_t *value; /* `len` bytes; NULL before the first stun_next */
    uint16_t len;         /* without padding */
    uint16_t type;        /* enum stun_attribute_type, or one we don't know */
};

/* Does this look like STUN when other protocols share the port: a first byte of 0 to 3 (RFC 7983, section 7) and the
 * magic cookie? Says nothing about the rest. */
static inline bool stun_is(const uint8_t *data, size_t len)
{
    return len >= STUN_HEADER_LEN && data[0] < 4 && bytes_get32(data + 4) == STUN_MAGIC_COOKIE;
}

/* The whole length, header included, that the header at `data` (at least 4 bytes) claims: framing on a stream. */
static inline size_t stun_claimed_len(const uint8_t *data) { return STUN_HEADER_LEN + (size_t)bytes_get16(data + 2); }

/* Reads the message that fills `data` exactly. False, and `error` (may be NULL) names the field at fault, when it is
 * not one: wrong first bits or cookie, a length that is not a multiple of 4 or not `len`, an attribute that runs past
 * the end. Judges neither methods nor attribute contents. */
bool stun_parse(struct stun_message *message, const uint8_t *data, size_t len, struct error *error);

/* The same for RFC 3489 messages, which have no magic cookie, so that a false positive is likely: only the methods of
 * that RFC pass. For those who look at captures. */
bool stun_parse_classic(struct stun_message *message, const uint8_t *data, size_t len, struct error *error);

/* Steps through the attributes: start with a zeroed `attribute`; false after the last. Those behind an integrity
 * attribute, which anyone could have added, are skipped, except the other integrity attribute and FINGERPRINT (RFC
 * 8489, sections 14.5 and 14.6). */
bool stun_next(const struct stun_message *message, struct stun_attribute *attribute);

/* The first attribute of a type among those that stun_next visits. */
bool stun_find(const struct stun_message *message, uint16_t type, struct stun_attribute *attribute);

static inline bool stun_has(const struct stun_message *message, uint16_t type)
{
    struct stun_attribute attribute;
    return stun_find(message, type, &attribute);
}

/* Typed values of the first attribute of `type`. Each returns false when there is none or its contents are not of that
 * kind, and then leaves what it would have filled alone. */

/* Plain and XORed transport addresses (RFC 8489, sections 14.1 and 14.2). */
bool stun_get_address(const struct stun_message *message, uint16_t type, struct address *address);
bool stun_get_xor_address(const struct stun_message *message, uint16_t type, struct address *address);

/* The mapped address: XOR-MAPPED-ADDRESS, or MAPPED-ADDRESS from old servers. */
bool stun_get_mapped_address(const struct stun_message *message, struct address *address);

/* Exactly 4 and 8 bytes; and the first 2 bytes of at least 2 (CHANNEL-NUMBER, RESPONSE-PORT). */
bool stun_get_u32(const struct stun_message *message, uint16_t type, uint32_t *value);
bool stun_get_u64(const struct stun_message *message, uint16_t type, uint64_t *value);
bool stun_get_u16(const struct stun_message *message, uint16_t type, uint16_t *value);

/* The first byte of at least 1: EVEN-PORT (RFC 8656, section 18.7), REQUESTED-TRANSPORT. */
bool stun_get_u8(const struct stun_message *message, uint16_t type, uint8_t *value);

/* REQUESTED- or ADDITIONAL-ADDRESS-FAMILY as an enum address_family; ADDRESS_NONE for a family we don't know, so that
 * the caller can say 440 (RFC 8656, sections 18.6 and 18.11). */
bool stun_get_family(const struct stun_message *message, uint16_t type, uint8_t *family);

/* Text as a C string: false also when it holds a NUL or does not fit into `cap` bytes with its terminator. */
bool stun_get_text(const struct stun_message *message, uint16_t type, char *text, size_t cap);

/* ERROR-CODE's number, 300 to 699, and its reason phrase, cut to fit `cap` (`reason` may be NULL when cap is 0),
 * unprintable bytes replaced by '?' (RFC 8489, section 14.8). */
bool stun_get_error_code(const struct stun_message *message, unsigned *code, char *reason, size_t cap);

/* ADDRESS-ERROR-CODE: which family (as enum address_family) failed with which code (RFC 8656, section 18.12). */
bool stun_get_address_error_code(const struct stun_message *message, uint8_t *family, unsigned *code);

/* PASSWORD-ALGORITHMS or -ALGORITHM: the first `cap` algorithm numbers, parameters skipped; returns how many, 0 when
 * there is none or it is malformed (RFC 8489, sections 14.11 and 14.12). */
size_t stun_get_password_algorithms(const struct stun_message *message, uint16_t type, uint16_t *algorithms,
                                    size_t cap);

/* Lists the comprehension-required attributes that are not among `known`, each once, at most `cap`; returns how many.
 * The integrity attributes need not be listed as known (RFC 8489, section 6.3.1). */
size_t stun_unknown_attributes(const struct stun_message *message, const uint16_t *known, size_t known_count,
                               uint16_t *unknown, size_t cap);

/* --- integrity -------------------------------------------------------------------------------------------------------- */

enum stun_integrity {
    STUN_INTEGRITY_NONE,
    STUN_INTEGRITY_SHA1,
    STUN_INTEGRITY_SHA256,
};

/* Which integrity attribute a message has; SHA-256 when both (RFC 8489, section 9.2.4). */
static inline enum stun_integrity stun_integrity_of(const struct stun_message *message)
{
    if (message->integrity_sha256 != 0)
        return STUN_INTEGRITY_SHA256;
    return message->integrity != 0 ? STUN_INTEGRITY_SHA1 : STUN_INTEGRITY_NONE;
}

/* Is there an integrity attribute, and is it right for this key? When both are there, SHA-256 decides. A truncated
 * SHA-256 is wrong: no usage here allows it (RFC 8489, sections 14.5 and 14.6). The key is the password in short-term
 * use (section 9.1.1), stun_long_term_key's in long-term use. */
bool stun_check_integrity(const struct stun_message *message, const void *key, size_t key_len);

/* Is FINGERPRINT there, last, and right (RFC 8489, section 14.7)? */
bool stun_check_fingerprint(const struct stun_message *message);

/* CRC-32 as in ITU V.42, which FINGERPRINT uses. */
uint32_t stun_crc32(const uint8_t *data, size_t len);

/* RFC 8489, section 18.5. */
enum stun_password_algorithm {
    STUN_PASSWORD_MD5 = 1,
    STUN_PASSWORD_SHA256 = 2,
};

/* The key of the long-term mechanism (RFC 8489, sections 18.5.1.1 and 18.5.1.2): fills `key`, returns its length, 0 for
 * an algorithm we don't know. */
size_t stun_long_term_key(enum stun_password_algorithm algorithm, const char *username, const char *realm,
                          const char *password, uint8_t key[STUN_KEY_CAP]);

/* USERHASH's value (RFC 8489, section 14.4). */
void stun_userhash(const char *username, const char *realm, uint8_t hash[STUN_USERHASH_LEN]);

/* The nonce cookie (RFC 8489, section 9.2): 13 characters in front of a nonce that tell which security features
 * (section 18.1) a server has, so that nobody on the way can strip them. */
#define STUN_NONCE_COOKIE_LEN 13
#define STUN_FEATURE_PASSWORD_ALGORITHMS 0x800000u
#define STUN_FEATURE_USERNAME_ANONYMITY 0x400000u

/* Writes the cookie and a terminator. */
void stun_nonce_cookie(uint32_t features, char cookie[STUN_NONCE_COOKIE_LEN + 1]);

/* The feature bits of a nonce; 0 when it has no cookie. */
uint32_t stun_nonce_features(const char *nonce);

/* --- writing ---------------------------------------------------------------------------------------------------------- */

/* Puts never fail by themselves: what does not fit makes stun_finish return 0. */
struct stun_builder {
    struct writer writer;
};

/* Starts a message in `buf`. */
void stun_begin(struct stun_builder *builder, uint8_t *buf, size_t cap, enum stun_class class, uint16_t method,
                const uint8_t transaction_id[STUN_TRANSACTION_ID_LEN]);

/* Starts the answer to a request: its method and transaction, `class` STUN_SUCCESS or STUN_ERROR. */
void stun_begin_response(struct stun_builder *builder, uint8_t *buf, size_t cap, enum stun_class class,
                         const struct stun_message *request);

/* Raw bytes, padded with zeros. */
void stun_put_bytes(struct stun_builder *builder, uint16_t type, const void *value, size_t len);
/* Room for `len` bytes to be filled by the caller (DATA without a copy); NULL when it does not fit. */
uint8_t *stun_put_room(struct stun_builder *builder, uint16_t type, size_t len);
void stun_put_text(struct stun_builder *builder, uint16_t type, const char *text);
/* An attribute without a value: USE-CANDIDATE, DONT-FRAGMENT. */
void stun_put_flag(struct stun_builder *builder, uint16_t type);
void stun_put_u8(struct stun_builder *builder, uint16_t type, uint8_t value); /* EVEN-PORT: 1 byte */
void stun_put_u32(struct stun_builder *builder, uint16_t type, uint32_t value);
void stun_put_u64(struct stun_builder *builder, uint16_t type, uint64_t value);
/* 2 bytes and 2 reserved ones: CHANNEL-NUMBER, RESPONSE-PORT. */
void stun_put_u16(struct stun_builder *builder, uint16_t type, uint16_t value);
/* 1 byte and 3 reserved ones: REQUESTED-TRANSPORT. */
void stun_put_transport(struct stun_builder *builder, uint8_t protocol);
/* REQUESTED- and ADDITIONAL-ADDRESS-FAMILY; `family` is an enum address_family. */
void stun_put_family(struct stun_builder *builder, uint16_t type, uint8_t family);
void stun_put_address(struct stun_builder *builder, uint16_t type, const struct address *address);
void stun_put_xor_address(struct stun_builder *builder, uint16_t type, const struct address *address);
/* `reason` NULL: the RFC's own words. */
void stun_put_error_code(struct stun_builder *builder, unsigned code, const char *reason);
void stun_put_address_error_code(struct stun_builder *builder, uint8_t family, unsigned code, const char *reason);
void stun_put_unknown_attributes(struct stun_builder *builder, const uint16_t *types, size_t count);
/* PASSWORD-ALGORITHMS, or -ALGORITHM with one; none of the known ones has parameters. */
void stun_put_password_algorithms(struct stun_builder *builder, uint16_t type, const uint16_t *algorithms,
                                  size_t count);

/* These two come last, in this order. STUN_INTEGRITY_NONE puts nothing. */
void stun_put_integrity(struct stun_builder *builder, enum stun_integrity integrity, const void *key, size_t key_len);
void stun_put_fingerprint(struct stun_builder *builder);

/* Completes the header; the message's whole length, 0 when it did not fit. */
size_t stun_finish(struct stun_builder *builder);

/* Shared by checking and writing: the HMAC over the message's first `covered` bytes with the header's length set to
 * `claimed` (its own bytes are not touched). Returns the digest's length. */
size_t stun_hmac(enum stun_integrity integrity, const void *key, size_t key_len, const uint8_t *message, size_t covered,
                 uint16_t claimed, uint8_t digest[STUN_KEY_CAP]);

#endif
