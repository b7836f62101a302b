#include "server/security/roles.h"

#include <algorithm>

namespace rondo {
namespace {

// An admin is a client with a key to everything that people use; no person plays a worker.
constexpr RpcRule kRules[] = {
    // method, client, worker, admin
    {"rondo.v1.JobService/SubmitJob", true, false, true},
    {"rondo.v1.JobService/ValidateJob", true, false, true},
    {"rondo.v1.JobService/GetJob", true, false, true},
    {"rondo.v1.JobService/ListJobs", true, false, true},
    {"rondo.v1.JobService/WatchJob", true, false, true},
    {"rondo.v1.JobService/CancelJob", true, false, true},
    {"rondo.v1.ArtifactService/ListArtifacts", true, false, true},
    {"rondo.v1.ArtifactService/DownloadArtifact", true, false, true},
    {"rondo.v1.FleetService/ListWorkers", true, false, true},
    {"rondo.v1.AgentService/Attach", false, true, false},
};

}  // namespace

std::string RoleName(Role role) {
  switch (role) {
    case Role::kClient: return "client";
    case Role::kWorker: return "worker";
    case Role::kAdmin: return "admin";
  }
  return "";
}

std::optional<Role> RoleNamed(const std::string& name) {
  for (const Role role : {Role::kClient, Role::kWorker, Role::kAdmin}) {
    if (RoleName(role) == name) return role;
  }
  return std::nullopt;
}

bool RpcRule::Allows(Role role) const {
  switch (role) {
    case Role::kClient: return client;
    case Role::kWorker: return worker;
    case Role::kAdmin: return admin;
  }
  return false;
}

std::span<const RpcRule> RpcRules() { return kRules; }

const RpcRule* FindRpcRule(std::string_view method) {
  const auto* found = std::find_if(std::begin(kRules), std::end(kRules),
                                   [&](const RpcRule& rule) { return rule.method == method; });
  return found == std::end(kRules) ? nullptr : found;
}

}  // namespace rondo
