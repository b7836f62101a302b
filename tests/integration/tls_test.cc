// TLS between real servers and clients, with certificates that the openssl program made.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <thread>

#include "proto/rpc/status.h"
#include "rondo/v1/service.grpc.pb.h"
#include "tests/integration/secure_service.h"

namespace rondo {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

using Tls = SecureService;

absl::Status ListWith(const ConnectionOptions& options) {
  auto client = RondoClient::Connect(options);
  return client.ok() ? (*client)->List(1, "").status() : client.status();
}

// Waits for what a reload brings: there is nothing to be told by when a file has been read.
bool Becomes(absl::StatusCode code, const ConnectionOptions& options) {
  const auto end = std::chrono::steady_clock::now() + seconds(60);
  while (std::chrono::steady_clock::now() < end) {
    if (ListWith(options).code() == code) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return false;
}

TEST_F(Tls, ACertificateSaysWhoCalls) {
  MakeCertificate(dir_, "ca", "alice", "DNS:alice.example");
  MakeCertificate(dir_, "ca", "gpu", "DNS:other,URI:spiffe://example/gpu");
  MakeCertificate(dir_, "ca", "stranger", "DNS:stranger.example");
  AddLine("alice client dns:alice.example");
  AddLine("gpus worker uri:spiffe://example/gpu");
  security_.client_authorities = Path("ca.pem");
  StartServer();

  auto alice = *RondoClient::Connect(WithCertificate("alice"));
  const auto submitted = alice->Submit(SecureTinySpec(), "r");
  ASSERT_TRUE(submitted.ok()) << submitted.status();
  EXPECT_EQ(submitted->job.owner, "alice");
  const absl::Status worker = ListWith(WithCertificate("gpu"));
  EXPECT_EQ(worker.message(), "gpus is a worker, which may not call rondo.v1.JobService/ListJobs");
  EXPECT_EQ(worker.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(ReasonOf(worker), "ROLE_NOT_ALLOWED");
  const absl::Status stranger = ListWith(WithCertificate("stranger"));
  EXPECT_EQ(stranger.code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(ReasonOf(stranger), "CERTIFICATE_UNKNOWN");
}

TEST_F(Tls, WithoutACertificateThereIsNoConnection) {
  MakeCertificate(dir_, "ca", "alice", "DNS:alice");
  MakeAuthority(dir_, "other");
  MakeCertificate(dir_, "other", "mallory", "DNS:alice");
  AddLine("alice client dns:alice");
  security_.client_authorities = Path("ca.pem");
  StartServer();
  EXPECT_EQ(ListWith(WithCertificate("alice")), absl::OkStatus());
  EXPECT_EQ(ListWith(Anonymous()).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ListWith(WithCertificate("mallory")).code(), absl::StatusCode::kUnavailable);
  // Plaintext does not get in either.
  EXPECT_EQ(ListWith({.address = server_->address()}).code(), absl::StatusCode::kUnavailable);
}

TEST_F(Tls, AClientTrustsOneAuthority) {
  MakeAuthority(dir_, "other");
  AddToken("alice", "client");
  StartServer();
  EXPECT_EQ(ListWith(WithToken("alice")), absl::OkStatus());
  ConnectionOptions wrong = WithToken("alice");
  wrong.authorities = Path("other.pem");
  const absl::Status refused = ListWith(wrong);
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("over TLS at " + server_->address()));
}

TEST_F(Tls, TheNameInTheCertificateMustBeTheServers) {
  MakeCertificate(dir_, "ca", "server", "DNS:elsewhere.example");
  AddToken("alice", "client");
  StartServer();
  EXPECT_EQ(ListWith(WithToken("alice")).code(), absl::StatusCode::kUnavailable);
}

TEST_F(Tls, ARotatedCertificateIsServedWithoutARestart) {
  MakeAuthority(dir_, "next");
  AddToken("alice", "client");
  StartServer();
  ConnectionOptions next = WithToken("alice");
  next.authorities = Path("next.pem");
  EXPECT_EQ(ListWith(WithToken("alice")), absl::OkStatus());
  EXPECT_EQ(ListWith(next).code(), absl::StatusCode::kUnavailable);
  MakeCertificate(dir_, "next", "server", "IP:127.0.0.1");
  EXPECT_TRUE(Becomes(absl::StatusCode::kOk, next));
  EXPECT_EQ(ListWith(WithToken("alice")).code(), absl::StatusCode::kUnavailable);
}

TEST_F(Tls, ARotatedAuthorityOfClientsIsTakenUpWithoutARestart) {
  MakeAuthority(dir_, "next");
  MakeCertificate(dir_, "next", "alice", "DNS:alice");
  AddLine("alice client dns:alice");
  std::filesystem::copy_file(Path("ca.pem"), Path("clients.pem"));
  security_.client_authorities = Path("clients.pem");
  StartServer();
  EXPECT_EQ(ListWith(WithCertificate("alice")).code(), absl::StatusCode::kUnavailable);
  std::filesystem::copy_file(Path("next.pem"), Path("clients.new"));
  std::filesystem::rename(Path("clients.new"), Path("clients.pem"));
  EXPECT_TRUE(Becomes(absl::StatusCode::kOk, WithCertificate("alice")));
}

TEST_F(Tls, FilesThatCannotWorkAreNamed) {
  AddToken("alice", "client");
  const auto start = [&](const SecurityOptions& security) {
    return CheckSecurity("127.0.0.1:0", security);
  };
  EXPECT_EQ(start(security_), absl::OkStatus());
  MakeAuthority(dir_, "other");
  SecurityOptions wrong = security_;
  wrong.key = Path("other.key");
  EXPECT_EQ(start(wrong),
            absl::InvalidArgumentError(
                Path("other.key") + " is not the key of the certificate in " + Path("server.pem")));
  wrong = security_;
  wrong.certificate = Path("principals");
  EXPECT_EQ(start(wrong),
            absl::InvalidArgumentError(Path("principals") + " holds no certificate; it must be "
                                                            "PEM, BEGIN CERTIFICATE"));
  wrong = security_;
  wrong.key = "";
  EXPECT_EQ(start(wrong),
            absl::InvalidArgumentError(Path("server.pem") + " is given without its private key; a "
                                                            "certificate and its key go together"));
}

TEST_F(Tls, NothingIsOpenUnlessSaid) {
  const std::string everywhere = "0.0.0.0:50051";
  EXPECT_EQ(CheckSecurity(everywhere, {}),
            absl::InvalidArgumentError(
                "--listen 0.0.0.0:50051 can be reached from other machines, without encryption or "
                "authentication; add --tls-cert, --tls-key and --principals (docs/security.md), "
                "listen on 127.0.0.1, or add --insecure on a network that you trust"));
  for (const char* address : {"[::]:1", "127.evil.example:1", "10.0.0.1:1", "example.com:1"}) {
    EXPECT_FALSE(CheckSecurity(address, {}).ok()) << address;
  }
  for (const char* address : {"127.0.0.1:1", "localhost:1", "[::1]:1", "127.3.2.1:1"}) {
    EXPECT_TRUE(CheckSecurity(address, {}).ok()) << address;
  }
  EXPECT_TRUE(CheckSecurity(everywhere, {.insecure = true}).ok());
  AddToken("alice", "client");
  EXPECT_TRUE(CheckSecurity(everywhere, security_).ok());
  SecurityOptions open = security_;
  open.principals = "";
  EXPECT_EQ(CheckSecurity(everywhere, open),
            absl::InvalidArgumentError("--tls-cert without --principals would let everybody in; "
                                       "add --principals FILE (docs/security.md)"));
  open = security_;
  open.model_roots = {};
  EXPECT_FALSE(CheckSecurity(everywhere, open).ok());
  EXPECT_FALSE(CheckSecurity("127.0.0.1:1", {.principals = Path("principals")}).ok());
  // A line with a name in a certificate needs an authority to believe.
  AddLine("bob client dns:bob");
  EXPECT_EQ(Server::Start({"127.0.0.1:0", coordinator_.get(), security_}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace rondo
