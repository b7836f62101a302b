// What a student learns from: the teacher's final hidden states of every training window
// (docs/algorithms.md, section 9), or its k most probable tokens.
#pragma once

#include <memory>

#include <ATen/core/Tensor.h>

#include "common/base/status.h"
#include "worker/engine/context.h"
#include "worker/train/teacher_cache.h"

namespace rondo {

// On the last stage of a replica; empty elsewhere, and where the loss needs no teacher.
struct Teacher {
  std::unique_ptr<TeacherCache> cache;
  at::Tensor head;  // [vocab, width] in the dtype of the products; undefined with a top-k cache
};

// The windows that training reaches: its steps go through them in turn.
at::Tensor TrainedWindows(const RankContext& ctx, const at::Tensor& calibration);

// Whether the cache of these windows is there or finds room on the disk of the last stage, which is
// taken and given back.
absl::Status CheckTeacherRoom(const RankContext& ctx, const at::Tensor& tokens);

// Takes the cache of an earlier job where model, tokens and settings are the same; otherwise
// streams the windows through the teacher, whose layers are spread over the stages. tokens:
// [windows, seq] int64. Collective.
absl::StatusOr<Teacher> PrepareTeacher(const RankContext& ctx, const at::Tensor& tokens);

}  // namespace rondo
