// What an operator decides about who may connect, as who, and what they may ask for. No gRPC type
// shows. Thread-safe functions.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "common/base/status.h"

namespace rondo {

struct SecurityOptions {
  std::string certificate;         // PEM of the server, with its chain; empty: plaintext
  std::string key;                 // PEM
  std::string client_authorities;  // PEM: whose certificates are accepted; empty: none is asked for
  std::string principals;          // file (server/security/principals.h); required with TLS
  bool insecure = false;           // plaintext beyond this machine
  bool reflection = false;         // with TLS; in plaintext there always is
  std::chrono::seconds reload = std::chrono::seconds(10);  // of certificates
  // Folders that jobs may read; required with TLS. None: everything.
  std::vector<std::string> model_roots;
  // Of each principal; without principals there are no limits.
  double requests_per_second = 50;  // with bursts of twice as many
  int64_t max_queued_jobs = 100;
};

bool IsLoopback(const std::string& address);  // of host:port

// INVALID_ARGUMENT that says what to do about a combination that is open, or that cannot work.
absl::Status CheckSecurity(const std::string& listen_address, const SecurityOptions& options);

}  // namespace rondo
