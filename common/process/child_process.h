// One child process under control: ended by its own recorded pid only, never left behind.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/time/time.h"
#include "common/base/mutex.h"
#include "common/base/status.h"
#include "common/process/spawn.h"

namespace rondo {

// Thread-safe. The destructor kills the process.
class ChildProcess {
 public:
  // `name` is how messages call it: "rank 1 of job X".
  static absl::StatusOr<std::unique_ptr<ChildProcess>> Start(const std::string& name,
                                                             const SpawnOptions& options);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // SIGTERM, after `grace` SIGKILL; returns when the process has ended. Does nothing when it had.
  void Stop(absl::Duration grace);

  // Blocks until the process has ended: OK for exit code 0, else UNAVAILABLE with how it ended
  // ("rank 1 of job X was killed by signal 9").
  absl::Status Wait();
  // False when the time ran out before the process ended.
  bool WaitFor(absl::Duration timeout);

 private:
  explicit ChildProcess(std::string name) : name_(std::move(name)) {}
  // Starts the process and stays until it has ended: PR_SET_PDEATHSIG in the child fires when the
  // thread that started it ends, not only when this process does.
  void StartAndReap(const SpawnOptions& options);
  void Signal(int signal);

  const std::string name_;
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
