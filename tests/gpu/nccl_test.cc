// The communicator over NCCL: several ranks, each a process of its own, on one GPU
// (RONDO_SHARE_GPU, worker/comm/nccl_backend.cc).
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <ATen/Context.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>

#include <gtest/gtest.h>

#include "worker/comm/communicator.h"

extern char** environ;

namespace rondo {
namespace {

constexpr int64_t kElements = 1 << 20;

// What every rank does: a tensor travels down the line, growing by the rank; returns an exit code.
int RunOneRank(int rank, int size, std::unique_ptr<Rendezvous> rendezvous) {
  GroupOptions options;
  options.rank = rank;
  options.size = size;
  options.host = "127.0.0.1";
  options.generation = "nccl-test/1";
  options.device = at::Device(at::kCUDA, 0);
  options.timeout = absl::Minutes(2);
  auto comm = JoinGroup(std::move(rendezvous), options);
  if (!comm.ok()) {
    std::fprintf(stderr, "rank %d: %s\n", rank, comm.status().ToString().c_str());
    return 1;
  }
  at::Tensor data =
      at::arange(kElements, at::TensorOptions().dtype(at::kFloat).device(options.device));
  const at::Tensor expected = data + rank;
  if (rank > 0) {
    at::Tensor got = at::empty_like(data);
    auto pending = (*comm)->Receive(got, rank - 1);
    if (!pending.ok() || !(*pending)->Wait().ok()) return 2;
    data = got + 1;
  }
  if (rank < size - 1) {
    auto pending = (*comm)->Send(data, rank + 1);
    if (!pending.ok() || !(*pending)->Wait().ok()) return 3;
  }
  if (!data.equal(expected)) return 4;
  if (!(*comm)->Broadcast(data, size - 1).ok()) return 5;
  if (data[0].item<float>() != static_cast<float>(size - 1)) return 6;
  return (*comm)->Barrier().ok() ? 0 : 7;
}

int SpawnRank(int rank, int size, const std::string& address) {
  const std::string self = std::filesystem::read_symlink("/proc/self/exe");
  std::vector<std::string> words = {self, "--rank", std::to_string(rank), std::to_string(size),
                                    address};
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  int pid = -1;
  EXPECT_EQ(posix_spawn(&pid, argv[0], nullptr, nullptr, argv.data(), environ), 0);
  return pid;
}

class Nccl : public testing::TestWithParam<int> {};

TEST_P(Nccl, RanksOnOneGpuPassTensors) {
  if (!at::globalContext().hasCUDA()) {
    if (std::getenv("RONDO_REQUIRE_GPU") != nullptr) FAIL() << "no CUDA device";
    GTEST_SKIP() << "no CUDA device on this machine";
  }
  setenv("RONDO_SHARE_GPU", "1", /*overwrite=*/1);
  const int size = GetParam();
  auto rendezvous = Listen("127.0.0.1", absl::Minutes(2));
  ASSERT_TRUE(rendezvous.ok()) << rendezvous.status();
  std::vector<int> pids;
  for (int rank = 0; rank < size; ++rank) {
    pids.push_back(SpawnRank(rank, size, (*rendezvous)->address()));
  }
  for (int rank = 0; rank < size; ++rank) {
    int status = 0;
    waitpid(pids[rank], &status, 0);
    EXPECT_TRUE(WIFEXITED(status)) << "rank " << rank << " died of signal " << WTERMSIG(status);
    EXPECT_EQ(WEXITSTATUS(status), 0) << "rank " << rank;
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, Nccl, testing::Values(1, 2, 4));

}  // namespace
}  // namespace rondo

int main(int argc, char** argv) {
  if (argc == 5 && std::string(argv[1]) == "--rank") {
    auto rendezvous = rondo::Connect(argv[4], absl::Minutes(2));
    if (!rendezvous.ok()) return 8;
    _exit(rondo::RunOneRank(std::atoi(argv[2]), std::atoi(argv[3]), *std::move(rendezvous)));
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
