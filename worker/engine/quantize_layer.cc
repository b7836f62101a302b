#include "worker/engine/quantize_layer.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <ATen/ATen.h>

#include "worker/model/catch_torch.h"

namespace rondo {
namespace {

// A dense export stores no scale, so it is not rounded for one.
bool StoresScales(const JobSpec& spec) {
  return std::ranges::find(spec.exports, ExportFormat::kCompressedTensors) != spec.exports.end();
}

GridOptions GridOptionsOf(const RankContext& ctx, const GridSpec& grid) {
  GridOptions options;
  options.spec = grid;
  options.scale_dtype = StoresScales(ctx.spec()) ? ctx.storage_dtype : at::kFloat;
  return options;
}

GptqOptions GptqOptionsOf(const RankContext& ctx, const GptqSettings& settings) {
  GptqOptions options;
  options.percdamp = settings.percdamp;
  options.act_order = settings.act_order == ActOrder::kStatic;
  options.block_size = settings.block_size;
  const auto* learned = std::get_if<LearnedRoundingSettings>(&ctx.spec().method);
  options.keep_target = learned != nullptr && learned->start == RoundingStart::kFractional;
  return options;
}

absl::StatusOr<QuantizedLinear> RoundOne(const GridOptions& grid, const at::Tensor& weight,
                                         LinearReport* report) {
  ASSIGN_OR_RETURN(QuantizedLinear linear, RoundToNearest(weight, grid));
  ASSIGN_OR_RETURN(const at::Tensor rounded, Dequantize(linear, at::kFloat));
  const double norm = weight.square().sum(at::kDouble).item<double>();
  const double error = (weight - rounded).square().sum(at::kDouble).item<double>();
  report->relative_error = norm > 0 ? error / norm : 0;
  return linear;
}

// The linears that share one input; its Hessian is factored when the first of them needs it.
class GptqInput {
 public:
  GptqInput(const RankContext& ctx, const GptqSettings& settings, LayerStatistics* statistics)
      : ctx_(ctx), options_(GptqOptionsOf(ctx, settings)), statistics_(statistics) {}

  bool keeps_targets() const { return options_.keep_target; }

  // The linear is the next one of `layer`.
  absl::StatusOr<QuantizedLinear> Solve(const LinearLayout& layout, const std::string& name,
                                        const GridOptions& grid, const at::Tensor& weight,
                                        LinearReport* report, SolvedLayer* layer) {
    options_.grid = grid;
    if (!factor_) RETURN_IF_ERROR(Factor(layout.input, name));
    ASSIGN_OR_RETURN(GptqResult result, Gptq(weight, *factor_, options_));
    report->relative_error = result.relative_error;
    report->percdamp_used = factor_->percdamp_used;
    report->dead_columns = factor_->dead.sum().item<int64_t>();
    if (options_.keep_target) {
      const double sequences = static_cast<double>(ctx_.spec().calibration.samples);
      ASSIGN_OR_RETURN(at::Tensor push, GptqPush(result, *factor_, 2 / sequences));
      layer->targets.back() = std::move(result.target);
      layer->pushes.back() = std::move(push);
    }
    return std::move(result.linear);
  }

 private:
  absl::Status Factor(int input, const std::string& name) {
    ASSIGN_OR_RETURN(const at::Tensor hessian, statistics_->TakeHessian(input));
    ASSIGN_OR_RETURN(factor_, FactorHessian(hessian, options_));
    if (factor_->percdamp_used > options_.percdamp) {
      ctx_.reporter->Warn(absl::StrCat("the Hessian of ", name,
                                       " was not positive definite with percdamp ",
                                       options_.percdamp, "; raised to ", factor_->percdamp_used));
    }
    return absl::OkStatus();
  }

