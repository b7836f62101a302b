// The table of roles against the services, and against a server: every RPC, every role.
#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <fstream>
#include <set>

#include "proto/rpc/channel.h"
#include "proto/rpc/status.h"
#include "rondo/v1/agent.pb.h"
#include "rondo/v1/service.pb.h"
#include "server/security/roles.h"
#include "tests/integration/secure_service.h"

namespace rondo {
namespace {

// "rondo.v1.JobService/SubmitJob" for every RPC of the package.
std::set<std::string> RpcsOfTheServices() {
  std::set<std::string> rpcs;
  for (const google::protobuf::FileDescriptor* file :
       {v1::SubmitJobRequest::descriptor()->file(), v1::AgentMessage::descriptor()->file()}) {
    for (int s = 0; s < file->service_count(); ++s) {
      const google::protobuf::ServiceDescriptor* service = file->service(s);
      for (int m = 0; m < service->method_count(); ++m) {
        rpcs.insert(service->full_name() + "/" + service->method(m)->name());
      }
    }
  }
  return rpcs;
}

// Calls a method with one empty message, whatever it takes.
absl::Status CallRaw(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                     const std::string& header = "") {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  if (!header.empty()) context.AddMetadata("authorization", header);
  grpc::CompletionQueue queue;
  const auto call = stub.PrepareCall(&context, "/" + method, &queue);
  const auto wait = [&queue] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  call->StartCall(nullptr);
  wait();
  const grpc::Slice nothing;
  call->WriteLast(grpc::ByteBuffer(&nothing, 1), grpc::WriteOptions(), nullptr);
  wait();
  grpc::ByteBuffer answer;
  do {  // until there are no more
    call->Read(&answer, nullptr);
  } while (wait());
  grpc::Status status;
  call->Finish(&status, nullptr);
  wait();
  return FromGrpc(status);
}

TEST(Roles, TheTableNamesEveryRpcAndNoOther) {
  std::set<std::string> table;
  for (const RpcRule& rule : RpcRules()) {
    EXPECT_TRUE(table.insert(rule.method).second) << rule.method << " is there twice";
    EXPECT_TRUE(rule.client || rule.worker || rule.admin) << rule.method << " is for nobody";
  }
  EXPECT_THAT(table, testing::ContainerEq(RpcsOfTheServices()));
}

class RolesOnAServer : public SecureService {
 protected:
  void SetUp() override {
    for (const char* role : {"client", "worker", "admin"}) AddToken(role, role);
    security_.requests_per_second = 1000;
    StartServer();
  }
  std::shared_ptr<grpc::Channel> Channel(const ConnectionOptions& options) {
    return *MakeChannel(options, {});
  }
};

TEST_F(RolesOnAServer, EveryRpcHoldsToTheTable) {
  for (const RpcRule& rule : RpcRules()) {
    const absl::Status nobody = CallRaw(Channel(Anonymous()), rule.method);
    EXPECT_EQ(nobody.code(), absl::StatusCode::kUnauthenticated) << rule.method;
    EXPECT_EQ(ReasonOf(nobody), "CREDENTIALS_MISSING") << rule.method;
    for (const Role role : {Role::kClient, Role::kWorker, Role::kAdmin}) {
      const absl::Status status = CallRaw(Channel(WithToken(RoleName(role))), rule.method);
      EXPECT_EQ(ReasonOf(status) == "ROLE_NOT_ALLOWED", !rule.Allows(role))
          << RoleName(role) << " " << rule.method << " " << status;
      EXPECT_NE(status.code(), absl::StatusCode::kUnauthenticated) << rule.method;
    }
  }
}

TEST_F(RolesOnAServer, WrongTokensAreRefused) {
  const std::string list = "rondo.v1.JobService/ListJobs";
  std::string token = *ReadToken(WithToken("client"));
  const auto channel = Channel(Anonymous());
  EXPECT_EQ(CallRaw(channel, list, "Bearer " + token), absl::OkStatus());
  EXPECT_EQ(ReasonOf(CallRaw(channel, list, "Basic " + token)), "TOKEN_MALFORMED");
  EXPECT_EQ(ReasonOf(CallRaw(channel, list, "Bearer ")), "TOKEN_UNKNOWN");
  EXPECT_EQ(ReasonOf(CallRaw(channel, list, "Bearer " + token + "0")), "TOKEN_UNKNOWN");
  token.back() = token.back() == '0' ? '1' : '0';
  const absl::Status wrong = CallRaw(channel, list, "Bearer " + token);
  EXPECT_EQ(wrong.code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(ReasonOf(wrong), "TOKEN_UNKNOWN");
}

TEST_F(RolesOnAServer, CallsAndRefusalsAreCounted) {
  const std::string submit = "rondo.v1.JobService/SubmitJob";
  const std::string service = "grpc_method=\"SubmitJob\",grpc_service=\"rondo.v1.JobService\"} ";
  const auto expect = [&](const std::string& series) {
    EXPECT_THAT(metrics_->Text(), testing::HasSubstr(series + "\n"));
  };
  EXPECT_FALSE(CallRaw(Channel(Anonymous()), submit).ok());
  EXPECT_FALSE(CallRaw(Channel(WithToken("worker")), submit).ok());
  EXPECT_FALSE(CallRaw(Channel(WithToken("client")), submit).ok());  // it is empty
  expect("grpc_server_started_total{" + service + "3");
  expect("grpc_server_handled_total{grpc_code=\"UNAUTHENTICATED\"," + service + "1");
  expect("grpc_server_handled_total{grpc_code=\"PERMISSION_DENIED\"," + service + "1");
  expect("grpc_server_handled_total{grpc_code=\"INVALID_ARGUMENT\"," + service + "1");
  expect("rondo_auth_failures_total{reason=\"CREDENTIALS_MISSING\"} 1");
  expect("rondo_auth_failures_total{reason=\"ROLE_NOT_ALLOWED\"} 1");
  expect("rondo_auth_failures_total{reason=\"TOKEN_UNKNOWN\"} 0");
  // A name that a client has made up becomes no label.
  EXPECT_FALSE(CallRaw(Channel(WithToken("client")), "rondo.v1.JobService/Made").ok());
  EXPECT_THAT(metrics_->Text(), testing::Not(testing::HasSubstr("Made")));
}

TEST_F(RolesOnAServer, ReflectionIsOffOverTls) {
  const std::string reflection = "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
  EXPECT_EQ(CallRaw(Channel(WithToken("admin")), reflection).code(),
            absl::StatusCode::kUnimplemented);
  StopServer();
  security_.reflection = true;
  StartServer();
  EXPECT_NE(CallRaw(Channel(WithToken("admin")), reflection).code(),
            absl::StatusCode::kUnimplemented);
}

TEST_F(RolesOnAServer, PrincipalsAreReadAgainWhenTheFileChanges) {
  auto client = *RondoClient::Connect(WithToken("client"));
  EXPECT_TRUE(client->List(1, "").ok());
  const auto becomes = [&](absl::StatusCode code) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (std::chrono::steady_clock::now() < end) {
      if (client->List(1, "").status().code() == code) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return false;
  };
  const std::string before = *ReadFile(Path("principals"));
  ASSERT_TRUE(WriteFileAtomically(Path("principals"), before.substr(before.find('\n') + 1)).ok());
  EXPECT_TRUE(becomes(absl::StatusCode::kUnauthenticated));
  // A file with an error changes nothing; the next good one counts.
  ASSERT_TRUE(WriteFileAtomically(Path("principals"), before + "nonsense\n").ok());
  ASSERT_TRUE(WriteFileAtomically(Path("principals"), before).ok());
  EXPECT_TRUE(becomes(absl::StatusCode::kOk));
}

TEST_F(RolesOnAServer, ATokenNeverGoesOverPlaintext) {
  EXPECT_EQ(
      RondoClient::Connect({.address = server_->address(), .token_file = Path("client.token")})
          .status(),
      absl::InvalidArgumentError("a token is only sent over TLS; add --tls-ca, the file of "
                                 "the server's authority"));
  // A server without TLS does not take one that was sent all the same.
  StopServer();
  security_ = {};
  StartServer();
  const std::string token = *ReadToken({.address = "", .token_file = Path("client.token")});
  const auto channel = Channel({.address = server_->address()});
  const std::string list = "rondo.v1.JobService/ListJobs";
  EXPECT_EQ(CallRaw(channel, list), absl::OkStatus());
  EXPECT_EQ(ReasonOf(CallRaw(channel, list, "Bearer " + token)), "TOKEN_IN_PLAINTEXT");
}

}  // namespace
}  // namespace rondo
