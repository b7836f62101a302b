// A coordinator inside this process, on a loopback port of its own, and worker processes beside it:
// what `rondo quantize` runs on when no server is named. Clients reach it as they reach any server.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "common/base/ids.h"
#include "common/base/status.h"
#include "common/domain/job_spec.h"

namespace rondo {

// Stages to run on when nobody says: 2, or 1 on a machine with one core.
int DefaultWorkers();
// CPU threads of each of so many stages on this machine.
int DefaultThreads(int workers);

// Thread-safe. The destructor ends the workers, then the coordinator.
class EmbeddedService {
 public:
  // Called at most once, when a worker process ends by itself.
  using OnWorkerLost = std::function<void(const absl::Status& how)>;

  // Keeps its store and artifacts in `folder`, and what it fetches from S3 in `download_dir`;
  // empty: the user's cache folder. The quota is Coordinator::Options' one. Starts no worker yet.
  static absl::StatusOr<std::unique_ptr<EmbeddedService>> Start(const std::string& folder,
                                                                const std::string& download_dir,
                                                                int64_t download_quota_bytes);
  ~EmbeddedService();

  // Starts `count` rondo-worker processes, which lie beside this binary. Call at most once.
  absl::Status StartWorkers(int count, OnWorkerLost on_worker_lost);

  std::string address() const;
  // Where a job's artifacts of one format are.
  std::string FormatFolder(const JobId& job, ExportFormat format) const;

 private:
  struct Impl;
  explicit EmbeddedService(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace rondo
