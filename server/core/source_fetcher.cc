#include "server/core/source_fetcher.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

namespace rondo {
namespace {

using std::chrono::steady_clock;

constexpr size_t kMostThreads = 4;
constexpr std::chrono::milliseconds kWantedCheck(250);
// At most so many events of progress for a source, and not more than one a second.
constexpr int64_t kSteps = 50;
constexpr std::chrono::seconds kBetweenSteps(1);
// Of a download, which nobody waits for: some minutes of trying before the job fails.
constexpr int kTries = 9;
// Jobs that wait for room look again when a job has ended here, and because of others that use the
// folder.
constexpr std::chrono::seconds kBetweenLooks(10);
constexpr int64_t kMegabyte = 1'000'000;

int64_t Megabytes(int64_t bytes) { return (bytes + kMegabyte - 1) / kMegabyte; }

// Says when an event is worth being stored.
class Steps {
 public:
  bool Reached(int64_t done, int64_t total) {
    const int64_t step = kSteps * (done / 1024) / std::max<int64_t>(total / 1024, 1);
    const auto now = steady_clock::now();
    if (done < total && (step == last_ || now - time_ < kBetweenSteps)) return false;
    last_ = step;
    time_ = now;
    return true;
  }

 private:
  int64_t last_ = -1;
  steady_clock::time_point time_;
};

}  // namespace

SourceFetcher::~SourceFetcher() {
  Stop();
  std::vector<std::thread> threads;
  {
    MutexLock lock(&mu_);
    threads = std::exchange(threads_, {});
  }
  for (std::thread& thread : threads) thread.join();
}

void SourceFetcher::Add(const JobId& job, const JobSpec& spec,
                        const std::map<std::string, SourceFetched>& bound) {
  MutexLock lock(&mu_);
  if (stopping_) return;
  tasks_.push_back({job, spec, bound, Hold(spec, bound)});
  if (tasks_.size() > idle_ && threads_.size() < kMostThreads) {
    threads_.emplace_back([this] { Run(); });
  }
  changed_.Signal();
}

SourceFetcher::Holds SourceFetcher::Hold(const JobSpec& spec,
                                         const std::map<std::string, SourceFetched>& bound) const {
  Holds holds;
  for (const RemoteSource& source : RemoteSources(spec)) {
    const auto fetched = bound.find(source.uri.name());
    if (fetched == bound.end()) continue;
    const std::string content = cache_->ContentOf(source, fetched->second);
    if (content.empty()) continue;
    auto hold = cache_->downloads().HoldWhole(content);
    if (hold.ok()) holds[content] = *std::move(hold);
  }
  return holds;
}

void SourceFetcher::KeepOnlyFor(const std::set<JobId>& jobs) {
  MutexLock lock(&mu_);
  const size_t freed =
      std::erase_if(holds_, [&](const auto& of_job) { return !jobs.contains(of_job.first); });
  const auto now = steady_clock::now();
  if (freed > 0) look_ = now;
  if (waiting_.empty() || now < look_) return;
  look_ = now + kBetweenLooks;
  tasks_.insert(tasks_.begin(), std::make_move_iterator(waiting_.begin()),
                std::make_move_iterator(waiting_.end()));
  waiting_.clear();
  changed_.SignalAll();
}

void SourceFetcher::Stop() {
  MutexLock lock(&mu_);
  stopping_ = true;
  changed_.SignalAll();
}

bool SourceFetcher::stopping() {
  MutexLock lock(&mu_);
  return stopping_;
}

void SourceFetcher::Run() {
  while (true) {
    Task task;
    {
      MutexLock lock(&mu_);
      ++idle_;
      while (tasks_.empty() && !stopping_) changed_.Wait(&mu_);
      --idle_;
      if (stopping_) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    Do(std::move(task));
  }
}

void SourceFetcher::Do(Task task) {
  const absl::StatusOr<std::optional<ModelFacts>> facts = FetchAll(&task);
  if (facts.ok() && !facts->has_value()) {
    task.holds.clear();  // jobs that wait for each other's room would wait for ever
    MutexLock lock(&mu_);
    waiting_.push_back(std::move(task));
    return;
  }
  if (stopping()) return;  // the next process on the store takes it up
  if (facts.ok()) {
    MutexLock lock(&mu_);
    holds_[task.job] = std::move(task.holds);
  }
  listener_->OnFetchEnded(task.job, facts.ok() ? absl::StatusOr<ModelFacts>(**facts)
                                               : absl::StatusOr<ModelFacts>(facts.status()));
}

absl::StatusOr<std::optional<ModelFacts>> SourceFetcher::FetchAll(Task* task) {
  steady_clock::time_point asked;
  bool stop = false;
  const auto stop_requested = [&] {
    const auto now = steady_clock::now();
    if (now - asked < kWantedCheck) return stop;
    asked = now;
    stop = stopping() || !listener_->IsFetchWanted(task->job);
    return stop;
  };
  // Also waits until a coordinator that starts has added all its jobs, which hold what they have.
  if (stop_requested()) return absl::CancelledError("nobody wants it any more");
  S3Options options = cache_->s3();
  options.tries = kTries;
  S3Client client(options, stop_requested);
  std::vector<FoundSource> sources;
  for (const RemoteSource& source : RemoteSources(task->spec)) {
    ASSIGN_OR_RETURN(FoundSource found,
                     cache_->Find(&client, source, task->bound[source.uri.name()]));
    sources.push_back(std::move(found));
  }
  ASSIGN_OR_RETURN(DownloadRoom room, cache_->downloads().MakeRoom(
                                          NamesOf(sources), DownloadsOf(sources), stop_requested));
  if (!room.wait_for.empty()) {
    if (!std::exchange(task->waits, true)) listener_->OnFetchWaits(task->job, room.wait_for);
    return std::nullopt;
  }
  task->holds = std::move(room.holds);
  // Last what others fetch: who waits for them must not keep them waiting for what it holds alone.
  std::stable_partition(sources.begin(), sources.end(), [&](const FoundSource& source) {
    return task->holds.contains(source.download.content);
  });
  LocalPaths paths;
  for (const FoundSource& source : sources) {
    RETURN_IF_ERROR(FetchOne(&client, source, task, stop_requested));
    paths[source.fetched.source] = source.fetched.path;
  }
  absl::StatusOr<ModelFacts> facts = CheckSpec(WithLocalPaths(task->spec, paths));
  if (!facts.ok()) return NameSources(facts.status(), paths);
  return *std::move(facts);
}

absl::Status SourceFetcher::FetchOne(S3Client* client, const FoundSource& source, Task* task,
                                     const StopRequested& stop) {
  const std::string& name = source.fetched.source;
  Steps steps;
  const auto progress = [&](int64_t done, int64_t total) {
    if (!steps.Reached(done, total)) return;
    listener_->OnFetchProgress(
        task->job, {Phase::kFetch, -1, Megabytes(done), Megabytes(total), "MB of " + name});
  };
  RETURN_IF_ERROR(
      cache_->Fetch(client, source, progress, stop, &task->holds[source.download.content]));
  if (source.fetched.path != task->bound[name].path) {
    listener_->OnSourceFetched(task->job, source.fetched);
    task->bound[name] = source.fetched;
  }
  return absl::OkStatus();
}

}  // namespace rondo
