#include "worker/runtime/channel.h"

#include <poll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <thread>

#include "proto/convert/agent.h"

namespace rondo {
namespace {

absl::Status SendMessage(int fd, Mutex* mu, const google::protobuf::MessageLite& message) {
  const std::string bytes = message.SerializeAsString();
  MutexLock lock(mu);
  return SendFrame(fd, bytes);
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
  std::thread([fd = fd_.get()] {
    pollfd peer{.fd = fd, .events = POLLRDHUP, .revents = 0};
    while (poll(&peer, 1, -1) < 0 && errno == EINTR) {
    }
    // An invalid descriptor was closed by this process, which is ending by itself.
    if ((peer.revents & POLLNVAL) == 0) _exit(kAgentGoneExitCode);
  }).detach();
}

absl::StatusOr<RankTask> RankChannel::ReceiveTask() {
  ASSIGN_OR_RETURN(const v1::RankCommand command, ReceiveCommand(fd_.get()));
  if (!command.has_start()) {
    return absl::InvalidArgumentError("the first command on the rank channel is not `start`");
  }
  return FromProto(command.start());
}

absl::StatusOr<std::string> RankChannel::WaitForRendezvous() {
  ASSIGN_OR_RETURN(const v1::RankCommand command, ReceiveCommand(fd_.get()));
  if (!command.has_rendezvous()) {
    return absl::InvalidArgumentError("the second command on the rank channel is not `rendezvous`");
  }
  return command.rendezvous().address();
}

absl::Status RankChannel::Report(const RankReport& report) {
  return SendMessage(fd_.get(), &send_mu_, ToProto(report));
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

absl::StatusOr<std::optional<RankReport>> AgentChannel::Receive() {
  ASSIGN_OR_RETURN(const std::optional<std::string> frame, ReceiveFrame(fd_.get()));
  if (!frame.has_value()) return std::nullopt;
  v1::RankReport proto;
  if (!proto.ParseFromString(*frame)) {
    return absl::InvalidArgumentError("a report on the rank channel cannot be parsed");
  }
  ASSIGN_OR_RETURN(RankReport report, FromProto(proto));
  return report;
}

}  // namespace rondo
