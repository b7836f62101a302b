// One rank process: started with the channel as descriptor 3 and a scrubbed environment.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "common/base/status.h"
#include "common/process/child_process.h"
#include "worker/runtime/channel.h"

namespace rondo {

struct RankLaunch {
  std::string program;   // path of rondo-rank
  std::string name;      // how messages call it: "rank 1 of job X"
  int threads = 1;       // OpenMP threads
  std::string log_path;  // its stderr is appended there; empty: this process's stderr
};

// Thread-safe. The destructor kills the process.
class RankProcess {
 public:
  // The rank sees PATH, HOME, LANG, LC_ALL, LD_LIBRARY_PATH, CUDA_VISIBLE_DEVICES, NCCL_*, GLOO_*
  // and RONDO_SHARE_GPU of this process, and OMP_NUM_THREADS and MKL_NUM_THREADS.
  static absl::StatusOr<std::unique_ptr<RankProcess>> Start(const RankLaunch& launch);

  AgentChannel& channel() { return channel_; }
  ChildProcess& child() { return *child_; }

 private:
  RankProcess(UniqueFd fd, std::unique_ptr<ChildProcess> child)
      : channel_(std::move(fd)), child_(std::move(child)) {}

  AgentChannel channel_;
  std::unique_ptr<ChildProcess> child_;
};

}  // namespace rondo
