#include "worker/engine/train_checkpoint.h"

#include <algorithm>
#include <string>
#include <utility>

#include <ATen/ATen.h>

#include "common/io/file.h"
#include "worker/engine/kept_layers.h"
#include "worker/engine/replicas.h"
#include "worker/train/checkpoint.h"

namespace rondo {
namespace {

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

// Whether the files of a step are whole, on every rank. Those that are not are set aside, by
// whichever replica is first.
absl::StatusOr<bool> IsWhole(const RankContext& ctx, int64_t step, const std::string& key) {
  at::Tensor broken = at::zeros({1}, at::TensorOptions().dtype(at::kLong).device(ctx.device));
  for (int64_t layer = ctx.stage().first_layer; layer < ctx.stage().end_layer; ++layer) {
    const absl::Status found = CheckLayer(CheckpointDir(ctx), layer, step, key);
    if (found.ok()) continue;
    if (!absl::IsDataLoss(found) && !absl::IsNotFound(found)) return found;
    ctx.reporter->Warn(
        absl::StrCat("training does not go on from step ", step, ": ", found.message()));
    broken.add_(1);
  }
  ASSIGN_OR_RETURN(broken, SumOverRanks(ctx, broken));
  return broken.item<int64_t>() == 0;
}

// The latest step that is whole; 0 or less: there is none.
absl::StatusOr<int64_t> WholeStep(const RankContext& ctx, const std::string& key) {
  for (;;) {
    ASSIGN_OR_RETURN(const int64_t step, CommonStep(ctx));
    if (step <= 0) return step;
    ASSIGN_OR_RETURN(const bool whole, IsWhole(ctx, step, key));
    if (whole) return step;
  }
}

}  // namespace

absl::Status RestoreTraining(const RankContext& ctx, Training* training) {
  if (training->settings.checkpoint_every == 0) return absl::OkStatus();
  ASSIGN_OR_RETURN(const int64_t step, WholeStep(ctx, training->key));
  if (step <= 0) return absl::OkStatus();
  for (int64_t layer = 0; layer < ctx.layers(); ++layer) {
    ASSIGN_OR_RETURN(
        const NamedTensors tensors,
        LoadLayer(CheckpointDir(ctx), ctx.stage().first_layer + layer, step, training->key));
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
                                training.key, TensorsOf((*training.layers)[layer])));
    }
  }
  // Only when all stages have written this step may the one before go.
  RETURN_IF_ERROR(ctx.comm->Barrier());
  if (ctx.replica() > 0) return absl::OkStatus();
  return RemoveOlderSteps(CheckpointDir(ctx), ctx.stage().first_layer, ctx.stage().end_layer,
                          training.step);
}

}  // namespace rondo
