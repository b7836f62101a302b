#include "worker/runtime/rank_process.h"

#include <array>

#include "absl/strings/match.h"

namespace rondo {
namespace {

bool RankMaySee(const std::string& variable) {
  // RONDO_TOKEN and its like are the agent's alone: a rank reads files that strangers wrote.
  static constexpr std::array<const char*, 9> kKept = {
      "PATH=", "HOME=", "LANG=",           "LC_ALL=", "LD_LIBRARY_PATH=", "CUDA_VISIBLE_DEVICES=",
      "NCCL_", "GLOO_", "RONDO_SHARE_GPU="};
  for (const char* prefix : kKept) {
    if (absl::StartsWith(variable, prefix)) return true;
  }
  return false;
}

std::vector<std::string> RankEnvironment(int threads) {
  std::vector<std::string> kept;
  for (const std::string& variable : CurrentEnvironment()) {
    if (RankMaySee(variable)) kept.push_back(variable);
  }
  kept.push_back(absl::StrCat("OMP_NUM_THREADS=", threads));
  kept.push_back(absl::StrCat("MKL_NUM_THREADS=", threads));
  // Ranks of one machine share its cores: a thread that spins at the end of a loop takes another's.
  kept.emplace_back("OMP_WAIT_POLICY=PASSIVE");
  return kept;
}

}  // namespace

absl::StatusOr<std::unique_ptr<RankProcess>> RankProcess::Start(const RankLaunch& launch) {
  ASSIGN_OR_RETURN(auto ends, MakeSocketPair());
  ASSIGN_OR_RETURN(auto child,
                   ChildProcess::Start(launch.name, {.program = launch.program,
                                                     .environment = RankEnvironment(launch.threads),
                                                     .inherited_fd = ends.second.get(),
                                                     .stderr_path = launch.log_path}));
  // `ends.second` closes here, so that the channel closes when the rank ends.
  return std::unique_ptr<RankProcess>(new RankProcess(std::move(ends.first), std::move(child)));
}

}  // namespace rondo
