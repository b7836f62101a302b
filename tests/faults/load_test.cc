// What the coordinator bears: a long history, many watchers.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>

#include "absl/time/clock.h"
#include "rondo/v1/service.grpc.pb.h"
#include "server/store/sqlite.h"
#include "server/store/sqlite_job_store.h"
#include "tests/faults/cluster.h"

namespace rondo {
namespace {

constexpr int kJobs = 10'000;
constexpr char kWaiting[] = "waiting";
constexpr int kWatchers = 1'000;
constexpr int kChannels = 8;  // the server takes 256 streams a connection
constexpr absl::Duration kPageTime = absl::Milliseconds(50);

Job MakeJob(const std::string& id, const JobSpec& spec) {
  Job job;
  job.id = JobId(id);
  job.request_id = "request-" + id;
  job.spec = spec;
  job.created = absl::FromUnixSeconds(1);
  return job;
}

JobEvent Moved(JobState state) { return {0, absl::FromUnixSeconds(1), 0, StateChanged{state}}; }

// A store with so many jobs that have ended, and `waiting`.
void Fill(const std::string& path, const JobSpec& spec, const std::string& waiting) {
  {
    auto store = *OpenSqliteJobStore(path);
    ASSERT_TRUE(store->Create(MakeJob("0", spec), Moved(JobState::kQueued)).ok());
    ASSERT_TRUE(store->Append(JobId("0"), {Moved(JobState::kCancelled)}).ok());
  }
  {
    // Copies of it, in one transaction instead of thousands.
    auto db = *Sqlite::Open(path);
    const std::string numbers =
        absl::StrCat("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ",
                     kJobs - 2, ") ");
    ASSERT_TRUE(db.Execute(numbers +
                           "INSERT INTO jobs (id, request_id, create_time_ns, spec) "
                           "SELECT i, 'request-' || i, i, spec FROM n, jobs WHERE id = '0'")
                    .ok());
    ASSERT_TRUE(db.Execute(numbers + "INSERT INTO events (job_id, number, record) "
                                     "SELECT i, number, record FROM n, events WHERE job_id = '0'")
                    .ok());
  }
  ASSERT_TRUE(
      (*OpenSqliteJobStore(path))->Create(MakeJob(waiting, spec), Moved(JobState::kQueued)).ok());
}

class Load : public testing::Test {
 protected:
  void SetUp() override {
    Fill(cluster_.state_dir() + "/rondo.db", cluster_.Spec("gang-1", 1), kWaiting);
    const absl::Time start = absl::Now();
    ASSERT_TRUE(cluster_.StartServer());
    std::printf("started on %d jobs in %s\n", kJobs,
                absl::FormatDuration(absl::Now() - start).c_str());
  }
  Cluster cluster_;
};

TEST_F(Load, EveryPageOfTenThousandJobsComesIn50Milliseconds) {
  const auto client = RondoClient::Connect(cluster_.address());
  ASSERT_TRUE(client->Get(JobId(kWaiting)).ok());  // connected
  absl::Duration longest;
  int listed = 0;
  std::string token;
  do {
    // The best of three: other processes share this machine.
    absl::Duration best = absl::InfiniteDuration();
    absl::StatusOr<JobPage> page;
    for (int i = 0; i < 3; ++i) {
      const absl::Time start = absl::Now();
      page = client->List(50, token);
      best = std::min(best, absl::Now() - start);
    }
    ASSERT_TRUE(page.ok()) << page.status();
    longest = std::max(longest, best);
    listed += static_cast<int>(page->jobs.size());
    token = page->next_page_token;
  } while (!token.empty());
  EXPECT_EQ(listed, kJobs);
  std::printf("longest page of 50: %s\n", absl::FormatDuration(longest).c_str());
  EXPECT_LT(longest, kPageTime);
}

// One stream of events, driven by a completion queue.
struct Watcher {
  grpc::ClientContext context;
  std::unique_ptr<grpc::ClientAsyncReader<v1::WatchJobResponse>> stream;
  v1::WatchJobResponse response;
  grpc::Status status;
  std::vector<int64_t> seen;
  bool finishing = false;
};

TEST_F(Load, AThousandWatchersSeeEveryEvent) {
  std::vector<std::unique_ptr<v1::JobService::Stub>> stubs;
  for (int i = 0; i < kChannels; ++i) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a connection each
    stubs.push_back(v1::JobService::NewStub(grpc::CreateCustomChannel(
        cluster_.address(), grpc::InsecureChannelCredentials(), arguments)));
  }
  const JobId job(kWaiting);
  v1::WatchJobRequest request;
  request.set_job_id(job.value());
  grpc::CompletionQueue queue;
  std::vector<std::unique_ptr<Watcher>> watchers;
  for (int i = 0; i < kWatchers; ++i) {
    auto& watcher = *watchers.emplace_back(std::make_unique<Watcher>());
    watcher.context.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(2));
    watcher.stream =
        stubs[i % kChannels]->AsyncWatchJob(&watcher.context, request, &queue, &watcher);
  }
  int at_first_event = 0;
  int ended = 0;
  absl::Time cancelled;
  while (ended < kWatchers) {
    void* tag = nullptr;
    bool ok = false;
    ASSERT_TRUE(queue.Next(&tag, &ok));
    auto* watcher = static_cast<Watcher*>(tag);
    if (watcher->finishing) {
      ++ended;
      continue;
    }
    if (!ok) {
      watcher->finishing = true;
      watcher->stream->Finish(&watcher->status, watcher);
      continue;
    }
    if (watcher->response.has_event()) {
      watcher->seen.push_back(watcher->response.event().number());
      // All of them watch before the job goes on.
      if (watcher->seen.size() == 1 && ++at_first_event == kWatchers) {
        cancelled = absl::Now();
        ASSERT_TRUE(RondoClient::Connect(cluster_.address())->Cancel(job).ok());
      }
    }
    watcher->response.Clear();
    watcher->stream->Read(&watcher->response, watcher);
  }
  std::printf("%d watchers were told in %s\n", kWatchers,
              absl::FormatDuration(absl::Now() - cancelled).c_str());
  for (const auto& watcher : watchers) {
    EXPECT_TRUE(watcher->status.ok()) << watcher->status.error_message();
    EXPECT_EQ(watcher->seen, (std::vector<int64_t>{1, 2}));
  }
}

}  // namespace
}  // namespace rondo
