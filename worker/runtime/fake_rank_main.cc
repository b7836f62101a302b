// A rank for tests: what it does is the model path of its task. With the argument "agent" it plays
// an agent instead: starts one such rank that hangs and passes its pid on.
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <string>

#include "absl/strings/str_join.h"
#include "worker/runtime/channel.h"
#include "worker/runtime/rank_process.h"

namespace rondo {
namespace {

[[noreturn]] void Hang() {
  while (true) pause();
}

// Variables and descriptors that the process was given, a word each.
std::string Surroundings() {
  std::vector<std::string> words = CurrentEnvironment();
  for (int fd = 0; fd < 64; ++fd) {
    if (std::filesystem::exists("/proc/self/fd/" + std::to_string(fd))) {
      words.push_back("fd=" + std::to_string(fd));
    }
  }
  return absl::StrJoin(words, "\n");
}

// Until nobody listens.
int Chat(RankChannel* channel) {
  JobEvent event;
  event.body = Note{Severity::kInfo, 1, std::string(100'000, 'x')};
  while (channel->Report(event).ok()) continue;
  return 2;
}

int RunRank() {
  RankChannel channel{UniqueFd(kRankChannelFd)};
  channel.WatchPeer();
  const absl::StatusOr<RankTask> task = channel.ReceiveTask();
  if (!task.ok()) return 2;
  const std::string& behaviour = task->spec.model.path;
  if (behaviour == "silent") return 0;
  if (behaviour == "exit 3") return 3;
  if (behaviour == "abort") raise(SIGKILL);
  if (behaviour == "stopped") raise(SIGSTOP);
  if (behaviour == "slow") {
    sleep(3);  // longer than its supervisor's patience with silence
    return channel.Report(RankFinished{absl::InternalError("slow")}).ok() ? 0 : 2;
  }
  if (behaviour == "stubborn") signal(SIGTERM, SIG_IGN);
  if (behaviour == "surroundings") {
    JobEvent event;
    event.body = Note{Severity::kInfo, task->rank, Surroundings()};
    if (!channel.Report(event).ok()) return 2;
  }
  if (behaviour == "stderr") {
    if (write(STDERR_FILENO, "said by the rank\n", 17) != 17) return 2;
  }
  if (!channel.Report(RankListening{std::to_string(getpid())}).ok()) return 2;
  if (behaviour == "hang" || behaviour == "stubborn") Hang();
  if (behaviour == "chatty") return Chat(&channel);
  const absl::StatusOr<std::string> address = channel.WaitForRendezvous();
  if (!address.ok()) return 2;
  return channel.Report(RankFinished{absl::InternalError(*address)}).ok() ? 0 : 2;
}

int RunAgent() {
  auto rank = RankProcess::Start({.program = "/proc/self/exe", .name = "the rank"});
  if (!rank.ok()) return 2;
  RankTask task;
  task.plan.stages.resize(1);
  task.spec.model.path = "hang";
  if (!(*rank)->channel().Send(task).ok()) return 2;
  const auto report = (*rank)->channel().Receive();
  if (!report.ok() || !report->has_value()) return 2;
  if (!SendFrame(kRankChannelFd, std::get<RankListening>(**report).address).ok()) return 2;
  Hang();
}

}  // namespace
}  // namespace rondo

// Memory that runs out ends the program. NOLINTNEXTLINE(bugprone-exception-escape)
int main(int argc, char** argv) {
  return argc > 1 && std::string(argv[1]) == "agent" ? rondo::RunAgent() : rondo::RunRank();
}
