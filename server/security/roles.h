// Who may call what. Pure functions.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace rondo {

enum class Role { kClient, kWorker, kAdmin };

std::string RoleName(Role role);  // "client"
std::optional<Role> RoleNamed(const std::string& name);

struct RpcRule {
  const char* method;  // "rondo.v1.JobService/SubmitJob"
  bool client;
  bool worker;
  bool admin;

  bool Allows(Role role) const;
};

// Every RPC of every service of proto/rondo/v1; what is not in it is allowed to nobody.
std::span<const RpcRule> RpcRules();
const RpcRule* FindRpcRule(std::string_view method);  // null: not in the table

}  // namespace rondo
