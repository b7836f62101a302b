// Training on the tiny LLaMA: gradients through the whole model, and stages and replicas as threads
// of one process over Gloo.
#include "worker/engine/learn_rounding.h"

#include <filesystem>
#include <functional>
#include <memory>
#include <thread>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/io/file.h"
#include "worker/engine/initialise.h"
#include "worker/engine/learned_start.h"
#include "worker/engine/teacher.h"
#include "worker/engine/train_pipeline.h"
#include "worker/train/student.h"

namespace rondo {
namespace {

constexpr char kModel[] = "tests/data/models/llama-tiny";
constexpr int64_t kWindows = 6, kSeq = 48;

at::Tensor Tokens(int64_t vocab) {
  auto generator = at::detail::createCPUGenerator(/*seed=*/5);
  return at::randint(0, vocab, {kWindows, kSeq}, generator, at::TensorOptions().dtype(at::kLong));
}

LearnedRoundingSettings Method() {
  LearnedRoundingSettings method;
  method.init = RoundingInit::kRtn;
  method.training.steps = 20;
  method.training.checkpoint_every = 0;
  return method;
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
class Rank {
 public:
  Rank(const LearnedRoundingSettings& method, std::unique_ptr<Communicator> comm, int stages,
       const std::string& cache_dir)
      : comm_(std::move(comm)),
        checkpoint_(*Checkpoint::Open(kModel)),
        reporter_(comm_->rank(), &clock_, at::kCPU, [this](const RankReport& report) {
          reports.push_back(std::get<JobEvent>(report).body);
          return absl::OkStatus();
        }) {
    task.rank = comm_->rank();
    task.cache_dir = cache_dir;
    task.spec.model.path = kModel;
    task.spec.grid = {2, -1, false};
    task.spec.method = method;
    ctx.task = &task;
    ctx.comm = comm_.get();
    ctx.reporter = &reporter_;
    ctx.checkpoint = &checkpoint_;
    ctx.config = *ReadModelConfig(kModel);
    ctx.layout = *LayoutOf(ctx.config);
    for (int stage = 0; stage < stages; ++stage) {
      ctx.stages.push_back(
          {ctx.config.num_layers * stage / stages, ctx.config.num_layers * (stage + 1) / stages});
    }
  }

  std::vector<SolvedLayer> Start() {
    std::vector<SolvedLayer> start;
    const absl::Status done = QuantizeIndependentLayers(
        ctx, at::Tensor(), [&](int64_t, SolvedLayer solved) -> absl::Status {
          start.push_back(std::move(solved));
          return absl::OkStatus();
        });
    EXPECT_TRUE(done.ok()) << done;
    return start;
  }

  // The values of all trained variables, layer by layer.
  std::vector<at::Tensor> Train() {
    auto layers = TrainRounding(ctx, Tokens(ctx.config.vocab_size), Start());
    EXPECT_TRUE(layers.ok()) << layers.status();
    std::vector<at::Tensor> values;
    if (!layers.ok()) return values;
    for (const RoundedLayer& layer : *layers) {
      for (const auto& variables : layer.variables) {
        for (const Parameter& parameter : variables->parameters())
          values.push_back(parameter.value);
      }
    }
    return values;
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

std::unique_ptr<Communicator> Join(int rank, int size, const std::string& address,
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

// Trained variables of the first replica, in order of layers.
std::vector<at::Tensor> TrainOn(const LearnedRoundingSettings& method, int stages, int replicas,
                                bool keep_graphs = false) {
  const int size = stages * replicas;
  auto listening = *Listen("127.0.0.1", absl::Seconds(60));
  const std::string address = listening->address();
  ScopedDir cache;
  std::vector<std::vector<at::Tensor>> values(size);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      at::set_num_threads(1);
      Rank own(method, Join(rank, size, address, rank == 0 ? std::move(listening) : nullptr),
               stages, cache / std::to_string(rank));
      own.task.plan.keep_graphs = keep_graphs;
      values[rank] = own.Train();
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<at::Tensor> all;
  for (int stage = 0; stage < stages; ++stage) {
    all.insert(all.end(), values[stage].begin(), values[stage].end());
  }
  return all;
}

double LargestDifference(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  EXPECT_EQ(a.size(), b.size());
  double largest = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    largest = std::max(largest, (a[i] - b[i]).abs().max().item<double>());
  }
  return largest;
}

TEST(LearnRoundingTest, OneTwoAndFourStagesGiveTheSameBits) {
  const std::vector<at::Tensor> one = TrainOn(Method(), 1, 1);
  ASSERT_EQ(one.size(), 4U * 7U);
  EXPECT_EQ(LargestDifference(one, TrainOn(Method(), 2, 1)), 0);
  EXPECT_EQ(LargestDifference(one, TrainOn(Method(), 4, 1)), 0);
}

TEST(LearnRoundingTest, GraphsThatAreKeptGiveTheSameBits) {
  LearnedRoundingSettings method = Method();
  method.training.batch = 3;
  method.training.steps = 6;
  const std::vector<at::Tensor> again = TrainOn(method, 1, 1);
  EXPECT_EQ(LargestDifference(again, TrainOn(method, 1, 1, /*keep_graphs=*/true)), 0);
  EXPECT_EQ(LargestDifference(again, TrainOn(method, 2, 1, /*keep_graphs=*/true)), 0);
}

TEST(LearnRoundingTest, SeveralWindowsAStepGiveTheSameBitsOnStages) {
  LearnedRoundingSettings method = Method();
  method.training.batch = 3;
  method.training.steps = 6;
  method.training.forward = RoundingForward::kSoftThenStraightThrough;
  EXPECT_EQ(LargestDifference(TrainOn(method, 1, 1), TrainOn(method, 4, 1)), 0);
}

TEST(LearnRoundingTest, BlocksGiveTheSameBitsOnStages) {
  LearnedRoundingSettings method = Method();
  method.training.objective = Objective::kBlockThenEndToEnd;
  method.training.steps = 6;
  EXPECT_EQ(LargestDifference(TrainOn(method, 1, 1), TrainOn(method, 2, 1)), 0);
}

// The order of a sum over the batch is all that differs, and Adam's first steps are about signs.
TEST(LearnRoundingTest, ReplicasAgreeWithOneWorker) {
  LearnedRoundingSettings method = Method();
  method.training.batch = 4;
  method.training.steps = 10;
  method.training.forward = RoundingForward::kSoft;
  const std::vector<at::Tensor> one = TrainOn(method, 1, 1);
  const std::vector<at::Tensor> replicas = TrainOn(method, 1, 2);
  ASSERT_EQ(one.size(), replicas.size());
  double difference = 0, size = 0;
  for (size_t i = 0; i < one.size(); ++i) {
    difference += (one[i] - replicas[i]).square().sum().item<double>();
    size += one[i].square().sum().item<double>();
  }
  EXPECT_LT(std::sqrt(difference / size), 1e-4);
  EXPECT_LT(LargestDifference(TrainOn(method, 2, 2), replicas), 1e-6);
}

TEST(LearnRoundingTest, TheBaselinesTrain) {
  for (const bool dense : {true, false}) {
    LearnedRoundingSettings method = Method();
    method.training.steps = 3;
    if (dense) {
      method.parameters = DenseSettings();
    } else {
      method.parameters = LowRankSettings();
    }
    const std::vector<at::Tensor> values = TrainOn(method, 2, 1);
    EXPECT_EQ(values.size(), 4U * 7U * (dense ? 1 : 2));
  }
}

// d loss / d codebook through all layers, soft weights in float32, against central differences.
TEST(LearnRoundingTest, GradientsThroughTheWholeModelAreThoseOfFiniteDifferences) {
  const at::NoGradGuard no_grad;
  ScopedDir cache;
  Rank rank(Method(), SingleRank(), 1, cache / "cache");
  const at::Tensor tokens = Tokens(rank.ctx.config.vocab_size);
  std::vector<RoundedLayer> layers = *StartRounding(rank.ctx, rank.Start());
  const Teacher teacher = *PrepareTeacher(rank.ctx, tokens);
  const auto stage = *LoadStage(*rank.ctx.checkpoint, rank.ctx.config, {0, 4, true, true, false},
                                at::kFloat, at::kCPU);
  std::vector<std::unique_ptr<StudentProduct>> products;
  for (size_t layer = 0; layer < layers.size(); ++layer) {
    for (size_t i = 0; i < layers[layer].linears.size(); ++i) {
      products.push_back(
          std::make_unique<StudentProduct>(layers[layer].linears[i].get(), at::kFloat));
      stage->layers()[layer]->linears()[i].product = products.back().get();
    }
  }
  const auto loss = DistillHiddenStates(teacher.cache.get(), stage->head(), 1.0);
  TrainPipeline pipeline(rank.ctx, *stage, tokens, stage->head(), loss.get());
  const auto forward = [&](Variables& variables, double scale) {
    variables.SetForward(/*hard=*/false);
    return *pipeline.Run({0, 1}, scale);
  };
  for (const RoundedLayer& layer : layers) {
    for (const auto& variables : layer.variables) variables->SetForward(false);
  }
  ASSERT_TRUE(pipeline.Run({0, 1}, 1).ok());
  for (const size_t layer : {size_t{0}, size_t{3}}) {
    for (const size_t linear : {size_t{1}, size_t{3}, size_t{6}}) {
      Variables& variables = *layers[layer].variables[linear];
      variables.FinishStep({});
      Parameter& parameter = variables.parameters().front();
      const int64_t entry = parameter.gradient.abs().argmax().item<int64_t>();
      const at::Tensor value = parameter.value.view({-1})[entry];
      const double before = value.item<double>(), step = 0.02;
      value.fill_(before + step);
      const double up = forward(variables, 0);
      value.fill_(before - step);
      const double down = forward(variables, 0);
      value.fill_(before);
      variables.SetForward(false);
      const double gradient = parameter.gradient.view({-1})[entry].item<double>();
      EXPECT_NEAR((up - down) / (2 * step), gradient, 0.02 * std::abs(gradient) + 5e-4)
          << "layer " << layer << ", linear " << linear;
    }
  }
}

}  // namespace
}  // namespace rondo
