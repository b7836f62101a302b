#include "worker/text/pre_tokenizer.h"

#include <algorithm>
#include <utility>

#include "worker/text/byte_level.h"
#include "worker/text/json_fields.h"
#include "worker/text/pattern.h"
#include "worker/text/regex.h"

namespace rondo {
namespace {

using nlohmann::json;

constexpr const char* kPreTokenizer = "pre_tokenizer";

// The pattern of GPT-2 (github.com/openai/gpt-2, src/encoder.py).
constexpr const char* kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

enum class Behavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

absl::StatusOr<Behavior> ParseBehavior(const std::string& name) {
  if (name == "Removed") return Behavior::kRemoved;
  if (name == "Isolated") return Behavior::kIsolated;
  if (name == "MergedWithPrevious") return Behavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return Behavior::kMergedWithNext;
  if (name == "Contiguous") return Behavior::kContiguous;
  return absl::InvalidArgumentError(
      absl::StrCat(kPreTokenizer, ": behavior \"", name, "\" is not supported"));
}

// A stretch of the text that the pattern matched (true) or that lies between two matches.
struct Stretch {
  Span span;
  bool matched;
};

std::vector<Stretch> Stretches(const std::vector<Span>& matches, size_t size, bool invert) {
  std::vector<Stretch> all;
  size_t done = 0;
  for (const Span& match : matches) {
    if (done < match.begin) all.push_back({{done, match.begin}, invert});
    all.push_back({match, !invert});
    done = match.end;
  }
  if (done < size) all.push_back({{done, size}, invert});
  return all;
}

// Whether a stretch joins the one that was placed before it (for kMergedWithNext: after it).
bool Joins(Behavior behavior, bool matched, bool previous_matched) {
  switch (behavior) {
    case Behavior::kContiguous: return matched == previous_matched;
    case Behavior::kMergedWithPrevious:
    case Behavior::kMergedWithNext: return matched && !previous_matched;
    case Behavior::kRemoved:
    case Behavior::kIsolated: return false;
  }
  return false;
}

std::vector<Span> Place(std::vector<Stretch> stretches, Behavior behavior) {
  const bool backwards = behavior == Behavior::kMergedWithNext;
  if (backwards) std::reverse(stretches.begin(), stretches.end());
  std::vector<Span> spans;
  bool previous_matched = false;
  for (const auto& [span, matched] : stretches) {
    if (behavior == Behavior::kRemoved && matched) continue;
    if (!spans.empty() && Joins(behavior, matched, previous_matched)) {
      (backwards ? spans.back().begin : spans.back().end) = backwards ? span.begin : span.end;
    } else {
      spans.push_back(span);
    }
    previous_matched = matched;
  }
  if (backwards) std::reverse(spans.begin(), spans.end());
  return spans;
}

class SplitBy final : public PreTokenizer {
 public:
  SplitBy(Regex regex, Behavior behavior, bool invert)
      : regex_(std::move(regex)), behavior_(behavior), invert_(invert) {}

  absl::Status Split(std::string_view text, std::vector<std::string>* pieces) const override {
    ASSIGN_OR_RETURN(const std::vector<Span> matches, regex_.FindAll(text));
    for (const Span& span : Place(Stretches(matches, text.size(), invert_), behavior_)) {
      if (span.begin < span.end)
        pieces->emplace_back(text.substr(span.begin, span.end - span.begin));
    }
    return absl::OkStatus();
  }

 private:
  const Regex regex_;
  const Behavior behavior_;
  const bool invert_;
};

// Cuts by GPT-2's pattern when there is a splitter, then writes each byte as a visible character.
class ByteLevel final : public PreTokenizer {
 public:
  ByteLevel(std::unique_ptr<PreTokenizer> splitter, bool add_prefix_space)
      : splitter_(std::move(splitter)), add_prefix_space_(add_prefix_space) {}

