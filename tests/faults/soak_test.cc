// Good, hasty, killed and nonsensical clients for a long time. After every round all is quiet: no
// job is left, every slot is free, /metrics says what the clients know and the API shows, and no
// process holds more than it did. RONDO_SOAK_SECONDS sets how long clients are at work.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <random>
#include <thread>

#include "absl/time/clock.h"
#include "common/base/log.h"
#include "common/process/process_usage.h"
#include "tests/faults/scrape.h"
#include "tests/faults/soak_clients.h"

namespace rondo {
namespace {

constexpr int kRounds = 8;
constexpr int kWarmUp = kRounds / 4;
constexpr int kAgents = 3;
constexpr int kSteps = 3;
constexpr absl::Duration kPatience = absl::Minutes(2);

// gRPC makes a thread for each call in progress and keeps a few for the next ones.
constexpr int64_t kMoreThreads = 4;
// Every job stays in the coordinator's memory, with 3 KiB. Besides, at rest the heap still holds
// pages that downloads had: 15 MiB more or less from one round to the next.
constexpr int64_t kBytesAJob = 6 << 10;
constexpr int64_t kMoreBytes = 16 << 20;
#ifdef __SANITIZE_ADDRESS__
constexpr bool kMemoryTells = false;  // freed memory is kept back; at the end leaks are looked for
#else
constexpr bool kMemoryTells = true;
#endif

// An agent keeps the channel of its last rank until the next one starts.
int64_t MoreDescriptors(const std::string& process) { return process == "server" ? 0 : 1; }

// What the processes hold when nobody asks anything of them.
struct Rest {
  std::map<std::string, ProcessUsage> usage;
  int64_t jobs = 0;
};

// `warm` as if every process had held the most that it had at either time.
void Raise(const Rest& to, Rest* warm) {
  warm->jobs = to.jobs;
  for (const auto& [name, usage] : to.usage) {
    ProcessUsage& most = warm->usage[name];
    most.open_fds = std::max(most.open_fds, usage.open_fds);
    most.threads = std::max(most.threads, usage.threads);
    most.resident_bytes = std::max(most.resident_bytes, usage.resident_bytes);
  }
}

class SoakTest : public testing::Test {
 protected:
  void SetUp() override {
    SetLogLevel(LogLevel::kWarning);
    ASSERT_TRUE(cluster_.StartServer());
    client_ = RondoClient::Connect(cluster_.address());
    for (const char* id : {"a", "b", "c"}) cluster_.StartAgent(id);
    ASSERT_TRUE(Eventually(kPatience, [&] { return IdleWorkers() == kAgents; }));
    soak_.cluster = &cluster_;
    soak_.ledger = &ledger_;
    const std::string steps = absl::StrCat("gang-", kSteps);
    soak_.specs = {cluster_.Spec(steps, 1), cluster_.Spec(steps, 2), cluster_.Spec(steps, 1),
                   cluster_.Spec(steps + "-kill-0-1", 1), cluster_.Spec(steps + "-refuse-0-1", 1)};
    soak_.specs[2].method = RtnSettings{};
    soak_.endless = cluster_.Spec(steps + "-hang-0-1", 1);
    MakeLargeArtifact(cluster_.Spec(steps + "-bulk-0-0", 1));
  }

  void MakeLargeArtifact(const JobSpec& spec) {
    const auto submitted = client_->Submit(spec, "large");
    ASSERT_TRUE(submitted.ok()) << submitted.status();
    ledger_.Record(kSubmit, submitted.status());
    ledger_.RecordSubmitted(submitted->job.id, submitted->existed);
    soak_.ended = submitted->job.id;
    const absl::Status end = client_->Watch(soak_.ended, 0, [](const JobEvent&) { return true; });
    ASSERT_EQ(end, absl::OkStatus());
    ledger_.Record(kWatch, end);
  }

