// The agent of one worker slot: attaches to the coordinator, starts and ends rank processes as it
// is told, and passes on what they say. When the connection breaks, or the coordinator is silent
// for as long as its lease says, its ranks end, and it attaches again after a jittered pause.
#pragma once

#include <memory>

#include "absl/time/time.h"
#include "common/base/status.h"
#include "common/domain/worker_info.h"
#include "proto/rpc/connection.h"
#include "worker/runtime/rank_supervisor.h"

namespace rondo {

struct AgentOptions {
  ConnectionOptions coordinator;
  WorkerInfo worker;  // what it says of itself
  SupervisorOptions ranks;
  std::string cache_dir;  // RankTask's
  int64_t cache_quota_bytes = 0;
  bool exit_on_disconnect = false;
  absl::Duration heartbeat_interval = absl::Seconds(5);  // at most a quarter of the lease
  absl::Duration first_pause = absl::Milliseconds(250);  // before attaching again; doubles
  absl::Duration longest_pause = absl::Seconds(15);
};

class Agent {
 public:
  explicit Agent(AgentOptions options);
  ~Agent();

  // Returns OK after Shutdown(); with exit_on_disconnect, the error that ended the connection. At
  // once for files of TLS or a token that cannot be used.
  // Ranks have ended by then. Call once.
  absl::Status Run();

  // Tells the coordinator that this worker goes, which costs its job no retry. Thread-safe; returns
  // at once.
  void Shutdown();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rondo
