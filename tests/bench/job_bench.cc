// Time per phase of one GPTQ job on one rank, beside the time that its matrix products alone need
// at the matrix rate that this machine shows in the same run.
//
//   rondo_job_bench --model DIR --calibration FILE [--samples 32 --seq-len 512 --bits 4
//                   --propagate quantized --dtype float32,bfloat16 --threads 1]
#include <cstdio>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/rand.h>
#include <CLI/CLI.hpp>

#include "common/base/clock.h"
#include "common/format/checkpoint.h"
#include "tests/bench/measure.h"
#include "worker/engine/flop.h"
#include "worker/engine/memory.h"
#include "worker/engine/rank.h"

namespace rondo {
namespace {

// FLOP/s of a [2048, 2048] product: the best of eight, after one that warms up.
double MatrixRate(at::ScalarType dtype) {
  constexpr int64_t kSize = 2048;
  const at::Tensor a = at::rand({kSize, kSize}).to(dtype);
  const at::Tensor b = at::rand({kSize, kSize}).to(dtype);
  return 2.0 * kSize * kSize * kSize / BestOf(8, [&] { at::mm(a, b.t()); });
}

struct Times {
  std::map<Phase, double> seconds;
  absl::Status status;
};

Times RunOnce(const RankTask& task, bool verbose) {
  Times times;
  const SystemClock clock;
  RankDeps deps;
  deps.clock = &clock;
  deps.report = [&](const RankReport& report) {
    const auto* event = std::get_if<JobEvent>(&report);
    if (event == nullptr) return absl::OkStatus();
    if (const auto* phase = std::get_if<PhaseFinished>(&event->body)) {
      times.seconds[phase->phase] += phase->seconds;
    } else if (const auto* note = std::get_if<Note>(&event->body); note != nullptr && verbose) {
      std::printf("note: %s\n", note->message.c_str());
    }
    return absl::OkStatus();
  };
  times.status = RunRank(task, deps);
  return times;
}

struct Bound {
  double forward = 0;
  double hessian = 0;
  double solve = 0;
};

void Report(const RankTask& task, const Times& times, const Bound& bound) {
  const double teacher = times.seconds.at(Phase::kTeacher);
  const double solve = times.seconds.at(Phase::kInitialise);
  std::printf("%-9s %-10s %9s %9s %7s\n", "dtype", "phase", "seconds", "bound", "ratio");
  const std::string dtype = DTypeName(task.plan.dtype);
  const double teacher_bound = bound.forward + bound.hessian;
  std::printf("%-9s %-10s %9.2f %9.2f %7.2f   (forward %.2f + Hessians %.2f)\n", dtype.c_str(),
              "TEACHER", teacher, teacher_bound, teacher / teacher_bound, bound.forward,
              bound.hessian);
  std::printf("%-9s %-10s %9.2f %9.2f %7.2f\n", dtype.c_str(), "INITIALISE", solve, bound.solve,
              solve / bound.solve);
  const double all = teacher_bound + bound.solve;
  std::printf("%-9s %-10s %9.2f %9.2f %7.2f\n", dtype.c_str(), "together", teacher + solve, all,
              (teacher + solve) / all);
}

struct Arguments {
  JobSpec spec;
  std::vector<std::string> dtypes = {"float32", "bfloat16"};
  std::string propagate = "quantized";
  int bits = 4;
};

int Bench(Arguments arguments) {
  JobSpec& spec = arguments.spec;
  GptqSettings gptq;
  gptq.propagate =
      arguments.propagate == "quantized" ? Propagate::kQuantized : Propagate::kFullPrecision;
  spec.method = gptq;
  spec.grid = {arguments.bits, -1, /*symmetric=*/false};
  const auto config = ReadModelConfig(spec.model.path);
  if (!config.ok()) {
    std::fprintf(stderr, "%s\n", std::string(config.status().message()).c_str());
    return 2;
  }
  const ModelLayout layout = *LayoutOf(*config);
  at::set_num_threads(spec.compute.threads_per_rank);
  const double fp32 = MatrixRate(at::kFloat);
  const double bf16 = MatrixRate(at::kBFloat16);
  std::printf("matrix rate, %d thread(s): float32 %.0f GFLOP/s, bfloat16 %.0f GFLOP/s\n",
              spec.compute.threads_per_rank, fp32 / 1e9, bf16 / 1e9);
  const int64_t tokens = spec.calibration.samples * spec.calibration.seq_len;
  const double forward = IsSequential(spec.method)
                             ? SequentialForwardFlop(layout, tokens, config->num_layers)
                             : ForwardFlop(layout, tokens, config->num_layers);
  const std::filesystem::path scratch = std::filesystem::temp_directory_path() / "rondo-job-bench";
  for (const std::string& dtype : arguments.dtypes) {
    RankTask task;
    task.job = JobId("bench");
    task.spec = spec;
    task.device = "cpu";
    task.artifact_dir = scratch;
    task.plan.stages = {{0, config->num_layers, 0}};
    task.plan.dtype = dtype == "bfloat16" ? DType::kBFloat16 : DType::kFloat32;
    const double rate = dtype == "bfloat16" ? bf16 : fp32;
    const Bound bound = {forward / rate, HessianFlop(layout, tokens, config->num_layers) / rate,
                         SolveFlop(layout, config->num_layers) / fp32};
    std::filesystem::remove_all(scratch);
    const Times times = RunOnce(task, /*verbose=*/true);
    std::filesystem::remove_all(scratch);
    if (!times.status.ok()) {
      std::fprintf(stderr, "%s\n", times.status.ToString().c_str());
      return 1;
    }
    Report(task, times, bound);
  }
  std::printf("peak memory of the process: %.0f MiB\n",
              static_cast<double>(PeakMemory(at::kCPU)) / (1 << 20));
  return 0;
}

int Main(int argc, char** argv) {
  Arguments arguments;
  JobSpec& spec = arguments.spec;
  spec.calibration.samples = 32;
  spec.calibration.seq_len = 512;
  CLI::App app("Times a GPTQ job beside the bound of its matrix products");
  app.add_option("--model", spec.model.path)->required();
  app.add_option("--calibration", spec.calibration.path)->required();
  app.add_option("--samples", spec.calibration.samples);
  app.add_option("--seq-len", spec.calibration.seq_len);
  app.add_option("--threads", spec.compute.threads_per_rank);
  app.add_option("--micro-batch", spec.compute.micro_batch);
  app.add_option("--bits", arguments.bits);
  app.add_option("--propagate", arguments.propagate)->check(CLI::IsMember({"fp", "quantized"}));
  app.add_option("--dtype", arguments.dtypes)->delimiter(',');
  CLI11_PARSE(app, argc, argv);
  return Bench(std::move(arguments));
}

}  // namespace
}  // namespace rondo

// What throws ends the bench.
// NOLINTNEXTLINE(bugprone-exception-escape)
int main(int argc, char** argv) { return rondo::Main(argc, argv); }
