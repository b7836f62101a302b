// Gangs in one process, for tests: ranks as threads over Gloo, on the tiny LLaMA.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "common/io/file.h"
#include "worker/engine/context.h"

namespace rondo {

inline constexpr char kTinyLlama[] = "tests/data/models/llama-tiny";
inline constexpr int64_t kWindows = 6, kSeq = 48;

inline at::Tensor RandomTokens(int64_t vocab, uint64_t seed = 5) {
  auto generator = at::detail::createCPUGenerator(seed);
  return at::randint(0, vocab, {kWindows, kSeq}, generator, at::TensorOptions().dtype(at::kLong));
}

// A folder that goes with its owner.
class ScopedDir {
 public:
  ScopedDir() {
    std::string pattern = testing::TempDir() + "/rondo_engine_XXXXXX";
    path_ = mkdtemp(pattern.data());
  }
  ~ScopedDir() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const { return JoinPath(path_, name); }

 private:
  std::string path_;
};

// One rank of a gang in this process.
class TestRank {
 public:
  TestRank(const JobSpec& spec, std::unique_ptr<Communicator> comm, int stages)
      : comm_(std::move(comm)),
        checkpoint_(*Checkpoint::Open(spec.model.path)),
        reporter_(comm_->rank(), &clock_, at::kCPU, [this](const RankReport& report) {
          reports.push_back(std::get<JobEvent>(report).body);
          return absl::OkStatus();
        }) {
    task.rank = comm_->rank();
    task.spec = spec;
    ctx.task = &task;
    ctx.comm = comm_.get();
    ctx.reporter = &reporter_;
    ctx.checkpoint = &checkpoint_;
    ctx.config = *ReadModelConfig(spec.model.path);
    ctx.layout = *LayoutOf(ctx.config);
    for (int stage = 0; stage < stages; ++stage) {
      ctx.stages.push_back(
          {ctx.config.num_layers * stage / stages, ctx.config.num_layers * (stage + 1) / stages});
    }
  }

  // Of the events that were reported, those of one kind.
  template <typename Body>
  std::vector<Body> Reported() const {
    std::vector<Body> bodies;
    for (const EventBody& body : reports) {
      if (const auto* of_kind = std::get_if<Body>(&body)) bodies.push_back(*of_kind);
    }
    return bodies;
  }

  RankContext ctx;
  RankTask task;
  std::vector<EventBody> reports;

 private:
  std::unique_ptr<Communicator> comm_;
  Checkpoint checkpoint_;
  SystemClock clock_;
  Reporter reporter_;
};

inline std::unique_ptr<Communicator> JoinTestGang(int rank, int size, const std::string& address,
                                                  std::unique_ptr<Rendezvous> rendezvous) {
  if (size == 1) return SingleRank();
  if (rank > 0) rendezvous = *Connect(address, absl::Seconds(60));
  GroupOptions options;
  options.rank = rank;
  options.size = size;
  options.host = "127.0.0.1";
  options.generation = "job/1";
  return *JoinGroup(std::move(rendezvous), options);
}

// Calls work(rank) for every rank of a gang at the same time, each in a thread of its own.
inline void RunGang(const JobSpec& spec, int stages, int replicas,
                    const std::function<void(TestRank&)>& work) {
  const int size = stages * replicas;
  auto listening = *Listen("127.0.0.1", absl::Seconds(60));
  const std::string address = listening->address();
  std::vector<std::thread> threads;
  threads.reserve(size);
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      at::set_num_threads(1);
      TestRank own(spec,
                   JoinTestGang(rank, size, address, rank == 0 ? std::move(listening) : nullptr),
                   stages);
      work(own);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace rondo
