// One function a model family; a new family adds its file, a line here and one in stage.cc.
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

}  // namespace rondo
