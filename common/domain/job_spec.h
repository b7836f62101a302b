// What a user asks for: pure values, no protobuf, no files. Units are in the names or comments.
// Thread-compatible. Validate() (validate.h) says whether a spec can be accepted.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace rondo {

enum class DType { kAuto, kFloat32, kBFloat16, kFloat16 };

// Where the full-precision checkpoint lies: a Hugging Face folder that every worker can read.
struct ModelSource {
  std::string path;
};

struct CalibrationSpec {
  std::string path;        // UTF-8 text, or int32/int64 token ids in an .npy file
  int64_t samples = 128;   // windows of seq_len tokens
  int64_t seq_len = 2048;  // tokens
  uint64_t seed = 0;       // chooses the windows when the data holds more than `samples`
};

// The set of representable values: value = scale * (code - zero_point), code in [0, 2^bits).
struct GridSpec {
  int bits = 4;              // 2, 3, 4 or 8
  int64_t group_size = 128;  // columns that share a scale; -1: the whole row
  bool symmetric = true;     // zero_point fixed at 2^(bits-1)
  bool operator==(const GridSpec&) const = default;
};

// Runs no quantization: the job only evaluates the model.
struct EvaluateOnly {};

// Round to nearest.
struct RtnSettings {};

enum class ActOrder {
  kNone,
  kStatic,  // columns in order of falling Hessian diagonal; groups stay contiguous in the file
};

enum class Propagate {
  kFullPrecision,  // a layer's statistics come from the unquantized model: layers are independent
  kQuantized,      // from the quantized layers before it: layers are sequential
};

// GPTQ (arXiv 2210.17323), algorithms as in docs/algorithms.md.
struct GptqSettings {
  double percdamp = 0.01;  // damping as a share of the mean of the Hessian's diagonal
  ActOrder act_order = ActOrder::kNone;
  Propagate propagate = Propagate::kQuantized;
  int64_t block_size = 128;  // columns whose updates are applied lazily together
};

using MethodSettings = std::variant<EvaluateOnly, RtnSettings, GptqSettings>;

// One corpus that perplexity is measured on, over windows that do not overlap.
struct EvaluationSet {
  std::string name;
  std::string path;  // as CalibrationSpec::path
};

struct EvaluationSpec {
  std::vector<EvaluationSet> sets;
  int64_t seq_len = 2048;  // tokens a window
  int64_t windows = 0;     // the first so many; 0: all
  bool original = true;    // measure the unquantized model too
};

// Part of the job, not of the machine: the same job gives the same bits on any gang.
struct ComputeSpec {
  DType dtype = DType::kAuto;  // of calibration passes; evaluation is always in float32
  int threads_per_rank = 1;
  int64_t micro_batch = 1;  // samples that go through a stage together
};

enum class ExportFormat {
  kDense,              // dequantized weights in the checkpoint's own dtype
  kCompressedTensors,  // packed integers, "pack-quantized"
};

struct JobSpec {
  ModelSource model;
  CalibrationSpec calibration;  // not read by rtn and by evaluation-only jobs
  GridSpec grid;
  MethodSettings method = GptqSettings{};
  ComputeSpec compute;
  int workers = 0;  // stages; 0: as many as are idle, at most one a decoder layer
  EvaluationSpec evaluation;
  std::vector<ExportFormat> exports = {ExportFormat::kCompressedTensors};
};

// True when the method reads calibration data.
bool NeedsCalibration(const MethodSettings& method);
// True when a layer's statistics depend on the layers before it, so stages take turns.
bool IsSequential(const MethodSettings& method);

// Names as users write them: "gptq", "fp", "compressed-tensors", ...
std::string MethodName(const MethodSettings& method);
std::string ExportFormatName(ExportFormat format);
std::string DTypeName(DType dtype);

}  // namespace rondo
