// The server's side of TLS. Thread-safe functions.
#pragma once

#include <grpcpp/security/server_credentials.h>

#include <memory>

#include "server/rpc/security.h"
#include "server/security/principals.h"

namespace rondo {

// Of options that CheckSecurity let pass; `principals` is null in plaintext. Where every principal
// has a certificate, a client without one does not get through the handshake.
std::shared_ptr<grpc::ServerCredentials> MakeServerCredentials(const SecurityOptions& options,
                                                               const Principals* principals);

}  // namespace rondo
