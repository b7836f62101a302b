#include "worker/text/dataset.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "common/base/random.h"
#include "common/format/data_path.h"
#include "common/format/npy.h"
#include "common/io/file.h"
#include "worker/text/json_lines.h"
#include "worker/text/tokenizer.h"

namespace rondo {
namespace {

// `count` of [0, total), ascending, by the first steps of a Fisher-Yates shuffle.
std::vector<int64_t> Choose(int64_t total, int64_t count, uint64_t seed) {
  std::vector<int64_t> order(total);
  std::iota(order.begin(), order.end(), 0);
  if (count < total) {
    SplitMix64 random(seed);
    for (int64_t i = 0; i < count; ++i) {
      std::swap(order[i], order[i + static_cast<int64_t>(random.Below(total - i))]);
    }
    order.resize(count);
    std::sort(order.begin(), order.end());
  }
  return order;
}

TokenWindows Take(const std::vector<int32_t>& tokens, int64_t seq_len,
                  const std::vector<int64_t>& windows) {
  TokenWindows taken{static_cast<int64_t>(windows.size()), seq_len, {}};
  taken.ids.reserve(taken.count * seq_len);
  for (const int64_t window : windows) {
    const auto begin = tokens.begin() + window * seq_len;
    taken.ids.insert(taken.ids.end(), begin, begin + seq_len);
  }
  return taken;
}

absl::Status CheckSeqLen(int64_t seq_len) {
  if (seq_len >= 1) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("seq_len is ", seq_len, "; it must be at least 1"));
}

absl::StatusOr<std::string> ReadText(const DataPath& data) {
  ASSIGN_OR_RETURN(std::string text, ReadFile(data.file));
  if (data.kind != DataKind::kJsonLines) return text;
  auto joined = JoinJsonLines(text, data.field);
  if (!joined.ok()) return Annotate(joined.status(), data.file);
  return joined;
}

absl::StatusOr<std::vector<int32_t>> TokensOfText(const DataPath& data,
                                                  const std::string& model_dir) {
  const std::string& path = data.file;
  ASSIGN_OR_RETURN(const std::string text, ReadText(data));
  if (text.empty()) return absl::InvalidArgumentError(absl::StrCat("text ", path, " is empty"));
  ASSIGN_OR_RETURN(const std::unique_ptr<Tokenizer> tokenizer, Tokenizer::Load(model_dir));
  auto tokens = tokenizer->Encode(text, /*add_special_tokens=*/false);
  if (!tokens.ok()) return Annotate(tokens.status(), absl::StrCat("text ", path));
  return tokens;
}

absl::StatusOr<std::vector<int32_t>> TokensOfNpy(const std::string& path) {
  ASSIGN_OR_RETURN(TokenArray array, ReadTokensNpy(path));
  return std::move(array.ids);
}

}  // namespace

absl::StatusOr<std::vector<int32_t>> LoadTokens(const std::string& path,
                                                const std::string& model_dir, int64_t vocab_size) {
  const DataPath data = ParseDataPath(path);
  absl::StatusOr<std::vector<int32_t>> tokens =
      data.kind == DataKind::kTokens ? TokensOfNpy(path) : TokensOfText(data, model_dir);
  RETURN_IF_ERROR(tokens.status());
  if (tokens->empty()) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is empty: it holds no tokens"));
  }
  for (size_t i = 0; i < tokens->size(); ++i) {
    const int32_t id = (*tokens)[i];
    if (id < 0 || id >= vocab_size) {
      return absl::InvalidArgumentError(absl::StrCat(path, ": token ", i, " is ", id,
                                                     "; the model's vocabulary holds ids 0 to ",
                                                     vocab_size - 1));
    }
  }
  return tokens;
}

absl::StatusOr<TokenWindows> CalibrationWindows(const std::vector<int32_t>& tokens,
                                                const CalibrationSpec& spec) {
  RETURN_IF_ERROR(CheckSeqLen(spec.seq_len));
  const auto count = static_cast<int64_t>(tokens.size());
  const int64_t windows = count / spec.seq_len;
  if (spec.samples < 1 || spec.samples > windows) {
    return absl::InvalidArgumentError(
        absl::StrCat(spec.path, " holds ", count, " tokens: ", windows, " windows of ",
                     spec.seq_len, "; ", spec.samples, " samples were asked for"));
  }
  return Take(tokens, spec.seq_len, Choose(windows, spec.samples, spec.seed));
}

absl::StatusOr<TokenWindows> EvaluationWindows(const std::vector<int32_t>& tokens, int64_t seq_len,
                                               int64_t windows) {
  RETURN_IF_ERROR(CheckSeqLen(seq_len));
  const auto count = static_cast<int64_t>(tokens.size());
  const int64_t total = count / seq_len;
  if (total == 0 || windows < 0 || windows > total) {
    return absl::InvalidArgumentError(
        absl::StrCat("the evaluation text holds ", count, " tokens: ", total, " windows of ",
                     seq_len, "; ", windows == 0 ? 1 : windows, " were asked for"));
  }
  const int64_t taken = windows == 0 ? total : windows;
  return TokenWindows{taken, seq_len, {tokens.begin(), tokens.begin() + taken * seq_len}};
}

}  // namespace rondo
