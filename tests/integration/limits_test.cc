// What a principal may ask for: how often, how much, and which files.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>

#include <thread>

#include "proto/rpc/channel.h"
#include "proto/rpc/status.h"
#include "rondo/v1/service.grpc.pb.h"
#include "tests/integration/secure_service.h"

namespace rondo {
namespace {

class Limits : public SecureService {
 protected:
  Limits() {
    AddToken("alice", "client");
    AddToken("bob", "client");
  }
  std::unique_ptr<RondoClient> Client(const std::string& name) {
    return *RondoClient::Connect(WithToken(name));
  }
};

TEST_F(Limits, RequestsOfEachPrincipal) {
  security_.requests_per_second = 0.01;  // the burst is 2 x that, but never less than one call
  StartServer();
  auto alice = Client("alice");
  EXPECT_TRUE(alice->List(1, "").ok());
  const absl::Status often = alice->List(1, "").status();
  EXPECT_EQ(often.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ReasonOf(often), "RATE_LIMITED");
  EXPECT_TRUE(often.GetPayload("type.googleapis.com/google.rpc.RetryInfo").has_value());
  EXPECT_TRUE(Client("bob")->List(1, "").ok());
}

TEST_F(Limits, QueuedJobsOfEachPrincipalAlsoAfterARestart) {
  security_.max_queued_jobs = 2;
  StartServer();
  EXPECT_TRUE(Client("alice")->Submit(SecureTinySpec(), "1").ok());
  const auto second = Client("alice")->Submit(SecureTinySpec(), "2");
  ASSERT_TRUE(second.ok());
  StopServer();
  StartServer();
  auto alice = Client("alice");
  const absl::Status full = alice->Submit(SecureTinySpec(), "3").status();
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(full.message(),
            "alice has 2 jobs in the queue, of 2; wait until one has started, or cancel one");
  EXPECT_TRUE(full.GetPayload("type.googleapis.com/google.rpc.RetryInfo").has_value());
  EXPECT_TRUE(alice->Submit(SecureTinySpec(), "2")->existed);  // no new job
  EXPECT_TRUE(Client("bob")->Submit(SecureTinySpec(), "4").ok());
  ASSERT_TRUE(alice->Cancel(second->job.id).ok());
  EXPECT_TRUE(alice->Submit(SecureTinySpec(), "3").ok());
}

TEST_F(Limits, FilesOfAJobAreBelowTheRoots) {
  StartServer();
  auto alice = Client("alice");
  JobSpec spec = SecureTinySpec();
  EXPECT_TRUE(alice->Validate(spec).ok());
  spec.calibration.path = security_.model_roots[0] + "/../../README.md";
  const absl::Status refused = alice->Submit(spec, "1").status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(alice->Validate(spec).status(), refused);
  spec = SecureTinySpec();
  spec.model.path = "/etc";
  EXPECT_EQ(alice->Validate(spec).status().code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(Limits, OnlyAnAdminGoesBeforeOthers) {
  AddToken("ops", "admin");
  StartServer();
  auto alice = Client("alice");
  JobSpec spec = SecureTinySpec();
  spec.priority = 1;
  const absl::Status refused = alice->Submit(spec, "1").status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(refused.message(),
            "priority is 1, but alice is a client; only an admin may give more than 0");
  EXPECT_EQ(ReasonOf(refused), "PRIORITY_NOT_ALLOWED");
  EXPECT_EQ(alice->Validate(spec).status(), refused);
  EXPECT_EQ(Client("ops")->Submit(spec, "2")->job.spec.priority, 1);
  spec.priority = -10;
  EXPECT_TRUE(alice->Submit(spec, "3").ok());
}

TEST_F(Limits, LongMessagesAreRefused) {
  StartServer();
  grpc::ChannelArguments arguments;
  auto channel = *MakeChannel(WithToken("alice"), arguments);
  v1::GetJobRequest request;
  request.set_job_id(std::string(kMaxMessageBytes + 1, 'x'));
  v1::GetJobResponse response;
  grpc::ClientContext ours;
  EXPECT_EQ(v1::JobService::NewStub(channel)->GetJob(&ours, request, &response).error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
  // A client without a limit of its own.
  StopServer();
  security_ = {};
  StartServer();
  channel = grpc::CreateChannel(server_->address(), grpc::InsecureChannelCredentials());
  grpc::ClientContext theirs;
  const grpc::Status status = v1::JobService::NewStub(channel)->GetJob(&theirs, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(status.error_message(), testing::HasSubstr("larger than max"));
}

}  // namespace
}  // namespace rondo
