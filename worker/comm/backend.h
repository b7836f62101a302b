// Which c10d backend carries a gang's messages. Gloo is always there; NCCL is nccl_backend.cc, or
// no_nccl_backend.cc in a build without CUDA.
#pragma once

#include <string>

#include <c10/util/intrusive_ptr.h>
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include "common/base/status.h"
#include "worker/comm/communicator.h"

namespace rondo {

using BackendPtr = c10::intrusive_ptr<c10d::Backend>;
using StorePtr = c10::intrusive_ptr<c10d::Store>;

// Both may throw c10::Error; the caller catches.
absl::StatusOr<BackendPtr> MakeGlooBackend(const StorePtr& store, const GroupOptions& options);
absl::StatusOr<BackendPtr> MakeNcclBackend(const StorePtr& store, const GroupOptions& options);

}  // namespace rondo
