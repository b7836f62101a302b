#include "worker/text/normalizer.h"

#include <utility>
#include <vector>

#include "worker/text/json_fields.h"
#include "worker/text/pattern.h"
#include "worker/text/utf8.h"

namespace rondo {
namespace {

using nlohmann::json;

constexpr const char* kNormalizer = "normalizer";

class Nfc final : public Normalizer {
 public:
  absl::StatusOr<std::string> Normalize(std::string_view text) const override {
    return NormalizeNfc(text);
  }
};

class Prepend final : public Normalizer {
 public:
  explicit Prepend(std::string prefix) : prefix_(std::move(prefix)) {}
  absl::StatusOr<std::string> Normalize(std::string_view text) const override {
    if (text.empty()) return std::string();
    return prefix_ + std::string(text);
  }

 private:
  const std::string prefix_;
};

class Replace final : public Normalizer {
 public:
  explicit Replace(Replacement replacement) : replacement_(std::move(replacement)) {}
  absl::StatusOr<std::string> Normalize(std::string_view text) const override {
    return replacement_.Apply(text);
  }

 private:
  const Replacement replacement_;
};

// In order; none of them leaves the text as it is.
class NormalizerChain final : public Normalizer {
 public:
  explicit NormalizerChain(std::vector<std::unique_ptr<Normalizer>> parts)
      : parts_(std::move(parts)) {}
  absl::StatusOr<std::string> Normalize(std::string_view text) const override {
    std::string out(text);
    for (const auto& part : parts_) {
      ASSIGN_OR_RETURN(out, part->Normalize(out));
    }
    return out;
  }

 private:
  const std::vector<std::unique_ptr<Normalizer>> parts_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Normalizer>> MakeNormalizer(const json& description) {
  std::vector<std::unique_ptr<Normalizer>> parts;
  if (description.is_null()) return std::make_unique<NormalizerChain>(std::move(parts));
  ASSIGN_OR_RETURN(const std::string type, StringField(description, kNormalizer, "type"));
  if (type == "NFC") return std::make_unique<Nfc>();
  if (type == "Prepend") {
    ASSIGN_OR_RETURN(std::string prefix, StringField(description, kNormalizer, "prepend"));
    return std::make_unique<Prepend>(std::move(prefix));
  }
  if (type == "Replace") {
    ASSIGN_OR_RETURN(Replacement replacement, MakeReplacement(description, kNormalizer));
    return std::make_unique<Replace>(std::move(replacement));
  }
  if (type != "Sequence")
    return Unsupported(kNormalizer, type, "NFC, Prepend, Replace and Sequence");
  ASSIGN_OR_RETURN(const std::vector<json> list,
                   ListField(description, kNormalizer, "normalizers"));
  for (const json& item : list) {
    ASSIGN_OR_RETURN(parts.emplace_back(), MakeNormalizer(item));
  }
  return std::make_unique<NormalizerChain>(std::move(parts));
}

}  // namespace rondo
