// A rank for tests of faults, in the place of rondo-rank: ranks of a gang work step by step, each
// step over sockets between them, keep a checkpoint and write an artifact. The result depends on
// the number of steps only, not on the number of ranks nor on how often the work was taken up.
//
// What it does is the name of the job's model folder: "gang-STEPS" or "gang-STEPS-FAULT-RANK-STEP".
// The fault happens in the first generation, before the step (from 0): exit, kill, stop, hang (the
// process gives signs of life, and nothing else), slow, refuse (an error that lies in the job), or
// die (kill, in every generation). A note in the job's history says that it happened. "bulk" is no
// fault: it makes the artifact a large one.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <vector>

#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "common/base/random.h"
#include "common/io/file.h"
#include "common/io/sha256.h"
#include "tests/faults/gang_result.h"
#include "worker/runtime/channel.h"

namespace rondo {
namespace {

constexpr absl::Duration kStepTime = absl::Milliseconds(5);
constexpr absl::Duration kSlow = absl::Seconds(7);  // longer than an impatient agent's patience
constexpr int64_t kStepsAReport = 20;

absl::Status PeerLost() { return absl::UnavailableError("lost its peer"); }

// Whole values over a socket. False: the peer has gone.
bool SendValue(int fd, uint64_t value) {
  return send(fd, &value, sizeof(value), MSG_NOSIGNAL) == sizeof(value);
}
bool ReceiveValue(int fd, uint64_t* value) {
  return recv(fd, value, sizeof(*value), MSG_WAITALL) == sizeof(*value);
}

// Sums over the ranks of a gang: rank 0 has a connection to each of the others.
class Gang {
 public:
  static absl::StatusOr<Gang> Join(const RankTask& task, RankChannel* channel) {
    Gang gang;
    const int world = WorldSize(task.plan);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    const UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    auto* raw = reinterpret_cast<sockaddr*>(&address);
    if (task.rank == 0) {
      if (bind(fd.get(), raw, size) != 0 || listen(fd.get(), world) != 0 ||
          getsockname(fd.get(), raw, &size) != 0) {
        return absl::InternalError("cannot listen");
      }
      const std::string at = absl::StrCat("127.0.0.1:", ntohs(address.sin_port));
      RETURN_IF_ERROR(channel->Report(RankListening{at}));
      for (int peer = 1; peer < world; ++peer) {
        gang.peers_.emplace_back(accept4(fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
      }
      return gang;
    }
    ASSIGN_OR_RETURN(const std::string at, channel->WaitForRendezvous());
    address.sin_port = htons(std::atoi(at.c_str() + at.find(':') + 1));
    gang.peers_.emplace_back(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (connect(gang.peers_[0].get(), raw, size) != 0) return PeerLost();
    gang.leads_ = false;
    return gang;
  }

  absl::StatusOr<uint64_t> Sum(uint64_t value) {
    if (!leads_) {
      if (!SendValue(peers_[0].get(), value)) return PeerLost();
      if (!ReceiveValue(peers_[0].get(), &value)) return PeerLost();
      return value;
    }
    for (const UniqueFd& peer : peers_) {
      uint64_t part = 0;
      if (!ReceiveValue(peer.get(), &part)) return PeerLost();
      value += part;
    }
    for (const UniqueFd& peer : peers_) {
      if (!SendValue(peer.get(), value)) return PeerLost();
    }
    return value;
  }

 private:
  bool leads_ = true;
  std::vector<UniqueFd> peers_;
};

struct Behaviour {
  int64_t steps = 0;
  std::string fault;
  int fault_rank = 0;
  int64_t fault_step = 0;
};

Behaviour Parse(const std::string& model_path) {
  const std::vector<std::string> words =
      absl::StrSplit(std::filesystem::path(model_path).filename().string(), '-');
  Behaviour behaviour;
  if (words.size() > 1) behaviour.steps = std::atoll(words[1].c_str());
  if (words.size() > 4) {
    behaviour.fault = words[2];
    behaviour.fault_rank = std::atoi(words[3].c_str());
    behaviour.fault_step = std::atoll(words[4].c_str());
  }
  return behaviour;
}

JobEvent Event(EventBody body) {
  JobEvent event;
  event.time = absl::Now();
  event.body = std::move(body);
  return event;
}

class Worker {
 public:
  Worker(RankTask task, RankChannel* channel)
      : task_(std::move(task)),
        channel_(channel),
        behaviour_(Parse(task_.spec.model.path)),
        checkpoint_(JoinPath(JoinPath(task_.artifact_dir, kCheckpointFolder), "state")) {}

  absl::Status Run() {
    ASSIGN_OR_RETURN(Gang gang, Gang::Join(task_, channel_));
    ASSIGN_OR_RETURN(const auto resumed, Resume(&gang));
    auto [step, state] = resumed;
    for (; step < behaviour_.steps; ++step) {
      RETURN_IF_ERROR(FaultIfDue(step));
      absl::SleepFor(kStepTime);
      uint64_t part = 0;
      for (int unit = task_.rank; unit < kGangUnits; unit += WorldSize(task_.plan)) {
        part += GangPart(state, unit);
      }
      ASSIGN_OR_RETURN(state, gang.Sum(part));
      if (task_.rank == 0) RETURN_IF_ERROR(Save(step + 1, state));
      if (step % kStepsAReport != 0) continue;  // an event is an fsync
      RETURN_IF_ERROR(channel_->Report(
          Event(Progress{Phase::kTeacher, task_.rank, step + 1, behaviour_.steps, "windows"})));
    }
    return task_.rank == 0 ? Publish(state) : absl::OkStatus();
  }

 private:
  // Where rank 0's checkpoint stands; all ranks agree on it.
  absl::StatusOr<std::pair<int64_t, uint64_t>> Resume(Gang* gang) {
    uint64_t step = 0;
    uint64_t state = 0;
    if (task_.rank == 0 && FileExists(checkpoint_)) {
      ASSIGN_OR_RETURN(const std::string text, ReadFile(checkpoint_));
      const std::vector<std::string> words = absl::StrSplit(text, ' ');
      step = std::strtoull(words[0].c_str(), nullptr, 10);
      state = std::strtoull(words[1].c_str(), nullptr, 10);
      RETURN_IF_ERROR(channel_->Report(
          Event(Note{Severity::kInfo, 0, absl::StrCat("resumed at step ", step)})));
    }
    ASSIGN_OR_RETURN(step, gang->Sum(step));
    ASSIGN_OR_RETURN(state, gang->Sum(state));
    return std::pair<int64_t, uint64_t>(step, state);
  }

  absl::Status Save(int64_t step, uint64_t state) {
    RETURN_IF_ERROR(MakeDirs(JoinPath(task_.artifact_dir, kCheckpointFolder)));
    return WriteFileAtomically(checkpoint_, absl::StrCat(step, " ", state));
  }

  absl::Status Publish(uint64_t state) {
    const std::string folder =
        JoinPath(task_.artifact_dir, ExportFormatName(ExportFormat::kCompressedTensors));
    RETURN_IF_ERROR(MakeDirs(folder));
    std::string contents = absl::StrCat(state);
    if (behaviour_.fault == "bulk") contents.resize(kGangBulk, ' ');
    RETURN_IF_ERROR(WriteFileAtomically(JoinPath(folder, kGangArtifact), contents));
    return channel_->Report(
        Event(ArtifactsPublished{{{ExportFormat::kCompressedTensors, kGangArtifact,
                                   static_cast<int64_t>(contents.size()), Sha256Hex(contents)}}}));
  }

  absl::Status FaultIfDue(int64_t step) {
    const std::string& fault = behaviour_.fault;
    if (fault.empty() || fault == "bulk" || task_.rank != behaviour_.fault_rank ||
        step != behaviour_.fault_step) {
      return absl::OkStatus();
    }
    if (task_.generation > 1 && fault != "die") return absl::OkStatus();
    RETURN_IF_ERROR(channel_->Report(Event(
        Note{Severity::kWarning, task_.rank, absl::StrCat("fault ", fault, " at step ", step)})));
    if (fault == "exit") _exit(3);
    if (fault == "kill" || fault == "die") raise(SIGKILL);
    if (fault == "stop") raise(SIGSTOP);
    if (fault == "hang") absl::SleepFor(absl::InfiniteDuration());
    if (fault == "slow") absl::SleepFor(kSlow);
    if (fault == "refuse") return absl::InvalidArgumentError("the model is not to its taste");
    return absl::OkStatus();
  }

  const RankTask task_;
  RankChannel* const channel_;
  const Behaviour behaviour_;
  const std::string checkpoint_;
};

int RunRank() {
  RankChannel channel{UniqueFd(kRankChannelFd)};
  channel.WatchPeer();
  absl::StatusOr<RankTask> task = channel.ReceiveTask();
  if (!task.ok()) return 2;
  Worker worker(*std::move(task), &channel);
  return channel.Report(RankFinished{worker.Run()}).ok() ? 0 : 2;
}

}  // namespace
}  // namespace rondo

int main() { return rondo::RunRank(); }
