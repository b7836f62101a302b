// What the clients of a soak know from the answers they got, and whether a page of /metrics agrees.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/base/mutex.h"
#include "common/base/status.h"
#include "common/domain/job.h"
#include "tests/faults/scrape.h"

namespace rondo {

inline constexpr char kSubmit[] = "rondo.v1.JobService/SubmitJob";
inline constexpr char kValidate[] = "rondo.v1.JobService/ValidateJob";
inline constexpr char kGet[] = "rondo.v1.JobService/GetJob";
inline constexpr char kList[] = "rondo.v1.JobService/ListJobs";
inline constexpr char kWatch[] = "rondo.v1.JobService/WatchJob";
inline constexpr char kCancel[] = "rondo.v1.JobService/CancelJob";
inline constexpr char kArtifacts[] = "rondo.v1.ArtifactService/ListArtifacts";
inline constexpr char kDownload[] = "rondo.v1.ArtifactService/DownloadArtifact";
inline constexpr char kWorkers[] = "rondo.v1.FleetService/ListWorkers";
inline constexpr char kAttach[] = "rondo.v1.AgentService/Attach";

struct Totals {
  // Answers by method and code.
  std::map<std::string, std::map<absl::StatusCode, int64_t>> known;
  // By method: calls that ended without an answer, in time or with their client. Some may never
  // have reached the server, the others may have been done.
  std::map<std::string, int64_t> unknown;
  std::set<JobId> jobs;  // that answers to SubmitJob named
  int64_t existed = 0;   // of these answers, those that said that the request id was known
};

// Thread-safe.
class Ledger {
 public:
  void Record(const std::string& method, const absl::Status& end);
  void RecordUnknown(const std::string& method);
  void RecordSubmitted(const JobId& job, bool existed);
  Totals totals() const;

 private:
  mutable Mutex mu_;
  Totals totals_ ABSL_GUARDED_BY(mu_);
};

// What the API shows once all is quiet.
struct ApiView {
  std::vector<Job> jobs;
  int idle_workers = 0;
};

// One line for each number of the page that is not what the clients know or the API shows.
std::vector<std::string> Disagreements(const Scrape& page, const Totals& totals,
                                       const ApiView& api);

}  // namespace rondo
