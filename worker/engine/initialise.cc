#include "worker/engine/initialise.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "worker/engine/evaluate.h"
#include "worker/engine/flop.h"
#include "worker/engine/stream.h"

namespace rondo {
namespace {

// Windows whose perplexity under the original model is looked at while they pass: enough to see
// that tokens and model do not belong together.
constexpr int64_t kSanityWindows = 8;

absl::Status CheckCalibrationFits(const RankContext& ctx, const NegativeLogLikelihood& score) {
  const double perplexity = score.perplexity();
  const auto uniform = static_cast<double>(ctx.config.vocab_size);
  ctx.reporter->Event(Evaluated{"calibration", false, perplexity, score.tokens});
  if (perplexity > uniform / 4) {
    ctx.reporter->Warn(absl::StrCat(
        "the original model finds the calibration data all but random (perplexity ", perplexity,
        " of at most ", uniform, "); were they tokenized for another model?"));
  }
  return absl::OkStatus();
}

double HessiansFlop(const RankContext& ctx, int64_t tokens) {
  double flop = 0;
  for (int64_t layer = 0; layer < ctx.layers(); ++layer) {
    flop += HessianFlop(SolvedLayout(ctx, layer), tokens, 1);
  }
  return flop;
}

double SolvesFlop(const RankContext& ctx) {
  double flop = 0;
  for (int64_t layer = 0; layer < ctx.layers(); ++layer)
    flop += SolveFlop(SolvedLayout(ctx, layer), 1);
  return flop;
}

// Statistics of every layer of this stage, by local layer.
absl::StatusOr<std::vector<std::unique_ptr<LayerStatistics>>> TeacherPass(
    const RankContext& ctx, const at::Tensor& calibration) {
  const double start = ctx.reporter->Seconds();
  ASSIGN_OR_RETURN(const std::unique_ptr<Stage> stage, LoadOwnStage(ctx, ctx.dtype));
  std::vector<std::unique_ptr<LayerStatistics>> statistics;
  Pass pass;
  for (int64_t layer = 0; layer < ctx.layers(); ++layer) {
    statistics.push_back(std::make_unique<LayerStatistics>(ctx, layer));
    pass.observers.push_back(statistics.back().get());
  }
  pass.phase = Phase::kTeacher;
  pass.micro_batch = ctx.spec().compute.micro_batch;
  NegativeLogLikelihood score;
  pass.on_output = [&](const MicroBatch& batch, const at::Tensor& hidden) -> absl::Status {
    if (batch.first >= kSanityWindows) return absl::OkStatus();
    ASSIGN_OR_RETURN(NegativeLogLikelihood part,
                     ScoreHidden(*stage, hidden, calibration.narrow(0, batch.first, batch.count)));
    score.sum += part.sum;
    score.tokens += part.tokens;
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(StreamWindows(ctx, *stage, calibration, pass));
  if (ctx.last()) RETURN_IF_ERROR(CheckCalibrationFits(ctx, score));
  const int64_t tokens = calibration.numel();
  ctx.reporter->ReportPhase(
      Phase::kTeacher, ctx.reporter->Seconds() - start,
      ForwardFlop(ctx.layout, tokens, ctx.layers()) + HessiansFlop(ctx, tokens));
  return statistics;
}

// Runs every micro-batch through one layer; the outputs replace the inputs when `keep` is set.
absl::Status RunAllThroughLayer(const RankContext& ctx, const DecoderLayer& layer,
                                int64_t local_layer, InputObserver* observer, bool keep,
                                std::vector<at::Tensor>* hidden) {
  for (at::Tensor& batch : *hidden) {
    ASSIGN_OR_RETURN(at::Tensor output, RunLayer(ctx, layer, local_layer, batch, observer));
    if (keep) batch = std::move(output);
  }
  return absl::OkStatus();
}

// What reaches this stage's first layer, a tensor a micro-batch.
absl::StatusOr<std::vector<at::Tensor>> StageInputs(const RankContext& ctx,
                                                    const at::Tensor& calibration) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Stage> ends, LoadOwnEnds(ctx, ctx.dtype));
  const auto batches = CutMicroBatches(calibration.size(0), ctx.spec().compute.micro_batch);
  ActivationSource source(ctx, *ends, calibration, batches);
  std::vector<at::Tensor> hidden(batches.size());
  for (at::Tensor& batch : hidden) {
    ASSIGN_OR_RETURN(batch, source.Next());
  }
  return hidden;
}

}  // namespace

