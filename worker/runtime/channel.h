// The channel between an agent and one rank process that it started: RankCommand frames to the
// rank, RankReport frames back (proto/rondo/v1/agent.proto) over a socket pair.
//
// Everything a rank says carries its job and generation only above this channel: the agent knows
// which process it listens to.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "common/base/mutex.h"
#include "common/base/status.h"
#include "common/domain/rank_task.h"
#include "worker/runtime/frame.h"

namespace rondo {

// The descriptor at which a rank process finds its end of the channel.
inline constexpr int kRankChannelFd = 3;

// The rank's end. ReceiveTask, then at most one WaitForRendezvous, on one thread; Report is
// thread-safe.
class RankChannel {
 public:
  explicit RankChannel(UniqueFd fd) : end_(std::make_shared<End>(std::move(fd))) {}

  // Ends this process by _exit(kAgentGoneExitCode) as soon as the agent closes its end or dies,
  // even while the rank is blocked in a collective; until then tells the agent every
  // kSignOfLife that this process runs. Call once, first thing in main.
  void WatchPeer();

  // Both block. UNAVAILABLE when the agent has gone.
  absl::StatusOr<RankTask> ReceiveTask();
  absl::StatusOr<std::string> WaitForRendezvous();  // host:port

  absl::Status Report(const RankReport& report);

 private:
  // Shared with the thread that watches the peer, which lives as long as the process.
  struct End {
    explicit End(UniqueFd f) : fd(std::move(f)) {}
    UniqueFd fd;
    Mutex send_mu;
  };
  std::shared_ptr<End> end_;
};

inline constexpr absl::Duration kSignOfLife = absl::Milliseconds(250);

inline constexpr int kAgentGoneExitCode = 75;  // EX_TEMPFAIL of sysexits.h

// The agent's end. Send* from any thread; Receive on one.
class AgentChannel {
 public:
  explicit AgentChannel(UniqueFd fd) : fd_(std::move(fd)) {}

  absl::Status Send(const RankTask& task);
  absl::Status SendRendezvous(const std::string& address);

  // Blocks. No value: the rank closed its end, which a process does by ending. DEADLINE_EXCEEDED:
  // the rank gave no sign of life for `silence`, as a stopped process.
  absl::StatusOr<std::optional<RankReport>> Receive(
      absl::Duration silence = absl::InfiniteDuration());

 private:
  UniqueFd fd_;
  Mutex send_mu_;
};

}  // namespace rondo
