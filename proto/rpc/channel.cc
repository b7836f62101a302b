#include "proto/rpc/channel.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <map>
#include <string>

#include "proto/rpc/status.h"
#include "proto/rpc/tls.h"
#ifdef RONDO_FAILPOINTS
#include "proto/rpc/rpc_chaos.h"
#endif

namespace rondo {
namespace {

// Reads the token anew for every call, so that it can be replaced under a program that runs.
class TokenPlugin final : public grpc::MetadataCredentialsPlugin {
 public:
  explicit TokenPlugin(ConnectionOptions options) : options_(std::move(options)) {}

  grpc::Status GetMetadata(grpc::string_ref, grpc::string_ref, const grpc::AuthContext&,
                           std::multimap<grpc::string, grpc::string>* metadata) override {
    const absl::StatusOr<std::string> token = ReadToken(options_);
    if (!token.ok()) return ToGrpc(token.status());
    metadata->emplace("authorization", "Bearer " + *token);
    return grpc::Status::OK;
  }
  grpc::string DebugString() override { return "bearer token"; }

 private:
  const ConnectionOptions options_;
};

std::shared_ptr<grpc::ChannelCredentials> Credentials(const ConnectionOptions& options) {
  if (options.authorities.empty()) return grpc::InsecureChannelCredentials();
  grpc::experimental::TlsChannelCredentialsOptions tls;
  tls.set_certificate_provider(
      WatchTlsFiles({options.authorities, options.certificate, options.key}, options.reload));
  tls.watch_root_certs();
  if (!options.certificate.empty()) tls.watch_identity_key_cert_pairs();
  auto channel = grpc::experimental::TlsCredentials(tls);
  if (options.token_file.empty() && options.token.empty()) return channel;
  // Sent only over a channel with privacy and integrity, which is this plugin's default.
  return grpc::CompositeChannelCredentials(
      channel, grpc::MetadataCredentialsFromPlugin(std::make_unique<TokenPlugin>(options)));
}

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(const ConnectionOptions& options,
                                                           grpc::ChannelArguments arguments) {
  RETURN_IF_ERROR(CheckConnection(options));
  // A server that has vanished without closing its connection is noticed within 40 s.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetMaxSendMessageSize(kMaxMessageBytes);
#ifdef RONDO_FAILPOINTS
  return DisturbedChannel(options.address, Credentials(options), arguments);
#else
  return grpc::CreateCustomChannel(options.address, Credentials(options), arguments);
#endif
}

}  // namespace rondo
