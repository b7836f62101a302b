#include "worker/text/utf8.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rondo {
namespace {

TEST(Utf8Test, AcceptsTheBoundsOfEachLength) {
  for (const char* text :
       {"", "\x7F", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
        "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_TRUE(CheckUtf8(text).ok()) << text;
  }
}

TEST(Utf8Test, RefusesWhatUnicodeRefuses) {
  for (const char* text :
       {"\x80", "\xC0\x80", "\xC1\xBF", "\xC2", "\xE0\x9F\xBF", "\xED\xA0\x80" /* surrogate */,
        "\xE2\x82", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF8\x88\x80\x80\x80", "\xFF"}) {
    const absl::Status status = CheckUtf8(std::string("abc") + text);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(status.message()), testing::EndsWith("at offset 3"));
  }
}

// The example of the Unicode standard, section 3.9, table 3-8, and its neighbours.
TEST(Utf8Test, ReplacesMaximalParts) {
  const std::string mark = "\xEF\xBF\xBD";
  EXPECT_EQ(ToUtf8Lossy("\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64"),
            "a" + mark + mark + mark + "b" + mark + "c" + mark + mark + "d");
  EXPECT_EQ(ToUtf8Lossy("\xED\xA0\x80"), mark + mark + mark);
  EXPECT_EQ(ToUtf8Lossy("\xF4\x90x"), mark + mark + "x");
  EXPECT_EQ(ToUtf8Lossy("\xF0\x9F\x98"), mark);
  EXPECT_EQ(ToUtf8Lossy("\xC3\xA9"), "\xC3\xA9");
}

TEST(Utf8Test, ComposesToNfc) {
  EXPECT_EQ(NormalizeNfc("e\xCC\x81").value(), "\xC3\xA9");
  EXPECT_EQ(NormalizeNfc(std::string("a\0e\xCC\x81", 5)).value(), std::string("a\0\xC3\xA9", 4));
  EXPECT_EQ(NormalizeNfc("\xEF\xAC\x81").value(), "\xEF\xAC\x81");  // a ligature stays (not NFKC)
}

}  // namespace
}  // namespace rondo
