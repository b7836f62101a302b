#include "worker/engine/job.h"

#include <utility>
#include <vector>

#include <c10/core/InferenceMode.h>

#include "common/io/file.h"
#include "worker/artifact/exporter.h"
#include "worker/engine/evaluate.h"
#include "worker/engine/initialise.h"
#include "worker/engine/tokens.h"

namespace rondo {
namespace {

using Exporters = std::vector<std::unique_ptr<StageExporter>>;
// The integer weights of this stage, by local layer; kept only to be evaluated.
using QuantizedStage = std::vector<std::vector<QuantizedLinear>>;

ExportPlan ExportPlanOf(const RankContext& ctx, ExportFormat format) {
  ExportPlan plan;
  plan.format = format;
  plan.grid = ctx.spec().grid;
  plan.model_dir = ctx.spec().model.path;
  plan.out_dir = FormatDir(ctx.task->artifact_dir, format);
  plan.stage = ctx.comm->rank();
  plan.stages = ctx.comm->size();
  plan.first_layer = ctx.stage().first_layer;
  plan.end_layer = ctx.stage().end_layer;
  return plan;
}

absl::StatusOr<Exporters> OpenExporters(const RankContext& ctx) {
  Exporters exporters;
  for (const ExportFormat format : ctx.spec().exports) {
    ASSIGN_OR_RETURN(auto exporter,
                     MakeStageExporter(*ctx.checkpoint, ctx.layout, ExportPlanOf(ctx, format)));
    exporters.push_back(std::move(exporter));
  }
  return exporters;
}

absl::Status EvaluateOriginal(const RankContext& ctx, const JobTokens& tokens) {
  if (tokens.evaluation.empty() || !ctx.spec().evaluation.original) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::unique_ptr<Stage> stage, LoadOwnStage(ctx, at::kFloat));
  return EvaluateSets(ctx, *stage, tokens.evaluation, /*quantized=*/false);
}

absl::StatusOr<QuantizedStage> Quantize(const RankContext& ctx, const JobTokens& tokens,
                                        const Exporters& exporters) {
  QuantizedStage quantized;
  const LayerSink sink = [&](int64_t layer, std::vector<QuantizedLinear> linears) -> absl::Status {
    for (const auto& exporter : exporters) {
      RETURN_IF_ERROR(exporter->WriteLayer(ctx.stage().first_layer + layer, linears));
    }
    if (!tokens.evaluation.empty()) quantized.push_back(std::move(linears));
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(IsSequential(ctx.spec().method)
                      ? QuantizeSequentialLayers(ctx, tokens.calibration, sink)
                      : QuantizeIndependentLayers(ctx, tokens.calibration, sink));
  return quantized;
}

// The weights that a loader of the artifact will see: rounded to the checkpoint's dtype.
absl::Status EvaluateQuantized(const RankContext& ctx, const JobTokens& tokens,
                               const QuantizedStage& quantized) {
  if (tokens.evaluation.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::unique_ptr<Stage> stage, LoadOwnStage(ctx, at::kFloat));
  for (size_t layer = 0; layer < quantized.size(); ++layer) {
    for (size_t i = 0; i < quantized[layer].size(); ++i) {
      ASSIGN_OR_RETURN(const at::Tensor weight, Dequantize(quantized[layer][i], ctx.storage_dtype));
      stage->layers()[layer]->linears()[i].weight = weight.to(at::kFloat);
    }
  }
  return EvaluateSets(ctx, *stage, tokens.evaluation, /*quantized=*/true);
}

// The first rank completes the folders once every stage has finished its share.
absl::Status Publish(const RankContext& ctx, const Exporters& exporters) {
  const double start = ctx.reporter->Seconds();
  for (const auto& exporter : exporters) RETURN_IF_ERROR(exporter->Finish());
  RETURN_IF_ERROR(ctx.comm->Barrier());
  if (ctx.first()) {
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

}  // namespace

absl::Status RunJob(const RankContext& ctx) {
  const c10::InferenceMode inference;
  ASSIGN_OR_RETURN(const JobTokens tokens, ShareTokens(ctx));
  RETURN_IF_ERROR(EvaluateOriginal(ctx, tokens));
  if (std::holds_alternative<EvaluateOnly>(ctx.spec().method)) return ctx.comm->Barrier();
  ASSIGN_OR_RETURN(const Exporters exporters, OpenExporters(ctx));
  ASSIGN_OR_RETURN(const QuantizedStage quantized, Quantize(ctx, tokens, exporters));
  RETURN_IF_ERROR(EvaluateQuantized(ctx, tokens, quantized));
  return Publish(ctx, exporters);
}

}  // namespace rondo
