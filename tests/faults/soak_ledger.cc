#include "tests/faults/soak_ledger.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace rondo {
namespace {

std::string MethodLabels(const std::string& method) {
  const size_t slash = method.find('/');
  return absl::StrCat("grpc_method=\"", method.substr(slash + 1), "\",grpc_service=\"",
                      method.substr(0, slash), "\"}");
}

std::string Handled(const std::string& method, absl::StatusCode code) {
  return absl::StrCat("grpc_server_handled_total{grpc_code=\"", absl::StatusCodeToString(code),
                      "\",", MethodLabels(method));
}

// Gathers what does not agree.
class Comparison {
 public:
  explicit Comparison(const Scrape& page) : page_(page) {}

  void Between(const std::string& what, double value, double least, double most) {
    if (value >= least && value <= most) return;
    found_.push_back(absl::StrCat(what, " is ", value, ", not ", least,
                                  most == least ? "" : absl::StrCat(" to ", most)));
  }
  void Equal(const std::string& what, double value, double expected) {
    Between(what, value, expected, expected);
  }
  void Series(const std::string& series, double expected) {
    Equal(series, page_[series], expected);
  }
  std::vector<std::string> Take() { return std::move(found_); }

 private:
  const Scrape& page_;
  std::vector<std::string> found_;
};

void CompareJobs(const Scrape& page, const Totals& totals, const ApiView& api, Comparison* out) {
  std::map<JobState, int64_t> states;
  std::map<std::string, int64_t> methods;
  int64_t retries = 0;
  for (const Job& job : api.jobs) {
    ++states[job.state];
    ++methods[MethodName(job.spec.method)];
    retries += job.retries;
  }
  using enum JobState;
  for (const JobState state :
       {kQueued, kPlanning, kRunning, kRecovering, kSucceeded, kFailed, kCancelled}) {
    const std::string name = absl::AsciiStrToLower(JobStateName(state));
    out->Series(absl::StrCat("rondo_jobs{state=\"", name, "\"}"), states[state]);
    if (IsFinal(state)) {
      out->Series(absl::StrCat("rondo_jobs_finished_total{result=\"", name, "\"}"), states[state]);
    }
  }
  for (const auto& [method, count] : methods) {
    out->Series(absl::StrCat("rondo_jobs_submitted_total{method=\"", method, "\"}"), count);
  }
  out->Equal("jobs that were listed", api.jobs.size(), totals.jobs.size());
  const double submitted = page.Sum("rondo_jobs_submitted_total");
  const double deduplicated = page.Sum("rondo_jobs_deduplicated_total");
  out->Equal("rondo_jobs_submitted_total", submitted, totals.jobs.size());
  out->Equal("submitted and deduplicated", submitted + deduplicated,
             page[Handled(kSubmit, absl::StatusCode::kOk)]);
  const auto unknown = totals.unknown.find(kSubmit);
  out->Between("rondo_jobs_deduplicated_total", deduplicated, totals.existed,
               totals.existed + (unknown == totals.unknown.end() ? 0 : unknown->second));
  out->Series("rondo_gang_restarts_total{reason=\"loss\"}", retries);
  out->Series("rondo_gang_restarts_total{reason=\"maintenance\"}", 0);
  out->Series("rondo_queue_depth", 0);
}

// At rest every call that began has ended; a code is known but for calls whose answer nobody got.
void CompareCalls(const Scrape& page, const Totals& totals, Comparison* out) {
  for (const auto& [series, started] : page.values) {
    if (!absl::StartsWith(series, "grpc_server_started_total")) continue;
    if (absl::StrContains(series, "AgentService")) continue;
    const std::string labels = series.substr(series.find('{') + 1);
    out->Equal("answered of " + series, page.Sum("grpc_server_handled_total", labels), started);
  }
  std::map<std::string, std::map<absl::StatusCode, int64_t>> known = totals.known;
  for (const auto& [method, count] : totals.unknown) known[method];
  for (auto& [method, codes] : known) {
    const auto it = totals.unknown.find(method);
    const double unknown = static_cast<double>(it == totals.unknown.end() ? 0 : it->second);
    for (int code = 0; code <= static_cast<int>(absl::StatusCode::kUnauthenticated); ++code) {
      const double count = static_cast<double>(codes[static_cast<absl::StatusCode>(code)]);
      const std::string series = Handled(method, static_cast<absl::StatusCode>(code));
      out->Between(series, page[series], count, count + unknown);
    }
  }
}

}  // namespace

void Ledger::Record(const std::string& method, const absl::Status& end) {
  // Codes that a client may make up itself.
  if (absl::IsDeadlineExceeded(end) || absl::IsUnavailable(end) || absl::IsCancelled(end)) {
    return RecordUnknown(method);
  }
  MutexLock lock(&mu_);
  ++totals_.known[method][end.code()];
}

void Ledger::RecordUnknown(const std::string& method) {
  MutexLock lock(&mu_);
  ++totals_.unknown[method];
}

void Ledger::RecordSubmitted(const JobId& job, bool existed) {
  MutexLock lock(&mu_);
  totals_.jobs.insert(job);
  totals_.existed += existed ? 1 : 0;
}

Totals Ledger::totals() const {
  MutexLock lock(&mu_);
  return totals_;
}

std::vector<std::string> Disagreements(const Scrape& page, const Totals& totals,
                                       const ApiView& api) {
  Comparison comparison(page);
  CompareJobs(page, totals, api, &comparison);
  CompareCalls(page, totals, &comparison);
  comparison.Series("rondo_watch_streams", 0);
  comparison.Series("rondo_workers{state=\"idle\"}", api.idle_workers);
  comparison.Series("rondo_workers{state=\"busy\"}", 0);
  comparison.Series("rondo_workers{state=\"lost\"}", 0);
  comparison.Equal(std::string("streams of ") + kAttach,
                   page.Sum("grpc_server_started_total", MethodLabels(kAttach)) -
                       page.Sum("grpc_server_handled_total", MethodLabels(kAttach)),
                   api.idle_workers);
  const auto list = totals.known.find(kList);
  double refused = 0;
  if (list != totals.known.end()) {
    const auto codes = list->second.find(absl::StatusCode::kUnauthenticated);
    if (codes != list->second.end()) refused = static_cast<double>(codes->second);
  }
  comparison.Equal("rondo_auth_failures_total", page.Sum("rondo_auth_failures_total"), refused);
  return comparison.Take();
}

}  // namespace rondo
