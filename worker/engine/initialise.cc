#include "worker/engine/initialise.h"

#include <memory>
#include <utility>
#include <vector>

#include "worker/engine/flop.h"
#include "worker/engine/kept_layers.h"
#include "worker/engine/layer_walk.h"
#include "worker/engine/stream.h"

namespace rondo {
namespace {

// Of the layers that are left to do.
double HessiansFlop(const RankContext& ctx, const KeptLayers& kept, int64_t tokens) {
  double flop = 0;
  for (int64_t layer = 0; layer < ctx.layers(); ++layer) {
    if (!kept.has(layer)) flop += HessianFlop(SolvedLayout(ctx, layer), tokens, 1);
  }
  return flop;
}

double SolvesFlop(const RankContext& ctx, const KeptLayers& kept) {
  double flop = 0;
  for (int64_t layer = 0; layer < ctx.layers(); ++layer) {
    if (!kept.has(layer)) flop += SolveFlop(SolvedLayout(ctx, layer), 1);
  }
  return flop;
}

// By local layer; null where a layer is solved already.
using StageStatistics = std::vector<std::unique_ptr<LayerStatistics>>;

absl::StatusOr<StageStatistics> TeacherPass(const RankContext& ctx, const KeptLayers& kept,
                                            const at::Tensor& calibration) {
  const double start = ctx.reporter->Seconds();
  ASSIGN_OR_RETURN(const std::unique_ptr<Stage> stage, LoadOwnStage(ctx, ctx.dtype));
  StageStatistics statistics;
  Pass pass;
  for (int64_t layer = 0; layer < ctx.layers(); ++layer) {
    statistics.push_back(kept.has(layer) ? nullptr : std::make_unique<LayerStatistics>(ctx, layer));
    pass.observers.push_back(statistics.back().get());
  }
  pass.phase = Phase::kTeacher;
  pass.micro_batch = ctx.spec().compute.micro_batch;
  RETURN_IF_ERROR(StreamWindows(ctx, *stage, calibration, pass));
  const int64_t tokens = calibration.numel();
  ctx.reporter->ReportPhase(
      Phase::kTeacher, ctx.reporter->Seconds() - start,
      ForwardFlop(ctx.layout, tokens, ctx.layers()) + HessiansFlop(ctx, kept, tokens));
  return statistics;
}

// `statistics` is null where the layer is there.
absl::StatusOr<SolvedLayer> LoadOrSolve(const RankContext& ctx, const KeptLayers& kept,
                                        int64_t layer, LayerStatistics* statistics) {
  if (kept.has(layer)) return kept.Load(layer);
  ASSIGN_OR_RETURN(SolvedLayer solved, QuantizeLayer(ctx, layer, statistics));
  RETURN_IF_ERROR(kept.Save(layer, solved));
  return solved;
}

// Of layers whose statistics, where they need any, are there.
absl::Status FinishLayers(const RankContext& ctx, const KeptLayers& kept,
                          StageStatistics statistics, const LayerSink& sink) {
  const double start = ctx.reporter->Seconds();
  for (int64_t layer = 0; layer < ctx.layers(); ++layer) {
    ctx.reporter->ReportProgress(Phase::kInitialise, layer, ctx.layers(), "layers");
    ASSIGN_OR_RETURN(SolvedLayer solved, LoadOrSolve(ctx, kept, layer, statistics[layer].get()));
    statistics[layer].reset();
    RETURN_IF_ERROR(sink(layer, std::move(solved)));
  }
  ctx.reporter->ReportProgress(Phase::kInitialise, ctx.layers(), ctx.layers(), "layers");
  ctx.reporter->ReportPhase(Phase::kInitialise, ctx.reporter->Seconds() - start,
                            GptqOf(ctx.spec().method) != nullptr ? SolvesFlop(ctx, kept) : 0);
  return absl::OkStatus();
}

}  // namespace

absl::Status QuantizeIndependentLayers(const RankContext& ctx, const at::Tensor& calibration,
                                       const LayerSink& sink) {
  ASSIGN_OR_RETURN(const KeptLayers kept, KeptLayers::Find(ctx, calibration));
  StageStatistics statistics(ctx.layers());
  if (GptqOf(ctx.spec().method) != nullptr && !kept.complete()) {
    ASSIGN_OR_RETURN(statistics, TeacherPass(ctx, kept, calibration));
  }
  return FinishLayers(ctx, kept, std::move(statistics), sink);
}

absl::Status QuantizeSequentialLayers(const RankContext& ctx, const at::Tensor& calibration,
                                      const LayerSink& sink) {
  ASSIGN_OR_RETURN(const KeptLayers kept, KeptLayers::Find(ctx, calibration));
  if (kept.complete()) return FinishLayers(ctx, kept, StageStatistics(ctx.layers()), sink);
  ASSIGN_OR_RETURN(LayerWalk walk, LayerWalk::Start(ctx, calibration));
  double teacher_seconds = 0;
  double solve_seconds = 0;
  for (int64_t layer = 0; layer < ctx.layers(); ++layer) {
    ctx.reporter->ReportProgress(Phase::kInitialise, layer, ctx.layers(), "layers");
    const double start = ctx.reporter->Seconds();
    ASSIGN_OR_RETURN(const std::unique_ptr<Stage> one, LoadOneLayer(ctx, layer, ctx.dtype));
    DecoderLayer& decoder = *one->layers().front();
    std::unique_ptr<LayerStatistics> statistics;
    if (!kept.has(layer)) {
      statistics = std::make_unique<LayerStatistics>(ctx, layer);
      RETURN_IF_ERROR(walk.Observe(decoder, layer, statistics.get()));
    }
    const double collected = ctx.reporter->Seconds();
    ASSIGN_OR_RETURN(SolvedLayer solved, LoadOrSolve(ctx, kept, layer, statistics.get()));
    RETURN_IF_ERROR(ReplaceWeights(solved.linears, ctx.storage_dtype, &decoder));
    RETURN_IF_ERROR(sink(layer, std::move(solved)));
    const double written = ctx.reporter->Seconds();
    RETURN_IF_ERROR(walk.Step(decoder, layer));
    teacher_seconds += collected - start + ctx.reporter->Seconds() - written;
    solve_seconds += written - collected;
  }
  ctx.reporter->ReportProgress(Phase::kInitialise, ctx.layers(), ctx.layers(), "layers");
  RETURN_IF_ERROR(walk.PassOn());
  const int64_t tokens = calibration.numel();
  ctx.reporter->ReportPhase(
      Phase::kTeacher, teacher_seconds,
      2 * ForwardFlop(ctx.layout, tokens, ctx.layers()) + HessiansFlop(ctx, kept, tokens));
  ctx.reporter->ReportPhase(Phase::kInitialise, solve_seconds, SolvesFlop(ctx, kept));
  return absl::OkStatus();
}

}  // namespace rondo
