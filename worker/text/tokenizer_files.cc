#include "worker/text/tokenizer_files.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "common/io/file.h"
#include "worker/text/json_fields.h"
#include "worker/text/sentence_piece.h"
#include "worker/text/special_tokens.h"

namespace rondo {
namespace {

using nlohmann::json;

constexpr char kConfig[] = "tokenizer_config.json";

absl::StatusOr<json> ReadJsonFile(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string contents, ReadFile(path));
  json value = json::parse(contents, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) return absl::InvalidArgumentError(absl::StrCat(path, ": not JSON"));
  return value;
}

absl::StatusOr<json> ReadConfig(const std::string& model_dir) {
  const std::string path = JoinPath(model_dir, kConfig);
  if (!FileExists(path)) return json::object();
  ASSIGN_OR_RETURN(json config, ReadJsonFile(path));
  if (!config.is_object()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": not a JSON object"));
  }
  return config;
}

// A line each, "left right"; the first line may be "#version: 0.2".
json MergesOf(std::string_view text) {
  json merges = json::array();
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty() && !line.starts_with("#version")) merges.push_back(std::string(line));
  }
  return merges;
}

// A token of tokenizer_config.json: its text, or an object with it.
json TokenOf(const json& config, const std::string& key) {
  const json& token = Field(config, key);
  return token.is_object() ? Field(token, "content") : token;
}

absl::StatusOr<json> Gpt2Tokenizer(const json& vocab, std::string_view merges, const json& config) {
  ASSIGN_OR_RETURN(const bool prefix, BoolField(config, kConfig, "add_prefix_space", false));
  json added = json::array();
  std::set<std::string> seen;
  for (const char* key : {"bos_token", "eos_token", "unk_token", "pad_token"}) {
    const json token = TokenOf(config, key);
    if (!token.is_string() || !seen.insert(token.get<std::string>()).second) continue;
    const json& id = Field(vocab, token.get<std::string>());
    if (id.is_null()) continue;  // one that transformers would add behind the vocabulary
    added.push_back({{"id", id}, {"content", token}, {"normalized", false}});
  }
  json file = {{"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", MergesOf(merges)}}},
               {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", prefix}}},
               {"decoder", {{"type", "ByteLevel"}}},
               {"added_tokens", added}};
  ASSIGN_OR_RETURN(file["post_processor"],
                   AroundText(config, vocab, TokenOf(config, "bos_token"),
                              TokenOf(config, "eos_token"), /*add_bos=*/false));
  return file;
}

}  // namespace

absl::StatusOr<TokenizerFile> ReadTokenizerFiles(const std::string& model_dir) {
  const std::string ready = JoinPath(model_dir, "tokenizer.json");
  if (FileExists(ready)) {
    ASSIGN_OR_RETURN(json file, ReadJsonFile(ready));
    return TokenizerFile{ready, std::move(file)};
  }
  ASSIGN_OR_RETURN(const json config, ReadConfig(model_dir));
  const std::string pieces = JoinPath(model_dir, "tokenizer.model");
  if (FileExists(pieces)) {
    ASSIGN_OR_RETURN(const std::string contents, ReadFile(pieces));
    absl::StatusOr<json> file = ReadSentencePiece(contents, config);
    if (!file.ok()) return Annotate(file.status(), pieces);
    return TokenizerFile{pieces, *std::move(file)};
  }
  const std::string vocab_path = JoinPath(model_dir, "vocab.json");
  const std::string merges_path = JoinPath(model_dir, "merges.txt");
  if (!FileExists(vocab_path) || !FileExists(merges_path)) {
    return absl::NotFoundError(
        absl::StrCat(model_dir,
                     " holds no tokenizer: neither tokenizer.json, tokenizer.model, nor vocab.json "
                     "with merges.txt"));
  }
  ASSIGN_OR_RETURN(const json vocab, ReadJsonFile(vocab_path));
  ASSIGN_OR_RETURN(const std::string merges, ReadFile(merges_path));
  absl::StatusOr<json> file = Gpt2Tokenizer(vocab, merges, config);
  if (!file.ok()) return Annotate(file.status(), vocab_path);
  return TokenizerFile{vocab_path, *std::move(file)};
}

}  // namespace rondo
