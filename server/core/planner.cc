#include "server/core/planner.h"

#include <algorithm>
#include <map>
#include <string>
#include <variant>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace rondo {
namespace {

constexpr int64_t kFloatBytes = 4;

int64_t ComputeBytes(DType dtype) { return dtype == DType::kFloat32 ? kFloatBytes : 2; }

int64_t Elements(const std::vector<TensorLayout>& tensors) {
  int64_t total = 0;
  for (const TensorLayout& tensor : tensors) {
    int64_t elements = 1;
    for (const int64_t size : tensor.shape) elements *= size;
    total += elements;
  }
  return total;
}

int64_t LayerElements(const ModelLayout& layout) {
  int64_t total = layout.LinearWeightsPerLayer() + Elements(layout.layer_others);
  for (const LinearLayout& linear : layout.linears) total += linear.bias ? linear.out : 0;
  return total;
}

// One float32 matrix [in, in] for each distinct input of a layer.
int64_t HessianBytes(const ModelLayout& layout) {
  std::map<int, int64_t> inputs;
  for (const LinearLayout& linear : layout.linears) inputs[linear.input] = linear.in;
  int64_t total = 0;
  for (const auto& [input, in] : inputs) total += in * in * kFloatBytes;
  return total;
}

// What is alive inside a decoder layer at once, generously: the residual, its norm, q, k, v and
// the attention's output of hidden size; gate, up and their product; one matrix of scores a head.
int64_t ActivationBytes(const ModelConfig& c, int64_t rows, int64_t seq_len, int64_t bytes) {
  const int64_t tokens = rows * seq_len;
  return bytes * (tokens * (6 * c.hidden_size + 3 * c.intermediate_size) +
                  rows * c.num_heads * seq_len * seq_len);
}

struct Work {
  bool calibrates = false;
  bool evaluates = false;
};

int64_t StageMemory(const JobSpec& spec, const ModelFacts& facts, const Plan& plan, int stage) {
  const ModelConfig& config = facts.config;
  const bool last = stage + 1 == static_cast<int>(plan.stages.size());
  const Work work{NeedsCalibration(spec.method), !spec.evaluation.sets.empty()};
  const int64_t layers = plan.stages[stage].end_layer - plan.stages[stage].first_layer;

  int64_t elements = layers * LayerElements(facts.layout);
  if (stage == 0) elements += Elements(facts.layout.embedding);
  if (last && work.evaluates) {
    elements += Elements(facts.layout.head);
    if (config.tie_word_embeddings && stage > 0) elements += Elements(facts.layout.embedding);
  }
  // Evaluation is in float32, after the statistics are gone.
  const int64_t bytes = ComputeBytes(plan.dtype);
  int64_t calibration = 0;
  if (work.calibrates) {
    const int64_t tokens = spec.calibration.samples * spec.calibration.seq_len;
    calibration =
        elements * bytes + (plan.sequential ? 1 : layers) * HessianBytes(facts.layout) +
        ActivationBytes(config, spec.compute.micro_batch, spec.calibration.seq_len, bytes);
    if (plan.sequential) calibration += tokens * config.hidden_size * bytes;
  }
  int64_t evaluation = elements * kFloatBytes;
  if (work.evaluates) {
    evaluation += ActivationBytes(config, 1, spec.evaluation.seq_len, kFloatBytes);
    if (last) evaluation += spec.evaluation.seq_len * config.vocab_size * kFloatBytes;
  }
  return std::max(calibration, evaluation);
}

// Hidden states that cross each of the boundaries between stages.
int64_t WireBytes(const JobSpec& spec, const ModelFacts& facts, const Plan& plan) {
  int64_t per_boundary = 0;
  if (NeedsCalibration(spec.method)) {
    per_boundary += spec.calibration.samples * spec.calibration.seq_len * facts.config.hidden_size *
                    ComputeBytes(plan.dtype);
  }
  const int models = (spec.evaluation.original ? 1 : 0) +
                     (std::holds_alternative<EvaluateOnly>(spec.method) ? 0 : 1);
  for (const int64_t windows : facts.evaluation_windows) {
    per_boundary +=
        models * windows * spec.evaluation.seq_len * facts.config.hidden_size * kFloatBytes;
  }
  return per_boundary * (static_cast<int64_t>(plan.stages.size()) - 1);
}

std::string Gibibytes(int64_t bytes) { return absl::StrFormat("%.1f GiB", bytes / 1073741824.0); }

std::vector<std::string> Notes(const JobSpec& spec, const ModelFacts& facts, const Plan& plan,
                               const std::vector<WorkerInfo>& workers) {
  std::vector<std::string> notes;
  if (plan.sequential && plan.stages.size() > 1) {
    notes.push_back(absl::StrCat("layers are sequential with propagate quantized: the ",
                                 plan.stages.size(),
                                 " stages take turns, so they are no faster than one"));
  }
  if (spec.compute.dtype == DType::kAuto && workers.empty()) {
    notes.push_back(
        "no worker is attached; dtype is float32 here and chosen again when the job starts");
  }
  if (std::count(facts.evaluation_windows.begin(), facts.evaluation_windows.end(), 0) > 0) {
    notes.push_back("wire_bytes leaves out evaluation texts whose tokens are not counted yet");
  }
  const size_t known = std::min(workers.size(), plan.stages.size());
  for (size_t rank = 0; rank < known; ++rank) {
    const int64_t needed = plan.stages[rank].memory_bytes;
    if (needed <= workers[rank].memory_bytes || workers[rank].memory_bytes == 0) continue;
    notes.push_back(absl::StrCat("stage ", rank, " needs about ", Gibibytes(needed), ", but ",
                                 workers[rank].device, " of worker ", workers[rank].id.value(),
                                 " has ", Gibibytes(workers[rank].memory_bytes)));
  }
  return notes;
}

}  // namespace

