#include "worker/engine/train_checkpoint.h"

#include <algorithm>
#include <string>
#include <utility>

#include <ATen/ATen.h>

#include "common/io/file.h"
#include "worker/train/checkpoint.h"

namespace rondo {
namespace {

std::string CheckpointDir(const RankContext& ctx) {
  return JoinPath(ctx.task->artifact_dir, kCheckpointFolder);
}

// The folder is the job's own, so the job says what its files are.
std::string CheckpointKey(const RankContext& ctx) { return ctx.task->job.value(); }

// "variables.3.0.mean": of the fourth variables of a layer, the first parameter.
NamedTensors TensorsOf(const RoundedLayer& layer) {
  NamedTensors tensors;
  for (size_t i = 0; i < layer.variables.size(); ++i) {
    const std::vector<Parameter>& parameters = layer.variables[i]->parameters();
    for (size_t j = 0; j < parameters.size(); ++j) {
      const std::string name = absl::StrCat("variables.", i, ".", j, ".");
      tensors[name + "value"] = parameters[j].value;
      tensors[name + "mean"] = parameters[j].mean;
      tensors[name + "variance"] = parameters[j].variance;
    }
  }
  return tensors;
}

absl::Status CopyInto(const NamedTensors& from, const RoundedLayer& layer) {
  for (const auto& [name, tensor] : TensorsOf(layer)) {
    const auto stored = from.find(name);
    if (stored == from.end() || stored->second.sizes() != tensor.sizes()) {
      return absl::DataLossError(absl::StrCat("the checkpoint holds no ", name, " of its shape"));
    }
    tensor.copy_(stored->second);
  }
  return absl::OkStatus();
}

// The lead looks, so that all ranks take up the same step.
absl::StatusOr<int64_t> CommonStep(const RankContext& ctx) {
  int64_t step = -1;
  if (ctx.lead()) {
    ASSIGN_OR_RETURN(step, LatestStep(CheckpointDir(ctx), ctx.config.num_layers));
  }
  const at::Tensor shared =
      at::full({1}, step, at::TensorOptions().dtype(at::kLong).device(ctx.device));
  RETURN_IF_ERROR(ctx.comm->Broadcast(shared, 0));
  return shared.item<int64_t>();
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
  return tensors;
}

SolvedLayer SolvedFrom(const RankContext& ctx, int64_t layer, NamedTensors tensors) {
  SolvedLayer solved;
  const size_t linears = ctx.layout.linears.size();
  solved.linears.resize(linears);
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
  }
  return solved;
}

bool Keeps(const RankContext& ctx) { return LearnedSettings(ctx).training.checkpoint_every > 0; }

}  // namespace

absl::StatusOr<std::vector<SolvedLayer>> RestoreStart(const RankContext& ctx) {
  std::vector<SolvedLayer> start;
  if (!Keeps(ctx)) return start;
  ASSIGN_OR_RETURN(const int64_t step, CommonStep(ctx));
  if (step < 0) return start;
  for (int64_t layer = ctx.stage().first_layer; layer < ctx.stage().end_layer; ++layer) {
    ASSIGN_OR_RETURN(NamedTensors tensors,
                     LoadLayer(CheckpointDir(ctx), layer, 0, CheckpointKey(ctx)));
    start.push_back(SolvedFrom(ctx, layer, std::move(tensors)));
  }
  return start;
}

absl::Status SaveStart(const RankContext& ctx, const std::vector<SolvedLayer>& start) {
  if (!Keeps(ctx) || ctx.replica() > 0) return absl::OkStatus();
  for (int64_t layer = 0; layer < ctx.layers(); ++layer) {
    RETURN_IF_ERROR(SaveLayer(CheckpointDir(ctx), ctx.stage().first_layer + layer, 0,
                              CheckpointKey(ctx), TensorsOf(start[layer])));
  }
  return absl::OkStatus();
}

absl::Status RestoreTraining(const RankContext& ctx, Training* training) {
  if (!Keeps(ctx)) return absl::OkStatus();
  ASSIGN_OR_RETURN(const int64_t step, CommonStep(ctx));
  if (step <= 0) return absl::OkStatus();
  for (int64_t layer = 0; layer < ctx.layers(); ++layer) {
    ASSIGN_OR_RETURN(
        const NamedTensors tensors,
        LoadLayer(CheckpointDir(ctx), ctx.stage().first_layer + layer, step, CheckpointKey(ctx)));
    RETURN_IF_ERROR(CopyInto(tensors, (*training->layers)[layer]));
  }
  training->step = step;
  if (ctx.lead()) {
    ctx.reporter->Event(Note{Severity::kInfo, 0,
                             absl::StrCat("training goes on from the checkpoint of step ", step)});
  }
  return absl::OkStatus();
}

absl::Status SaveTraining(const RankContext& ctx, const Training& training) {
  const int64_t every = training.settings.checkpoint_every;
  const bool due = every > 0 && training.step % every == 0;
  if (!due || training.step == training.settings.steps) return absl::OkStatus();
  if (ctx.replica() == 0) {
    for (int64_t layer = 0; layer < ctx.layers(); ++layer) {
      RETURN_IF_ERROR(SaveLayer(CheckpointDir(ctx), ctx.stage().first_layer + layer, training.step,
                                CheckpointKey(ctx), TensorsOf((*training.layers)[layer])));
    }
  }
  // Only when all stages have written this step may the one before go.
  RETURN_IF_ERROR(ctx.comm->Barrier());
  if (ctx.replica() > 0) return absl::OkStatus();
  return RemoveOlderSteps(CheckpointDir(ctx), ctx.stage().first_layer, ctx.stage().end_layer,
                          training.step);
}

}  // namespace rondo
