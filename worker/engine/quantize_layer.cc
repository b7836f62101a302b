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

GridOptions GridOptionsOf(const RankContext& ctx) {
  GridOptions options;
  options.spec = ctx.spec().grid;
  options.scale_dtype = StoresScales(ctx.spec()) ? ctx.storage_dtype : at::kFloat;
  return options;
}

GptqOptions GptqOptionsOf(const RankContext& ctx, const GptqSettings& settings) {
  GptqOptions options;
  options.grid = GridOptionsOf(ctx);
  options.percdamp = settings.percdamp;
  options.act_order = settings.act_order == ActOrder::kStatic;
  options.block_size = settings.block_size;
  const auto* learned = std::get_if<LearnedRoundingSettings>(&ctx.spec().method);
  options.keep_target = learned != nullptr && learned->start == RoundingStart::kFractional;
  return options;
}

absl::StatusOr<QuantizedLinear> RoundOne(const RankContext& ctx, const at::Tensor& weight,
                                         LinearReport* report) {
  ASSIGN_OR_RETURN(QuantizedLinear linear, RoundToNearest(weight, GridOptionsOf(ctx)));
  ASSIGN_OR_RETURN(const at::Tensor rounded, Dequantize(linear, at::kFloat));
  const double norm = weight.square().sum(at::kDouble).item<double>();
  const double error = (weight - rounded).square().sum(at::kDouble).item<double>();
  report->relative_error = norm > 0 ? error / norm : 0;
  return linear;
}

// GPTQ's linears come in order of their inputs, so one factor at a time is held.
class GptqLayer {
 public:
  GptqLayer(const RankContext& ctx, const GptqSettings& settings, LayerStatistics* statistics)
      : ctx_(ctx), options_(GptqOptionsOf(ctx, settings)), statistics_(statistics) {}

  absl::StatusOr<QuantizedLinear> Solve(const LinearLayout& layout, const std::string& name,
                                        const at::Tensor& weight, LinearReport* report,
                                        SolvedLayer* layer) {
    if (input_ != layout.input) RETURN_IF_ERROR(Factor(layout.input, name));
    ASSIGN_OR_RETURN(GptqResult result, Gptq(weight, *factor_, options_));
    report->relative_error = result.relative_error;
    report->percdamp_used = factor_->percdamp_used;
    report->dead_columns = factor_->dead.sum().item<int64_t>();
    if (options_.keep_target) {
      const double sequences = static_cast<double>(ctx_.spec().calibration.samples);
      ASSIGN_OR_RETURN(at::Tensor push, GptqPush(result, *factor_, 2 / sequences));
      layer->targets.push_back(std::move(result.target));
      layer->pushes.push_back(std::move(push));
    }
    return std::move(result.linear);
  }

 private:
  absl::Status Factor(int input, const std::string& name) {
    ASSIGN_OR_RETURN(const at::Tensor hessian, statistics_->TakeHessian(input));
    ASSIGN_OR_RETURN(factor_, FactorHessian(hessian, options_));
    input_ = input;
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
  int input_ = -1;
};

}  // namespace

LayerStatistics::LayerStatistics(const ModelLayout& layout, at::Device device) {
  for (const LinearLayout& linear : layout.linears) {
    if (linear.input == static_cast<int>(hessians_.size())) {
      hessians_.emplace_back(linear.in, device);
    }
  }
}

absl::Status LayerStatistics::OnInput(int input, const at::Tensor& x) {
  return hessians_[input].Add(x);
}

absl::StatusOr<SolvedLayer> QuantizeLayer(const RankContext& ctx, int64_t local_layer,
                                          LayerStatistics* statistics) {
  const double start = ctx.reporter->Seconds();
  LayerQuantized report;
  report.layer = ctx.stage().first_layer + local_layer;
  report.rank = ctx.comm->rank();
  std::optional<GptqLayer> gptq;
  if (const GptqSettings* settings = GptqOf(ctx.spec().method)) {
    gptq.emplace(ctx, *settings, statistics);
  }
  SolvedLayer solved;
  for (const LinearLayout& layout : ctx.layout.linears) {
    const std::string name = FullName(ctx.layout, report.layer, layout.name);
    LinearReport linear_report;
    linear_report.name = layout.name;
    auto linear = CatchTorch(name, [&]() -> absl::StatusOr<QuantizedLinear> {
      ASSIGN_OR_RETURN(const at::Tensor weight,
                       LoadTensor(*ctx.checkpoint, name + ".weight", at::kFloat, ctx.device));
      return gptq ? gptq->Solve(layout, name, weight, &linear_report, &solved)
                  : RoundOne(ctx, weight, &linear_report);
    });
    if (!linear.ok()) return Annotate(linear.status(), name);
    solved.linears.push_back(*std::move(linear));
    report.linears.push_back(std::move(linear_report));
  }
  report.seconds = ctx.reporter->Seconds() - start;
  ctx.reporter->Event(std::move(report));
  return solved;
}

}  // namespace rondo
