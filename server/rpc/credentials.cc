#include "server/rpc/credentials.h"

#include <grpcpp/security/tls_credentials_options.h>

#include "proto/rpc/tls.h"

namespace rondo {

std::shared_ptr<grpc::ServerCredentials> MakeServerCredentials(const SecurityOptions& options,
                                                               const Principals* principals) {
  if (options.certificate.empty()) return grpc::InsecureServerCredentials();
  grpc::experimental::TlsServerCredentialsOptions tls(WatchTlsFiles(
      {options.client_authorities, options.certificate, options.key}, options.reload));
  tls.watch_identity_key_cert_pairs();
  if (!options.client_authorities.empty()) {
    tls.watch_root_certs();
    tls.set_cert_request_type(principals->has_tokens()
                                  ? GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY
                                  : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  }
  return grpc::experimental::TlsServerCredentials(tls);
}

}  // namespace rondo
