// Seconds and memory of a training step of VQRound on one rank, beside the time that the step's own
// matrix products need at the rate that this machine shows for their shapes in the same run. The
// last line is JSON, in the fields of reference_step.py.
//
//   rondo_train_bench --model DIR --tokens 256 [--threads 1 --steps 8 --bits 3 --dtype bfloat16]
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "common/base/clock.h"
#include "common/format/checkpoint.h"
#include "tests/bench/measure.h"
#include "worker/engine/flop.h"
#include "worker/engine/initialise.h"
#include "worker/engine/learn_rounding.h"
#include "worker/engine/memory.h"

namespace rondo {
namespace {

constexpr int64_t kWindows = 2;
constexpr int kWarmUp = 2;  // steps that are not timed

struct Arguments {
  std::string model;
  std::string dtype = "bfloat16";
  int64_t tokens = 256, steps = 8;
  int threads = 1, bits = 3;
};

// The objective of the paper's code, with the regulariser from the first step on.
LearnedRoundingSettings Method(const Arguments& arguments) {
  CodebookSettings codebook;
  codebook.iterations = 1;  // the speed of a step does not depend on the quality of the clusters
  LearnedRoundingSettings method;
  method.parameters = codebook;
  method.init = RoundingInit::kRtn;
  method.training.steps = arguments.steps;
  method.training.forward = RoundingForward::kSoft;
  method.training.temperature = 2;
  method.training.beta_hold = 0;
  method.training.checkpoint_every = 0;
  return method;
}

RankTask Task(const Arguments& arguments, const std::string& cache_dir) {
  RankTask task;
  task.spec.model.path = arguments.model;
  task.spec.grid = {arguments.bits, -1, /*symmetric=*/false};
  task.spec.method = Method(arguments);
  task.plan.training_dtype = arguments.dtype == "bfloat16" ? DType::kBFloat16 : DType::kFloat32;
  task.plan.keep_graphs = true;
  task.cache_dir = cache_dir;
  return task;
}

struct Training {
  std::vector<double> ends, cpu_ends;  // of the steps, by Now() and by CpuNow()
  double loss = 0;                     // of the last step, mean a token
  int64_t peak_bytes = 0;
};

absl::StatusOr<Training> Train(const RankTask& task, const Checkpoint& checkpoint,
                               const ModelConfig& config, int64_t tokens) {
  Training training;
  const SystemClock clock;
  Reporter reporter(0, &clock, at::kCPU, [&](const RankReport& report) {
    const auto* event = std::get_if<JobEvent>(&report);
    if (event == nullptr) return absl::OkStatus();
    if (const auto* step = std::get_if<TrainingStep>(&event->body)) {
      training.ends.push_back(Now());
      training.cpu_ends.push_back(CpuNow());
      training.loss = step->loss;
    }
    return absl::OkStatus();
  });
  const auto comm = SingleRank();
  RankContext ctx;
  ctx.task = &task;
  ctx.comm = comm.get();
  ctx.reporter = &reporter;
  ctx.checkpoint = &checkpoint;
  ctx.config = config;
  ASSIGN_OR_RETURN(ctx.layout, LayoutOf(config));
  ctx.stages = {{0, config.num_layers}};
  std::vector<SolvedLayer> start;
  RETURN_IF_ERROR(QuantizeIndependentLayers(ctx, at::Tensor(), [&](int64_t, SolvedLayer solved) {
    start.push_back(std::move(solved));
    return absl::OkStatus();
  }));
  auto generator = at::detail::createCPUGenerator(/*seed=*/5);
  const at::Tensor ids = at::randint(0, config.vocab_size, {kWindows, tokens}, generator,
                                     at::TensorOptions().dtype(at::kLong));
  RETURN_IF_ERROR(TrainRounding(ctx, ids, start).status());
  training.peak_bytes = PeakMemory(at::kCPU);
  return training;
}

// The matrix products of a linear layer, [tokens, in] -> [tokens, out], as training forms them.
class Products {
 public:
  Products(int64_t tokens, int64_t in, int64_t out, at::ScalarType dtype)
      : x_(at::randn({tokens, in}).to(dtype)),
        w_(at::randn({out, in}).to(dtype)),
        g_(at::randn({tokens, out}).to(dtype)) {}
  double Forward() const {
    return BestOf(kRepeats, [&] { at::mm(x_, w_.t()); });
  }
  double ToInput() const {
    return BestOf(kRepeats, [&] { at::mm(g_, w_); });
  }
  double ToWeight() const {
    return BestOf(kRepeats, [&] { at::mm(g_.t(), x_); });
  }

