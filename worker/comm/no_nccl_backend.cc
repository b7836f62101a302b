#include "worker/comm/backend.h"

namespace rondo {

absl::StatusOr<BackendPtr> MakeNcclBackend(const StorePtr&, const GroupOptions&) {
  return absl::UnimplementedError(
      "this build has no NCCL; build with nvcc present (make deps CUDA=1 && make build)");
}

}  // namespace rondo
