// Files of TLS: PEM, read again while a program runs, so that certificates are renewed by replacing
// files (a new one in place of each, renamed over it). Thread-safe functions.
#pragma once

#include <grpcpp/security/tls_certificate_provider.h>

#include <chrono>
#include <memory>
#include <string>

#include "common/base/status.h"

namespace rondo {

// How often files are looked at by default.
inline constexpr std::chrono::seconds kTlsReload(10);

struct TlsFiles {
  std::string authorities;  // whose certificates are accepted of the other side; empty: none asked
  std::string certificate;  // own, with its chain; empty: none
  std::string key;          // of `certificate`
};

// INVALID_ARGUMENT or NOT_FOUND naming the file when one cannot be used: no PEM, expired, not the
// key of the certificate.
absl::Status CheckTlsFiles(const TlsFiles& files);

// Goes on with what it read last while a file cannot be used.
std::shared_ptr<grpc::experimental::CertificateProviderInterface> WatchTlsFiles(
    const TlsFiles& files, std::chrono::seconds reload);

}  // namespace rondo
