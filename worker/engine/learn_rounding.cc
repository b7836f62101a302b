#include "worker/engine/learn_rounding.h"

#include <algorithm>
#include <memory>
#include <utility>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/InferenceMode.h>

#include "worker/engine/flop.h"
#include "worker/engine/learned_start.h"
#include "worker/engine/memory.h"
#include "worker/engine/replicas.h"
#include "worker/engine/run_key.h"
#include "worker/engine/teacher.h"
#include "worker/engine/train_blocks.h"
#include "worker/engine/train_checkpoint.h"
#include "worker/engine/train_loop.h"
#include "worker/train/student.h"

namespace rondo {
namespace {

using RoundedLayers = std::vector<RoundedLayer>;

// Windows that the soft and the hard model are compared on.
constexpr int64_t kProbeWindows = 4;

// A stage whose linears multiply by what is trained.
struct Student {
  std::unique_ptr<Stage> stage;
  std::vector<std::unique_ptr<StudentProduct>> products;
  at::Tensor head;  // on the last stage, in the dtype of the products
};

absl::StatusOr<Student> MakeStudent(const RankContext& ctx, const RoundedLayers& layers) {
  Student student;
  StageRange range = RangeOf(ctx);
  range.linears = false;
  ASSIGN_OR_RETURN(student.stage,
                   LoadStage(*ctx.checkpoint, ctx.config, range, ProductType(ctx), ctx.device));
  for (size_t layer = 0; layer < layers.size(); ++layer) {
    std::vector<Linear>& linears = student.stage->layers()[layer]->linears();
    for (size_t i = 0; i < linears.size(); ++i) {
      student.products.push_back(
          std::make_unique<StudentProduct>(layers[layer].linears[i].get(), ProductType(ctx)));
      linears[i].product = student.products.back().get();
    }
  }
  if (ctx.last()) student.head = student.stage->head().to(ProductType(ctx));
  return student;
}

absl::StatusOr<std::unique_ptr<TokenLoss>> MakeLoss(const RankContext& ctx, const Teacher& teacher,
                                                    const at::Tensor& tokens) {
  if (!ctx.last()) return nullptr;
  const TrainingSettings& settings = LearnedSettings(ctx).training;
  if (settings.loss == TrainingLoss::kLanguageModel) return LanguageModel(tokens);
  if (settings.top_k > 0) return DistillTopK(teacher.cache.get(), settings.temperature);
  return DistillHiddenStates(teacher.cache.get(), teacher.head, settings.temperature);
}

// Integer weights that differ.
double ChangedCodes(const RoundedLayers& layers, const std::vector<SolvedLayer>& start) {
  int64_t changed = 0;
  for (size_t layer = 0; layer < layers.size(); ++layer) {
    for (size_t i = 0; i < layers[layer].linears.size(); ++i) {
      if (start[layer].linears[i].skipped()) continue;
      const at::Tensor codes = layers[layer].linears[i]->Harden().codes;
      changed += codes.ne(start[layer].linears[i].codes).sum().item<int64_t>();
    }
  }
  return static_cast<double>(changed);
}

// Divergence a token with soft and with hard weights, and what the stages trained.
absl::Status ReportEnd(const RankContext& ctx, const RoundedLayers& layers,
                       const std::vector<SolvedLayer>& start, int64_t windows, int64_t seq_len,
                       TrainPipeline* pipeline) {
  std::vector<int64_t> probe(std::min(kProbeWindows, windows));
  for (size_t i = 0; i < probe.size(); ++i) probe[i] = static_cast<int64_t>(i);
  const double tokens = static_cast<double>(probe.size()) * static_cast<double>(seq_len);
  SetForward(layers, /*hard=*/false);
  ASSIGN_OR_RETURN(const double soft, pipeline->Run(probe, 0));
  SetForward(layers, /*hard=*/true);
  ASSIGN_OR_RETURN(const double hard, pipeline->Run(probe, 0));
  const auto weights = static_cast<double>(TrainedWeights(layers));
  const at::Tensor own = at::tensor(
      {static_cast<double>(TrainedParameters(layers)), weights,
       weights - static_cast<double>(DecidedWeights(layers)), ChangedCodes(layers, start)},
      at::TensorOptions().dtype(at::kDouble));
  ASSIGN_OR_RETURN(const at::Tensor sums, SumOverStages(ctx, own.to(ctx.device)));
  if (!ctx.last()) return absl::OkStatus();
  const at::Tensor host = sums.cpu();
  const double* sum = host.const_data_ptr<double>();
  TrainingFinished event;
  event.parameters = static_cast<int64_t>(sum[0]);
  event.weights = static_cast<int64_t>(sum[1]);
  event.undecided = sum[2] / sum[1];
  event.changed = sum[3] / sum[1];
  event.soft_divergence = soft / tokens;
  event.hard_divergence = hard / tokens;
  event.peak_bytes = PeakMemory(ctx.device);
  ctx.reporter->Event(event);
  return absl::OkStatus();
}

// Forward and backward of the layers, and forward again without their graphs; the head's logits,
// the teacher's and back.
double TrainFlop(const RankContext& ctx, int64_t tokens) {
  const double head = ctx.last() ? 3 * HeadFlop(ctx.config, tokens) : 0;
  const double passes = ctx.task->plan.keep_graphs ? 3 : 4;
  return passes * ForwardFlop(ctx.layout, tokens, ctx.layers()) + head;
}

absl::Status EndToEnd(const RankContext& ctx, const at::Tensor& tokens,
                      const std::vector<SolvedLayer>& start, RoundedLayers* layers) {
  ASSIGN_OR_RETURN(const Teacher teacher, PrepareTeacher(ctx, tokens));
  GiveBackFreedMemory();
  const double begin = ctx.reporter->Seconds();
  ASSIGN_OR_RETURN(const Student student, MakeStudent(ctx, *layers));
  ASSIGN_OR_RETURN(const std::unique_ptr<TokenLoss> loss, MakeLoss(ctx, teacher, tokens));
  TrainPipeline pipeline(ctx, *student.stage, tokens, student.head, loss.get());
  ASSIGN_OR_RETURN(const std::string key, RunKey(ctx, tokens));
  Training training{LearnedSettings(ctx).training, layers, 0, key};
  RETURN_IF_ERROR(RestoreTraining(ctx, &training));
  const int64_t first_step = training.step;
  RETURN_IF_ERROR(TrainEndToEnd(ctx, tokens.size(0), tokens.size(1), &pipeline, &training,
                                [&] { return SaveTraining(ctx, training); }));
  const int64_t trained = (training.settings.steps - first_step) * training.settings.batch *
                          tokens.size(1) / ctx.replicas();
  ctx.reporter->ReportPhase(Phase::kFinetune, ctx.reporter->Seconds() - begin,
                            TrainFlop(ctx, trained));
  return ReportEnd(ctx, *layers, start, tokens.size(0), tokens.size(1), &pipeline);
}

}  // namespace

absl::StatusOr<RoundedLayers> TrainRounding(const RankContext& ctx, const at::Tensor& calibration,
                                            const std::vector<SolvedLayer>& start) {
  // Tensors that are made in inference mode cannot take part in a backward pass.
  const c10::InferenceMode normal(false);
  const at::NoGradGuard no_grad;
  const TrainingSettings& settings = LearnedSettings(ctx).training;
  const at::Tensor tokens = TrainedWindows(ctx, calibration).clone();
  GiveBackFreedMemory();
  ASSIGN_OR_RETURN(RoundedLayers layers, StartRounding(ctx, start));
  GiveBackFreedMemory();
  if (settings.objective != Objective::kEndToEnd) {
    RETURN_IF_ERROR(TrainBlocks(ctx, tokens, &layers));
  }
  if (settings.objective != Objective::kBlock) {
    RETURN_IF_ERROR(EndToEnd(ctx, tokens, start, &layers));
  }
  return layers;
}

std::vector<SolvedLayer> Harden(const RankContext& ctx, const RoundedLayers& layers) {
  const double begin = ctx.reporter->Seconds();
  std::vector<SolvedLayer> hardened;
  for (const RoundedLayer& layer : layers) {
    SolvedLayer solved;
    for (const auto& linear : layer.linears) solved.linears.push_back(linear->Harden());
    hardened.push_back(std::move(solved));
  }
  ctx.reporter->ReportPhase(Phase::kHarden, ctx.reporter->Seconds() - begin, 0);
  return hardened;
}

}  // namespace rondo