  const RankContext& ctx_;
  GptqOptions options_;
  LayerStatistics* statistics_;
  std::optional<GptqFactor> factor_;
};

}  // namespace

ModelLayout SolvedLayout(const RankContext& ctx, int64_t local_layer) {
  ModelLayout layout = ctx.layout;
  const int64_t layer = ctx.stage().first_layer + local_layer;
  std::erase_if(layout.linears, [&](const LinearLayout& linear) {
    const LayerSettings settings = SettingsOf(ctx, FullName(ctx.layout, layer, linear.name));
    return settings.skip || settings.method == LayerMethod::kRtn;
  });
  return layout;
}

LayerStatistics::LayerStatistics(const RankContext& ctx, int64_t local_layer) {
  for (const LinearLayout& linear : SolvedLayout(ctx, local_layer).linears) {
    hessians_.try_emplace(linear.input, linear.in, ctx.device);
  }
}

absl::Status LayerStatistics::OnInput(int input, const at::Tensor& x) {
  const auto hessian = hessians_.find(input);
  return hessian == hessians_.end() ? absl::OkStatus() : hessian->second.Add(x);
}

absl::Status ReplaceWeights(const std::vector<QuantizedLinear>& linears, size_t first,
                            at::ScalarType storage, DecoderLayer* layer) {
  for (size_t i = first; i < linears.size(); ++i) {
    if (linears[i].skipped()) continue;
    at::Tensor& weight = layer->linears()[i].weight;
    ASSIGN_OR_RETURN(const at::Tensor rounded, Dequantize(linears[i], storage));
    weight = rounded.to(weight.scalar_type());
  }
  return absl::OkStatus();
}

void ReportLayer(const RankContext& ctx, int64_t local_layer, double seconds,
                 const SolvedLayer& solved) {
  ctx.reporter->Event(LayerQuantized{ctx.stage().first_layer + local_layer, ctx.comm->rank(),
                                     seconds, solved.reports});
}

absl::Status QuantizeInput(const RankContext& ctx, int64_t local_layer, int input,
                           LayerStatistics* statistics, SolvedLayer* solved) {
  const int64_t layer = ctx.stage().first_layer + local_layer;
  std::optional<GptqInput> gptq;
  if (const GptqSettings* settings = GptqOf(ctx.spec().method)) {
    gptq.emplace(ctx, *settings, statistics);
  }
  for (const LinearLayout& layout : ctx.layout.linears) {
    if (layout.input != input) continue;
    const std::string name = FullName(ctx.layout, layer, layout.name);
    const LayerSettings settings = SettingsOf(ctx, name);
    if (gptq && gptq->keeps_targets()) {
      solved->targets.emplace_back();
      solved->pushes.emplace_back();
    }
    if (settings.skip) {
      solved->linears.emplace_back();
      continue;
    }
    const GridOptions grid = GridOptionsOf(ctx, settings.grid);
    const bool nearest = !gptq || settings.method == LayerMethod::kRtn;
    LinearReport linear_report;
    linear_report.name = layout.name;
    auto linear = CatchTorch(name, [&]() -> absl::StatusOr<QuantizedLinear> {
      ASSIGN_OR_RETURN(const at::Tensor weight,
                       LoadTensor(*ctx.checkpoint, name + ".weight", at::kFloat, ctx.device));
      return nearest ? RoundOne(grid, weight, &linear_report)
                     : gptq->Solve(layout, name, grid, weight, &linear_report, solved);
    });
    if (!linear.ok()) return Annotate(linear.status(), name);
    solved->linears.push_back(*std::move(linear));
    solved->reports.push_back(std::move(linear_report));
  }
  return absl::OkStatus();
}

absl::StatusOr<SolvedLayer> QuantizeLayer(const RankContext& ctx, int64_t local_layer,
                                          LayerStatistics* statistics) {
  const double start = ctx.reporter->Seconds();
  SolvedLayer solved;
  for (const Block block : kBlocks) {
    for (const int input : InputsOf(block)) {
      RETURN_IF_ERROR(QuantizeInput(ctx, local_layer, input, statistics, &solved));
    }
  }
  ReportLayer(ctx, local_layer, ctx.reporter->Seconds() - start, solved);
  return solved;
}

}  // namespace rondo
