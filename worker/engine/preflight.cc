#include "worker/engine/preflight.h"

#include <algorithm>
#include <memory>
#include <optional>

#include "worker/engine/evaluate.h"
#include "worker/engine/flop.h"
#include "worker/engine/layer_walk.h"
#include "worker/engine/quantize_layer.h"
#include "worker/engine/teacher.h"

namespace rondo {
namespace {

absl::Status CheckCalibrationFits(const RankContext& ctx, const at::Tensor& hidden,
                                  const at::Tensor& tokens) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Stage> ends, LoadOwnEnds(ctx, ctx.dtype));
  ASSIGN_OR_RETURN(const NegativeLogLikelihood score, ScoreHidden(*ends, hidden, tokens));
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

}  // namespace

absl::Status Preflight(const RankContext& ctx, const at::Tensor& calibration) {
  const double start = ctx.reporter->Seconds();
  if (IsLearned(ctx.spec().method)) {
    RETURN_IF_ERROR(CheckTeacherRoom(ctx, TrainedWindows(ctx, calibration)));
  }
  const int64_t windows = std::min(ctx.spec().compute.micro_batch, calibration.size(0));
  const at::Tensor tokens = calibration.narrow(0, 0, windows);
  ASSIGN_OR_RETURN(LayerWalk walk, LayerWalk::Start(ctx, tokens));
  for (int64_t layer = 0; layer < ctx.layers(); ++layer) {
    ctx.reporter->ReportProgress(Phase::kPreflight, layer, ctx.layers(), "layers");
    ASSIGN_OR_RETURN(const std::unique_ptr<Stage> one, LoadOneLayer(ctx, layer, ctx.dtype));
    const DecoderLayer& decoder = *one->layers().front();
    std::optional<LayerStatistics> statistics;
    if (layer == 0 && GptqOf(ctx.spec().method) != nullptr) statistics.emplace(ctx, layer);
    for (const Block block : kBlocks) {
      RETURN_IF_ERROR(walk.Step(decoder, layer, block, statistics ? &*statistics : nullptr));
    }
  }
  ctx.reporter->ReportProgress(Phase::kPreflight, ctx.layers(), ctx.layers(), "layers");
  RETURN_IF_ERROR(walk.PassOn());
  if (ctx.last()) RETURN_IF_ERROR(CheckCalibrationFits(ctx, walk.hidden().front(), tokens));
  ctx.reporter->ReportPhase(Phase::kPreflight, ctx.reporter->Seconds() - start,
                            ForwardFlop(ctx.layout, tokens.numel(), ctx.layers()));
  return absl::OkStatus();
}

}  // namespace rondo
