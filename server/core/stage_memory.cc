#include "server/core/stage_memory.h"

#include <algorithm>
#include <map>
#include <variant>

#include "server/core/stage_weights.h"

namespace rondo {
namespace {

constexpr int64_t kDoubleBytes = 8;
// Of a trained number: value, gradient, and the two moments of Adam.
constexpr int64_t kTrainedBytes = 4 * kFloatBytes;
// What variables hold besides: the gradient's sum; a codebook also h, what its forward pass takes,
// and how often each entry is used.
constexpr int64_t kDenseBytes = kTrainedBytes + kFloatBytes;
constexpr int64_t kCodebookBytes = kTrainedBytes + 4 * kFloatBytes;
constexpr int64_t kCodeBytes = 2;
constexpr int64_t kChunkTokens = 256;  // whose logits are formed at once (worker/train/head_loss.h)
constexpr int64_t kCacheBytes = 2;     // of a number of the teacher's states
constexpr int64_t kHeldBytes = int64_t{1} << 30;  // at most (worker/engine/evaluate.cc)
constexpr int64_t kScoredPositions = 64;          // at once, a head (worker/model/attention.cc)

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

int64_t LargestIn(const ModelLayout& layout) {
  int64_t in = 0;
  for (const LinearLayout& linear : layout.linears) in = std::max(in, linear.in);
  return in;
}

// Of sequential layers, which collect one at a time.
int64_t LargestHessianBytes(const ModelLayout& layout) {
  const int64_t in = LargestIn(layout);
  return in * in * kFloatBytes;
}

// What is alive inside a decoder layer at once: the residual, its norm, q, k, v and the attention's
// output of hidden size; gate, up and their product; scores of some positions of every head.
int64_t ActivationBytes(const ModelConfig& c, int64_t rows, int64_t seq_len, int64_t bytes) {
  return bytes * rows * seq_len *
         (6 * c.hidden_size + 3 * c.intermediate_size + kScoredPositions * c.num_heads);
}

int64_t LogitsBytes(const ModelConfig& c, int64_t tokens, int64_t bytes) {
  return 3 * std::min(tokens, kChunkTokens) * c.vocab_size * bytes;
}

// Of the widest linear layer: in double precision the Hessian, its factor and two copies; in
// float32 the weights as they were, as they are worked on and as they become.
int64_t SolveBytes(const ModelLayout& layout) {
  int64_t weights = 0;
  for (const LinearLayout& linear : layout.linears) {
    weights = std::max(weights, linear.in * linear.out);
  }
  const int64_t in = LargestIn(layout);
  return 4 * in * in * kDoubleBytes + 3 * weights * kFloatBytes;
}

// Layers go to disk as they are finished; they are kept to be evaluated or trained.
bool KeepsLayers(const JobSpec& spec) {
  return !spec.evaluation.sets.empty() || IsLearned(spec.method);
}

// Elements of what a stage loads: all at once, or its ends (embedding, head) and then layer by
// layer.
struct StageElements {
  int64_t ends = 0;
  int64_t layer = 0;
  int64_t layers = 0;

