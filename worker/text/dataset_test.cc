#include "worker/text/dataset.h"

#include <unistd.h>

#include <filesystem>
#include <numeric>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/io/file.h"

namespace rondo {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kModel = "tests/data/tokenizers/llama-tiny";

class DatasetTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/rondo_dataset_XXXXXX";
    dir_ = mkdtemp(pattern.data());
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }
  std::string Write(const std::string& name, const std::string& contents) const {
    std::string path = JoinPath(dir_, name);
    EXPECT_TRUE(WriteFileAtomically(path, contents).ok());
    return path;
  }
  std::string dir_;
};

std::vector<int32_t> Count(int32_t n) {
  std::vector<int32_t> ids(n);
  std::iota(ids.begin(), ids.end(), 0);
  return ids;
}

// Version 1.0, little-endian int32.
std::string Npy(const std::vector<int32_t>& ids) {
  std::string header =
      "{'descr': '<i4', 'fortran_order': False, 'shape': (" + std::to_string(ids.size()) + ",), }";
  header.resize(117, ' ');
  header += '\n';
  std::string file = std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(header.size());
  file += '\0';
  file += header;
  for (const int32_t id : ids) {
    for (int shift = 0; shift < 32; shift += 8) file += static_cast<char>(id >> shift & 0xFF);
  }
  return file;
}

TEST_F(DatasetTest, TextIsTokenizedWholeWithoutSpecialTokens) {
  const auto tokens = LoadTokens(Write("a.txt", "Hello"), kModel, 1024);
  ASSERT_TRUE(tokens.ok()) << tokens.status();
  EXPECT_THAT(*tokens, ElementsAre(470, 288, 961));
}

TEST_F(DatasetTest, NpyIsTakenAsItIs) {
  const auto tokens = LoadTokens(Write("a.npy", Npy({3, 1, 2})), "/nonexistent", 4);
  ASSERT_TRUE(tokens.ok()) << tokens.status();
  EXPECT_THAT(*tokens, ElementsAre(3, 1, 2));
}

TEST_F(DatasetTest, RefusesEmptyTextAndWrongIds) {
  const std::string empty = Write("empty.txt", "");
  EXPECT_EQ(LoadTokens(empty, kModel, 1024).status().message(), "text " + empty + " is empty");
  const std::string none = Write("none.npy", Npy({}));
  EXPECT_THAT(std::string(LoadTokens(none, kModel, 1024).status().message()),
              HasSubstr("it holds no tokens"));
  const std::string high = Write("high.npy", Npy({3, 4}));
  EXPECT_EQ(LoadTokens(high, kModel, 4).status().message(),
            high + ": token 1 is 4; the model's vocabulary holds ids 0 to 3");
  const std::string latin = Write("latin.txt", "caf\xE9 au lait");
  EXPECT_EQ(LoadTokens(latin, kModel, 1024).status().message(),
            "text " + latin + ": not UTF-8: byte 0xe9 at offset 3");
  EXPECT_EQ(LoadTokens(dir_ + "/absent.txt", kModel, 4).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(DatasetTest, JsonLinesAreOneText) {
  const std::string lines = Write("a.jsonl",
                                  "{\"text\": \"Hel\", \"other\": \"One\"}\n\n{\"other\": "
                                  "\"Tw\\u00f6\", \"text\": \"lo\"}\r\n");
  const auto joined = [&](const std::string& text) {
    return LoadTokens(Write("joined.txt", text), kModel, 1024).value();
  };
  EXPECT_EQ(LoadTokens(lines, kModel, 1024).value(), joined("Hel\n\nlo"));
  EXPECT_EQ(LoadTokens(lines + ":other", kModel, 1024).value(), joined("One\n\nTw\xC3\xB6"));
}

TEST_F(DatasetTest, BrokenJsonLinesAreNamed) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"{\"text\": \"a\"}\n{\"text\"\n", ": line 2: not a JSON object"},
      {"[]", ": line 1: not a JSON object"},
      {"{\"content\": \"a\"}", ": line 1: no field \"text\""},
      {"\n{\"text\": [1]}", ": line 2: field \"text\" is not a text"},
      {"{\"text\": \"caf\xE9 au lait\"}", ": line 1: not UTF-8: byte 0xe9 at offset 13"},
  };
  for (const auto& [lines, message] : cases) {
    const std::string path = Write("bad.jsonl", lines);
    const auto tokens = LoadTokens(path, kModel, 1024);
    EXPECT_EQ(tokens.status(), absl::InvalidArgumentError(path + message));
  }
  const std::string empty = Write("empty.jsonl", "\n{\"text\": \"\"}\n");
  EXPECT_EQ(LoadTokens(empty, kModel, 1024).status().message(), "text " + empty + " is empty");
}

