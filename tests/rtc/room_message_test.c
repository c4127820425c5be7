#include "rtc/room_message.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/suite.h"

static bool reads(const char *text, struct room_message *message)
{
    struct error error;
    return room_message_read(message, text, strlen(text), &error);
}

static void what_is_written_is_read(void)
{
    static const char *const texts[] = {
        "{\"type\":\"layout\",\"layout\":\"speaker\",\"height\":720,\"videos\":5}",
        "{\"type\":\"layout\",\"layout\":\"all\"}",
        "{\"type\":\"watch\",\"tracks\":[{\"peer\":\"alice\",\"track\":\"video\",\"height\":180},{\"peer\":\"bob\","
        "\"track\":\"audio\"}]}",
        "{\"type\":\"watch\",\"tracks\":[]}",
        "{\"type\":\"mute\",\"peer\":\"alice\",\"track\":\"audio\",\"muted\":true}",
        "{\"type\":\"speaker\",\"peer\":\"alice\"}",
        "{\"type\":\"join\",\"room\":\"r\",\"peer\":\"p\",\"topology\":\"sfu\"}",
        "{\"type\":\"leave\"}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct room_message message;
        size_t len = 0;
        CU_ASSERT_TRUE_FATAL(reads(texts[i], &message));
        char *text = room_message_write(&message, &len);
        CU_ASSERT_STRING_EQUAL(text, texts[i]);
        CU_ASSERT_EQUAL(len, strlen(texts[i]));
        free(text);
        room_message_clear(&message);
    }
}

static void numbers_and_lists(void)
{
    struct room_message message;
    CU_ASSERT_TRUE(reads("{\"type\":\"layout\",\"layout\":\"grid\",\"height\":null}", &message));
    CU_ASSERT_TRUE(message.height == -1 && message.videos == -1);
    room_message_clear(&message);
    CU_ASSERT_TRUE(reads("{\"type\":\"watch\",\"tracks\":[{\"peer\":\"a\",\"track\":\"video\",\"height\":0},"
                         "{\"peer\":\"a\",\"track\":\"screen\",\"height\":null}]}",
                         &message));
    CU_ASSERT_EQUAL_FATAL(message.track_count, 2);
    CU_ASSERT_TRUE(message.tracks[0].height == 0 && message.tracks[1].height == -1);
    CU_ASSERT_STRING_EQUAL(message.tracks[1].track, "screen");
    room_message_clear(&message);
}

static void what_is_none_is_refused(void)
{
    static const char *const texts[] = {
        "{\"type\":\"layout\"}",
        "{\"type\":\"layout\",\"layout\":\"grid\",\"height\":-1}",
        "{\"type\":\"layout\",\"layout\":\"grid\",\"height\":16385}",
        "{\"type\":\"layout\",\"layout\":\"grid\",\"height\":\"720\"}",
        "{\"type\":\"layout\",\"layout\":\"grid\",\"videos\":1.5}",
        "{\"type\":\"watch\"}",
        "{\"type\":\"watch\",\"tracks\":{}}",
        "{\"type\":\"watch\",\"tracks\":[1]}",
        "{\"type\":\"watch\",\"tracks\":[{\"peer\":\"a\"}]}",
        "{\"type\":\"watch\",\"tracks\":[{\"peer\":\"a\",\"track\":\"video\",\"height\":1e9}]}",
        "{\"type\":\"mute\",\"track\":\"audio\"}",
        "{\"type\":\"mute\",\"muted\":true}",
        "{\"type\":\"speaker\"}",
        "{\"type\":\"applause\"}",
        "[]",
        "",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct room_message message;
        CU_ASSERT_FALSE(reads(texts[i], &message));
    }
}

void room_message_test(void)
{
    SUITE("room_message", {"what is written is read", what_is_written_is_read},
          {"numbers and lists", numbers_and_lists}, {"what is none is refused", what_is_none_is_refused});
}
