#include <chrono>

#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include "worker/comm/backend.h"

namespace rondo {

absl::StatusOr<BackendPtr> MakeGlooBackend(const StorePtr& store, const GroupOptions& options) {
  auto gloo = c10d::ProcessGroupGloo::Options::create(
      std::chrono::milliseconds(absl::ToInt64Milliseconds(options.timeout)));
  gloo->threads = 2;
  gloo->devices.push_back(c10d::ProcessGroupGloo::createDeviceForHostname(options.host));
  return BackendPtr(c10::make_intrusive<c10d::ProcessGroupGloo>(store, options.rank, options.size,
                                                                std::move(gloo)));
}

}  // namespace rondo
