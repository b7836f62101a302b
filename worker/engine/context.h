// What every phase of a job works with on one rank. The pointers outlive the job.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "common/domain/model_config.h"
#include "common/domain/overrides.h"
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
  std::vector<StagePlan> stages;  // of this model; the gang's ranks are replica * stages + stage
  at::Device device = at::kCPU;
  at::ScalarType dtype = at::kFloat;         // of calibration passes
  at::ScalarType storage_dtype = at::kHalf;  // of the checkpoint's linear weights

  const JobSpec& spec() const { return task->spec; }
  int stage_index() const { return comm->rank() % static_cast<int>(stages.size()); }
  int replica() const { return comm->rank() / static_cast<int>(stages.size()); }
  int replicas() const { return comm->size() / static_cast<int>(stages.size()); }
  const StagePlan& stage() const { return stages[stage_index()]; }
  int64_t layers() const { return stage().end_layer - stage().first_layer; }
  bool lead() const { return comm->rank() == 0; }    // of the gang
  bool first() const { return stage_index() == 0; }  // stage of its replica
  bool last() const { return stage_index() + 1 == static_cast<int>(stages.size()); }
};

// REQUIRES: IsLearned(ctx.spec().method).
inline const LearnedRoundingSettings& LearnedSettings(const RankContext& ctx) {
  return std::get<LearnedRoundingSettings>(ctx.spec().method);
}

// Of the inputs of matrix products while training; their sums are float32.
inline at::ScalarType ProductType(const RankContext& ctx) {
  return ctx.task->plan.training_dtype == DType::kBFloat16 ? at::kBFloat16 : at::kFloat;
}

// "model.layers.3"
inline std::string LayerName(const RankContext& ctx, int64_t local_layer) {
  return absl::StrCat(ctx.layout.layer_prefix, ctx.stage().first_layer + local_layer);
}

inline LayerSettings SettingsOf(const RankContext& ctx, const std::string& linear) {
  return SettingsOf(ctx.spec().grid, ctx.spec().overrides, linear);
}

inline StageRange RangeOf(const RankContext& ctx) {
  return {ctx.stage().first_layer, ctx.stage().end_layer, ctx.first(), ctx.last()};
}

// This rank's share of the model, as `dtype` on the rank's device.
inline absl::StatusOr<std::unique_ptr<Stage>> LoadOwnStage(const RankContext& ctx,
                                                           at::ScalarType dtype) {
  return LoadStage(*ctx.checkpoint, ctx.config, RangeOf(ctx), dtype, ctx.device);
}

// What this rank's share holds besides its layers: embedding, head.
inline absl::StatusOr<std::unique_ptr<Stage>> LoadOwnEnds(const RankContext& ctx,
                                                          at::ScalarType dtype) {
  StageRange range = RangeOf(ctx);
  range.end_layer = range.first_layer;
  return LoadStage(*ctx.checkpoint, ctx.config, range, dtype, ctx.device);
}

// A stage of one of this rank's layers, for work that goes layer by layer and drops each after use.
inline absl::StatusOr<std::unique_ptr<Stage>> LoadOneLayer(const RankContext& ctx,
                                                           int64_t local_layer,
                                                           at::ScalarType dtype) {
  const int64_t layer = ctx.stage().first_layer + local_layer;
  return LoadStage(*ctx.checkpoint, ctx.config, {layer, layer + 1, false, false}, dtype,
                   ctx.device);
}

}  // namespace rondo
