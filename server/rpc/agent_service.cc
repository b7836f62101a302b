#include "server/rpc/agent_service.h"

#include <deque>
#include <string>
#include <thread>
#include <utility>

#include "proto/convert/agent.h"
#include "proto/rpc/status.h"

namespace rondo {

// Queues for one stream, so that the coordinator never waits for a slow agent.
class AgentServiceHandler::Link final : public AgentLink {
 public:
  Link(grpc::ServerContext* context, Stream* stream)
      : context_(context), stream_(stream), writer_([this] { WriteQueued(); }) {}
  ~Link() override {
    {
      MutexLock lock(&mu_);
      closed_ = true;
      changed_.SignalAll();
    }
    writer_.join();
  }

  void StartRank(const RankTask& task) override {
    v1::CoordinatorMessage message = MessageTo(task.job, task.generation, task.rank);
    *message.mutable_start() = ToProto(task);
    Queue(std::move(message));
  }
  void SendRendezvous(const JobId& job, int64_t generation, int rank,
                      const std::string& address) override {
    v1::CoordinatorMessage message = MessageTo(job, generation, rank);
    message.mutable_rendezvous()->set_address(address);
    Queue(std::move(message));
  }
  void StopRank(const JobId& job, int64_t generation, int rank) override {
    v1::CoordinatorMessage message = MessageTo(job, generation, rank);
    message.mutable_stop();
    Queue(std::move(message));
  }
  void Heartbeat(absl::Duration lease) {
    v1::CoordinatorMessage message;
    message.mutable_heartbeat()->set_lease_ms(absl::ToInt64Milliseconds(lease));
    Queue(std::move(message));
  }

 private:
  // An agent that leaves this many unread is not alive.
  static constexpr size_t kLongestQueue = 1000;

  static v1::CoordinatorMessage MessageTo(const JobId& job, int64_t generation, int rank) {
    v1::CoordinatorMessage message;
    *message.mutable_rank() = ToRankId(job, generation, rank);
    return message;
  }

  void Queue(v1::CoordinatorMessage message) {
    MutexLock lock(&mu_);
    if (queue_.size() >= kLongestQueue) {
      context_->TryCancel();
      return;
    }
    queue_.push_back(std::move(message));
    changed_.SignalAll();
  }

  void WriteQueued() {
    while (true) {
      v1::CoordinatorMessage message;
      {
        MutexLock lock(&mu_);
        while (queue_.empty() && !closed_) changed_.Wait(&mu_);
        if (closed_) return;
        message = std::move(queue_.front());
        queue_.pop_front();
      }
      // When this fails the stream is broken, which the reader sees too.
      stream_->Write(message);
    }
  }

  grpc::ServerContext* const context_;
  Stream* const stream_;
  Mutex mu_;
  CondVar changed_;
  std::deque<v1::CoordinatorMessage> queue_ ABSL_GUARDED_BY(mu_);
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  std::thread writer_;  // last: it uses the others
};

grpc::Status AgentServiceHandler::Attach(grpc::ServerContext* context, Stream* stream) {
  const absl::StatusOr<Principal> caller = gate_->Admit(*context, "rondo.v1.AgentService/Attach");
  if (!caller.ok()) return ToGrpc(caller.status());
  if (!Register(context)) return ToGrpc(absl::UnavailableError("the server is shutting down"));
  const absl::Status end = Serve(context, stream);
  Unregister(context);
  return ToGrpc(end);
}

absl::Status AgentServiceHandler::Serve(grpc::ServerContext* context, Stream* stream) {
  v1::AgentMessage message;
  if (!stream->Read(&message)) return absl::CancelledError("the agent went away");
  if (!message.has_hello()) {
    return absl::InvalidArgumentError("the first message of an agent must be hello");
  }
  ASSIGN_OR_RETURN(const WorkerInfo info, FromProto(message.hello()));
  Link link(context, stream);
  ASSIGN_OR_RETURN(const AgentSession session, coordinator_->AttachAgent(info, &link));
  link.Heartbeat(coordinator_->lease());  // tells the agent that it is attached
  absl::Status status;
  while (status.ok() && stream->Read(&message)) {
    if (message.has_leaving()) {
      coordinator_->DetachAgent(session, "it was told to go", Departure::kLeft);
      return absl::OkStatus();
    }
    status = Handle(session, message, &link);
  }
  coordinator_->DetachAgent(session,
                            status.ok() ? "its connection broke" : std::string(status.message()));
  return status;
}

absl::Status AgentServiceHandler::Handle(const AgentSession& session,
                                         const v1::AgentMessage& message, Link* link) {
  switch (message.body_case()) {
    case v1::AgentMessage::kHeartbeat:
      link->Heartbeat(coordinator_->lease());
      return coordinator_->OnHeartbeat(session);
    case v1::AgentMessage::kReport: {
      ASSIGN_OR_RETURN(const RankReport report, FromProto(message.report()));
      const v1::RankId& rank = message.rank();
      return coordinator_->OnRankReport(session, JobId(rank.job_id()), rank.generation(),
                                        rank.rank(), report);
    }
    case v1::AgentMessage::kHello: return absl::InvalidArgumentError("hello came twice");
    case v1::AgentMessage::kLeaving:
    case v1::AgentMessage::BODY_NOT_SET: break;
  }
  return absl::InvalidArgumentError("agent message has no body that this version knows");
}

bool AgentServiceHandler::Register(grpc::ServerContext* context) {
  MutexLock lock(&mu_);
  if (closing_) return false;
  open_.insert(context);
  return true;
}

void AgentServiceHandler::Unregister(grpc::ServerContext* context) {
  MutexLock lock(&mu_);
  open_.erase(context);
}

void AgentServiceHandler::CloseStreams() {
  MutexLock lock(&mu_);
  closing_ = true;
  for (grpc::ServerContext* context : open_) context->TryCancel();
}

}  // namespace rondo
