#include "server/core/stage_memory.h"

#include <algorithm>
#include <map>
#include <variant>

namespace rondo {
namespace {

constexpr int64_t kFloatBytes = 4;
// Of a trained number: value, gradient, and the two moments of Adam.
constexpr int64_t kTrainedBytes = 4 * kFloatBytes;
// What variables hold besides: the gradient's sum; a codebook also h and what its forward takes.
constexpr int64_t kDenseBytes = kTrainedBytes + kFloatBytes;
constexpr int64_t kCodebookBytes = kTrainedBytes + 3 * kFloatBytes;
constexpr int64_t kCodeBytes = 2;
constexpr int64_t kChunkTokens = 256;  // whose logits are formed at once (worker/train/head_loss.h)

int64_t LayerElements(const ModelLayout& layout) {
  return layout.LinearWeightsPerLayer() + OtherElementsPerLayer(layout);
}

bool IsLast(const Plan& plan, int stage) {
  return stage + 1 == static_cast<int>(plan.stages.size());
}

int64_t HeadElements(const ModelFacts& facts, int stage) {
  int64_t elements = Elements(facts.layout.head);
  if (facts.config.tie_word_embeddings && stage > 0) elements += Elements(facts.layout.embedding);
  return elements;
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

// Calibration, statistics and quantization, in the plan's dtype.
int64_t InitialiseBytes(const JobSpec& spec, const ModelFacts& facts, const Plan& plan, int stage,
                        int64_t elements) {
  const int64_t layers = plan.stages[stage].end_layer - plan.stages[stage].first_layer;
  const int64_t bytes = BytesOf(plan.dtype);
  int64_t total = elements * bytes + ActivationBytes(facts.config, spec.compute.micro_batch,
                                                     spec.calibration.seq_len, bytes);
  if (GptqOf(spec.method) != nullptr) {
    total += (plan.sequential ? 1 : layers) * HessianBytes(facts.layout);
  }
  const int64_t tokens = spec.calibration.samples * spec.calibration.seq_len;
  if (plan.sequential) total += tokens * facts.config.hidden_size * bytes;
  return total;
}

// Perplexity, always in float32, after the statistics are gone.
int64_t EvaluationBytes(const JobSpec& spec, const ModelFacts& facts, bool last, int64_t elements) {
  int64_t total = elements * kFloatBytes;
  if (spec.evaluation.sets.empty()) return total;
  total += ActivationBytes(facts.config, 1, spec.evaluation.seq_len, kFloatBytes);
  if (last) total += spec.evaluation.seq_len * facts.config.vocab_size * kFloatBytes;
  return total;
}

// Of the variables that the linears of `layers` decoder layers train.
struct VariableBytes {
  const ModelLayout& layout;
  int64_t layers;

  int64_t operator()(const CodebookSettings& codebook) const {
    const int64_t weights = layers * layout.LinearWeightsPerLayer();
    int64_t rows = 0;
    switch (codebook.scope) {
      case CodebookScope::kLinear:
        for (const LinearLayout& linear : layout.linears) {
          rows += layers * Rows(codebook, linear.out * linear.in);
        }
        break;
      case CodebookScope::kLayer:
        rows = layers * Rows(codebook, layout.LinearWeightsPerLayer());
        break;
      case CodebookScope::kModel: rows = Rows(codebook, weights); break;
    }
    return weights / codebook.dim * kCodeBytes + rows * codebook.dim * kCodebookBytes;
  }
  int64_t operator()(const DenseSettings&) const {
    return layers * layout.LinearWeightsPerLayer() * kDenseBytes;
  }
  // The starting variables, their gradient's sum, and two factors a linear.
  int64_t operator()(const LowRankSettings& low_rank) const {
    int64_t factors = 0;
    for (const LinearLayout& linear : layout.linears) {
      factors += low_rank.rank * (linear.out + linear.in);
    }
    return layers * (layout.LinearWeightsPerLayer() * 2 * kFloatBytes + factors * kTrainedBytes);
  }

  // Of a codebook that so many weights share, as CodebookRows() of worker/algo/clustering.h.
  static int64_t Rows(const CodebookSettings& codebook, int64_t weights) {
    const int64_t blocks = weights / codebook.dim;
    const double most = codebook.max_share * static_cast<double>(blocks);
    const bool patterns = codebook.clustering == Clustering::kSignPreserving;
    const int64_t least = patterns ? std::min(int64_t{1} << codebook.dim, blocks) : 1;
    return std::min(std::max(static_cast<int64_t>(most), least), codebook.codes);
  }
};

// A scale and a zero point a group, float32.
int64_t GridBytes(const ModelLayout& layout, const GridSpec& grid) {
  int64_t groups = 0;
  for (const LinearLayout& linear : layout.linears) {
    groups += linear.out * (grid.group_size == -1 ? 1 : linear.in / grid.group_size);
  }
  return groups * 2 * kFloatBytes;
}

// What backward keeps of one decoder layer for one window: a dozen tensors of hidden size, eight of
// the MLP's; scores and probabilities of every head.
int64_t LayerGraphBytes(const ModelConfig& c, int64_t seq_len) {
  return kFloatBytes * (seq_len * (12 * c.hidden_size + 8 * c.intermediate_size) +
                        2 * c.num_heads * seq_len * seq_len);
}

}  // namespace

int64_t BytesOf(DType dtype) { return dtype == DType::kFloat32 ? kFloatBytes : 2; }

int64_t Elements(const std::vector<TensorLayout>& tensors) {
  int64_t total = 0;
  for (const TensorLayout& tensor : tensors) {
    int64_t elements = 1;
    for (const int64_t size : tensor.shape) elements *= size;
    total += elements;
  }
  return total;
}

int64_t OtherElementsPerLayer(const ModelLayout& layout) {
  int64_t total = Elements(layout.layer_others);
  for (const LinearLayout& linear : layout.linears) total += linear.bias ? linear.out : 0;
  return total;
}

TrainingMemory TrainingMemoryOf(const LearnedRoundingSettings& learned, const JobSpec& spec,
                                const ModelFacts& facts, const Plan& plan, int stage) {
  const ModelLayout& layout = facts.layout;
  const ModelConfig& config = facts.config;
  const int64_t stages = static_cast<int64_t>(plan.stages.size());
  const int64_t layers = plan.stages[stage].end_layer - plan.stages[stage].first_layer;
  const int64_t seq_len = spec.calibration.seq_len;
  const int64_t products = BytesOf(plan.training_dtype);

  TrainingMemory memory;
  memory.base = layers * layout.LinearWeightsPerLayer();
  memory.variables = std::visit(VariableBytes{layout, layers}, learned.parameters);
  memory.grids = layers * GridBytes(layout, spec.grid);
  memory.other = layers * OtherElementsPerLayer(layout) * kFloatBytes;
  if (stage == 0) memory.other += Elements(layout.embedding) * kFloatBytes;
  if (IsLast(plan, stage)) {
    memory.other += HeadElements(facts, stage) * (kFloatBytes + products);
    memory.divergence = 3 * kChunkTokens * config.vocab_size * kFloatBytes;
  }
  // 1F1B: a stage has started as many windows as there are stages from it to the last.
  const int64_t windows = std::min<int64_t>(
      stages - stage, (learned.training.batch + plan.replicas - 1) / plan.replicas);
  memory.saved_inputs = windows * layers * seq_len * config.hidden_size * kFloatBytes;
  memory.layer_graph = LayerGraphBytes(config, seq_len);
  memory.weights = 2 * layout.LinearWeightsPerLayer() * products;
  return memory;
}

int64_t StageMemory(const JobSpec& spec, const ModelFacts& facts, const Plan& plan, int stage) {
  const bool last = IsLast(plan, stage);
  const int64_t layers = plan.stages[stage].end_layer - plan.stages[stage].first_layer;
  const auto* learned = std::get_if<LearnedRoundingSettings>(&spec.method);
  int64_t elements = layers * LayerElements(facts.layout);
  if (stage == 0) elements += Elements(facts.layout.embedding);
  // The teacher's logits are formed from the head as those of an evaluation.
  if (last && (learned != nullptr || !spec.evaluation.sets.empty())) {
    elements += HeadElements(facts, stage);
  }
  int64_t peak = EvaluationBytes(spec, facts, last, elements);
  if (NeedsCalibration(spec.method)) {
    peak = std::max(peak, InitialiseBytes(spec, facts, plan, stage, elements));
  }
  if (learned != nullptr) {
    peak = std::max(peak, TrainingMemoryOf(*learned, spec, facts, plan, stage).Total());
  }
  return peak;
}

}  // namespace rondo