absl::Status QuantizeIndependentLayers(const RankContext& ctx, const at::Tensor& calibration,
                                       const LayerSink& sink) {
  const bool gptq = GptqOf(ctx.spec().method) != nullptr;
  std::vector<std::unique_ptr<LayerStatistics>> statistics(ctx.layers());
  if (gptq) {
    ASSIGN_OR_RETURN(statistics, TeacherPass(ctx, calibration));
  }
  const double start = ctx.reporter->Seconds();
  for (int64_t layer = 0; layer < ctx.layers(); ++layer) {
    ctx.reporter->ReportProgress(Phase::kInitialise, layer, ctx.layers(), "layers");
    ASSIGN_OR_RETURN(SolvedLayer solved, QuantizeLayer(ctx, layer, statistics[layer].get()));
    statistics[layer].reset();
    RETURN_IF_ERROR(sink(layer, std::move(solved)));
  }
  ctx.reporter->ReportProgress(Phase::kInitialise, ctx.layers(), ctx.layers(), "layers");
  ctx.reporter->ReportPhase(Phase::kInitialise, ctx.reporter->Seconds() - start,
                            gptq ? SolvesFlop(ctx) : 0);
  return absl::OkStatus();
}

absl::Status QuantizeSequentialLayers(const RankContext& ctx, const at::Tensor& calibration,
                                      const LayerSink& sink) {
  ASSIGN_OR_RETURN(std::vector<at::Tensor> hidden, StageInputs(ctx, calibration));
  double teacher_seconds = 0;
  double solve_seconds = 0;
  for (int64_t layer = 0; layer < ctx.layers(); ++layer) {
    ctx.reporter->ReportProgress(Phase::kInitialise, layer, ctx.layers(), "layers");
    const double start = ctx.reporter->Seconds();
    ASSIGN_OR_RETURN(const std::unique_ptr<Stage> one, LoadOneLayer(ctx, layer, ctx.dtype));
    DecoderLayer& decoder = *one->layers().front();
    LayerStatistics statistics(ctx, layer);
    RETURN_IF_ERROR(RunAllThroughLayer(ctx, decoder, layer, &statistics, /*keep=*/false, &hidden));
    const double collected = ctx.reporter->Seconds();
    ASSIGN_OR_RETURN(SolvedLayer solved, QuantizeLayer(ctx, layer, &statistics));
    RETURN_IF_ERROR(ReplaceWeights(solved.linears, ctx.storage_dtype, &decoder));
    RETURN_IF_ERROR(sink(layer, std::move(solved)));
    const double written = ctx.reporter->Seconds();
    RETURN_IF_ERROR(RunAllThroughLayer(ctx, decoder, layer, nullptr, /*keep=*/true, &hidden));
    teacher_seconds += collected - start + ctx.reporter->Seconds() - written;
    solve_seconds += written - collected;
  }
  ctx.reporter->ReportProgress(Phase::kInitialise, ctx.layers(), ctx.layers(), "layers");
  if (!ctx.last()) {
    ActivationSink next(ctx);
    for (const at::Tensor& batch : hidden) RETURN_IF_ERROR(next.Put(batch));
    RETURN_IF_ERROR(next.Flush());
  }
  const int64_t tokens = calibration.numel();
  ctx.reporter->ReportPhase(
      Phase::kTeacher, teacher_seconds,
      2 * ForwardFlop(ctx.layout, tokens, ctx.layers()) + HessiansFlop(ctx, tokens));
  ctx.reporter->ReportPhase(Phase::kInitialise, solve_seconds, SolvesFlop(ctx));
  return absl::OkStatus();
}

}  // namespace rondo
