#include "worker/runtime/rank_process.h"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>

#include "absl/time/clock.h"
#include "worker/runtime/spawn.h"

namespace rondo {

absl::StatusOr<std::string> SiblingProgram(const std::string& name) {
  std::array<char, 4096> path;
  const ssize_t n = readlink("/proc/self/exe", path.data(), path.size());
  if (n <= 0 || n == static_cast<ssize_t>(path.size())) {
    return absl::InternalError(absl::StrCat("cannot find the folder of this program, to start ",
                                            name, " from: ", std::strerror(errno)));
  }
  const std::string self(path.data(), n);
  return self.substr(0, self.rfind('/') + 1) + name;
}

absl::StatusOr<std::unique_ptr<RankProcess>> RankProcess::Start(const RankLaunch& launch) {
  ASSIGN_OR_RETURN(auto ends, MakeSocketPair());
  std::unique_ptr<RankProcess> process(new RankProcess(launch.name, std::move(ends.first)));
  RankProcess* raw = process.get();
  process->reaper_ = std::thread([raw, launch, rank_end = std::move(ends.second)]() mutable {
    raw->StartAndReap(launch, std::move(rank_end));
  });
  MutexLock lock(&process->mu_);
  while (!process->start_tried_) process->changed_.Wait(&process->mu_);
  RETURN_IF_ERROR(process->start_status_);
  return process;
}

void RankProcess::StartAndReap(const RankLaunch& launch, UniqueFd rank_end) {
  SpawnOptions options{.program = launch.program,
                       .environment = ScrubbedEnvironment(),
                       .inherited_fd = rank_end.get(),
                       .stderr_path = launch.log_path};
  options.environment.push_back(absl::StrCat("OMP_NUM_THREADS=", launch.threads));
  options.environment.push_back(absl::StrCat("MKL_NUM_THREADS=", launch.threads));
  const absl::StatusOr<pid_t> pid = Spawn(options);
  rank_end.Reset();  // so that the channel closes when the rank ends
  {
    MutexLock lock(&mu_);
    start_tried_ = true;
    start_status_ = pid.status();
    ended_ = !pid.ok();
    if (pid.ok()) pid_ = *pid;
    changed_.SignalAll();
  }
  if (!pid.ok()) return;

  // Until waitpid below has run the pid cannot be reused, so Signal() never hits a stranger.
  siginfo_t info;
  while (waitid(P_PID, *pid, &info, WEXITED | WNOWAIT) != 0 && errno == EINTR) {
  }
  MutexLock lock(&mu_);
  int wait_status = 0;
  waitpid(*pid, &wait_status, 0);
  pid_ = 0;
  ended_ = true;
  if (!WIFEXITED(wait_status) || WEXITSTATUS(wait_status) != 0) {
    end_status_ = absl::UnavailableError(absl::StrCat(name_, " ", DescribeExit(wait_status)));
  }
  changed_.SignalAll();
}

void RankProcess::Signal(int signal) {
  MutexLock lock(&mu_);
  if (pid_ != 0) kill(pid_, signal);
}

void RankProcess::Stop(absl::Duration grace) {
  if (grace > absl::ZeroDuration()) {
    Signal(SIGTERM);
    if (WaitFor(grace)) return;
  }
  Signal(SIGKILL);
  Wait().IgnoreError();
}

absl::Status RankProcess::Wait() {
  MutexLock lock(&mu_);
  while (!ended_) changed_.Wait(&mu_);
  return end_status_;
}

bool RankProcess::WaitFor(absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  MutexLock lock(&mu_);
  while (!ended_) {
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) return false;
    changed_.WaitFor(&mu_, absl::ToChronoNanoseconds(left));
  }
  return true;
}

RankProcess::~RankProcess() {
  Stop(absl::ZeroDuration());
  if (reaper_.joinable()) reaper_.join();
}

}  // namespace rondo
