#include "worker/rpc/agent.h"

#include <grpcpp/grpcpp.h>

#include <csignal>
#include <deque>
#include <thread>

#include "common/base/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/convert/agent.h"
#include "rondo/v1/agent.grpc.pb.h"

namespace rondo {
namespace {

using ::testing::HasSubstr;

// A coordinator that keeps what agents say, and says what the test tells it to.
class FakeCoordinator final : public v1::AgentService::Service {
 public:
  using Stream = grpc::ServerReaderWriter<v1::CoordinatorMessage, v1::AgentMessage>;

  FakeCoordinator() { Listen("127.0.0.1:0"); }
  ~FakeCoordinator() override { Stop(); }

  void Listen(const std::string& address) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
  }
  void Stop() { server_->Shutdown(std::chrono::system_clock::now()); }
  std::string address() const { return absl::StrCat("127.0.0.1:", port_); }

  grpc::Status Attach(grpc::ServerContext* context, Stream* stream) override {
    {
      MutexLock lock(&mu_);
      stream_ = stream;
    }
    v1::AgentMessage message;
    while (stream->Read(&message)) {
      MutexLock lock(&mu_);
      left_ = message.has_leaving();
      if (left_) break;
      said_.push_back(message);
      changed_.SignalAll();
      while (deaf_ && !context->IsCancelled()) changed_.WaitFor(&mu_, std::chrono::milliseconds(5));
    }
    MutexLock lock(&mu_);
    stream_ = nullptr;
    deaf_ = false;
    return grpc::Status::OK;
  }

  // The next thing an agent says besides heartbeats.
  v1::AgentMessage Next() {
    while (true) {
      v1::AgentMessage message = NextOfAll();
      if (!message.has_heartbeat()) return message;
    }
  }
  v1::AgentMessage NextOfAll() {
    MutexLock lock(&mu_);
    while (said_.empty()) changed_.Wait(&mu_);
    v1::AgentMessage message = said_.front();
    said_.pop_front();
    return message;
  }
  // Reads no more of this connection.
  void TurnDeaf() {
    MutexLock lock(&mu_);
    deaf_ = true;
  }
  bool left() {
    MutexLock lock(&mu_);
    return left_;
  }
  void Say(const v1::CoordinatorMessage& message) {
    MutexLock lock(&mu_);
    ASSERT_NE(stream_, nullptr);
    stream_->Write(message);
  }

 private:
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
  Mutex mu_;
  CondVar changed_;
  std::deque<v1::AgentMessage> said_ ABSL_GUARDED_BY(mu_);
  Stream* stream_ ABSL_GUARDED_BY(mu_) = nullptr;
  bool left_ ABSL_GUARDED_BY(mu_) = false;  // the last agent said so
  bool deaf_ ABSL_GUARDED_BY(mu_) = false;
};

v1::CoordinatorMessage StartMessage(const std::string& behaviour, int64_t generation = 1) {
  RankTask task;
  task.job = JobId("j");
  task.generation = generation;
  task.rank = 1;
  task.spec.model.path = behaviour;
  task.spec.calibration.path = "text";
  task.plan.stages.resize(2);
  v1::CoordinatorMessage message;
  *message.mutable_rank() = ToRankId(task.job, generation, task.rank);
  *message.mutable_start() = ToProto(task);
  return message;
}

v1::CoordinatorMessage StopMessage(int64_t generation = 1) {
  v1::CoordinatorMessage message;
  *message.mutable_rank() = ToRankId(JobId("j"), generation, 1);
  message.mutable_stop();
  return message;
}

class AgentTest : public ::testing::Test {
 protected:
  void Start(bool exit_on_disconnect = false) {
    AgentOptions options;
    options.coordinator.address = coordinator_.address();
    options.worker = WorkerInfo{WorkerId("w"), "127.0.0.1", "0.1", "cpu", 1 << 30, 2, true};
    options.ranks.program = SiblingProgram("rondo-fake-rank").value();
    options.exit_on_disconnect = exit_on_disconnect;
    options.heartbeat_interval = absl::Milliseconds(20);
    options.first_pause = absl::Milliseconds(10);
    agent_ = std::make_unique<Agent>(options);
    running_ = std::thread([this] { result_ = agent_->Run(); });
  }
  void ExpectHello() { EXPECT_EQ(coordinator_.Next().hello().worker_id(), "w"); }
  absl::Status End() {
    agent_->Shutdown();
    running_.join();
    return result_;
  }
  pid_t ExpectListening() {
    const v1::AgentMessage message = coordinator_.Next();
    EXPECT_TRUE(message.report().has_listening()) << message.ShortDebugString();
    return std::atoi(message.report().listening().address().c_str());
  }
  std::string ExpectFinished(int64_t generation = 1) {
    const v1::AgentMessage message = coordinator_.Next();
    EXPECT_TRUE(message.report().has_finished()) << message.ShortDebugString();
    EXPECT_EQ(message.rank().generation(), generation);
    EXPECT_EQ(message.rank().rank(), 1);
    return absl::StrCat(message.report().finished().status().code(), " ",
                        message.report().finished().status().message());
  }

