#include "worker/text/token_decoder.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "absl/strings/str_join.h"
#include "worker/text/byte_level.h"
#include "worker/text/json_fields.h"
#include "worker/text/pattern.h"
#include "worker/text/utf8.h"

namespace rondo {
namespace {

using nlohmann::json;
using Tokens = std::vector<std::string>;

constexpr const char* kDecoder = "decoder";

class ByteLevel final : public TokenDecoder {
 public:
  absl::StatusOr<Tokens> Decode(Tokens tokens) const override {
    std::string bytes;
    for (const std::string& token : tokens) bytes += VisibleToBytes(token);
    return Tokens{ToUtf8Lossy(bytes)};
  }
};

// Runs of <0xNN> become the character that they spell, or one U+FFFD a byte when they spell none.
class ByteFallback final : public TokenDecoder {
 public:
  absl::StatusOr<Tokens> Decode(Tokens tokens) const override {
    Tokens out;
    std::string bytes;
    for (std::string& token : tokens) {
      if (const auto byte = ByteOf(token)) {
        bytes.push_back(*byte);
        continue;
      }
      Flush(&bytes, &out);
      out.push_back(std::move(token));
    }
    Flush(&bytes, &out);
    return out;
  }

 private:
  static std::optional<char> ByteOf(const std::string& token) {
    if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return std::nullopt;
    uint8_t value = 0;
    const char* end = token.data() + 5;
    if (std::from_chars(token.data() + 3, end, value, 16).ptr != end) return std::nullopt;
    return static_cast<char>(value);
  }

  static void Flush(std::string* bytes, Tokens* out) {
    if (CheckUtf8(*bytes).ok()) {
      if (!bytes->empty()) out->push_back(*bytes);
    } else {
      out->insert(out->end(), bytes->size(), "\xEF\xBF\xBD");
    }
    bytes->clear();
  }
};

class Fuse final : public TokenDecoder {
 public:
  absl::StatusOr<Tokens> Decode(Tokens tokens) const override {
    return Tokens{absl::StrJoin(tokens, "")};
  }
};

class Replace final : public TokenDecoder {
 public:
  explicit Replace(Replacement replacement) : replacement_(std::move(replacement)) {}
  absl::StatusOr<Tokens> Decode(Tokens tokens) const override {
    for (std::string& token : tokens) {
      ASSIGN_OR_RETURN(token, replacement_.Apply(token));
    }
    return tokens;
  }

 private:
  const Replacement replacement_;
};

// Takes up to `start` leading and `stop` trailing occurrences of a character off each token.
class Strip final : public TokenDecoder {
 public:
  Strip(std::string content, int64_t start, int64_t stop)
      : content_(std::move(content)), start_(start), stop_(stop) {}

  absl::StatusOr<Tokens> Decode(Tokens tokens) const override {
    for (std::string& token : tokens) {
      for (int64_t i = 0; i < start_ && token.starts_with(content_); ++i) {
        token.erase(0, content_.size());
      }
      for (int64_t i = 0; i < stop_ && token.ends_with(content_); ++i) {
        token.resize(token.size() - content_.size());
      }
    }
    return tokens;
  }

 private:
  const std::string content_;
  const int64_t start_;
  const int64_t stop_;
};

class Spaced final : public TokenDecoder {
 public:
  absl::StatusOr<Tokens> Decode(Tokens tokens) const override {
    return Tokens{absl::StrJoin(tokens, " ")};
  }
};

class DecoderChain final : public TokenDecoder {
 public:
  explicit DecoderChain(std::vector<std::unique_ptr<TokenDecoder>> parts)
      : parts_(std::move(parts)) {}
  absl::StatusOr<Tokens> Decode(Tokens tokens) const override {
    for (const auto& part : parts_) {
      ASSIGN_OR_RETURN(tokens, part->Decode(std::move(tokens)));
    }
    return tokens;
  }

 private:
  const std::vector<std::unique_ptr<TokenDecoder>> parts_;
};

absl::StatusOr<std::unique_ptr<TokenDecoder>> MakeStrip(const json& description) {
  ASSIGN_OR_RETURN(std::string content, StringField(description, kDecoder, "content"));
  ASSIGN_OR_RETURN(const int64_t start, IntField(description, kDecoder, "start"));
  ASSIGN_OR_RETURN(const int64_t stop, IntField(description, kDecoder, "stop"));
  if (content.empty()) return absl::InvalidArgumentError("decoder: Strip has no content");
  return std::make_unique<Strip>(std::move(content), start, stop);
}

}  // namespace

absl::StatusOr<std::unique_ptr<TokenDecoder>> MakeTokenDecoder(const json& description) {
  if (description.is_null()) return std::make_unique<Spaced>();
  ASSIGN_OR_RETURN(const std::string type, StringField(description, kDecoder, "type"));
  if (type == "ByteLevel") return std::make_unique<ByteLevel>();
  if (type == "ByteFallback") return std::make_unique<ByteFallback>();
  if (type == "Fuse") return std::make_unique<Fuse>();
  if (type == "Strip") return MakeStrip(description);
  if (type == "Replace") {
    ASSIGN_OR_RETURN(Replacement replacement, MakeReplacement(description, kDecoder));
    return std::make_unique<Replace>(std::move(replacement));
  }
  if (type != "Sequence") {
    return Unsupported(kDecoder, type,
                       "ByteFallback, ByteLevel, Fuse, Replace, Sequence and Strip");
  }
  ASSIGN_OR_RETURN(const std::vector<json> list, ListField(description, kDecoder, "decoders"));
  std::vector<std::unique_ptr<TokenDecoder>> parts;
  for (const json& item : list) {
    ASSIGN_OR_RETURN(parts.emplace_back(), MakeTokenDecoder(item));
  }
  return std::make_unique<DecoderChain>(std::move(parts));
}

}  // namespace rondo