TEST(CalibrationWindowsTest, AllInOrderWhenThereAreJustAsMany) {
  const auto windows = CalibrationWindows(Count(8), {"text", /*samples=*/2, /*seq_len=*/3, 7});
  ASSERT_TRUE(windows.ok()) << windows.status();
  EXPECT_EQ(windows->count, 2);
  EXPECT_EQ(windows->seq_len, 3);
  EXPECT_THAT(windows->ids, ElementsAre(0, 1, 2, 3, 4, 5));
}

TEST(CalibrationWindowsTest, ChoosesBySeedWithoutRepetitionInOrder) {
  std::set<std::vector<int32_t>> choices;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const auto windows = CalibrationWindows(Count(100), {"text", 5, 1, seed});
    ASSERT_TRUE(windows.ok()) << windows.status();
    EXPECT_TRUE(std::is_sorted(windows->ids.begin(), windows->ids.end()));
    EXPECT_EQ(std::set(windows->ids.begin(), windows->ids.end()).size(), 5u);
    EXPECT_EQ(CalibrationWindows(Count(100), {"text", 5, 1, seed})->ids, windows->ids);
    choices.insert(windows->ids);
  }
  EXPECT_GT(choices.size(), 15u);
}

TEST(CalibrationWindowsTest, EveryWindowIsAboutAsLikely) {
  std::vector<int> hits(10);
  for (uint64_t seed = 0; seed < 4000; ++seed) {
    const auto windows = CalibrationWindows(Count(10), {"text", 3, 1, seed});
    for (const int32_t id : windows->ids) ++hits[id];
  }
  // 1200 expected, standard deviation 29: six of them.
  for (const int count : hits) EXPECT_NEAR(count, 1200, 174);
}

// The choice is part of a job's identity: it must not change between versions.
TEST(CalibrationWindowsTest, ChoiceIsPinned) {
  EXPECT_THAT(CalibrationWindows(Count(100), {"text", 5, 1, 0})->ids,
              ElementsAre(35, 38, 39, 55, 95));
}

TEST(CalibrationWindowsTest, SaysHowManyThereAre) {
  EXPECT_EQ(CalibrationWindows(Count(100), {"c.txt", 128, 16, 0}).status().message(),
            "c.txt holds 100 tokens: 6 windows of 16; 128 samples were asked for");
  EXPECT_EQ(CalibrationWindows(Count(100), {"c.txt", 1, 0, 0}).status().message(),
            "seq_len is 0; it must be at least 1");
}

TEST(EvaluationWindowsTest, FirstWindowsOrAll) {
  EXPECT_THAT(EvaluationWindows(Count(8), 3, 1)->ids, ElementsAre(0, 1, 2));
  EXPECT_THAT(EvaluationWindows(Count(8), 3, 0)->ids, ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_EQ(EvaluationWindows(Count(8), 3, 3).status().message(),
            "the evaluation text holds 8 tokens: 2 windows of 3; 3 were asked for");
  EXPECT_EQ(EvaluationWindows(Count(8), 9, 0).status().message(),
            "the evaluation text holds 8 tokens: 0 windows of 9; 1 were asked for");
}

}  // namespace
}  // namespace rondo
