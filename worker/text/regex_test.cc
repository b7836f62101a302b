#include "worker/text/regex.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rondo {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> Find(const std::string& pattern, const std::string& text) {
  const auto regex = Regex::Compile(pattern);
  EXPECT_TRUE(regex.ok()) << regex.status();
  std::vector<std::string> found;
  const std::vector<Span> spans = regex->FindAll(text).value();
  found.reserve(spans.size());
  for (const Span& span : spans) {
    found.push_back(text.substr(span.begin, span.end - span.begin));
  }
  return found;
}

TEST(RegexTest, ClassesAreUnicode) {
  EXPECT_THAT(Find(R"(\p{L}+)", "h\xC3\xA9 \xE4\xBD\xA0"),
              ElementsAre("h\xC3\xA9", "\xE4\xBD\xA0"));
  EXPECT_THAT(Find(R"((?i:'s|'ll))", "'S 'lL"), ElementsAre("'S", "'lL"));
}

TEST(RegexTest, SpaceIsUnicodesWhiteSpace) {
  const std::string text = "\xC2\x85\xC2\xA0\xE2\x80\xA8\xE1\xA0\x8E";  // the last one is U+180E
  EXPECT_THAT(Find(R"(\s+)", text), ElementsAre("\xC2\x85\xC2\xA0\xE2\x80\xA8"));
  EXPECT_THAT(Find(R"([^\s]+)", text), ElementsAre("\xE1\xA0\x8E"));
  EXPECT_THAT(Find(R"(\S+)", text), ElementsAre("\xE1\xA0\x8E"));
  EXPECT_THAT(Find(R"(\\s)", "\\s "), ElementsAre("\\s"));
}

TEST(RegexTest, EmptyMatchesGoOnByCharacters) { EXPECT_EQ(Find("x*", "\xC3\xA9x").size(), 3u); }

TEST(RegexTest, LiteralHasNoSpecialCharacters) {
  const Regex regex = Regex::Literal("a.b").value();
  EXPECT_EQ(regex.ReplaceAll("a.b axb a.b", "$1").value(), "$1 axb $1");
}

TEST(RegexTest, NamesAPatternThatDoesNotCompile) {
  EXPECT_EQ(Regex::Compile("[a").status().message(),
            "pattern \"[a\" does not compile: missing terminating ] for character class");
}

}  // namespace
}  // namespace rondo
