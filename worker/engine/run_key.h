// What a job's checkpoints belong to, by content and never by names.
#pragma once

#include <string>

#include <ATen/core/Tensor.h>

#include "common/base/status.h"
#include "worker/engine/context.h"

namespace rondo {

// Another one when the model's configuration, a tensor's name, type, shape or first bytes, or the
// tokens have changed since; the job itself, whose settings cannot change, is part of it. The same
// on every machine that reads the same files.
absl::StatusOr<std::string> RunKey(const RankContext& ctx, const at::Tensor& calibration);

}  // namespace rondo
