#include "worker/text/tokenizer.h"

#include <nlohmann/json.hpp>
#include <unordered_map>
#include <utility>

#include "worker/text/added_tokens.h"
#include "worker/text/bpe.h"
#include "worker/text/json_fields.h"
#include "worker/text/normalizer.h"
#include "worker/text/post_processor.h"
#include "worker/text/pre_tokenizer.h"
#include "worker/text/token_decoder.h"
#include "worker/text/tokenizer_files.h"
#include "worker/text/utf8.h"

namespace rondo {
namespace {

using nlohmann::json;
using WordCache = std::unordered_map<std::string, std::vector<int32_t>>;

// Longer pieces hardly repeat.
constexpr size_t kCachedBytes = 64;

// A BPE piece's ids by way of the words that this text has had before.
void EncodePiece(const Bpe& bpe, const std::string& piece, WordCache* cache,
                 std::vector<int32_t>* ids) {
  if (piece.size() > kCachedBytes) return bpe.Encode(piece, ids);
  const auto [word, fresh] = cache->try_emplace(piece);
  if (fresh) bpe.Encode(piece, &word->second);
  ids->insert(ids->end(), word->second.begin(), word->second.end());
}

// Settings that would shorten or lengthen every text.
absl::Status RefuseLengthSettings(const json& file) {
  for (const char* key : {"truncation", "padding"}) {
    if (!Field(file, key).is_null()) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", key, "\" is set, which is not supported; it must be null"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

struct Tokenizer::Impl {
  std::unique_ptr<Normalizer> normalizer;
  std::unique_ptr<PreTokenizer> pre_tokenizer;
  std::unique_ptr<Bpe> bpe;
  std::unique_ptr<AddedTokens> added;
  SpecialIds special_ids;
  std::unique_ptr<TokenDecoder> decoder;

  static absl::StatusOr<std::unique_ptr<Impl>> Create(const json& file);
  // Text without raw added tokens; the two callees narrow it further.
  absl::Status EncodeRaw(std::string_view text, WordCache* cache, std::vector<int32_t>* ids) const;
  absl::Status EncodeNormalized(std::string_view text, WordCache* cache,
                                std::vector<int32_t>* ids) const;
};

absl::StatusOr<std::unique_ptr<Tokenizer::Impl>> Tokenizer::Impl::Create(const json& file) {
  if (!file.is_object()) return absl::InvalidArgumentError("not a JSON object");
  if (!Field(file, "model").is_object()) return absl::InvalidArgumentError("no \"model\" object");
  RETURN_IF_ERROR(RefuseLengthSettings(file));
  auto impl = std::make_unique<Impl>();
  ASSIGN_OR_RETURN(impl->normalizer, MakeNormalizer(Field(file, "normalizer")));
  ASSIGN_OR_RETURN(impl->pre_tokenizer, MakePreTokenizer(Field(file, "pre_tokenizer")));
  ASSIGN_OR_RETURN(impl->bpe, Bpe::Create(Field(file, "model")));
  ASSIGN_OR_RETURN(AddedTokens added, AddedTokens::Create(file, *impl->bpe, *impl->normalizer));
  impl->added = std::make_unique<AddedTokens>(std::move(added));
  ASSIGN_OR_RETURN(impl->special_ids, MakePostProcessor(Field(file, "post_processor")));
  ASSIGN_OR_RETURN(impl->decoder, MakeTokenDecoder(Field(file, "decoder")));
  return impl;
}

absl::Status Tokenizer::Impl::EncodeRaw(std::string_view text, WordCache* cache,
                                        std::vector<int32_t>* ids) const {
  ASSIGN_OR_RETURN(const std::string normalized, normalizer->Normalize(text));
  ASSIGN_OR_RETURN(const std::vector<Section> sections, added->CutNormalized(normalized));
  for (const Section& section : sections) {
    if (section.id != Section::kText) {
      ids->push_back(section.id);
    } else {
      RETURN_IF_ERROR(EncodeNormalized(section.text, cache, ids));
    }
  }
  return absl::OkStatus();
}

absl::Status Tokenizer::Impl::EncodeNormalized(std::string_view text, WordCache* cache,
                                               std::vector<int32_t>* ids) const {
  std::vector<std::string> pieces;
  RETURN_IF_ERROR(pre_tokenizer->Split(text, &pieces));
  for (const std::string& piece : pieces) EncodePiece(*bpe, piece, cache, ids);
  return absl::OkStatus();
}

Tokenizer::Tokenizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::~Tokenizer() = default;

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::Load(const std::string& model_dir) {
  ASSIGN_OR_RETURN(const TokenizerFile file, ReadTokenizerFiles(model_dir));
  absl::StatusOr<std::unique_ptr<Impl>> impl = Impl::Create(file.json);
  if (!impl.ok()) return Annotate(impl.status(), file.path);
  return std::unique_ptr<Tokenizer>(new Tokenizer(*std::move(impl)));
}

absl::StatusOr<std::vector<int32_t>> Tokenizer::Encode(std::string_view text,
                                                       bool add_special_tokens) const {
  RETURN_IF_ERROR(CheckUtf8(text));
  std::vector<int32_t> ids;
  if (add_special_tokens) ids = impl_->special_ids.before;
  ASSIGN_OR_RETURN(const std::vector<Section> sections, impl_->added->CutRaw(text));
  WordCache cache;
  for (const Section& section : sections) {
    if (section.id != Section::kText) {
      ids.push_back(section.id);
    } else {
      RETURN_IF_ERROR(impl_->EncodeRaw(section.text, &cache, &ids));
    }
  }
  const std::vector<int32_t>& after = impl_->special_ids.after;
  if (add_special_tokens) ids.insert(ids.end(), after.begin(), after.end());
  return ids;
}

absl::StatusOr<std::string> Tokenizer::Decode(const std::vector<int32_t>& ids) const {
  std::vector<std::string> tokens;
  for (const int32_t id : ids) {
    const std::string* token = impl_->added->Token(id);
    if (token == nullptr) token = impl_->bpe->Token(id);
    if (token == nullptr) {
      return absl::InvalidArgumentError(absl::StrCat("no token has id ", id));
    }
    tokens.push_back(*token);
  }
  ASSIGN_OR_RETURN(tokens, impl_->decoder->Decode(std::move(tokens)));
  std::string text;
  for (const std::string& token : tokens) text += token;
  return text;
}

int64_t Tokenizer::vocab_size() const {
  int64_t size = impl_->bpe->size();
  for (const auto& [id, token] : impl_->added->tokens()) {
    if (impl_->bpe->Token(id) == nullptr) ++size;
  }
  return size;
}

}  // namespace rondo
