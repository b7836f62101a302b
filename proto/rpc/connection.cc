#include "proto/rpc/connection.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "common/io/file.h"
#include "proto/rpc/tls.h"

namespace rondo {
namespace {

constexpr size_t kShortestToken = 16;
constexpr size_t kLongestToken = 512;

bool IsVisible(char c) { return c > ' ' && c < '\x7f'; }

}  // namespace

absl::Status CheckConnection(const ConnectionOptions& options) {
  const bool has_token = !options.token_file.empty() || !options.token.empty();
  if (options.authorities.empty() && has_token) {
    return absl::InvalidArgumentError(
        "a token is only sent over TLS; add --tls-ca, the file of the server's authority");
  }
  if (options.authorities.empty() && !(options.certificate.empty() && options.key.empty())) {
    return absl::InvalidArgumentError(
        "a certificate is only of use over TLS; add --tls-ca, the file of the server's authority");
  }
  RETURN_IF_ERROR(CheckTlsFiles({options.authorities, options.certificate, options.key}));
  return ReadToken(options).status();
}

absl::StatusOr<std::string> ReadToken(const ConnectionOptions& options) {
  std::string token = options.token;
  std::string source = "RONDO_TOKEN";
  if (!options.token_file.empty()) {
    source = options.token_file;
    ASSIGN_OR_RETURN(const std::string contents, ReadFile(options.token_file, 2 * kLongestToken));
    token = std::string(absl::StripAsciiWhitespace(contents));
  } else if (token.empty()) {
    return token;
  }
  if (token.size() >= kShortestToken && token.size() <= kLongestToken &&
      std::all_of(token.begin(), token.end(), IsVisible)) {
    return token;
  }
  return absl::InvalidArgumentError(absl::StrCat(source, " holds no token; it must be one line of ",
                                                 kShortestToken, " to ", kLongestToken,
                                                 " visible ASCII characters"));
}

void DeclareConnection(CLI::App* app, ConnectionOptions* options) {
  app->add_option("--tls-ca", options->authorities,
                  "FILE of the authorities (PEM) that the server's certificate comes from; "
                  "without it connections are plaintext")
      ->envname("RONDO_TLS_CA");
  app->add_option("--tls-cert", options->certificate, "FILE of our certificate (PEM)")
      ->envname("RONDO_TLS_CERT");
  app->add_option("--tls-key", options->key, "FILE of its private key (PEM)")
      ->envname("RONDO_TLS_KEY");
  app->add_option("--token-file", options->token_file,
                  "FILE of our token; RONDO_TOKEN may hold the token itself")
      ->envname("RONDO_TOKEN_FILE");
  if (const char* token = std::getenv("RONDO_TOKEN")) options->token = token;
}

bool IsConnectionVariable(const std::string& variable) {
  return absl::StartsWith(variable, "RONDO_TLS_") || absl::StartsWith(variable, "RONDO_TOKEN");
}

}  // namespace rondo
