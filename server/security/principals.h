// Who is known to the server: the operator's file, one principal a line,
//
//   NAME ROLE sha256:HEX     by a token, of which only the SHA-256 is kept
//   NAME ROLE dns:NAME       by a name in a certificate that the server's authority signed
//   NAME ROLE uri:URI        likewise
//
// "#" starts a comment. A name may have several lines of one role, as while a token is replaced.
// Immutable, so thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/status.h"
#include "server/security/roles.h"

namespace rondo {

struct Principal {
  std::string name;
  Role role = Role::kClient;
};

class Principals {
 public:
  // INVALID_ARGUMENT naming the line; `path` is for messages.
  static absl::StatusOr<Principals> Parse(std::string_view text, const std::string& path);
  static absl::StatusOr<Principals> Load(const std::string& path);

  // Takes as long whichever token is known, or none.
  std::optional<Principal> OfToken(std::string_view token) const;
  // `names` as in the file: "dns:...", "uri:...".
  std::optional<Principal> OfCertificate(const std::vector<std::string>& names) const;

  bool has_tokens() const;
  bool has_certificates() const;

 private:
  struct Entry {
    Principal principal;
    std::string credential;  // "sha256:...", "dns:...", "uri:..."
  };
  absl::Status Add(const std::vector<std::string>& words);
  std::vector<Entry> entries_;
};

}  // namespace rondo
