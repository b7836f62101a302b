// What every call goes through first: who calls, whether the role may, and whether it is too often.
// Thread-safe.
#pragma once

#include <grpcpp/server_context.h>
#include <sys/stat.h>

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "common/base/mutex.h"
#include "common/base/status.h"
#include "common/domain/job_spec.h"
#include "common/metrics/metrics.h"
#include "server/core/coordinator.h"
#include "server/rpc/security.h"
#include "server/security/path_roots.h"
#include "server/security/principals.h"
#include "server/security/token_bucket.h"

namespace rondo {

class Gate {
 public:
  // `metrics` must outlive the gate.
  static absl::StatusOr<std::unique_ptr<Gate>> Create(const SecurityOptions& options,
                                                      Metrics* metrics);

  // The caller of "rondo.v1.JobService/SubmitJob". UNAUTHENTICATED, PERMISSION_DENIED or
  // RESOURCE_EXHAUSTED with a reason otherwise. Without principals: an admin without a name.
  absl::StatusOr<Principal> Admit(const grpc::ServerContext& context, std::string_view method);

  // Whether the files of a job are where jobs may read.
  absl::Status CheckPaths(const JobSpec& spec) const { return roots_.Check(spec); }

  // Whether the caller may have a job go before those of others.
  static absl::Status CheckPriority(const Principal& caller, const JobSpec& spec);

  // With the limit that a named principal has.
  Submitter SubmitterOf(const Principal& caller) const {
    return {caller.name, caller.name.empty() ? 0 : options_.max_queued_jobs};
  }

  // Takes up a principals file that was changed; keeps the former one when it has an error. To be
  // called about every second.
  void Reload();

  // For the credentials of the server; null: plaintext.
  const Principals* principals() const { return first_principals_.get(); }

 private:
  Gate(const SecurityOptions& options, PathRoots roots, Metrics* metrics);
  absl::Status LoadPrincipals();
  absl::StatusOr<Principal> Identify(const grpc::ServerContext& context);
  absl::Status LimitRate(const std::string& name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Refusals are counted, and in the log, a few a second at most.
  absl::Status Refused(const grpc::ServerContext& context, std::string_view method,
                       const absl::Status& why);

  const SecurityOptions options_;
  const PathRoots roots_;
  std::map<std::string, Counter*> failures_;  // by reason
  std::shared_ptr<const Principals> first_principals_;

  Mutex mu_;
  std::shared_ptr<const Principals> principals_ ABSL_GUARDED_BY(mu_);
  struct stat loaded_ ABSL_GUARDED_BY(mu_) = {};  // of the file that `principals_` came from
  std::map<std::string, TokenBucket> buckets_ ABSL_GUARDED_BY(mu_);  // by principal
  TokenBucket refusals_ ABSL_GUARDED_BY(mu_){1, 10};
};

}  // namespace rondo
