// Token windows for calibration and for perplexity. Pure functions of their arguments.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "common/domain/job_spec.h"

namespace rondo {

// count windows of seq_len tokens each, row-major [count, seq_len].
struct TokenWindows {
  int64_t count = 0;
  int64_t seq_len = 0;
  std::vector<int32_t> ids;
};

// All token ids of a file (common/format/data_path.h): an .npy's in row-major order, or a UTF-8
// text's by the tokenizer of `model_dir`, the whole text at once, without special tokens; JSON
// lines are joined to one text (json_lines.h). INVALID_ARGUMENT: empty, not UTF-8, or an id outside
// [0, vocab_size).
absl::StatusOr<std::vector<int32_t>> LoadTokens(const std::string& path,
                                                const std::string& model_dir, int64_t vocab_size);

// Cuts the tokens into windows that do not overlap (the rest is dropped) and takes `samples` of
// them: all in order when there are just as many, otherwise chosen by `seed` without repetition,
// in the order of the text. INVALID_ARGUMENT when there are fewer, saying how many there are.
absl::StatusOr<TokenWindows> CalibrationWindows(const std::vector<int32_t>& tokens,
                                                const CalibrationSpec& spec);

// The first `windows` windows (0: all). INVALID_ARGUMENT when there are fewer, or none.
absl::StatusOr<TokenWindows> EvaluationWindows(const std::vector<int32_t>& tokens, int64_t seq_len,
                                               int64_t windows);

}  // namespace rondo