  int IdleWorkers() {
    const auto workers = client_->ListWorkers();
    ledger_.Record(kWorkers, workers.status());
    if (!workers.ok()) return -1;
    return static_cast<int>(std::count_if(workers->begin(), workers->end(), [](const auto& worker) {
      return worker.state == WorkerState::kIdle;
    }));
  }

  ApiView ReadApi() {
    ApiView api;
    std::string token;
    do {
      auto page = client_->List(500, token);
      ledger_.Record(kList, page.status());
      EXPECT_TRUE(page.ok()) << page.status();
      if (!page.ok()) break;
      token = page->next_page_token;
      std::move(page->jobs.begin(), page->jobs.end(), std::back_inserter(api.jobs));
    } while (!token.empty());
    api.idle_workers = IdleWorkers();
    return api;
  }

  // Clients at work; meanwhile the page is one at every look, and no counter goes back.
  void Work(absl::Duration length, uint64_t seed) {
    soak_.stop = false;
    std::vector<std::thread> threads;
    threads.reserve(7);
    for (int i = 0; i < 3; ++i) threads.emplace_back(RunGoodClient, &soak_, seed + i);
    for (int i = 3; i < 5; ++i) threads.emplace_back(RunHastyClient, &soak_, seed + i);
    threads.emplace_back(RunProcesses, &soak_, seed + 5);
    threads.emplace_back(RunStrangers, &soak_, seed + 6);
    Scrape before;
    for (const absl::Time end = absl::Now() + length; absl::Now() < end;) {
      const auto page = ScrapeMetrics(cluster_.pages_address());
      ++looks_;
      if (!page.ok()) {
        ++missed_;
        std::printf("%s\n", std::string(page.status().message()).c_str());
      } else {
        for (const auto& [series, value] : before.values) {
          if (series.find("_total") == std::string::npos) continue;
          EXPECT_GE((*page)[series], value) << series;
        }
        before = *page;
      }
      absl::SleepFor(absl::Milliseconds(500));  // as a collector does
    }
    soak_.stop = true;
    for (std::thread& thread : threads) thread.join();
  }

  bool IsQuiet() {
    const auto page = ScrapeMetrics(cluster_.pages_address());
    if (!page.ok()) return false;
    const double open =
        page->Sum("rondo_jobs", "\"queued\"") + page->Sum("rondo_jobs", "\"running\"") +
        page->Sum("rondo_jobs", "\"planning\"") + page->Sum("rondo_jobs", "\"recovering\"");
    const double calls =
        page->Sum("grpc_server_started_total") - page->Sum("grpc_server_handled_total");
    return open == 0 && calls == kAgents && (*page)["rondo_workers{state=\"idle\"}"] == kAgents;
  }

  std::map<std::string, pid_t> Pids() {
    std::map<std::string, pid_t> pids = {{"server", cluster_.server().pid()}};
    for (const char* id : {"a", "b", "c"}) {
      pids[std::string("agent ") + id] = cluster_.agent(id).pid();
    }
    return pids;
  }

  // Once no process holds more descriptors and threads than `former`, or patience is over.
  Rest TakeRest(const Rest& former) {
    EXPECT_TRUE(Eventually(kPatience, [&] { return IsQuiet(); })) << "something is still at work";
    Rest rest;
    Eventually(absl::Seconds(30), [&] {
      bool settled = true;
      for (const auto& [name, pid] : Pids()) {
        const auto usage = ReadProcessUsage(pid);
        EXPECT_TRUE(usage.ok()) << name << ": " << usage.status();
        if (usage.ok()) rest.usage[name] = *usage;
        const auto limit = former.usage.find(name);
        if (limit == former.usage.end()) continue;
        settled = settled &&
                  rest.usage[name].open_fds <= limit->second.open_fds + MoreDescriptors(name) &&
                  rest.usage[name].threads <= limit->second.threads + kMoreThreads;
      }
      return settled;
    });
    const ApiView api = ReadApi();
    rest.jobs = static_cast<int64_t>(api.jobs.size());
    const auto page = ScrapeMetrics(cluster_.pages_address());
    EXPECT_TRUE(page.ok()) << page.status();
    if (page.ok()) {
      EXPECT_THAT(Disagreements(*page, ledger_.totals(), api), testing::IsEmpty());
    }
    return rest;
  }