  int64_t all() const { return ends + layers * layer; }
};

StageElements ElementsOf(const JobSpec& spec, const ModelFacts& facts, const Plan& plan,
                         int stage) {
  StageElements elements;
  elements.layer = LayerElements(facts.layout);
  elements.layers = plan.stages[stage].end_layer - plan.stages[stage].first_layer;
  if (stage == 0) elements.ends += Elements(facts.layout.embedding);
  // The teacher's logits are formed from the head as those of an evaluation.
  if (IsLast(plan, stage) && KeepsLayers(spec)) elements.ends += HeadElements(facts, stage);
  return elements;
}

// Calibration, statistics and quantization, in the plan's dtype; without calibration, one layer at
// a time in float32.
int64_t InitialiseBytes(const JobSpec& spec, const ModelFacts& facts, const Plan& plan,
                        const StageElements& elements, const StageWeights& weights) {
  const int64_t bytes = BytesOf(plan.dtype);
  int64_t total = KeepsLayers(spec) ? weights.QuantizedBytes() : weights.LargestQuantizedBytes();
  if (!NeedsCalibration(spec.method)) {
    return total + 2 * facts.layout.LinearWeightsPerLayer() * kFloatBytes;
  }
  total += ActivationBytes(facts.config, spec.compute.micro_batch, spec.calibration.seq_len, bytes);
  if (GptqOf(spec.method) != nullptr) {
    total +=
        SolveBytes(facts.layout) + (plan.sequential ? LargestHessianBytes(facts.layout)
                                                    : elements.layers * HessianBytes(facts.layout));
  }
  if (!plan.sequential) return total + elements.all() * bytes;
  const int64_t tokens = spec.calibration.samples * spec.calibration.seq_len;
  return total + std::max(elements.ends, elements.layer) * bytes +
         tokens * facts.config.hidden_size * bytes;
}

// One micro-batch through one layer, and on the last stage through the head.
int64_t PreflightBytes(const JobSpec& spec, const ModelFacts& facts, const Plan& plan, int stage,
                       const StageElements& elements) {
  if (!NeedsCalibration(spec.method)) return 0;
  const int64_t bytes = BytesOf(plan.dtype);
  const int64_t tokens = spec.compute.micro_batch * spec.calibration.seq_len;
  int64_t total =
      ActivationBytes(facts.config, spec.compute.micro_batch, spec.calibration.seq_len, bytes) +
      std::max(elements.ends, elements.layer) * bytes;
  if (IsLast(plan, stage)) {
    total = std::max(
        total, HeadElements(facts, stage) * bytes + LogitsBytes(facts.config, tokens, kFloatBytes));
  }
  return total;
}

// Hidden states of all windows of the longest set, in float32.
int64_t HeldStates(const JobSpec& spec, const ModelFacts& facts) {
  int64_t windows = 0;
  for (const int64_t of_set : facts.evaluation_windows) windows = std::max(windows, of_set);
  return std::min(kHeldBytes,
                  windows * spec.evaluation.seq_len * facts.config.hidden_size * kFloatBytes);
}

// Perplexity, always in float32, after the statistics are gone; layer by layer on one stage.
int64_t EvaluationBytes(const JobSpec& spec, const ModelFacts& facts, const Plan& plan, int stage,
                        const StageElements& elements, const StageWeights& weights) {
  if (spec.evaluation.sets.empty()) return 0;
  int64_t total =
      ActivationBytes(facts.config, spec.compute.micro_batch, spec.evaluation.seq_len, kFloatBytes);
  if (plan.stages.size() == 1) {
    total += (elements.ends + elements.layer) * kFloatBytes + HeldStates(spec, facts);
  } else {
    total += elements.all() * kFloatBytes;
  }
  if (!std::holds_alternative<EvaluateOnly>(spec.method)) {
    total += weights.QuantizedBytes();
  }
  if (IsLast(plan, stage)) {
    total +=
        LogitsBytes(facts.config, spec.compute.micro_batch * spec.evaluation.seq_len, kFloatBytes);
  }
  return total;
}

// As CodebookRows() of worker/algo/clustering.h, of a codebook that so many weights share.
int64_t CodebookRows(const CodebookSettings& codebook, int64_t weights) {
  const int64_t blocks = weights / codebook.dim;
  const double most = codebook.max_share * static_cast<double>(blocks);
  const bool patterns = codebook.clustering == Clustering::kSignPreserving;
  const int64_t least = patterns ? std::min(int64_t{1} << codebook.dim, blocks) : 1;
  return std::min(std::max(static_cast<int64_t>(most), least), codebook.codes);
}

struct NumbersOf {
  const StageWeights& stage;

  int64_t operator()(const CodebookSettings& codebook) const {
    if (codebook.scope == CodebookScope::kModel) {
      return CodebookRows(codebook, stage.quantized()) * codebook.dim;
    }
    int64_t rows = 0;
    for (const LayerWeights& layer : stage.layers) {
      if (codebook.scope == CodebookScope::kLayer) {
        rows += CodebookRows(codebook, layer.quantized);
        continue;
      }
      for (const LinearLayout* linear : layer.linears) {
        rows += CodebookRows(codebook, linear->out * linear->in);
      }
    }
    return rows * codebook.dim;
  }
  int64_t operator()(const DenseSettings&) const { return stage.quantized(); }
  // Two factors a linear.
  int64_t operator()(const LowRankSettings& low_rank) const {
    int64_t factors = 0;
    for (const LayerWeights& layer : stage.layers) {
      for (const LinearLayout* linear : layer.linears) {
        factors += low_rank.rank * (linear->out + linear->in);
      }
    }
    return factors;
  }
};

// Of the variables that hold `numbers` for the decisions of `weights` weights.
struct VariableBytes {
  int64_t weights;
  int64_t numbers;

