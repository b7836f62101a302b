// Where a command's job runs: on the server that was named, or embedded in this process.
#pragma once

#include <memory>
#include <string>

#include "client/cli/canceller.h"
#include "client/cli/command.h"
#include "client/cli/embedded.h"
#include "client/cli/follow.h"
#include "client/cli/job_options.h"
#include "client/lib/client.h"
#include "common/base/status.h"

namespace rondo {

class Session {
 public:
  // Embedded: keeps its files in `folder`.
  static absl::StatusOr<std::unique_ptr<Session>> Open(const Globals& globals,
                                                       const std::string& folder);

  RondoClient* client() { return client_.get(); }
  // Null when a server was named.
  EmbeddedService* embedded() { return embedded_.get(); }

  // What Run() would do, Starts workers where the service is embedded, since a plan
  // follows their memory and data types; so it is Plan or Run, once.
  absl::StatusOr<rondo::Plan> Plan(const JobSpec& spec);

  // Runs a job to its end, or to its cancellation: CANCELLED after a signal. Workers are started
  // where the service is embedded.
  absl::StatusOr<FollowedJob> Run(const JobSpec& spec, const std::string& request_id, bool json,
                                  Canceller* canceller);

 private:
  std::unique_ptr<EmbeddedService> embedded_;
  std::unique_ptr<RondoClient> client_;
};

// Fills in what the command line left open: workers and threads, where the service is embedded.
void ChooseCompute(const Globals& globals, const MethodSettings& method, ComputeOptions* compute);

}  // namespace rondo
