// What every phase of a job works with on one rank. The pointers outlive the job.
#pragma once

#include <ATen/core/Tensor.h>

#include "common/domain/model_config.h"
#include "common/domain/rank_task.h"
#include "common/format/checkpoint.h"
#include "worker/comm/communicator.h"
#include "worker/engine/reporter.h"
#include "worker/model/decoder.h"

namespace rondo {

struct RankContext {
  const RankTask* task = nullptr;
  Communicator* comm = nullptr;
  Reporter* reporter = nullptr;
  const Checkpoint* checkpoint = nullptr;
  ModelConfig config;
  ModelLayout layout;
  at::Device device = at::kCPU;
  at::ScalarType dtype = at::kFloat;         // of calibration passes
  at::ScalarType storage_dtype = at::kHalf;  // of the checkpoint's linear weights

  const JobSpec& spec() const { return task->spec; }
  const StagePlan& stage() const { return task->plan.stages[task->rank]; }
  int64_t layers() const { return stage().end_layer - stage().first_layer; }
  bool first() const { return comm->rank() == 0; }
  bool last() const { return comm->rank() == comm->size() - 1; }
};

// "model.layers.3"
inline std::string LayerName(const RankContext& ctx, int64_t local_layer) {
  return absl::StrCat(ctx.layout.layer_prefix, ctx.stage().first_layer + local_layer);
}

// This rank's share of the model, as `dtype` on the rank's device.
inline absl::StatusOr<std::unique_ptr<Stage>> LoadOwnStage(const RankContext& ctx,
                                                           at::ScalarType dtype) {
  const StageRange range = {ctx.stage().first_layer, ctx.stage().end_layer, ctx.first(),
                            ctx.last()};
  return LoadStage(*ctx.checkpoint, ctx.config, range, dtype, ctx.device);
}

}  // namespace rondo
