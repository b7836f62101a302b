#include "worker/text/tokenizer_files.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "common/io/file.h"
#include "worker/text/tokenizer.h"

namespace rondo {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

constexpr char kLlama[] = "tests/data/models/llama-tiny/";
constexpr char kOpt[] = "tests/data/models/opt-tiny/";

json ParseFile(const std::string& path) { return json::parse(ReadFile(path).value()); }

class TokenizerFilesTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/rondo_tokenizer_XXXXXX";
    dir_ = mkdtemp(pattern.data());
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }
  void Write(const std::string& name, const std::string& contents) const {
    ASSERT_TRUE(WriteFileAtomically(JoinPath(dir_, name), contents).ok());
  }
  // The two files that GPT-2's tokenizer had before tokenizer.json.
  void WriteGpt2Files() const {
    const json model = ParseFile(std::string(kOpt) + "tokenizer.json")["model"];
    std::string merges = "#version: 0.2\n";
    for (const json& merge : model["merges"]) {
      merges += merge[0].get<std::string>() + " " + merge[1].get<std::string>() + "\n";
    }
    Write("vocab.json", model["vocab"].dump());
    Write("merges.txt", merges);
    Write("tokenizer_config.json", ReadFile(std::string(kOpt) + "tokenizer_config.json").value());
  }
  // `others`: tokens that are special in the tokenizer.json alone.
  void ExpectParity(const std::string& cases_path, const std::vector<std::string>& others) const {
    const auto tokenizer = Tokenizer::Load(dir_);
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
    const json cases = ParseFile(cases_path);
    int compared = 0;
    for (const json& row : cases) {
      SCOPED_TRACE(row["text"].dump(-1, ' ', /*ensure_ascii=*/true));
      const auto text = row["text"].get<std::string>();
      if (std::any_of(others.begin(), others.end(),
                      [&](const std::string& token) { return absl::StrContains(text, token); })) {
        continue;
      }
      ++compared;
      EXPECT_EQ((*tokenizer)->Encode(text, false).value(),
                row["ids_no_special"].get<std::vector<int32_t>>());
      EXPECT_EQ((*tokenizer)->Encode(text, true).value(), row["ids"].get<std::vector<int32_t>>());
      EXPECT_EQ((*tokenizer)->Decode(row["ids_no_special"]).value(), row["decoded"]);
    }
    EXPECT_GE(compared, 60);
  }
  std::string Message() const {
    const absl::Status status = Tokenizer::Load(dir_).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    return std::string(status.message());
  }
  std::string dir_;
};

TEST_F(TokenizerFilesTest, SentencePieceEqualsTheTokenizerJsonOfTheSameModel) {
  Write("tokenizer.model", ReadFile(std::string(kLlama) + "tokenizer.model").value());
  ExpectParity("tests/data/tokenizers/llama-tiny/tokenizer_cases.json", {});
  const json own = ReadTokenizerFiles(dir_)->json;
  const json theirs = ParseFile(std::string(kLlama) + "tokenizer.json");
  // Which of two ways to make the same piece comes first differs between versions of transformers.
  const auto sorted = [](const json& merges) {
    return merges.get<std::set<std::vector<std::string>>>();
  };
  EXPECT_EQ(sorted(own["model"]["merges"]), sorted(theirs["model"]["merges"]));
  EXPECT_EQ(own["model"]["vocab"], theirs["model"]["vocab"]);
}

TEST_F(TokenizerFilesTest, VocabAndMergesEqualTheTokenizerJson) {
  WriteGpt2Files();
  ExpectParity("tests/data/tokenizers/opt-tiny/tokenizer_cases.json", {"<s>", "<unk>"});
}

TEST_F(TokenizerFilesTest, EveryPrefixOfASentencePieceModelIsRefusedOrRead) {
  const std::string model = ReadFile(std::string(kLlama) + "tokenizer.model").value();
  for (size_t size = 0; size < model.size(); size += 997) {
    Write("tokenizer.model", model.substr(0, size));
    EXPECT_THAT(Message(), HasSubstr("/tokenizer.model: ")) << size;
  }
}

TEST_F(TokenizerFilesTest, NamesWhatIsNotSupported) {
  // A piece "a", then one field of the trainer's or of the normalizer's settings.
  const std::string piece(
      "\x0A\x03\x0A\x01"
      "a",
      5);
  Write("tokenizer.model", piece + std::string("\x12\x02\x18\x01", 4));
  EXPECT_THAT(Message(), HasSubstr("SentencePiece model type 1 (BPE is 2) is not supported"));
  const std::string bpe = piece + std::string("\x12\x02\x18\x02", 4);
  Write("tokenizer.model", bpe + std::string("\x1A\x0B\x0A\x06nmt_nf\x12\x01\x00", 13));
  EXPECT_THAT(Message(), HasSubstr("SentencePiece normalizer \"nmt_nf\" is not supported"));
  Write("tokenizer.model", bpe);
  EXPECT_THAT(Message(), HasSubstr("remove_extra_whitespaces of SentencePiece is not supported"));
  Write("tokenizer.model", "hello");
  EXPECT_THAT(Message(), HasSubstr("not a SentencePiece model: damaged"));
}

TEST_F(TokenizerFilesTest, NamesWhatIsWrongInVocabAndMerges) {
  EXPECT_EQ(Tokenizer::Load(dir_).status(),
            absl::NotFoundError(dir_ + " holds no tokenizer: neither tokenizer.json, "
                                       "tokenizer.model, nor vocab.json with merges.txt"));
  WriteGpt2Files();
  Write("merges.txt", "a b c\n");
  EXPECT_THAT(Message(), HasSubstr("vocab.json: model: merge 0 is neither"));
  WriteGpt2Files();
  Write("tokenizer_config.json", R"({"add_bos_token": true, "bos_token": "<start>"})");
  EXPECT_THAT(Message(), HasSubstr("the token \"<start>\" that tokenizer_config.json adds to a "
                                   "text is not in the vocabulary"));
  Write("vocab.json", "{");
  EXPECT_THAT(Message(), HasSubstr("vocab.json: not JSON"));
}

}  // namespace
}  // namespace rondo