// On CPUs bfloat16 moves W4 per row of the demo model by more than 3 % (docs/results.md), so it is
// not taken there unless asked for; on GPUs float32 would be ten times slower.
DType ResolveDType(const JobSpec& spec, const std::vector<WorkerInfo>& workers) {
  if (spec.compute.dtype != DType::kAuto) return spec.compute.dtype;
  const bool gpus =
      !workers.empty() && std::all_of(workers.begin(), workers.end(), [](const WorkerInfo& w) {
        return w.bf16 && absl::StartsWith(w.device, "cuda");
      });
  return gpus && NeedsCalibration(spec.method) ? DType::kBFloat16 : DType::kFloat32;
}

std::vector<StagePlan> SplitLayers(int64_t layers, int stages) {
  const int64_t length = layers / stages;
  const int64_t longer = layers % stages;
  const int64_t first_longer = (stages - longer) / 2;
  std::vector<StagePlan> plan(stages);
  int64_t next = 0;
  for (int stage = 0; stage < stages; ++stage) {
    const bool extra = stage >= first_longer && stage < first_longer + longer;
    plan[stage].first_layer = next;
    next += length + (extra ? 1 : 0);
    plan[stage].end_layer = next;
  }
  return plan;
}

// Layout of the packed format: docs/formats.md, "pack-quantized".
int64_t ExportBytes(const ModelFacts& facts, const GridSpec& grid, ExportFormat format) {
  const auto words_bytes = [&](int64_t codes) { return (codes * grid.bits + 31) / 32 * 4; };
  constexpr int64_t kShapeBytes = 16;  // weight_shape: int64[2]
  int64_t per_layer = 0;
  for (const LinearLayout& linear : facts.layout.linears) {
    if (format == ExportFormat::kDense) {
      per_layer += linear.out * linear.in * facts.bytes_per_weight;
      continue;
    }
    const int64_t groups = grid.group_size == -1 ? 1 : linear.in / grid.group_size;
    per_layer += linear.out * words_bytes(linear.in);
    per_layer += linear.out * groups * facts.bytes_per_weight;
    per_layer += kShapeBytes;
    if (!grid.symmetric) per_layer += words_bytes(linear.out) * groups;
  }
  return facts.other_tensor_bytes + per_layer * facts.config.num_layers;
}

Plan MakePlan(const JobSpec& spec, const ModelFacts& facts, int stages,
              const std::vector<WorkerInfo>& workers) {
  Plan plan;
  plan.stages = SplitLayers(facts.config.num_layers, stages);
  plan.sequential = IsSequential(spec.method);
  plan.dtype = ResolveDType(spec, workers);
  if (NeedsCalibration(spec.method)) {
    plan.micro_batches =
        (spec.calibration.samples + spec.compute.micro_batch - 1) / spec.compute.micro_batch;
  }
  for (int stage = 0; stage < stages; ++stage) {
    plan.stages[stage].memory_bytes = StageMemory(spec, facts, plan, stage);
  }
  plan.wire_bytes = WireBytes(spec, facts, plan);
  plan.checkpoint_bytes = facts.checkpoint_bytes;
  if (!std::holds_alternative<EvaluateOnly>(spec.method)) {
    plan.quantized_weights = facts.config.num_layers * facts.layout.LinearWeightsPerLayer();
  }
  for (const ExportFormat format : spec.exports) {
    plan.export_bytes += ExportBytes(facts, spec.grid, format);
  }
  plan.notes = Notes(spec, facts, plan, workers);
  return plan;
}

}  // namespace rondo
