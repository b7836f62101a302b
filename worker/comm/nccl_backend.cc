#include <chrono>
#include <cstdlib>

#include <c10/cuda/CUDAFunctions.h>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

#include "worker/comm/backend.h"

namespace rondo {

absl::StatusOr<BackendPtr> MakeNcclBackend(const StorePtr& store, const GroupOptions& options) {
  // NCCL refuses two ranks on one GPU of one host. Where that is wanted (tests on one GPU), every
  // rank says it is a host of its own, and messages go through sockets.
  if (std::getenv("RONDO_SHARE_GPU") != nullptr) {
    setenv("NCCL_HOSTID", absl::StrCat("rank-", options.rank).c_str(), /*overwrite=*/1);
  }
  c10::cuda::set_device(options.device.index());
  auto nccl = c10d::ProcessGroupNCCL::Options::create();
  nccl->timeout = std::chrono::milliseconds(absl::ToInt64Milliseconds(options.timeout));
  return BackendPtr(c10::make_intrusive<c10d::ProcessGroupNCCL>(store, options.rank, options.size,
                                                                std::move(nccl)));
}

}  // namespace rondo
