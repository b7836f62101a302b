// How the coordinator speaks to one attached agent; server/rpc implements it over the agent's
// stream. Calls come under the coordinator's lock: they must queue and return, and must not call
// the coordinator. A link that broke drops what it is given.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/ids.h"
#include "common/domain/rank_task.h"

namespace rondo {

class AgentLink {
 public:
  virtual ~AgentLink() = default;
  virtual void StartRank(const RankTask& task) = 0;
  // `address`: where rank 0 of this job and generation listens for the others.
  virtual void SendRendezvous(const JobId& job, int64_t generation, int rank,
                              const std::string& address) = 0;
  // The rank is to end; it still reports that it finished.
  virtual void StopRank(const JobId& job, int64_t generation, int rank) = 0;
};

}  // namespace rondo
