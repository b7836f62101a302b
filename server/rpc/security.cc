#include "server/rpc/security.h"

#include <arpa/inet.h>

#include "proto/rpc/tls.h"

namespace rondo {
namespace {

absl::Status CheckPlaintext(const std::string& listen_address, const SecurityOptions& options) {
  if (!options.key.empty() || !options.client_authorities.empty() || !options.principals.empty()) {
    return absl::InvalidArgumentError(
        "--tls-key, --tls-client-ca and --principals are of use over TLS only; add --tls-cert");
  }
  if (IsLoopback(listen_address) || options.insecure) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "--listen ", listen_address,
      " can be reached from other machines, without encryption or authentication; add --tls-cert, "
      "--tls-key and --principals (docs/security.md), listen on 127.0.0.1, or add --insecure on a "
      "network that you trust"));
}

}  // namespace

bool IsLoopback(const std::string& address) {
  std::string host = address.substr(0, address.rfind(':'));
  if (host == "localhost" || host == "[::1]") return true;
  in_addr parsed = {};
  return inet_pton(AF_INET, host.c_str(), &parsed) == 1 && ntohl(parsed.s_addr) >> 24 == 127;
}

absl::Status CheckSecurity(const std::string& listen_address, const SecurityOptions& options) {
  if (options.certificate.empty()) return CheckPlaintext(listen_address, options);
  if (options.insecure) {
    return absl::InvalidArgumentError("--insecure and --tls-cert exclude each other; drop one");
  }
  if (options.principals.empty()) {
    return absl::InvalidArgumentError(
        "--tls-cert without --principals would let everybody in; add --principals FILE "
        "(docs/security.md)");
  }
  if (options.model_roots.empty()) {
    return absl::InvalidArgumentError(
        "jobs name files for the workers to read; add --model-root DIR, once for each folder that "
        "they may read (/ for all)");
  }
  return CheckTlsFiles({options.client_authorities, options.certificate, options.key});
}

}  // namespace rondo
