#include "worker/rpc/agent.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <random>
#include <thread>
#include <utility>

#include "common/base/log.h"
#include "common/base/mutex.h"
#include "proto/convert/agent.h"
#include "proto/rpc/channel.h"
#include "proto/rpc/status.h"
#include "rondo/v1/agent.grpc.pb.h"

namespace rondo {
namespace {

constexpr absl::Duration kLeaveTimeout = absl::Seconds(2);

absl::StatusOr<std::shared_ptr<grpc::Channel>> NewChannel(const ConnectionOptions& coordinator) {
  grpc::ChannelArguments arguments;
  // Its own subchannels: each attempt resolves the name again, for a coordinator that has moved.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return MakeChannel(coordinator, arguments);
}

// One attachment. Read from one thread; Write and Cancel from any.
class Connection {
 public:
  explicit Connection(const std::shared_ptr<grpc::Channel>& channel)
      : stub_(v1::AgentService::NewStub(channel)), stream_(stub_->Attach(&context_)) {}

  bool Read(v1::CoordinatorMessage* message) { return stream_->Read(message); }
  // What cannot be written is lost with the connection; Read tells of that.
  void Write(const v1::AgentMessage& message) {
    MutexLock lock(&write_mu_);
    stream_->Write(message);
  }
  void Cancel() { context_.TryCancel(); }
  absl::Status Finish() { return FromGrpc(stream_->Finish()); }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<v1::AgentService::Stub> stub_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::AgentMessage, v1::CoordinatorMessage>> stream_;
  Mutex write_mu_;
};

v1::AgentMessage ReportMessage(const v1::RankId& rank, const RankReport& report) {
  v1::AgentMessage message;
  *message.mutable_rank() = rank;
  *message.mutable_report() = ToProto(report);
  return message;
}

bool SameRank(const v1::RankId& a, const v1::RankId& b) {
  return a.job_id() == b.job_id() && a.generation() == b.generation() && a.rank() == b.rank();
}

}  // namespace

class Agent::Impl {
 public:
  explicit Impl(AgentOptions options) : options_(std::move(options)) {}

  absl::Status Run();
  void Shutdown();

 private:
  // One connection, from hello to its end. `attached`: the coordinator has answered.
  absl::Status Serve(bool* attached);
  void Handle(const v1::CoordinatorMessage& message, Connection* connection);
  void StartRank(const v1::CoordinatorMessage& message, Connection* connection);
  void BeatUntilClosed(Connection* connection);
  // Ends it with the lease, and on Shutdown(). A thread of its own, as all that writes waits for as
  // long as the coordinator does not read.
  void GuardUntilClosed(Connection* connection);
  // Tells the coordinator that the agent goes, and ends the connection if it does not.
  void Leave(Connection* connection) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Heard(const v1::CoordinatorMessage& message);
  // Announces the connection to Shutdown(), or takes it back; false when shut down already.
  bool SetConnection(Connection* connection);
  bool ShutDown();
  // Until `pause` is over or Shutdown().
  void Sleep(absl::Duration pause);

  const AgentOptions options_;
  v1::RankId rank_id_;  // of rank_; both belong to the thread in Run()
  std::unique_ptr<RankSupervisor> rank_;