  FakeCoordinator coordinator_;
  std::unique_ptr<Agent> agent_;
  std::thread running_;
  absl::Status result_;
};

TEST_F(AgentTest, SaysHelloAndBeats) {
  Start();
  const v1::AgentMessage hello = coordinator_.NextOfAll();
  EXPECT_EQ(hello.hello().device(), "cpu");
  EXPECT_TRUE(hello.hello().bf16());
  EXPECT_TRUE(coordinator_.NextOfAll().has_heartbeat());
  EXPECT_TRUE(End().ok());
}

TEST_F(AgentTest, RunsARankAndPassesItsReportsOn) {
  Start();
  ExpectHello();
  coordinator_.Say(StartMessage("finish"));
  ExpectListening();
  v1::CoordinatorMessage rendezvous;
  *rendezvous.mutable_rank() = ToRankId(JobId("j"), 1, 1);
  rendezvous.mutable_rendezvous()->set_address("10.0.0.1:99");
  coordinator_.Say(rendezvous);
  EXPECT_EQ(ExpectFinished(),
            "13 10.0.0.1:99");  // the fake rank ends with INTERNAL and the address
  EXPECT_TRUE(End().ok());
}

TEST_F(AgentTest, ReportsARankThatDies) {
  Start();
  ExpectHello();
  coordinator_.Say(StartMessage("abort"));
  EXPECT_EQ(ExpectFinished(), "14 rank 1 of job j was killed by signal 9");
  EXPECT_TRUE(End().ok());
}

TEST_F(AgentTest, StopsARankOnlyOfTheGenerationNamed) {
  Start();
  ExpectHello();
  coordinator_.Say(StartMessage("hang", 2));
  ExpectListening();
  coordinator_.Say(StopMessage(1));
  coordinator_.Say(StopMessage(2));
  EXPECT_EQ(ExpectFinished(2), "1 rank 1 of job j was stopped");
  EXPECT_TRUE(End().ok());
}

TEST_F(AgentTest, ANewStartEndsTheRankBefore) {
  Start();
  ExpectHello();
  coordinator_.Say(StartMessage("hang", 1));
  ExpectListening();
  coordinator_.Say(StartMessage("hang", 2));
  EXPECT_EQ(ExpectFinished(1), "1 rank 1 of job j was stopped");
  ExpectListening();
  EXPECT_TRUE(End().ok());
}

TEST_F(AgentTest, AttachesAgainAfterTheCoordinatorCameBackAndItsRanksEnd) {
  Start();
  ExpectHello();
  coordinator_.Say(StartMessage("hang"));
  const pid_t rank = ExpectListening();
  const std::string address = coordinator_.address();
  coordinator_.Stop();
  coordinator_.Listen(address);
  ExpectHello();
  EXPECT_EQ(kill(rank, 0), -1);
  EXPECT_TRUE(End().ok());
}

TEST_F(AgentTest, EndsItsRankWhenTheCoordinatorIsSilentForALease) {
  Start();
  ExpectHello();
  coordinator_.Say(StartMessage("hang"));
  const pid_t rank = ExpectListening();
  v1::CoordinatorMessage heartbeat;
  heartbeat.mutable_heartbeat()->set_lease_ms(200);
  coordinator_.Say(heartbeat);
  ExpectHello();
  EXPECT_EQ(kill(rank, 0), -1);
  EXPECT_TRUE(End().ok());
}

TEST_F(AgentTest, EndsItsRankAlsoWhenItCannotSayAnythingBefore) {
  Start();
  ExpectHello();
  coordinator_.Say(StartMessage("chatty"));
  const pid_t rank = ExpectListening();
  coordinator_.TurnDeaf();
  v1::CoordinatorMessage heartbeat;
  heartbeat.mutable_heartbeat()->set_lease_ms(500);
  coordinator_.Say(heartbeat);
  while (!coordinator_.NextOfAll().has_hello()) continue;
  EXPECT_EQ(kill(rank, 0), -1);
  EXPECT_TRUE(End().ok());
}

TEST_F(AgentTest, SaysThatItGoes) {
  Start();
  ExpectHello();
  coordinator_.Say(StartMessage("hang"));
  ExpectListening();
  EXPECT_TRUE(End().ok());
  EXPECT_TRUE(coordinator_.left());
}

TEST_F(AgentTest, EndsWithTheConnectionWhenAsked) {
  Start(/*exit_on_disconnect=*/true);
  ExpectHello();
  coordinator_.Stop();
  running_.join();
  EXPECT_EQ(result_.code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace rondo
