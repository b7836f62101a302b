#include "worker/runtime/channel.h"

#include <poll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <thread>

#include "absl/time/clock.h"
#include "proto/convert/agent.h"

namespace rondo {
namespace {

absl::Status SendMessage(int fd, Mutex* mu, const google::protobuf::MessageLite& message) {
  const std::string bytes = message.SerializeAsString();
  MutexLock lock(mu);
  return SendFrame(fd, bytes);
}

absl::Status WaitReadable(int fd, absl::Duration timeout) {
  const absl::Time end = absl::Now() + timeout;
  pollfd peer{.fd = fd, .events = POLLIN, .revents = 0};
  while (true) {
    const absl::Duration left = std::clamp(end - absl::Now(), absl::ZeroDuration(), absl::Hours(1));
    const int ready = poll(&peer, 1, static_cast<int>(absl::ToInt64Milliseconds(left)));
    if (ready > 0) return absl::OkStatus();
    if (ready == 0 && absl::Now() >= end) {
      return absl::DeadlineExceededError(
          absl::StrCat("no sign of life for ", absl::FormatDuration(timeout)));
    }
  }
}

// The next command; UNAVAILABLE when the agent has gone.
absl::StatusOr<v1::RankCommand> ReceiveCommand(int fd) {
  ASSIGN_OR_RETURN(const std::optional<std::string> frame, ReceiveFrame(fd));
  if (!frame.has_value()) return absl::UnavailableError("the agent has closed the rank channel");
  v1::RankCommand command;
  if (!command.ParseFromString(*frame)) {
    return absl::InvalidArgumentError("a command on the rank channel cannot be parsed");
  }
  return command;
}

}  // namespace

void RankChannel::WatchPeer() {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  v1::RankReport alive;
  alive.mutable_alive();
  std::thread([end = end_, frame = alive.SerializeAsString()] {
    pollfd peer{.fd = end->fd.get(), .events = POLLRDHUP, .revents = 0};
    while (true) {
      const int ready = poll(&peer, 1, static_cast<int>(absl::ToInt64Milliseconds(kSignOfLife)));
      if (ready > 0) _exit(kAgentGoneExitCode);
      if (ready < 0) continue;  // a signal
      MutexLock lock(&end->send_mu);
      SendFrame(end->fd.get(), frame).IgnoreError();  // the next poll tells
    }
  }).detach();
}

absl::StatusOr<RankTask> RankChannel::ReceiveTask() {
  ASSIGN_OR_RETURN(const v1::RankCommand command, ReceiveCommand(end_->fd.get()));
  if (!command.has_start()) {
    return absl::InvalidArgumentError("the first command on the rank channel is not `start`");
  }
  return FromProto(command.start());
}

absl::StatusOr<std::string> RankChannel::WaitForRendezvous() {
  ASSIGN_OR_RETURN(const v1::RankCommand command, ReceiveCommand(end_->fd.get()));
  if (!command.has_rendezvous()) {
    return absl::InvalidArgumentError("the second command on the rank channel is not `rendezvous`");
  }
  return command.rendezvous().address();
}

absl::Status RankChannel::Report(const RankReport& report) {
  return SendMessage(end_->fd.get(), &end_->send_mu, ToProto(report));
}

absl::Status AgentChannel::Send(const RankTask& task) {
  v1::RankCommand command;
  *command.mutable_start() = ToProto(task);
  return SendMessage(fd_.get(), &send_mu_, command);
}

absl::Status AgentChannel::SendRendezvous(const std::string& address) {
  v1::RankCommand command;
  command.mutable_rendezvous()->set_address(address);
  return SendMessage(fd_.get(), &send_mu_, command);
}

absl::StatusOr<std::optional<RankReport>> AgentChannel::Receive(absl::Duration silence) {
  while (true) {
    RETURN_IF_ERROR(WaitReadable(fd_.get(), silence));
    ASSIGN_OR_RETURN(const std::optional<std::string> frame, ReceiveFrame(fd_.get()));
    if (!frame.has_value()) return std::nullopt;
    v1::RankReport proto;
    if (!proto.ParseFromString(*frame)) {
      return absl::InvalidArgumentError("a report on the rank channel cannot be parsed");
    }
    if (proto.has_alive()) continue;
    ASSIGN_OR_RETURN(RankReport report, FromProto(proto));
    return report;
  }
}

}  // namespace rondo
