#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "common/base/ids.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "proto/rpc/connection.h"
#include "proto/rpc/status.h"

namespace rondo {
namespace {

TEST(RpcStatus, EveryErrorHasAReason) {
  const grpc::Status status = ToGrpc(absl::NotFoundError("no\nsuch job"));
  EXPECT_EQ(status.error_message(), "no such job");
  google::rpc::Status details;
  ASSERT_TRUE(details.ParseFromString(status.error_details()));
  EXPECT_EQ(details.code(), 5);
  EXPECT_EQ(details.message(), "no such job");
  google::rpc::ErrorInfo info;
  ASSERT_TRUE(details.details(0).UnpackTo(&info));
  EXPECT_EQ(info.reason(), "NOT_FOUND");
  EXPECT_EQ(info.domain(), "rondo");
  EXPECT_EQ(FromGrpc(status), absl::NotFoundError("no such job"));
}

TEST(RpcStatus, ReasonAndRetryDelayTravel) {
  const absl::Status sent = WithRetryDelay(
      WithReason(absl::ResourceExhaustedError("slower"), "RATE_LIMITED"), absl::Milliseconds(1500));
  const grpc::Status status = ToGrpc(sent);
  const absl::Status received = FromGrpc(status);
  EXPECT_EQ(received, sent);
  EXPECT_EQ(ReasonOf(received), "RATE_LIMITED");
  google::rpc::Status details;
  ASSERT_TRUE(details.ParseFromString(status.error_details()));
  google::rpc::RetryInfo retry;
  bool found = false;
  for (const auto& detail : details.details()) found |= detail.UnpackTo(&retry);
  ASSERT_TRUE(found);
  EXPECT_EQ(retry.retry_delay().seconds(), 1);
  EXPECT_EQ(retry.retry_delay().nanos(), 500'000'000);
}

TEST(RpcStatus, ALongMessageFitsATrailer) {
  const grpc::Status status = ToGrpc(absl::InternalError(std::string(100'000, '\xff')));
  EXPECT_LT(3 * status.error_message().size() + status.error_details().size() * 4 / 3, 8000u);
  EXPECT_EQ(ToGrpc(absl::OkStatus()).error_details(), "");
}

TEST(Connection, TokensAndCertificatesNeedTls) {
  EXPECT_EQ(CheckConnection({.address = "h:1", .token = "0123456789abcdef"}),
            absl::InvalidArgumentError("a token is only sent over TLS; add --tls-ca, the file of "
                                       "the server's authority"));
  EXPECT_EQ(CheckConnection({.address = "h:1", .certificate = "c", .key = "k"}),
            absl::InvalidArgumentError("a certificate is only of use over TLS; add --tls-ca, the "
                                       "file of the server's authority"));
  EXPECT_TRUE(CheckConnection({.address = "h:1"}).ok());
}

TEST(Connection, ATokenIsOneLineOfAFile) {
  const std::string path = testing::TempDir() + "/token-" + RandomHexId();
  const ConnectionOptions options{.address = "h:1", .token_file = path};
  EXPECT_EQ(ReadToken(options).status().code(), absl::StatusCode::kNotFound);
  std::ofstream(path) << "0123456789abcdef\n";
  EXPECT_EQ(*ReadToken(options), "0123456789abcdef");
  std::ofstream(path) << "0123456789abcdef\nanother line\n";
  EXPECT_EQ(ReadToken(options).status(),
            absl::InvalidArgumentError(path + " holds no token; it must be one line of 16 to 512 "
                                              "visible ASCII characters"));
  std::ofstream(path) << "short";
  EXPECT_FALSE(ReadToken(options).ok());
  std::filesystem::remove(path);
  EXPECT_EQ(*ReadToken({.address = "h:1"}), "");
}

TEST(Connection, ItsVariablesAreKnown) {
  for (const char* variable : {"RONDO_TOKEN=x", "RONDO_TOKEN_FILE=x", "RONDO_TLS_KEY=x"}) {
    EXPECT_TRUE(IsConnectionVariable(variable)) << variable;
  }
  EXPECT_FALSE(IsConnectionVariable("RONDO_DEVICE=cpu"));
}

}  // namespace
}  // namespace rondo
