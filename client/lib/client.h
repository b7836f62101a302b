// RondoClient: the service as C++ calls over one gRPC channel. No gRPC or protobuf type shows.
//
// Errors carry the server's code and message. A server that cannot be reached is UNAVAILABLE:
// "no rondo server answers at ADDR; start one with rondo-server, or check --server".
// Thread-safe; calls block. Unary calls end after 10 s (DEADLINE_EXCEEDED), Submit and Validate,
// which open the model on the server, after 60 s.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "common/domain/job.h"
#include "common/domain/job_spec.h"
#include "common/domain/plan.h"
#include "common/domain/worker_info.h"
#include "proto/rpc/connection.h"

namespace rondo {

struct SubmittedJob {
  Job job;
  bool existed = false;  // the request id was known
};

struct JobPage {
  std::vector<Job> jobs;        // newest first
  std::string next_page_token;  // empty: this was the last page
};

class RondoClient {
 public:
  // Connects on the first call, and again whenever the connection was lost. INVALID_ARGUMENT or
  // NOT_FOUND for files of TLS or a token that cannot be used.
  static absl::StatusOr<std::unique_ptr<RondoClient>> Connect(const ConnectionOptions& server);
  // In plaintext, to host:port.
  static std::unique_ptr<RondoClient> Connect(const std::string& address);
  ~RondoClient();

  // `request_id`: 1 to 128 of [A-Za-z0-9._-]; the same id and spec give the same job.
  absl::StatusOr<SubmittedJob> Submit(const JobSpec& spec, const std::string& request_id);
  absl::StatusOr<Plan> Validate(const JobSpec& spec);
  absl::StatusOr<Job> Get(const JobId& id);
  absl::StatusOr<JobPage> List(int page_size, const std::string& page_token);
  absl::StatusOr<Job> Cancel(const JobId& id);

  // Calls `on_event` for every event after number `after`, each once and in order, on this thread,
  // until the job has ended (OK), `on_event` returns false (OK) or the server refuses. A connection
  // that is lost midway is taken up again after the last event, for up to a minute of silence.
  using EventCallback = std::function<bool(const JobEvent&)>;
  absl::Status Watch(const JobId& id, int64_t after, const EventCallback& on_event);

  absl::StatusOr<std::vector<ArtifactInfo>> ListArtifacts(const JobId& id);
  // Downloads to "<path>.partial", from where an earlier attempt left it, checks size and SHA-256,
  // fsyncs and renames. DATA_LOSS when the sum does not match; the partial file is then removed.
  absl::Status Download(const JobId& id, ExportFormat format, const std::string& name,
                        const std::string& path);

  absl::StatusOr<std::vector<WorkerInfo>> ListWorkers();

 private:
  struct Impl;
  explicit RondoClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace rondo
