// rondo-rank: one process per (job, generation, rank), started by rondo-worker, which holds the
// other end of the socket at kRankChannelFd.
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "worker/engine/rank.h"
#include "worker/runtime/channel.h"

namespace rondo {
namespace {

constexpr int kExitNoTask = 2;
constexpr int kExitUnreported = 3;

int Main() {
  RankChannel channel{UniqueFd(kRankChannelFd)};
  channel.WatchPeer();
  const absl::StatusOr<RankTask> task = channel.ReceiveTask();
  if (!task.ok()) {
    LogError("rank", absl::StrCat("no task: ", std::string(task.status().message()),
                                  "; rondo-rank is started by rondo-worker"));
    return kExitNoTask;
  }
  const SystemClock clock;
  RankDeps deps;
  deps.clock = &clock;
  deps.report = [&](const RankReport& report) { return channel.Report(report); };
  deps.wait_for_rendezvous = [&] { return channel.WaitForRendezvous(); };
  const absl::Status done = RunRank(*task, deps);
  return channel.Report(RankFinished{done}).ok() ? 0 : kExitUnreported;
}

}  // namespace
}  // namespace rondo

// _exit: threads of Gloo and NCCL are blocked in the network by now, and the process's end is what
// takes them, their sockets and the device's memory away.
int main() { _exit(rondo::Main()); }
