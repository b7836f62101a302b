// What a user asks for: pure values, no protobuf, no files. Units are in the names or comments.
// Thread-compatible. Validate() (validate.h) says whether a spec can be accepted.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace rondo {

enum class DType { kAuto, kFloat32, kBFloat16, kFloat16 };

// Where the original checkpoint lies: a Hugging Face folder that all workers read, or s3://...
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
  kQuantized,      // from the quantized linears before it: layers are sequential
};

// GPTQ (arXiv 2210.17323), algorithms as in docs/algorithms.md.
struct GptqSettings {
  double percdamp = 0.01;  // damping as a share of the mean of the Hessian's diagonal
  ActOrder act_order = ActOrder::kNone;
  Propagate propagate = Propagate::kQuantized;
  int64_t block_size = 128;  // columns whose updates are applied lazily together
};

// VQRound (arXiv 2602.02151): blocks of `dim` decisions share `codes` rows of a codebook.
enum class Clustering {
  kL2,              // as the paper's code: some decisions flip before training starts
  kLinf,            // assignment by the largest element error, centre by mid-range
  kSignPreserving,  // within each pattern of decisions: none flips
};
enum class CodebookScope { kLinear, kLayer, kModel };  // what shares one codebook

struct CodebookSettings {
  int64_t dim = 8;
  int64_t codes = 4096;
  Clustering clustering = Clustering::kSignPreserving;
  CodebookScope scope = CodebookScope::kLinear;
  int64_t iterations = 25;   // of k-means, at most
  double tolerance = 1e-3;   // it stops when the distortion falls by less than this share
  double max_share = 0.125;  // `codes` is lowered until the codebook is no larger than this share
                             // of the weights that use it
};

// AdaRound (arXiv 2004.10568): one variable a weight.
struct DenseSettings {};

// LoRA-rounding (CBQ, arXiv 2312.07950): a low-rank change of the starting variables.
struct LowRankSettings {
  int64_t rank = 5;
};

enum class RoundingInit { kRtn, kGptq };
enum class RoundingStart {
  kFractional,  // from the fractional parts, as the paper's code
  kNearest,  // the initialisation's decisions, soft weights as near to the original as they allow
};
enum class RoundingForward {
  kSoft,                     // h(alpha), as in the paper
  kStraightThrough,          // the hard decision; h' backward, no regulariser
  kSoftThenStraightThrough,  // the second for the last `straight_through_share` of the steps
};
enum class Objective {
  kEndToEnd,           // distillation through the whole model
  kBlock,              // each decoder layer against the original layer's output
  kBlockThenEndToEnd,  // the first as a warm start of the second
};
enum class TrainingLoss { kDistillation, kLanguageModel };
enum class LearningRateSchedule { kConstant, kLinear, kCosine };  // the latter two fall to 0

struct TrainingSettings {
  int64_t steps = 5000;
  int64_t batch = 1;  // windows of the calibration data a step
  Objective objective = Objective::kEndToEnd;
  RoundingForward forward = RoundingForward::kStraightThrough;
  double straight_through_share = 0.5;
  TrainingLoss loss = TrainingLoss::kDistillation;
  double temperature = 1.0;
  ModelSource teacher;  // empty: the original model
  int64_t top_k = 0;    // logits of the teacher that are kept; 0: its hidden states, exact
  double learning_rate = 2e-2;
  double warmup = 0;  // share of the steps over which the learning rate rises
  LearningRateSchedule schedule = LearningRateSchedule::kCosine;
  double round_weight = 0.01;  // of the regulariser, which only the soft forward has
  double beta_start = 20;
  double beta_end = 2;
  double beta_hold = 0.1;          // share of the steps before beta falls and the regulariser acts
  DType dtype = DType::kAuto;      // of the products; sums are float32
  int64_t checkpoint_every = 100;  // steps; 0: none
  int replicas = 0;                // of the pipeline, each on its share of the batch; 0: planned
};

// Decisions (up or down) of every linear layer, learned (docs/algorithms.md, sections 4 and 5).
struct LearnedRoundingSettings {
  std::variant<CodebookSettings, DenseSettings, LowRankSettings> parameters;
  RoundingInit init = RoundingInit::kGptq;
  GptqSettings gptq;  // of the initialisation
  RoundingStart start = RoundingStart::kNearest;
  TrainingSettings training;
};

using MethodSettings =
    std::variant<EvaluateOnly, RtnSettings, GptqSettings, LearnedRoundingSettings>;

// Of single linear layers, where it is not the job's own.
enum class LayerMethod { kRtn, kGptq };

// Other settings for the linear layers of the decoder whose full name
// ("model.layers.0.mlp.up_proj") matches a pattern; common/domain/overrides.h says how.
struct LayerOverride {
  std::string pattern;  // '*' stands for any run of characters, '?' for any one
  bool skip = false;    // the weights stay as they are; the rest is unset then
  std::optional<int> bits;
  std::optional<int64_t> group_size;
  std::optional<LayerMethod> method;
};

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

// Of JobSpec::priority. A waiting job rises to the highest (server/core/queue.h).
inline constexpr int kLowestPriority = -10;
inline constexpr int kHighestPriority = 10;

struct JobSpec {
  ModelSource model;
  CalibrationSpec calibration;  // not read by rtn and by evaluation-only jobs
  GridSpec grid;
  MethodSettings method = GptqSettings{};
  std::vector<LayerOverride> overrides;
  ComputeSpec compute;
  int workers = 0;  // stages; 0: as many as are idle, at most one a decoder layer
  EvaluationSpec evaluation;
  std::vector<ExportFormat> exports = {ExportFormat::kCompressedTensors};
  int priority = 0;  // higher ones start first
};

// The settings of the GPTQ that the method runs, alone or as an initialisation; null: none.
const GptqSettings* GptqOf(const MethodSettings& method);
// True when decisions are trained.
bool IsLearned(const MethodSettings& method);
// True when the method reads calibration data.
bool NeedsCalibration(const MethodSettings& method);
// True when a layer's statistics depend on the layers before it, so stages take turns.
bool IsSequential(const MethodSettings& method);

// Names as users write them: "gptq", "fp", "compressed-tensors", ...
std::string MethodName(const MethodSettings& method);
std::string LayerMethodName(LayerMethod method);  // "rtn", "gptq"
std::string ExportFormatName(ExportFormat format);
std::string DTypeName(DType dtype);

}  // namespace rondo