 private:
  static constexpr int kRepeats = 7;
  at::Tensor x_, w_, g_;
};

struct Bound {
  double seconds = 0;
  double flop = 0;
};

// Forward and two products back of every linear (graphs are kept); logits of student and teacher,
// and back from the former.
Bound MeasureBound(const ModelConfig& config, const ModelLayout& layout, int64_t tokens,
                   at::ScalarType dtype) {
  std::map<std::pair<int64_t, int64_t>, double> by_shape;
  Bound bound;
  for (const LinearLayout& linear : layout.linears) {
    double& seconds = by_shape[{linear.in, linear.out}];
    if (seconds == 0) {
      const Products products(tokens, linear.in, linear.out, dtype);
      seconds = products.Forward() + products.ToInput() + products.ToWeight();
    }
    bound.seconds += static_cast<double>(config.num_layers) * seconds;
  }
  const Products head(tokens, config.hidden_size, config.vocab_size, dtype);
  bound.seconds += 2 * head.Forward() + head.ToInput();
  bound.flop = 3 * ForwardFlop(layout, tokens, config.num_layers) + 3 * HeadFlop(config, tokens);
  return bound;
}

int64_t BytesIn(const std::string& folder) {
  int64_t bytes = 0;
  for (const auto& file : std::filesystem::recursive_directory_iterator(folder)) {
    if (file.is_regular_file()) bytes += static_cast<int64_t>(file.file_size());
  }
  return bytes;
}

double MedianStep(const std::vector<double>& ends) {
  std::vector<double> seconds;
  for (size_t i = kWarmUp; i < ends.size(); ++i) seconds.push_back(ends[i] - ends[i - 1]);
  std::sort(seconds.begin(), seconds.end());
  return (seconds[(seconds.size() - 1) / 2] + seconds[seconds.size() / 2]) / 2;
}

void Print(const Arguments& arguments, const Training& training, const Bound& bound,
           double cache_bytes) {
  const double seconds = MedianStep(training.ends);
  const double cpu_seconds = MedianStep(training.cpu_ends);
  const auto tokens = static_cast<double>(arguments.tokens);
  std::printf("a step of %lld tokens, %s, %d thread(s): %.3f s (CPU %.3f s), %.1f tokens/s\n",
              static_cast<long long>(arguments.tokens), arguments.dtype.c_str(), arguments.threads,
              seconds, cpu_seconds, tokens / seconds);
  std::printf("its matrix products: %.1f GFLOP, %.3f s at %.0f GFLOP/s; ratio %.2f\n",
              bound.flop / 1e9, bound.seconds, bound.flop / bound.seconds / 1e9,
              seconds / bound.seconds);
  std::printf("peak memory %.0f MiB; teacher cache %.0f bytes a token; loss %.4f\n",
              static_cast<double>(training.peak_bytes) / (1 << 20), cache_bytes, training.loss);
  const nlohmann::json line = {{"program", "rondo_train_bench"},
                               {"tokens", arguments.tokens},
                               {"threads", arguments.threads},
                               {"dtype", arguments.dtype},
                               {"seconds", seconds},
                               {"cpu_seconds", cpu_seconds},
                               {"tokens_per_second", tokens / seconds},
                               {"bound_seconds", bound.seconds},
                               {"bound_ratio", seconds / bound.seconds},
                               {"peak_bytes", training.peak_bytes},
                               {"cache_bytes_per_token", cache_bytes},
                               {"loss", training.loss}};
  std::printf("%s\n", line.dump().c_str());
}

absl::Status Bench(const Arguments& arguments, const std::string& scratch) {
  at::set_num_threads(arguments.threads);
  ASSIGN_OR_RETURN(const Checkpoint checkpoint, Checkpoint::Open(arguments.model));
  ASSIGN_OR_RETURN(const ModelConfig config, ReadModelConfig(arguments.model));
  const RankTask task = Task(arguments, scratch);
  ASSIGN_OR_RETURN(const Training training, Train(task, checkpoint, config, arguments.tokens));
  const double cache_bytes =
      static_cast<double>(BytesIn(scratch)) / static_cast<double>(kWindows * arguments.tokens);
  ASSIGN_OR_RETURN(const ModelLayout layout, LayoutOf(config));
  const at::NoGradGuard no_grad;
  const auto dtype = arguments.dtype == "bfloat16" ? at::kBFloat16 : at::kFloat;
  Print(arguments, training, MeasureBound(config, layout, arguments.tokens, dtype), cache_bytes);
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("Times a training step of VQRound beside the bound of its matrix products");
  app.add_option("--model", arguments.model)->required();
  app.add_option("--tokens", arguments.tokens, "of the step's one window")
      ->check(CLI::Range(2, 8192));
  app.add_option("--threads", arguments.threads);
  // A step is reported by itself only in trainings of at most 200.
  app.add_option("--steps", arguments.steps, "the first 2 are not timed")
      ->check(CLI::Range(3, 200));
  app.add_option("--bits", arguments.bits)->check(CLI::IsMember({2, 3, 4}));
  app.add_option("--dtype", arguments.dtype, "of the products")
      ->check(CLI::IsMember({"float32", "bfloat16"}));
  CLI11_PARSE(app, argc, argv);
  std::string scratch = std::filesystem::temp_directory_path() / "rondo-train-bench-XXXXXX";
  if (mkdtemp(scratch.data()) == nullptr) {
    std::fprintf(stderr, "no folder can be made at %s\n", scratch.c_str());
    return 2;
  }
  const absl::Status done = Bench(arguments, scratch);
  std::filesystem::remove_all(scratch);
  if (!done.ok()) std::fprintf(stderr, "%s\n", std::string(done.message()).c_str());
  return done.ok() ? 0 : 1;
}

}  // namespace
}  // namespace rondo

// What throws ends the bench.
// NOLINTNEXTLINE(bugprone-exception-escape)
int main(int argc, char** argv) { return rondo::Main(argc, argv); }
