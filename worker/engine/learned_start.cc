#include "worker/engine/learned_start.h"

#include <utility>

#include <ATen/ATen.h>

#include "common/base/random.h"
#include "worker/model/catch_torch.h"

namespace rondo {
namespace {

using Starts = std::vector<RoundingVariables>;

// A stream of its own for everything that is drawn.
uint64_t SeedOf(const RankContext& ctx, int64_t layer, size_t linear) {
  SplitMix64 mix(ctx.spec().calibration.seed ^ (static_cast<uint64_t>(layer) << 16) ^ linear);
  return mix.Next();
}

absl::StatusOr<RoundingVariables> StartOne(const RankContext& ctx, const at::Tensor& weight,
                                           const SolvedLayer& solved, size_t linear) {
  if (LearnedSettings(ctx).start == RoundingStart::kNearest) {
    return NearestStart(weight, solved.linears[linear]);
  }
  const bool gptq = !solved.targets.empty();
  return FractionalStart(gptq ? solved.targets[linear] : weight, solved.linears[linear].grid,
                         gptq ? solved.pushes[linear] : at::Tensor());
}

// Of the linears that are not skipped, in order.
absl::StatusOr<Starts> StartLayer(const RankContext& ctx, int64_t local_layer,
                                  const SolvedLayer& solved) {
  Starts starts;
  const int64_t layer = ctx.stage().first_layer + local_layer;
  for (size_t i = 0; i < ctx.layout.linears.size(); ++i) {
    if (solved.linears[i].skipped()) continue;
    const std::string name = FullName(ctx.layout, layer, ctx.layout.linears[i].name);
    ASSIGN_OR_RETURN(const at::Tensor weight,
                     LoadTensor(*ctx.checkpoint, name + ".weight", at::kFloat, ctx.device));
    ASSIGN_OR_RETURN(RoundingVariables start, StartOne(ctx, weight, solved, i));
    starts.push_back(std::move(start));
  }
  return starts;
}

absl::Status InsertSkippedOf(const RankContext& ctx, int64_t local_layer, const SolvedLayer& solved,
                             RoundedLayer* rounded) {
  for (size_t i = 0; i < solved.linears.size(); ++i) {
    if (!solved.linears[i].skipped()) continue;
    const std::string name =
        absl::StrCat(LayerName(ctx, local_layer), ".", ctx.layout.linears[i].name, ".weight");
    ASSIGN_OR_RETURN(at::Tensor weight,
                     LoadTensor(*ctx.checkpoint, name, ctx.storage_dtype, ctx.device));
    InsertSkipped(std::move(weight), i, rounded);
  }
  return absl::OkStatus();
}

// Clusters what shares one codebook and adds it to `layer`.
absl::StatusOr<ClusterReport> ShareCodebook(const CodebookSettings& settings, uint64_t seed,
                                            Starts starts, RoundedLayer* layer) {
  std::vector<at::Tensor> blocks;
  int64_t weights = 0;
  for (RoundingVariables& start : starts) {
    blocks.push_back(start.alpha.view({-1, settings.dim}));
    weights += start.alpha.numel();
    start.alpha.reset();
  }
  ClusteringOptions options;
  options.kind = settings.clustering;
  options.codes = CodebookRows(settings, weights);
  options.iterations = settings.iterations;
  options.tolerance = settings.tolerance;
  options.seed = seed;
  // FAISS works on the host.
  const at::Tensor all = (blocks.size() == 1 ? blocks.front() : at::cat(blocks)).cpu();
  blocks.clear();
  ASSIGN_OR_RETURN(const Clusters clusters, ClusterBlocks(all, options));
  ClusterReport report;
  report.codes = clusters.centres.size(0);
  report.distortion = clusters.distortion;
  report.flipped = clusters.flipped;
  report.share = static_cast<double>(clusters.centres.numel()) / static_cast<double>(weights);
  report.iterations = clusters.iterations;
  AddCodebook(clusters, std::move(starts), layer);
  return report;
}

absl::StatusOr<RoundedLayer> ClusterLayer(const RankContext& ctx, const CodebookSettings& settings,
                                          int64_t local_layer, const SolvedLayer& solved,
                                          Starts starts) {
  const double begin = ctx.reporter->Seconds();
  RoundedLayer layer;
  if (starts.empty()) return layer;
  LayerClustered event;
  event.layer = ctx.stage().first_layer + local_layer;
  event.rank = ctx.comm->rank();
  if (settings.scope == CodebookScope::kLayer) {
    ASSIGN_OR_RETURN(ClusterReport report, ShareCodebook(settings, SeedOf(ctx, event.layer, 0),
                                                         std::move(starts), &layer));
    report.name = "all linears";
    event.linears.push_back(std::move(report));
  } else {
    auto next = starts.begin();
    for (size_t i = 0; i < solved.linears.size(); ++i) {
      if (solved.linears[i].skipped()) continue;
      Starts one;
      one.push_back(std::move(*next++));
      auto report = ShareCodebook(settings, SeedOf(ctx, event.layer, i), std::move(one), &layer);
      const std::string& name = ctx.layout.linears[i].name;
      if (!report.ok()) return Annotate(report.status(), FullName(ctx.layout, event.layer, name));
      report->name = name;
      event.linears.push_back(*std::move(report));
    }
  }
  event.seconds = ctx.reporter->Seconds() - begin;
  ctx.reporter->Event(std::move(event));
  return layer;
}

// One codebook for all layers, which a single stage holds; the first layer owns it.
absl::StatusOr<std::vector<RoundedLayer>> ClusterModel(const RankContext& ctx,
                                                       const CodebookSettings& settings,
                                                       const std::vector<SolvedLayer>& solved) {
  const double begin = ctx.reporter->Seconds();
  Starts starts;
  for (int64_t layer = 0; layer < ctx.layers(); ++layer) {
    ASSIGN_OR_RETURN(Starts own, StartLayer(ctx, layer, solved[layer]));
    for (RoundingVariables& start : own) starts.push_back(std::move(start));
  }
  RoundedLayer all;
  ASSIGN_OR_RETURN(ClusterReport report,
                   ShareCodebook(settings, SeedOf(ctx, 0, 0), std::move(starts), &all));
  report.name = "all layers";
  ctx.reporter->Event(
      LayerClustered{0, ctx.comm->rank(), ctx.reporter->Seconds() - begin, {std::move(report)}});
  std::vector<RoundedLayer> layers(ctx.layers());
  layers.front().variables = std::move(all.variables);
  auto next = all.linears.begin();
  for (size_t layer = 0; layer < layers.size(); ++layer) {
    for (const QuantizedLinear& linear : solved[layer].linears) {
      if (!linear.skipped()) layers[layer].linears.push_back(std::move(*next++));
    }
  }
  return layers;
}

absl::StatusOr<RoundedLayer> StartOneLayer(const RankContext& ctx, int64_t local_layer,
                                           const SolvedLayer& solved) {
  ASSIGN_OR_RETURN(Starts starts, StartLayer(ctx, local_layer, solved));
  const auto& parameters = LearnedSettings(ctx).parameters;
  if (const auto* codebook = std::get_if<CodebookSettings>(&parameters)) {
    return ClusterLayer(ctx, *codebook, local_layer, solved, std::move(starts));
  }
  RoundedLayer layer;
  for (size_t i = 0; i < starts.size(); ++i) {
    if (const auto* low_rank = std::get_if<LowRankSettings>(&parameters)) {
      const uint64_t seed = SeedOf(ctx, ctx.stage().first_layer + local_layer, i);
      AddLowRank(std::move(starts[i]), low_rank->rank, seed, &layer);
    } else {
      AddDense(std::move(starts[i]), &layer);
    }
  }
  return layer;
}

absl::StatusOr<std::vector<RoundedLayer>> StartAllLayers(const RankContext& ctx,
                                                         const std::vector<SolvedLayer>& solved) {
  const auto* codebook = std::get_if<CodebookSettings>(&LearnedSettings(ctx).parameters);
  if (codebook != nullptr && codebook->scope == CodebookScope::kModel) {
    return ClusterModel(ctx, *codebook, solved);
  }
  std::vector<RoundedLayer> layers;
  for (int64_t layer = 0; layer < ctx.layers(); ++layer) {
    ASSIGN_OR_RETURN(RoundedLayer started, StartOneLayer(ctx, layer, solved[layer]));
    layers.push_back(std::move(started));
  }
  return layers;
}

}  // namespace

absl::StatusOr<std::vector<RoundedLayer>> StartRounding(const RankContext& ctx,
                                                        const std::vector<SolvedLayer>& solved) {
  const double begin = ctx.reporter->Seconds();
  auto started =
      CatchTorch("starting learned rounding", [&]() -> absl::StatusOr<std::vector<RoundedLayer>> {
        ASSIGN_OR_RETURN(std::vector<RoundedLayer> layers, StartAllLayers(ctx, solved));
        for (int64_t layer = 0; layer < ctx.layers(); ++layer) {
          RETURN_IF_ERROR(InsertSkippedOf(ctx, layer, solved[layer], &layers[layer]));
        }
        return layers;
      });
  ctx.reporter->ReportPhase(Phase::kInitialise, ctx.reporter->Seconds() - begin, 0);
  return started;
}

}  // namespace rondo
