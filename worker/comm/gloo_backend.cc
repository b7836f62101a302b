#include <chrono>

#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include "worker/comm/backend.h"
#include "worker/comm/dead_links.h"

namespace rondo {
namespace {

// As long as an agent waits for a sign of life of its rank.
constexpr absl::Duration kDeadLink = absl::Minutes(1);

}  // namespace

absl::StatusOr<BackendPtr> MakeGlooBackend(const StorePtr& store, const GroupOptions& options) {
  auto gloo = c10d::ProcessGroupGloo::Options::create(
      std::chrono::milliseconds(absl::ToInt64Milliseconds(options.timeout)));
  gloo->threads = 2;
  gloo->devices.push_back(c10d::ProcessGroupGloo::createDeviceForHostname(options.host));
  auto backend = c10::make_intrusive<c10d::ProcessGroupGloo>(store, options.rank, options.size,
                                                             std::move(gloo));
  RETURN_IF_ERROR(EndDeadLinksAfter(kDeadLink));  // all of its connections are there now
  return BackendPtr(std::move(backend));
}

}  // namespace rondo