  void Print(const std::string& when, const Rest& rest) {
    std::printf("%s: %lld jobs", when.c_str(), static_cast<long long>(rest.jobs));
    for (const auto& [name, usage] : rest.usage) {
      std::printf("; %s %.1f MiB, %lld descriptors, %lld threads, %.1f s CPU", name.c_str(),
                  static_cast<double>(usage.resident_bytes) / (1 << 20),
                  static_cast<long long>(usage.open_fds), static_cast<long long>(usage.threads),
                  usage.cpu_seconds);
    }
    std::printf("\n");
    std::fflush(stdout);
  }

  void ExpectFlat(const Rest& start, const Rest& warm, const Rest& now) {
    for (const auto& [name, usage] : now.usage) {
      SCOPED_TRACE(name);
      EXPECT_LE(usage.open_fds, start.usage.at(name).open_fds + MoreDescriptors(name));
      EXPECT_LE(usage.threads, warm.usage.at(name).threads + kMoreThreads);
      const int64_t jobs = name == "server" ? now.jobs - warm.jobs : 0;
      if (!kMemoryTells) continue;
      EXPECT_LE(usage.resident_bytes,
                warm.usage.at(name).resident_bytes + kMoreBytes + jobs * kBytesAJob);
    }
  }

  Cluster cluster_;
  Ledger ledger_;
  Soak soak_;
  std::unique_ptr<RondoClient> client_;
  int64_t looks_ = 0;   // at /metrics, while clients were at work
  int64_t missed_ = 0;  // of these
};

TEST_F(SoakTest, NothingGrowsAndMetricsAreWhatClientsKnow) {
  const char* text = std::getenv("RONDO_SOAK_SECONDS");
  const absl::Duration length = absl::Seconds(text == nullptr ? 8 : std::atoi(text));
  const uint64_t seed = std::random_device{}();
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  const Rest start = TakeRest({});
  Print("at first", start);
  Rest warm = start;
  for (int round = 1; round <= kRounds; ++round) {
    SCOPED_TRACE(absl::StrCat("round ", round));
    Work(length / kRounds, seed + uint64_t{100} * round);
    const Rest rest = TakeRest(round <= kWarmUp ? start : warm);
    Print(absl::StrCat("round ", round), rest);
    if (round <= kWarmUp) Raise(rest, &warm);
    ExpectFlat(start, warm, rest);
    if (HasFailure()) break;
  }
  int64_t answered = 0;
  for (const auto& [method, codes] : ledger_.totals().known) {
    for (const auto& [code, count] : codes) answered += count;
  }
  std::printf("%lld calls answered, %lld timed out, %lld clients killed, %lld strangers\n",
              static_cast<long long>(answered), static_cast<long long>(soak_.timed_out),
              static_cast<long long>(soak_.killed), static_cast<long long>(soak_.strangers));
  std::printf("%lld looks at /metrics, %lld missed\n", static_cast<long long>(looks_),
              static_cast<long long>(missed_));
  EXPECT_LE(missed_, looks_ / 100);
  EXPECT_GT(soak_.timed_out, 0);
  EXPECT_GT(soak_.killed, 0);
  EXPECT_GT(soak_.strangers, 0);
  cluster_.StopAgents();
  cluster_.server().Signal(SIGTERM);
  int how = 0;
  ASSERT_TRUE(cluster_.server().WaitFor(kPatience, &how));
  EXPECT_EQ(how, 0) << "what LeakSanitizer has found is in server.log";
}

}  // namespace
}  // namespace rondo
