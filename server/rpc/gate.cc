#include "server/rpc/gate.h"

#include <grpc/grpc_security_constants.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "common/base/log.h"
#include "proto/rpc/status.h"
#include "server/security/roles.h"

namespace rondo {
namespace {

// Why Admit() may refuse a caller.
constexpr const char* kReasons[] = {"CREDENTIALS_MISSING", "TOKEN_UNKNOWN",
                                    "TOKEN_MALFORMED",     "TOKEN_IN_PLAINTEXT",
                                    "CERTIFICATE_UNKNOWN", "ROLE_NOT_ALLOWED"};

absl::Status Unauthenticated(const std::string& reason, const std::string& message) {
  return WithReason(absl::UnauthenticatedError(message), reason);
}

std::string ToString(const grpc::string_ref& text) { return {text.data(), text.size()}; }

// What "authorization" says; absent: there is no such header.
absl::StatusOr<std::optional<std::string>> BearerToken(const grpc::ServerContext& context) {
  constexpr char kScheme[] = "Bearer ";
  const auto [begin, end] = context.client_metadata().equal_range("authorization");
  if (begin == end) return std::nullopt;
  const std::string value = ToString(begin->second);
  if (std::next(begin) != end || !absl::StartsWithIgnoreCase(value, kScheme)) {
    return Unauthenticated("TOKEN_MALFORMED", "the authorization is not one \"Bearer TOKEN\"");
  }
  return value.substr(sizeof(kScheme) - 1);
}

// As in the file of principals. gRPC has checked the certificate against the authorities.
std::vector<std::string> NamesInCertificate(const grpc::ServerContext& context) {
  std::vector<std::string> names;
  const std::shared_ptr<const grpc::AuthContext> peer = context.auth_context();
  for (const grpc::string_ref& name : peer->FindPropertyValues(GRPC_PEER_DNS_PROPERTY_NAME)) {
    names.push_back("dns:" + ToString(name));
  }
  for (const grpc::string_ref& name : peer->FindPropertyValues(GRPC_PEER_URI_PROPERTY_NAME)) {
    names.push_back("uri:" + ToString(name));
  }
  return names;
}

bool SameFile(const struct stat& a, const struct stat& b) {
  return a.st_ino == b.st_ino && a.st_size == b.st_size && a.st_mtim.tv_sec == b.st_mtim.tv_sec &&
         a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Gate>> Gate::Create(const SecurityOptions& options,
                                                   Metrics* metrics) {
  ASSIGN_OR_RETURN(PathRoots roots, PathRoots::Open(options.model_roots));
  std::unique_ptr<Gate> gate(new Gate(options, std::move(roots), metrics));
  if (options.principals.empty()) return gate;
  RETURN_IF_ERROR(gate->LoadPrincipals());
  MutexLock lock(&gate->mu_);
  gate->first_principals_ = gate->principals_;
  if (gate->principals_->has_certificates() && options.client_authorities.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(options.principals,
                     " has principals with certificates; add --tls-client-ca, the file of the "
                     "authorities that sign them"));
  }
  return gate;
}

Gate::Gate(const SecurityOptions& options, PathRoots roots, Metrics* metrics)
    : options_(options), roots_(std::move(roots)) {
  for (const char* reason : kReasons) {
    failures_[reason] = &metrics->AddCounter(
        "rondo_auth_failures_total",
        "Calls refused for who made them; the reasons are those of docs/security.md.",
        {{"reason", reason}});
  }
}

absl::Status Gate::LoadPrincipals() {
  struct stat file = {};
  stat(options_.principals.c_str(), &file);  // before reading: a change in between is seen later
  absl::StatusOr<Principals> principals = Principals::Load(options_.principals);
  MutexLock lock(&mu_);
  loaded_ = file;
  RETURN_IF_ERROR(principals.status());
  principals_ = std::make_shared<const Principals>(*std::move(principals));
  return absl::OkStatus();
}

void Gate::Reload() {
  if (options_.principals.empty()) return;
  struct stat file = {};
  if (stat(options_.principals.c_str(), &file) != 0) return;  // between two renames
  {
    MutexLock lock(&mu_);
    if (SameFile(file, loaded_)) return;
  }
  const absl::Status loaded = LoadPrincipals();
  if (loaded.ok()) {
    LogInfo("security", absl::StrCat("read ", options_.principals, " again"));
  } else {
    LogError("security", absl::StrCat(loaded.message(), "; the former principals stay"));
  }
}

absl::StatusOr<Principal> Gate::Identify(const grpc::ServerContext& context) {
  ASSIGN_OR_RETURN(const std::optional<std::string> token, BearerToken(context));
  std::shared_ptr<const Principals> known;
  {
    MutexLock lock(&mu_);
    known = principals_;
  }
  if (known == nullptr) {
    if (!token) return Principal{"", Role::kAdmin};
    return Unauthenticated("TOKEN_IN_PLAINTEXT",
                           "this server does not speak TLS, so the token that was sent to it could "
                           "be read on the way; replace it");
  }
  std::optional<Principal> principal;
  if (token) {
    principal = known->OfToken(*token);
    if (!principal) return Unauthenticated("TOKEN_UNKNOWN", "the token is not known here");
    return *principal;
  }
  const std::vector<std::string> names = NamesInCertificate(context);
  if (names.empty()) {
    return Unauthenticated("CREDENTIALS_MISSING",
                           "this server wants to know who calls; give --token-file, or --tls-cert "
                           "and --tls-key");
  }
  principal = known->OfCertificate(names);
  if (principal) return *principal;
  return Unauthenticated("CERTIFICATE_UNKNOWN",
                         absl::StrCat("no name of the certificate is known here: ", names.front()));
}

absl::Status Gate::LimitRate(const std::string& name) {
  const double rate = options_.requests_per_second;
  TokenBucket& bucket = buckets_.try_emplace(name, rate, std::max(1.0, 2 * rate)).first->second;
  const std::chrono::duration<double> wait = bucket.Take(std::chrono::steady_clock::now());
  if (wait.count() == 0) return absl::OkStatus();
  return WithRetryDelay(
      WithReason(absl::ResourceExhaustedError(absl::StrCat(name, " calls more often than ", rate,
                                                           " times a second; call less often")),
                 "RATE_LIMITED"),
      absl::Seconds(wait.count()));
}

absl::Status Gate::Refused(const grpc::ServerContext& context, std::string_view method,
                           const absl::Status& why) {
  failures_.at(ReasonOf(why))->Increment();
  {
    MutexLock lock(&mu_);
    if (refusals_.Take(std::chrono::steady_clock::now()).count() > 0) return why;
  }
  LogWarning("security", absl::StrCat("refused ", std::string(method), " of ", context.peer(), ": ",
                                      why.message()));
  return why;
}

absl::StatusOr<Principal> Gate::Admit(const grpc::ServerContext& context, std::string_view method) {
  absl::StatusOr<Principal> caller = Identify(context);
  if (!caller.ok()) return Refused(context, method, caller.status());
  if (caller->name.empty()) return caller;
  const RpcRule* rule = FindRpcRule(method);
  if (rule == nullptr || !rule->Allows(caller->role)) {
    return Refused(context, method,
                   WithReason(absl::PermissionDeniedError(
                                  absl::StrCat(caller->name, " is a ", RoleName(caller->role),
                                               ", which may not call ", std::string(method))),
                              "ROLE_NOT_ALLOWED"));
  }
  MutexLock lock(&mu_);
  RETURN_IF_ERROR(LimitRate(caller->name));
  return caller;
}

absl::Status Gate::CheckPriority(const Principal& caller, const JobSpec& spec) {
  if (spec.priority <= 0 || caller.role == Role::kAdmin) return absl::OkStatus();
  return WithReason(absl::PermissionDeniedError(absl::StrCat(
                        "priority is ", spec.priority, ", but ", caller.name, " is a ",
                        RoleName(caller.role), "; only an admin may give more than 0")),
                    "PRIORITY_NOT_ALLOWED");
}

}  // namespace rondo
