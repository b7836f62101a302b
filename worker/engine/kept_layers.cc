#include "worker/engine/kept_layers.h"

#include <algorithm>
#include <utility>

#include <ATen/ATen.h>

#include "common/io/file.h"
#include "worker/engine/replicas.h"
#include "worker/engine/run_key.h"
#include "worker/train/checkpoint.h"

namespace rondo {
namespace {

constexpr int64_t kStep = 0;  // of these files; training counts from 1
constexpr int64_t kReportNumbers = 3;

bool Keeps(const RankContext& ctx) {
  if (GptqOf(ctx.spec().method) == nullptr) return false;
  const auto* learned = std::get_if<LearnedRoundingSettings>(&ctx.spec().method);
  return learned == nullptr || learned->training.checkpoint_every > 0;
}

// [linears that are not skipped, 3], so that a layer is reported by every generation alike.
at::Tensor ReportsTensor(const std::vector<LinearReport>& reports) {
  std::vector<double> numbers;
  for (const LinearReport& report : reports) {
    numbers.insert(numbers.end(), {report.relative_error, report.percdamp_used,
                                   static_cast<double>(report.dead_columns)});
  }
  return at::tensor(numbers, at::TensorOptions().dtype(at::kDouble))
      .view({static_cast<int64_t>(reports.size()), kReportNumbers});
}

LinearReport ReportFrom(const std::string& name, const at::Tensor& numbers) {
  const double* number = numbers.const_data_ptr<double>();
  return {name, number[0], number[1], static_cast<int64_t>(number[2])};
}

NamedTensors TensorsOf(const SolvedLayer& solved) {
  NamedTensors tensors;
  const auto add = [&](const std::string& name, const std::vector<at::Tensor>& list) {
    for (size_t i = 0; i < list.size(); ++i) {
      if (list[i].defined()) tensors[absl::StrCat(i, ".", name)] = list[i];
    }
  };
  for (size_t i = 0; i < solved.linears.size(); ++i) {
    const QuantizedLinear& linear = solved.linears[i];
    if (linear.skipped()) continue;
    tensors[absl::StrCat(i, ".codes")] = linear.codes;
    tensors[absl::StrCat(i, ".scale")] = linear.grid.scale;
    tensors[absl::StrCat(i, ".zero_point")] = linear.grid.zero_point;
  }
  add("target", solved.targets);
  add("push", solved.pushes);
  tensors["reports"] = ReportsTensor(solved.reports);
  return tensors;
}

SolvedLayer SolvedFrom(const RankContext& ctx, int64_t layer, NamedTensors tensors) {
  SolvedLayer solved;
  const size_t linears = ctx.layout.linears.size();
  solved.linears.resize(linears);
  const at::Tensor reports = tensors.at("reports");
  for (size_t i = 0; i < linears; ++i) {
    const auto take = [&](const std::string& name) {
      return std::move(tensors[absl::StrCat(i, ".", name)]).to(ctx.device);
    };
    const LinearLayout& layout = ctx.layout.linears[i];
    const LayerSettings settings = SettingsOf(ctx, FullName(ctx.layout, layer, layout.name));
    if (settings.skip) continue;
    const GridSpec& grid = settings.grid;
    QuantizedLinear& linear = solved.linears[i];
    linear.codes = take("codes");
    linear.grid = {take("scale"), take("zero_point"),
                   grid.group_size == -1 ? layout.in : grid.group_size, grid.bits};
    if (tensors.contains(absl::StrCat(i, ".target"))) {
      solved.targets.resize(linears);
      solved.pushes.resize(linears);
      solved.targets[i] = take("target");
      solved.pushes[i] = take("push");
    }
    const auto row = static_cast<int64_t>(solved.reports.size());
    solved.reports.push_back(ReportFrom(layout.name, reports[row]));
  }
  return solved;
}

}  // namespace

std::string CheckpointDir(const RankContext& ctx) {
  return JoinPath(ctx.task->artifact_dir, kCheckpointFolder);
}

KeptLayers::KeptLayers(const RankContext& ctx)
    : ctx_(&ctx), keeps_(Keeps(ctx)), has_(ctx.config.num_layers, false) {}

absl::StatusOr<KeptLayers> KeptLayers::Find(const RankContext& ctx, const at::Tensor& calibration) {
  KeptLayers kept(ctx);
  if (!kept.keeps_) return kept;
  ASSIGN_OR_RETURN(kept.key_, RunKey(ctx, calibration));
  const int64_t layers = ctx.config.num_layers;
  at::Tensor missing = at::zeros({layers}, at::kLong);
  for (int64_t layer = ctx.stage().first_layer; layer < ctx.stage().end_layer; ++layer) {
    const absl::Status found = CheckLayer(CheckpointDir(ctx), layer, kStep, kept.key_);
    if (found.ok()) continue;
    missing[layer] = 1;
    if (absl::IsNotFound(found)) continue;
    if (!absl::IsDataLoss(found)) return found;
    ctx.reporter->Warn(absl::StrCat("layer ", layer, " is solved again: ", found.message()));
  }
  ASSIGN_OR_RETURN(missing, SumOverRanks(ctx, missing.to(ctx.device)));
  missing = missing.cpu();
  for (int64_t layer = 0; layer < layers; ++layer) {
    kept.has_[layer] = missing.const_data_ptr<int64_t>()[layer] == 0;
  }
  const auto there = std::count(kept.has_.begin(), kept.has_.end(), true);
  if (ctx.lead() && there > 0) {
    ctx.reporter->Event(
        Note{Severity::kInfo, 0,
             absl::StrCat(there, " of ", layers, " layers were solved by a former attempt")});
  }
  return kept;
}

bool KeptLayers::complete() const {
  return std::find(has_.begin(), has_.end(), false) == has_.end();
}

absl::StatusOr<SolvedLayer> KeptLayers::Load(int64_t local_layer) const {
  const double start = ctx_->reporter->Seconds();
  const int64_t layer = ctx_->stage().first_layer + local_layer;
  ASSIGN_OR_RETURN(NamedTensors tensors, LoadLayer(CheckpointDir(*ctx_), layer, kStep, key_));
  SolvedLayer solved = SolvedFrom(*ctx_, layer, std::move(tensors));
  ReportLayer(*ctx_, local_layer, ctx_->reporter->Seconds() - start, solved);
  return solved;
}

absl::Status KeptLayers::Save(int64_t local_layer, const SolvedLayer& solved) const {
  if (!keeps_ || ctx_->replica() > 0) return absl::OkStatus();
  return SaveLayer(CheckpointDir(*ctx_), ctx_->stage().first_layer + local_layer, kStep, key_,
                   TensorsOf(solved));
}

}  // namespace rondo