  int64_t operator()(const CodebookSettings& codebook) const {
    return weights / codebook.dim * kCodeBytes + numbers * kCodebookBytes;
  }
  int64_t operator()(const DenseSettings&) const { return numbers * kDenseBytes; }
  // With the starting variables and their gradient's sum.
  int64_t operator()(const LowRankSettings&) const {
    return weights * 2 * kFloatBytes + numbers * kTrainedBytes;
  }
};

// What the backward pass keeps of one decoder layer for one token: seven tensors of hidden size
// (the layer's input and output, the sum after attention, both norms, queries, attention's
// output), keys and values, and three of the MLP's size.
int64_t GraphElements(const ModelConfig& c) {
  return 7 * c.hidden_size + 2 * c.num_kv_heads * c.head_dim + 3 * c.intermediate_size;
}

// Windows whose teacher's states a stage reads, as far as training goes through them.
int64_t CacheBytes(const LearnedRoundingSettings& learned, const JobSpec& spec,
                   const ModelConfig& config) {
  const TrainingSettings& training = learned.training;
  if (training.loss == TrainingLoss::kLanguageModel || training.top_k > 0) return 0;
  const int64_t windows = std::min(spec.calibration.samples, training.steps * training.batch);
  return windows * spec.calibration.seq_len * config.hidden_size * kCacheBytes;
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

int64_t TrainedNumbers(const LearnedRoundingSettings& learned, const StageWeights& stage) {
  return std::visit(NumbersOf{stage}, learned.parameters);
}

TrainingMemory TrainingMemoryOf(const LearnedRoundingSettings& learned, const JobSpec& spec,
                                const ModelFacts& facts, const Plan& plan, int stage) {
  const ModelLayout& layout = facts.layout;
  const ModelConfig& config = facts.config;
  const int64_t stages = static_cast<int64_t>(plan.stages.size());
  const int64_t layers = plan.stages[stage].end_layer - plan.stages[stage].first_layer;
  const int64_t seq_len = spec.calibration.seq_len;
  const int64_t products = BytesOf(plan.training_dtype);

  const StageWeights stage_weights = WeightsOf(spec, facts.layout, plan.stages[stage]);

  TrainingMemory memory;
  memory.start = stage_weights.QuantizedBytes();
  memory.base = stage_weights.quantized();
  memory.variables = std::visit(VariableBytes{memory.base, TrainedNumbers(learned, stage_weights)},
                                learned.parameters);
  memory.other = (layers * OtherElementsPerLayer(layout) + stage_weights.skipped()) * products;
  if (stage == 0) memory.other += Elements(layout.embedding) * products;
  if (IsLast(plan, stage)) {
    const int64_t head =
        Elements(config.tie_word_embeddings ? layout.embedding : layout.head) * products;
    memory.other += HeadElements(facts, stage) * products;
    memory.teacher = head + CacheBytes(learned, spec, config);
    memory.divergence = LogitsBytes(config, seq_len, products);
  }
  // 1F1B: a stage has started as many windows as there are stages from it to the last.
  const int64_t windows = std::min<int64_t>(
      stages - stage, (learned.training.batch + plan.replicas - 1) / plan.replicas);
  const int64_t graph = seq_len * GraphElements(config) * products;
  const int64_t weights = layout.LinearWeightsPerLayer() * products;
  if (plan.keep_graphs) {
    memory.graphs = windows * layers * (graph + weights) + graph + weights;
  } else {
    memory.graphs =
        windows * layers * seq_len * config.hidden_size * products + 2 * (graph + weights);
  }
  return memory;
}

// The teacher as it fills its cache, beside what will be trained.
int64_t TeacherBytes(const TrainingMemory& training, const JobSpec& spec, const ModelFacts& facts,
                     const Plan& plan, const StageElements& elements) {
  const int64_t bytes = BytesOf(plan.dtype);
  return training.start + training.base + training.variables + training.teacher +
         elements.all() * bytes +
         ActivationBytes(facts.config, spec.compute.micro_batch, spec.calibration.seq_len, bytes);
}

int64_t StageMemory(const JobSpec& spec, const ModelFacts& facts, const Plan& plan, int stage) {
  const StageElements elements = ElementsOf(spec, facts, plan, stage);
  const StageWeights weights = WeightsOf(spec, facts.layout, plan.stages[stage]);
  int64_t peak = std::max(PreflightBytes(spec, facts, plan, stage, elements),
                          EvaluationBytes(spec, facts, plan, stage, elements, weights));
  if (!std::holds_alternative<EvaluateOnly>(spec.method)) {
    peak = std::max(peak, InitialiseBytes(spec, facts, plan, elements, weights));
  }
  if (const auto* learned = std::get_if<LearnedRoundingSettings>(&spec.method)) {
    const TrainingMemory training = TrainingMemoryOf(*learned, spec, facts, plan, stage);
    peak = std::max({peak, training.Total(), TeacherBytes(training, spec, facts, plan, elements)});
  }
  return peak;
}

}  // namespace rondo
