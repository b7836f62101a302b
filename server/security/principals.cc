#include "server/security/principals.h"

#include <openssl/crypto.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "common/io/file.h"
#include "common/io/sha256.h"

namespace rondo {
namespace {

constexpr char kTokenKind[] = "sha256:";
constexpr size_t kHexDigits = 64;
constexpr int64_t kLargestFile = 16 << 20;

bool IsHash(const std::string& hex) {
  return hex.size() == kHexDigits &&
         std::all_of(hex.begin(), hex.end(), [](char c) { return absl::ascii_isxdigit(c); });
}

absl::Status CheckCredential(const std::string& credential) {
  if (absl::StartsWith(credential, kTokenKind)) {
    if (IsHash(credential.substr(sizeof(kTokenKind) - 1))) return absl::OkStatus();
    return absl::InvalidArgumentError("sha256: must be followed by 64 hexadecimal digits");
  }
  for (const char* kind : {"dns:", "uri:"}) {
    if (absl::StartsWith(credential, kind) && credential.size() > 4) return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      "the third word must be sha256:HASH of a token, or dns:NAME or uri:URI of a certificate");
}

}  // namespace

absl::Status Principals::Add(const std::vector<std::string>& words) {
  if (words.size() != 3) {
    return absl::InvalidArgumentError(
        absl::StrCat("there are ", words.size(), " words; NAME ROLE CREDENTIAL are expected"));
  }
  RETURN_IF_ERROR(ValidateFileName("the name", words[0]));
  const std::optional<Role> role = RoleNamed(words[1]);
  if (!role) {
    return absl::InvalidArgumentError(
        absl::StrCat("the role is \"", words[1], "\"; it must be client, worker or admin"));
  }
  RETURN_IF_ERROR(CheckCredential(words[2]));
  std::string credential = words[2];
  if (absl::StartsWith(credential, kTokenKind)) absl::AsciiStrToLower(&credential);
  for (const Entry& other : entries_) {
    if (other.credential == credential) {
      return absl::InvalidArgumentError(
          absl::StrCat("its credential is also that of ", other.principal.name));
    }
    if (other.principal.name == words[0] && other.principal.role != *role) {
      return absl::InvalidArgumentError(absl::StrCat(words[0], " is ", RoleName(*role),
                                                     " here and ", RoleName(other.principal.role),
                                                     " above; a name has one role"));
    }
  }
  entries_.push_back({{words[0], *role}, std::move(credential)});
  return absl::OkStatus();
}

absl::StatusOr<Principals> Principals::Parse(std::string_view text, const std::string& path) {
  Principals principals;
  int number = 0;
  for (const std::string& line :
       std::vector<std::string>(absl::StrSplit(std::string(text), '\n'))) {
    ++number;
    const std::string said = line.substr(0, line.find('#'));
    const std::vector<std::string> words =
        absl::StrSplit(said, absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
    if (words.empty()) continue;
    RETURN_IF_ERROR(Annotate(principals.Add(words), absl::StrCat(path, ", line ", number)));
  }
  if (!principals.entries_.empty()) return principals;
  return absl::InvalidArgumentError(
      absl::StrCat(path, " names nobody; a line is NAME ROLE CREDENTIAL"));
}

absl::StatusOr<Principals> Principals::Load(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kLargestFile));
  return Parse(text, path);
}

std::optional<Principal> Principals::OfToken(std::string_view token) const {
  const std::string credential = kTokenKind + Sha256Hex(token);
  const Entry* found = nullptr;
  for (const Entry& entry : entries_) {
    if (entry.credential.size() != credential.size()) continue;
    if (CRYPTO_memcmp(entry.credential.data(), credential.data(), credential.size()) == 0) {
      found = &entry;
    }
  }
  if (found == nullptr) return std::nullopt;
  return found->principal;
}

std::optional<Principal> Principals::OfCertificate(const std::vector<std::string>& names) const {
  for (const Entry& entry : entries_) {
    if (absl::StartsWith(entry.credential, kTokenKind)) continue;
    if (std::find(names.begin(), names.end(), entry.credential) != names.end()) {
      return entry.principal;
    }
  }
  return std::nullopt;
}

bool Principals::has_tokens() const {
  return std::any_of(entries_.begin(), entries_.end(), [](const Entry& entry) {
    return absl::StartsWith(entry.credential, kTokenKind);
  });
}

bool Principals::has_certificates() const {
  return std::any_of(entries_.begin(), entries_.end(), [](const Entry& entry) {
    return !absl::StartsWith(entry.credential, kTokenKind);
  });
}

}  // namespace rondo
