// The agents: who is attached, who is busy, who was lost. Guarded by its owner's lock.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "common/domain/worker_info.h"
#include "server/core/agent_link.h"

namespace rondo {

// One attachment of an agent. An agent that attaches again gets another one, and what still comes
// over the former is refused.
struct AgentSession {
  WorkerId worker;
  int64_t number = 0;
};

class WorkerTable {
 public:
  // REQUIRES: the worker is not attached (Lose() it before).
  AgentSession Attach(const WorkerInfo& info, AgentLink* link, absl::Time now);
  bool IsAttached(const WorkerId& id) const { return FindAttached(id) != nullptr; }
  bool IsCurrent(const AgentSession& session) const;
  void Heard(const WorkerId& id, absl::Time now);
  // The worker is LOST and keeps its place in the list for a while.
  void Lose(const WorkerId& id, absl::Time now);

  // The worker is gone, by its own word.
  void Remove(const WorkerId& id) { workers_.erase(id); }
  // As if every worker had been heard now.
  void HeardFromAll(absl::Time now);

  // Null when the worker is not attached.
  AgentLink* Link(const WorkerId& id) const;
  void Reserve(const WorkerId& id, const JobId& job);
  void Release(const WorkerId& id);  // no effect on a lost one

  std::vector<WorkerInfo> List() const;  // by id
  // By host, then id: neighbours get neighbouring stages.
  std::vector<WorkerInfo> Idle() const;
  std::vector<WorkerInfo> Attached() const;
  std::vector<WorkerId> SilentSince(absl::Time time) const;
  void ForgetLostBefore(absl::Time time);

 private:
  struct Entry {
    WorkerInfo info;
    AgentLink* link = nullptr;  // null: lost
    int64_t session = 0;
    absl::Time heard;  // for a lost one, when it was lost
  };
  const Entry* FindAttached(const WorkerId& id) const;
  std::vector<WorkerInfo> ByHost(const std::function<bool(const WorkerInfo&)>& among) const;
  std::map<WorkerId, Entry> workers_;
  int64_t last_session_ = 0;
};

}  // namespace rondo