  Mutex mu_;
  CondVar changed_;
  bool shut_down_ ABSL_GUARDED_BY(mu_) = false;
  Connection* connection_ ABSL_GUARDED_BY(mu_) = nullptr;
  // Of this connection.
  bool attached_ ABSL_GUARDED_BY(mu_) = false;
  absl::Time heard_ ABSL_GUARDED_BY(mu_);
  absl::Duration lease_ ABSL_GUARDED_BY(mu_) = absl::InfiniteDuration();
  absl::Duration interval_ ABSL_GUARDED_BY(mu_);  // of heartbeats
};

void Agent::Impl::Shutdown() {
  MutexLock lock(&mu_);
  shut_down_ = true;
  if (connection_ != nullptr && !attached_) connection_->Cancel();
  changed_.SignalAll();
}

bool Agent::Impl::ShutDown() {
  MutexLock lock(&mu_);
  return shut_down_;
}

bool Agent::Impl::SetConnection(Connection* connection) {
  MutexLock lock(&mu_);
  connection_ = connection;
  attached_ = false;
  lease_ = absl::InfiniteDuration();
  interval_ = options_.heartbeat_interval;
  changed_.SignalAll();
  return !shut_down_;
}

void Agent::Impl::Sleep(absl::Duration pause) {
  const absl::Time end = absl::Now() + pause;
  MutexLock lock(&mu_);
  while (!shut_down_ && absl::Now() < end) {
    changed_.WaitFor(&mu_, absl::ToChronoNanoseconds(end - absl::Now()));
  }
}

absl::Status Agent::Impl::Run() {
  RETURN_IF_ERROR(CheckConnection(options_.coordinator));
  std::minstd_rand random(std::random_device{}());
  absl::Duration pause = options_.first_pause;
  while (!ShutDown()) {
    bool attached = false;
    absl::Status status = Serve(&attached);
    if (ShutDown()) break;
    if (options_.exit_on_disconnect) return status;
    if (attached) pause = options_.first_pause;
    const absl::Duration jittered = pause * std::uniform_real_distribution(0.5, 1.5)(random);
    LogWarning("agent",
               absl::StrCat("no connection to ", options_.coordinator.address, " (",
                            status.message(), "); next attempt in ",
                            absl::FormatDuration(absl::Ceil(jittered, absl::Milliseconds(1)))));
    Sleep(jittered);
    pause = std::min(2 * pause, options_.longest_pause);
  }
  return absl::OkStatus();
}

absl::Status Agent::Impl::Serve(bool* attached) {
  ASSIGN_OR_RETURN(const auto channel, NewChannel(options_.coordinator));
  Connection connection(channel);
  if (!SetConnection(&connection)) connection.Cancel();
  v1::AgentMessage hello;
  *hello.mutable_hello() = ToHello(options_.worker);
  connection.Write(hello);
  std::thread beat([this, &connection] { BeatUntilClosed(&connection); });
  std::thread guard([this, &connection] { GuardUntilClosed(&connection); });

  v1::CoordinatorMessage message;
  while (connection.Read(&message)) {
    if (!*attached) LogInfo("agent", absl::StrCat("attached to ", options_.coordinator.address));
    *attached = true;
    Heard(message);
    Handle(message, &connection);
  }
  SetConnection(nullptr);
  beat.join();
  guard.join();
  rank_.reset();  // ends the rank, and with it all writing
  const absl::Status status = connection.Finish();
  return status.ok() ? absl::UnavailableError("the coordinator closed the connection") : status;
}

void Agent::Impl::Heard(const v1::CoordinatorMessage& message) {
  MutexLock lock(&mu_);
  heard_ = absl::Now();
  if (!attached_) changed_.SignalAll();
  attached_ = true;
  if (message.heartbeat().lease_ms() == 0) return;
  lease_ = absl::Milliseconds(message.heartbeat().lease_ms());
  interval_ = std::min(options_.heartbeat_interval, lease_ / 4);
}

void Agent::Impl::BeatUntilClosed(Connection* connection) {
  v1::AgentMessage beat;
  beat.mutable_heartbeat();
  MutexLock lock(&mu_);
  while (connection_ == connection) {
    if (changed_.WaitFor(&mu_, absl::ToChronoNanoseconds(interval_))) continue;
    mu_.Unlock();
    connection->Write(beat);
    mu_.Lock();
  }
}

void Agent::Impl::GuardUntilClosed(Connection* connection) {
  MutexLock lock(&mu_);
  while (connection_ == connection) {
    if (shut_down_ && attached_) return Leave(connection);
    if (attached_ && absl::Now() - heard_ > lease_) {
      // It takes this worker for lost by now, or soon will.
      LogWarning("agent", "the coordinator is silent");
      return connection->Cancel();
    }
    changed_.WaitFor(&mu_, absl::ToChronoNanoseconds(interval_));
  }
}

void Agent::Impl::Leave(Connection* connection) {
  v1::AgentMessage message;
  message.mutable_leaving();
  std::thread writer([&] { connection->Write(message); });
  const absl::Time end = absl::Now() + kLeaveTimeout;
  while (connection_ == connection && absl::Now() < end) {
    changed_.WaitFor(&mu_, absl::ToChronoNanoseconds(end - absl::Now()));
  }
  if (connection_ == connection) connection->Cancel();
  mu_.Unlock();
  writer.join();
  mu_.Lock();
}

void Agent::Impl::Handle(const v1::CoordinatorMessage& message, Connection* connection) {
  if (message.has_start()) return StartRank(message, connection);
  if (rank_ == nullptr || !SameRank(message.rank(), rank_id_)) return;  // of a rank that is gone
  if (message.has_rendezvous()) {
    // A rank that cannot be reached has died, which its supervisor reports.
    rank_->SendRendezvous(message.rendezvous().address()).IgnoreError();
  } else if (message.has_stop()) {
    rank_.reset();
  }
}

void Agent::Impl::StartRank(const v1::CoordinatorMessage& message, Connection* connection) {
  rank_.reset();  // one slot: a rank of an older generation ends first
  rank_id_ = message.rank();
  const auto sink = [connection, id = rank_id_](const RankReport& report) {
    connection->Write(ReportMessage(id, report));
  };
  absl::StatusOr<RankTask> task = FromProto(message.start());
  if (!task.ok()) return sink(RankFinished{task.status()});
  task->cache_dir = options_.cache_dir;
  task->cache_quota_bytes = options_.cache_quota_bytes;
  auto rank = RankSupervisor::Start(*task, options_.ranks, sink);
  if (!rank.ok()) return sink(RankFinished{rank.status()});
  LogInfo("agent", absl::StrCat(RankName(*task), ", generation ", task->generation, ": started"));
  rank_ = *std::move(rank);
}

Agent::Agent(AgentOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Agent::~Agent() = default;
absl::Status Agent::Run() { return impl_->Run(); }
void Agent::Shutdown() { impl_->Shutdown(); }

}  // namespace rondo
