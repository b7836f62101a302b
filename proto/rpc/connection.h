// Where a server is and what this side shows to it. Plain values: no gRPC type shows.
#pragma once

#include <chrono>
#include <string>

#include "common/base/status.h"

namespace CLI {
class App;
}

namespace rondo {

struct ConnectionOptions {
  std::string address;           // host:port
  std::string authorities = {};  // PEM: whose certificate the server must have; empty: plaintext
  std::string certificate = {};  // PEM, for a server that asks for one; empty: none
  std::string key = {};          // of `certificate`
  std::string token_file = {};   // read again for every call; empty: `token`
  std::string token = {};        // empty: none
  std::chrono::seconds reload = std::chrono::seconds(10);  // of the other files
};

// INVALID_ARGUMENT or NOT_FOUND for what cannot work, as a token without TLS.
absl::Status CheckConnection(const ConnectionOptions& options);

// The token that is to be shown now; empty: none. One line of 16 to 512 visible characters.
absl::StatusOr<std::string> ReadToken(const ConnectionOptions& options);

// Declares --tls-ca, --tls-cert, --tls-key and --token-file, with their environment variables. The
// token itself is only ever taken from a file or from RONDO_TOKEN: arguments are seen by everybody.
void DeclareConnection(CLI::App* app, ConnectionOptions* options);

// Whether an environment variable ("NAME=value") says what DeclareConnection takes.
bool IsConnectionVariable(const std::string& variable);

}  // namespace rondo
