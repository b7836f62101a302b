#include "worker/text/tokenizer.h"

#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/io/file.h"

namespace rondo {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Ids = std::vector<int32_t>;

json ReadJson(const std::string& path) {
  const auto contents = ReadFile(path);
  EXPECT_TRUE(contents.ok()) << contents.status();
  return json::parse(contents.value_or("null"));
}

// A tokenizer.json of its own in a folder of its own.
class TempModel {
 public:
  explicit TempModel(const std::string& contents) {
    std::string pattern = testing::TempDir() + "/rondo_text_XXXXXX";
    dir_ = mkdtemp(pattern.data());
    EXPECT_TRUE(WriteFileAtomically(JoinPath(dir_, "tokenizer.json"), contents).ok());
  }
  ~TempModel() { std::filesystem::remove_all(dir_); }
  absl::StatusOr<std::unique_ptr<Tokenizer>> Load() const { return Tokenizer::Load(dir_); }

 private:
  std::string dir_;
};

void ExpectParity(const Tokenizer& tokenizer, const json& cases) {
  ASSERT_FALSE(cases.empty());
  for (const json& row : cases) {
    const auto text = row.at("text").get<std::string>();
    SCOPED_TRACE(row.at("text").dump(-1, ' ', /*ensure_ascii=*/true));
    const auto plain = tokenizer.Encode(text, false);
    const auto special = tokenizer.Encode(text, true);
    ASSERT_TRUE(plain.ok() && special.ok()) << plain.status() << special.status();
    EXPECT_EQ(*plain, row.at("ids_no_special").get<Ids>());
    EXPECT_EQ(*special, row.at("ids").get<Ids>());
    const auto decoded = tokenizer.Decode(*plain);
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    EXPECT_EQ(*decoded, row.at("decoded").get<std::string>());
  }
}

class ModelParityTest : public testing::TestWithParam<const char*> {};

TEST_P(ModelParityTest, EqualsHuggingFace) {
  const std::string dir = std::string("tests/data/tokenizers/") + GetParam();
  const auto tokenizer = Tokenizer::Load(dir);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  ExpectParity(**tokenizer, ReadJson(dir + "/tokenizer_cases.json"));
}

INSTANTIATE_TEST_SUITE_P(Models, ModelParityTest,
                         testing::Values("llama-tiny", "opt-tiny", "qwen3-tiny"));

// One small tokenizer a feature, each with what Hugging Face's makes of the same texts.
TEST(TokenizerTest, EveryFeatureEqualsHuggingFace) {
  const json features = ReadJson("tests/data/tokenizers/features.json");
  ASSERT_GE(features.size(), 10u);
  for (const json& feature : features) {
    SCOPED_TRACE(feature.at("name").get<std::string>());
    const TempModel model(feature.at("tokenizer").dump());
    const auto tokenizer = model.Load();
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
    ExpectParity(**tokenizer, feature.at("cases"));
  }
}

TEST(TokenizerTest, VocabularySizeCountsAddedTokensOnce) {
  EXPECT_EQ(Tokenizer::Load("tests/data/tokenizers/llama-tiny").value()->vocab_size(), 1024);
  EXPECT_EQ(Tokenizer::Load("tests/data/tokenizers/qwen3-tiny").value()->vocab_size(), 2005);
}

TEST(TokenizerTest, RefusesTextThatIsNotUtf8) {
  const auto tokenizer = Tokenizer::Load("tests/data/tokenizers/qwen3-tiny").value();
  const auto ids = tokenizer->Encode("ab\xC3(", false);
  EXPECT_EQ(ids.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ids.status().message(), "not UTF-8: byte 0xc3 at offset 2");
}

TEST(TokenizerTest, RefusesToDecodeAnUnknownId) {
  const auto tokenizer = Tokenizer::Load("tests/data/tokenizers/qwen3-tiny").value();
  EXPECT_EQ(tokenizer->Decode({1, 9999}).status().message(), "no token has id 9999");
}

// A text without a pre-tokenizer is a single piece; a quadratic merge would take hours for it.
TEST(TokenizerTest, LongPieceTakesNearlyLinearTime) {
  const auto tokenizer = Tokenizer::Load("tests/data/tokenizers/llama-tiny").value();
  const std::string sentence = "It was the best of times, it was the worst of times; ";
  std::string text;
  while (text.size() < 1000000) text += sentence;
  const auto start = std::chrono::steady_clock::now();
  const auto ids = tokenizer->Encode(text, false);
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
  ASSERT_TRUE(ids.ok()) << ids.status();
  EXPECT_EQ(tokenizer->Decode(*ids).value(), text);
  EXPECT_LT(spent.count(), 60.0);
}

struct Refusal {
  const char* patch;  // merged into a valid file
  const char* message;
};

class RefusalTest : public testing::TestWithParam<Refusal> {};

TEST_P(RefusalTest, NamesWhatIsNotSupported) {
  json file = json::parse(R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2},
                              "merges": ["a b"]}})");
  file.merge_patch(json::parse(GetParam().patch));
  const auto tokenizer = TempModel(file.dump()).Load();
  EXPECT_EQ(tokenizer.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(tokenizer.status().message()), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Files, RefusalTest,
    testing::Values(
        Refusal{R"({"model": null})", "no \"model\" object"},
        Refusal{R"({"model": {"type": "Unigram"}})", "model: type \"Unigram\" is not supported"},
        Refusal{R"({"model": {"vocab": {"b": 0}}})", "share id 0"},
        Refusal{R"({"model": {"vocab": {"b": 1.5}}})", "is 1.5, not an int32"},
        Refusal{R"({"model": {"merges": ["a b", "a x"]}})", "merge 1 (\"a\", \"x\") names a token"},
        Refusal{R"({"model": {"merges": ["a"]}})", "merge 0 is neither"},
        Refusal{R"({"model": {"dropout": 0.1}})", "dropout 0.1 is not supported"},
        Refusal{R"({"model": {"end_of_word_suffix": "</w>"}})", "end_of_word_suffix \"</w>\""},
        Refusal{R"({"model": {"unk_token": "?"}})", "unk_token \"?\" is not in vocab"},
        Refusal{R"({"normalizer": {"type": "Lowercase"}})", "normalizer: type \"Lowercase\""},
        Refusal{R"({"pre_tokenizer": {"type": "Metaspace"}})", "pre_tokenizer: type \"Metaspace\""},
        Refusal{R"({"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Bert"}]}})",
                "pre_tokenizer: type \"Bert\""},
        Refusal{R"({"pre_tokenizer": {"type": "Split", "pattern": {"Regex": "("},
                    "behavior": "Isolated"}})",
                "pattern \"(\" does not compile"},
        Refusal{R"({"post_processor": {"type": "BertProcessing"}})", "\"BertProcessing\""},
        Refusal{R"({"decoder": {"type": "WordPiece"}})", "decoder: type \"WordPiece\""},
        Refusal{R"({"added_tokens": [{"id": 1, "content": "x"}]})", "contradicts another token"},
        Refusal{R"({"truncation": {"max_length": 5}})", "\"truncation\" is set"}));

TEST(TokenizerTest, RefusesBrokenAndMissingFiles) {
  EXPECT_THAT(std::string(TempModel("{").Load().status().message()), HasSubstr("not JSON"));
  EXPECT_THAT(std::string(TempModel("[]").Load().status().message()),
              HasSubstr("not a JSON object"));
  EXPECT_EQ(Tokenizer::Load("/nonexistent").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace rondo
