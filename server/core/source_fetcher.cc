#include "server/core/source_fetcher.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace rondo {
namespace {

using std::chrono::steady_clock;

constexpr size_t kMostThreads = 4;
constexpr std::chrono::milliseconds kWantedCheck(250);
// At most so many events of progress for a source, and not more than one a second.
constexpr int64_t kSteps = 50;
constexpr std::chrono::seconds kBetweenSteps(1);
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
  tasks_.push_back({job, spec, bound});
  if (tasks_.size() > idle_ && threads_.size() < kMostThreads) {
    threads_.emplace_back([this] { Run(); });
  }
  changed_.Signal();
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
    const absl::StatusOr<ModelFacts> facts = FetchAll(task);
    if (stopping()) return;  // the next process on the store takes it up
    listener_->OnFetchEnded(task.job, facts);
  }
}

absl::StatusOr<ModelFacts> SourceFetcher::FetchAll(const Task& task) {
  steady_clock::time_point asked;
  bool stop = false;
  const auto stop_requested = [&] {
    const auto now = steady_clock::now();
    if (now - asked < kWantedCheck) return stop;
    asked = now;
    stop = stopping() || !listener_->IsFetchWanted(task.job);
    return stop;
  };
  LocalPaths paths;
  for (const RemoteSource& source : RemoteSources(task.spec)) {
    const std::string name = source.uri.name();
    Steps steps;
    const auto progress = [&](int64_t done, int64_t total) {
      if (!steps.Reached(done, total)) return;
      listener_->OnFetchProgress(
          task.job, {Phase::kFetch, -1, Megabytes(done), Megabytes(total), "MB of " + name});
    };
    const auto bound = task.bound.find(name);
    const SourceFetched former = bound == task.bound.end() ? SourceFetched{} : bound->second;
    ASSIGN_OR_RETURN(const SourceFetched fetched,
                     cache_->Fetch(source, former, progress, stop_requested));
    if (fetched.path != former.path) listener_->OnSourceFetched(task.job, fetched);
    paths[name] = fetched.path;
  }
  absl::StatusOr<ModelFacts> facts = CheckSpec(WithLocalPaths(task.spec, paths));
  if (!facts.ok()) return NameSources(facts.status(), paths);
  return facts;
}

}  // namespace rondo
