#include "worker/engine/job.h"

#include <utility>
#include <vector>

#include <c10/core/InferenceMode.h>

#include "common/io/file.h"
#include "worker/artifact/exporter.h"
#include "worker/engine/evaluate.h"
#include "worker/engine/initialise.h"
#include "worker/engine/learn_rounding.h"
#include "worker/engine/memory.h"
#include "worker/engine/preflight.h"
#include "worker/engine/tokens.h"

namespace rondo {
namespace {

using Exporters = std::vector<std::unique_ptr<StageExporter>>;
// The integer weights of this stage, by local layer.
using QuantizedStage = std::vector<SolvedLayer>;

ExportPlan ExportPlanOf(const RankContext& ctx, ExportFormat format) {
  ExportPlan plan;
  plan.format = format;
  plan.grid = ctx.spec().grid;
  plan.overrides = ctx.spec().overrides;
  plan.model_dir = ctx.spec().model.path;
  plan.out_dir = FormatDir(ctx.task->artifact_dir, format);
  plan.stage = ctx.stage_index();
  plan.stages = static_cast<int>(ctx.stages.size());
  plan.first_layer = ctx.stage().first_layer;
  plan.end_layer = ctx.stage().end_layer;
  return plan;
}

// Replicas hold the same weights; the first one writes them.
absl::StatusOr<Exporters> OpenExporters(const RankContext& ctx) {
  Exporters exporters;
  if (ctx.replica() > 0) return exporters;
  for (const ExportFormat format : ctx.spec().exports) {
    ASSIGN_OR_RETURN(auto exporter,
                     MakeStageExporter(*ctx.checkpoint, ctx.layout, ExportPlanOf(ctx, format)));
    exporters.push_back(std::move(exporter));
  }
  return exporters;
}

absl::Status WriteLayer(const RankContext& ctx, const Exporters& exporters, int64_t local_layer,
                        const SolvedLayer& solved) {
  for (const auto& exporter : exporters) {
    RETURN_IF_ERROR(exporter->WriteLayer(ctx.stage().first_layer + local_layer, solved.linears));
  }
  return absl::OkStatus();
}

absl::Status EvaluateOriginal(const RankContext& ctx, const JobTokens& tokens) {
  if (tokens.evaluation.empty() || !ctx.spec().evaluation.original) return absl::OkStatus();
  return EvaluateSets(ctx, tokens.evaluation, EvaluatedModel::kOriginal,
                      [](int64_t, DecoderLayer*) { return absl::OkStatus(); });
}

// Layers go to disk as they are finished, unless they are but the start of learned rounding; they
// are kept for that, or to be evaluated.
absl::StatusOr<QuantizedStage> Quantize(const RankContext& ctx, const JobTokens& tokens,
                                        const Exporters& exporters) {
  const bool learned = IsLearned(ctx.spec().method);
  QuantizedStage quantized;
  const LayerSink sink = [&](int64_t layer, SolvedLayer solved) -> absl::Status {
    if (!learned) RETURN_IF_ERROR(WriteLayer(ctx, exporters, layer, solved));
    if (learned || !tokens.evaluation.empty()) quantized.push_back(std::move(solved));
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(IsSequential(ctx.spec().method)
                      ? QuantizeSequentialLayers(ctx, tokens.calibration, sink)
                      : QuantizeIndependentLayers(ctx, tokens.calibration, sink));
  return quantized;
}

// The weights that a loader of the artifact will see: rounded to the checkpoint's dtype.
absl::Status EvaluateQuantized(const RankContext& ctx, const JobTokens& tokens,
                               const QuantizedStage& quantized, EvaluatedModel model) {
  if (tokens.evaluation.empty()) return absl::OkStatus();
  return EvaluateSets(ctx, tokens.evaluation, model, [&](int64_t layer, DecoderLayer* decoder) {
    return ReplaceWeights(quantized[layer].linears, /*first=*/0, ctx.storage_dtype, decoder);
  });
}

// The first rank completes the folders once every stage has finished its share.
absl::Status Publish(const RankContext& ctx, const Exporters& exporters) {
  const double start = ctx.reporter->Seconds();
  GiveBackFreedMemory();  // the pages of what is copied as it is come on top
  for (const auto& exporter : exporters) {
    RETURN_IF_ERROR(exporter->Finish());
    RETURN_IF_ERROR(exporter->Verify());  // what lies on the disk, before anybody may take it
  }
  RETURN_IF_ERROR(ctx.comm->Barrier());
  if (ctx.lead()) {
    ArtifactsPublished published;
    for (const ExportFormat format : ctx.spec().exports) {
      ASSIGN_OR_RETURN(std::vector<ArtifactInfo> artifacts,
                       FinishFormat(*ctx.checkpoint, ctx.layout, ctx.config.num_layers,
                                    ExportPlanOf(ctx, format)));
      published.artifacts.insert(published.artifacts.end(), artifacts.begin(), artifacts.end());
    }
    ctx.reporter->Event(std::move(published));
  }
  ctx.reporter->ReportPhase(Phase::kExport, ctx.reporter->Seconds() - start, 0);
  return absl::OkStatus();
}

absl::StatusOr<QuantizedStage> Learn(const RankContext& ctx, const JobTokens& tokens,
                                     const Exporters& exporters) {
  ASSIGN_OR_RETURN(const QuantizedStage start, Quantize(ctx, tokens, exporters));
  RETURN_IF_ERROR(EvaluateQuantized(ctx, tokens, start, EvaluatedModel::kStart));
  ASSIGN_OR_RETURN(const std::vector<RoundedLayer> trained,
                   TrainRounding(ctx, tokens.calibration, start));
  QuantizedStage learned = Harden(ctx, trained);
  for (int64_t layer = 0; layer < ctx.layers(); ++layer) {
    RETURN_IF_ERROR(WriteLayer(ctx, exporters, layer, learned[layer]));
  }
  return learned;
}

}  // namespace

absl::Status RunJob(const RankContext& ctx) {
  const c10::InferenceMode inference;
  ASSIGN_OR_RETURN(const JobTokens tokens, ShareTokens(ctx));
  if (tokens.calibration.defined()) RETURN_IF_ERROR(Preflight(ctx, tokens.calibration));
  RETURN_IF_ERROR(EvaluateOriginal(ctx, tokens));
  if (std::holds_alternative<EvaluateOnly>(ctx.spec().method)) return ctx.comm->Barrier();
  ASSIGN_OR_RETURN(const Exporters exporters, OpenExporters(ctx));
  ASSIGN_OR_RETURN(const QuantizedStage quantized, IsLearned(ctx.spec().method)
                                                       ? Learn(ctx, tokens, exporters)
                                                       : Quantize(ctx, tokens, exporters));
  RETURN_IF_ERROR(EvaluateQuantized(ctx, tokens, quantized, EvaluatedModel::kQuantized));
  return Publish(ctx, exporters);
}

}  // namespace rondo
