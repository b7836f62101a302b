// One rank process: started with the channel as descriptor 3, ended by its own recorded pid only.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <thread>

#include "absl/time/time.h"
#include "common/base/mutex.h"
#include "common/base/status.h"
#include "worker/runtime/channel.h"

namespace rondo {

struct RankLaunch {
  std::string program;   // path of rondo-rank
  std::string name;      // how messages call it: "rank 1 of job X"
  int threads = 1;       // OpenMP threads
  std::string log_path;  // its stderr is appended there; empty: this process's stderr
};

// The file `name` in the folder of the running binary.
absl::StatusOr<std::string> SiblingProgram(const std::string& name);

// Thread-safe. The destructor ends the process.
class RankProcess {
 public:
  static absl::StatusOr<std::unique_ptr<RankProcess>> Start(const RankLaunch& launch);
  ~RankProcess();
  RankProcess(const RankProcess&) = delete;
  RankProcess& operator=(const RankProcess&) = delete;

  AgentChannel& channel() { return channel_; }

  // SIGTERM, after `grace` SIGKILL; returns when the process has ended. Does nothing when it had.
  void Stop(absl::Duration grace);

  // Blocks until the process has ended: OK for exit code 0, else UNAVAILABLE with how it ended
  // ("rank 1 of job X was killed by signal 9").
  absl::Status Wait();
  // False when the time ran out before the process ended.
  bool WaitFor(absl::Duration timeout);

 private:
  RankProcess(std::string name, UniqueFd fd) : name_(std::move(name)), channel_(std::move(fd)) {}
  // Starts the process and stays until it has ended: PR_SET_PDEATHSIG in the rank fires when the
  // thread that started it ends, not only when this process does.
  void StartAndReap(const RankLaunch& launch, UniqueFd rank_end);
  void Signal(int signal);

  const std::string name_;
  AgentChannel channel_;
  std::thread reaper_;

  Mutex mu_;
  CondVar changed_;
  bool start_tried_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status start_status_ ABSL_GUARDED_BY(mu_);
  pid_t pid_ ABSL_GUARDED_BY(mu_) = 0;  // 0: not running
  bool ended_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status end_status_ ABSL_GUARDED_BY(mu_);
};

}  // namespace rondo
