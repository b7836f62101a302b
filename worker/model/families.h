// One function a model family, which stage.cc finds by model_type. How a new family is added:
// docs/families.md.
#pragma once

#include <memory>

#include "common/base/status.h"
#include "common/domain/model_config.h"
#include "worker/model/decoder.h"
#include "worker/model/weights.h"

namespace rondo {

absl::StatusOr<std::unique_ptr<Stage>> MakeLlamaStage(const WeightReader& weights,
                                                      const ModelConfig& config,
                                                      const StageRange& range);

absl::StatusOr<std::unique_ptr<Stage>> MakeOptStage(const WeightReader& weights,
                                                    const ModelConfig& config,
                                                    const StageRange& range);

absl::StatusOr<std::unique_ptr<Stage>> MakeQwen3Stage(const WeightReader& weights,
                                                      const ModelConfig& config,
                                                      const StageRange& range);

}  // namespace rondo