  absl::Status Split(std::string_view text, std::vector<std::string>* pieces) const override {
    std::string spaced;
    if (add_prefix_space_ && !text.starts_with(' ')) {
      spaced = " " + std::string(text);
      text = spaced;
    }
    std::vector<std::string> raw;
    if (splitter_ != nullptr) {
      RETURN_IF_ERROR(splitter_->Split(text, &raw));
    } else {
      raw.emplace_back(text);
    }
    for (const std::string& piece : raw) pieces->push_back(BytesToVisible(piece));
    return absl::OkStatus();
  }

 private:
  const std::unique_ptr<PreTokenizer> splitter_;
  const bool add_prefix_space_;
};

// Each part cuts the pieces of the one before it.
class PreTokenizerChain final : public PreTokenizer {
 public:
  explicit PreTokenizerChain(std::vector<std::unique_ptr<PreTokenizer>> parts)
      : parts_(std::move(parts)) {}

  absl::Status Split(std::string_view text, std::vector<std::string>* pieces) const override {
    std::vector<std::string> current = {std::string(text)};
    for (const auto& part : parts_) {
      std::vector<std::string> next;
      for (const std::string& piece : current) RETURN_IF_ERROR(part->Split(piece, &next));
      current = std::move(next);
    }
    std::move(current.begin(), current.end(), std::back_inserter(*pieces));
    return absl::OkStatus();
  }

 private:
  const std::vector<std::unique_ptr<PreTokenizer>> parts_;
};

absl::StatusOr<std::unique_ptr<PreTokenizer>> MakeByteLevel(const json& description) {
  ASSIGN_OR_RETURN(const bool add_prefix_space,
                   BoolField(description, kPreTokenizer, "add_prefix_space", true));
  ASSIGN_OR_RETURN(const bool use_regex, BoolField(description, kPreTokenizer, "use_regex", true));
  std::unique_ptr<PreTokenizer> splitter;
  if (use_regex) {
    ASSIGN_OR_RETURN(Regex regex, Regex::Compile(kGpt2Pattern));
    splitter = std::make_unique<SplitBy>(std::move(regex), Behavior::kIsolated, false);
  }
  return std::make_unique<ByteLevel>(std::move(splitter), add_prefix_space);
}

absl::StatusOr<std::unique_ptr<PreTokenizer>> MakeDigits(const json& description) {
  ASSIGN_OR_RETURN(const bool individual,
                   BoolField(description, kPreTokenizer, "individual_digits", false));
  ASSIGN_OR_RETURN(Regex regex, Regex::Compile(R"(\p{N})"));
  return std::make_unique<SplitBy>(std::move(regex),
                                   individual ? Behavior::kIsolated : Behavior::kContiguous, false);
}

absl::StatusOr<std::unique_ptr<PreTokenizer>> MakeSplit(const json& description) {
  ASSIGN_OR_RETURN(Regex regex, MakePattern(description, kPreTokenizer));
  ASSIGN_OR_RETURN(const std::string name, StringField(description, kPreTokenizer, "behavior"));
  ASSIGN_OR_RETURN(const Behavior behavior, ParseBehavior(name));
  ASSIGN_OR_RETURN(const bool invert, BoolField(description, kPreTokenizer, "invert", false));
  return std::make_unique<SplitBy>(std::move(regex), behavior, invert);
}

}  // namespace

absl::StatusOr<std::unique_ptr<PreTokenizer>> MakePreTokenizer(const json& description) {
  std::vector<std::unique_ptr<PreTokenizer>> parts;
  if (description.is_null()) return std::make_unique<PreTokenizerChain>(std::move(parts));
  ASSIGN_OR_RETURN(const std::string type, StringField(description, kPreTokenizer, "type"));
  if (type == "ByteLevel") return MakeByteLevel(description);
  if (type == "Digits") return MakeDigits(description);
  if (type == "Split") return MakeSplit(description);
  if (type != "Sequence")
    return Unsupported(kPreTokenizer, type, "ByteLevel, Digits, Split and Sequence");
  ASSIGN_OR_RETURN(const std::vector<json> list,
                   ListField(description, kPreTokenizer, "pretokenizers"));
  for (const json& item : list) {
    ASSIGN_OR_RETURN(parts.emplace_back(), MakePreTokenizer(item));
  }
  return std::make_unique<PreTokenizerChain>(std::move(parts));
}

}  // namespace rondo
