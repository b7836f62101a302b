#include "common/process/child_process.h"

#include <sys/wait.h>

#include <cerrno>
#include <csignal>

#include "absl/time/clock.h"

namespace rondo {

absl::StatusOr<std::unique_ptr<ChildProcess>> ChildProcess::Start(const std::string& name,
                                                                  const SpawnOptions& options) {
  std::unique_ptr<ChildProcess> process(new ChildProcess(name));
  process->reaper_ = std::thread([&options, raw = process.get()] { raw->StartAndReap(options); });
  absl::Status started;
  {
    MutexLock lock(&process->mu_);
    while (!process->start_tried_) process->changed_.Wait(&process->mu_);
    started = process->start_status_;
  }
  RETURN_IF_ERROR(started);
  return process;
}

void ChildProcess::StartAndReap(const SpawnOptions& options) {
  const absl::StatusOr<pid_t> pid = Spawn(options);
  {
    MutexLock lock(&mu_);  // Start() returns after this block, and `options` may be gone
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

void ChildProcess::Signal(int signal) {
  MutexLock lock(&mu_);
  if (pid_ != 0) kill(pid_, signal);
}

void ChildProcess::Stop(absl::Duration grace) {
  if (grace > absl::ZeroDuration()) {
    Signal(SIGTERM);
    if (WaitFor(grace)) return;
  }
  Signal(SIGKILL);
  Wait().IgnoreError();
}

absl::Status ChildProcess::Wait() {
  MutexLock lock(&mu_);
  while (!ended_) changed_.Wait(&mu_);
  return end_status_;
}

bool ChildProcess::WaitFor(absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  MutexLock lock(&mu_);
  while (!ended_) {
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) return false;
    changed_.WaitFor(&mu_, absl::ToChronoNanoseconds(left));
  }
  return true;
}

ChildProcess::~ChildProcess() {
  Stop(absl::ZeroDuration());
  if (reaper_.joinable()) reaper_.join();
}

}  // namespace rondo
