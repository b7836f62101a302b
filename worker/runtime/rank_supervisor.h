// Runs one rank process from its task to its end and hands on what it says. Whatever happens to the
// process, the last report is exactly one RankFinished, given when the process has ended, so
// that its memory, device and sockets are free by then.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/time/time.h"
#include "common/base/mutex.h"
#include "common/base/status.h"
#include "common/domain/rank_task.h"
#include "worker/runtime/rank_process.h"

namespace rondo {

struct SupervisorOptions {
  std::string program;                        // path of rondo-rank
  std::string log_dir;                        // of the ranks' stderr; empty: this process's stderr
  absl::Duration grace = absl::Seconds(5);    // between SIGTERM and SIGKILL, and to exit when done
  absl::Duration silence = absl::Minutes(1);  // after which a process is taken for stuck and killed
};

// "rank 1 of job X"
std::string RankName(const RankTask& task);

// For one owner thread. The destructor stops the rank; the sink is not called after it has
// returned.
class RankSupervisor {
 public:
  using Sink = std::function<void(const RankReport&)>;  // called on one thread of the supervisor

  static absl::StatusOr<std::unique_ptr<RankSupervisor>> Start(const RankTask& task,
                                                               const SupervisorOptions& options,
                                                               Sink sink);
  ~RankSupervisor();

  absl::Status SendRendezvous(const std::string& address);
  // Ends the process; returns when it has ended and the sink knows. Not from the sink.
  void Stop();

 private:
  RankSupervisor(std::string name, SupervisorOptions options, std::unique_ptr<RankProcess> process,
                 Sink sink);
  void Run();
  // Hands reports on until the rank closes the channel; the rank's own word on how it went.
  absl::StatusOr<RankFinished> HandOnReports();
  absl::Status HowItEnded(const absl::StatusOr<RankFinished>& said);

  const std::string name_;
  const SupervisorOptions options_;
  const std::unique_ptr<RankProcess> process_;
  const Sink sink_;
  Mutex mu_;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace rondo
