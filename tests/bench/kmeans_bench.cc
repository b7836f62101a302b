// K-means over the rounding variables of one linear layer: FAISS with its own index, as the paper's
// code, beside ours, which goes on until its distortion is no larger; and clusters that keep
// decisions. The last line is JSON.
//
//   rondo_kmeans_bench [--model DIR --linear NAME | --blocks 110592] [--codes 4096 --iterations 25
//                      --seed 1234 --threads 1 --bits 3]
#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <faiss/Clustering.h>
#include <faiss/IndexFlat.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "common/format/checkpoint.h"
#include "tests/bench/measure.h"
#include "worker/algo/clustering.h"
#include "worker/algo/grid.h"
#include "worker/algo/rounding_start.h"
#include "worker/model/decoder.h"

namespace rondo {
namespace {

constexpr int64_t kDim = 8;

struct Arguments {
  std::string model, linear = "model.layers.0.mlp.down_proj";
  int64_t blocks = 110592, codes = 4096, iterations = 25;
  uint64_t seed = 1234;
  int threads = 1, bits = 3;
};

// [blocks, kDim]: where learned rounding would start from the fractional parts of w / scale.
absl::StatusOr<at::Tensor> Blocks(const Arguments& arguments) {
  if (arguments.model.empty()) {
    auto generator = at::detail::createCPUGenerator(arguments.seed);
    const at::Tensor rest = at::rand({arguments.blocks, kDim}, generator, at::TensorOptions());
    return InverseRectifiedSigmoid(rest);
  }
  ASSIGN_OR_RETURN(const Checkpoint checkpoint, Checkpoint::Open(arguments.model));
  ASSIGN_OR_RETURN(const at::Tensor weight,
                   LoadTensor(checkpoint, arguments.linear + ".weight", at::kFloat, at::kCPU));
  GridOptions options;
  options.spec = {arguments.bits, -1, /*symmetric=*/false};
  ASSIGN_OR_RETURN(const Grid grid, FitGrid(weight, options));
  ASSIGN_OR_RETURN(const RoundingVariables start, FractionalStart(weight, grid, at::Tensor()));
  return start.alpha.view({-1, kDim});
}

struct Result {
  std::string name;
  double seconds = 0;
  int64_t iterations = 0;
  double distortion = 0;  // mean squared distance per element
  double flipped = 0;     // share of decisions
};

Result RunFaiss(const at::Tensor& blocks, const Arguments& arguments) {
  const int64_t count = blocks.size(0);
  const float* x = blocks.const_data_ptr<float>();
  const double start = Now();
  faiss::ClusteringParameters parameters;
  parameters.niter = static_cast<int>(arguments.iterations);
  parameters.seed = static_cast<int>(arguments.seed);
  parameters.min_points_per_centroid = 1;
  faiss::Clustering clustering(kDim, static_cast<int>(arguments.codes), parameters);
  faiss::IndexFlatL2 index(kDim);
  clustering.train(count, x, index);
  std::vector<float> distances(count);
  std::vector<faiss::Index::idx_t> labels(count);
  index.search(count, x, 1, distances.data(), labels.data());
  Result result = {"FAISS", Now() - start, arguments.iterations};
  const at::Tensor centres = at::tensor(clustering.centroids).view({-1, kDim});
  const at::Tensor own = centres.index_select(0, at::tensor(labels));
  result.distortion = (blocks - own).square().mean(at::kDouble).item<double>();
  result.flipped = blocks.ge(0).ne(own.ge(0)).to(at::kDouble).mean().item<double>();
  return result;
}

absl::StatusOr<Result> RunOurs(const std::string& name, const at::Tensor& blocks,
                               const ClusteringOptions& options) {
  const double start = Now();
  ASSIGN_OR_RETURN(const Clusters clusters, ClusterBlocks(blocks, options));
  return Result{name, Now() - start, clusters.iterations, clusters.distortion, clusters.flipped};
}

// The first run, from as many iterations as FAISS makes upwards, that is no worse.
absl::StatusOr<Result> RunUntilAsGood(const at::Tensor& blocks, const ClusteringOptions& as_faiss,
                                      double distortion) {
  ClusteringOptions options = as_faiss;
  while (true) {
    ASSIGN_OR_RETURN(const Result result, RunOurs("ours, l2", blocks, options));
    if (result.distortion <= distortion || result.iterations < options.iterations) return result;
    options.iterations += std::max<int64_t>(1, as_faiss.iterations / 8);
  }
}

absl::StatusOr<std::vector<Result>> RunAll(const at::Tensor& blocks, const Arguments& arguments) {
  std::vector<Result> results = {RunFaiss(blocks, arguments)};
  ClusteringOptions options;
  options.kind = Clustering::kL2;
  options.codes = arguments.codes;
  options.iterations = arguments.iterations;
  options.tolerance = 0;
  options.seed = arguments.seed;
  ASSIGN_OR_RETURN(Result as_good, RunUntilAsGood(blocks, options, results.front().distortion));
  results.push_back(std::move(as_good));
  options.tolerance = ClusteringOptions().tolerance;
  ASSIGN_OR_RETURN(Result tolerant, RunOurs("ours, l2, tolerance", blocks, options));
  results.push_back(std::move(tolerant));
  options.kind = Clustering::kSignPreserving;
  ASSIGN_OR_RETURN(Result signs, RunOurs("ours, sign_preserving", blocks, options));
  results.push_back(std::move(signs));
  return results;
}

absl::Status Bench(const Arguments& arguments) {
  at::set_num_threads(arguments.threads);
  ASSIGN_OR_RETURN(const at::Tensor blocks, Blocks(arguments));
  ASSIGN_OR_RETURN(const std::vector<Result> results, RunAll(blocks, arguments));
  std::printf("%lld blocks of %lld, %lld codes, %d thread(s)\n",
              static_cast<long long>(blocks.size(0)), static_cast<long long>(kDim),
              static_cast<long long>(arguments.codes), arguments.threads);
  std::printf("%-22s %9s %10s %11s %8s %7s\n", "", "seconds", "iterations", "distortion", "flipped",
              "faster");
  nlohmann::json rows = nlohmann::json::array();
  for (const Result& row : results) {
    const double faster = results.front().seconds / row.seconds;
    std::printf("%-22s %9.3f %10lld %11.6f %7.2f%% %7.2f\n", row.name.c_str(), row.seconds,
                static_cast<long long>(row.iterations), row.distortion, 100 * row.flipped, faster);
    rows.push_back({{"name", row.name},
                    {"seconds", row.seconds},
                    {"iterations", row.iterations},
                    {"distortion", row.distortion},
                    {"flipped", row.flipped},
                    {"faster", faster}});
  }
  const nlohmann::json line = {{"program", "rondo_kmeans_bench"}, {"rows", std::move(rows)}};
  std::printf("%s\n", line.dump().c_str());
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("Times k-means over rounding variables beside FAISS's own");
  app.add_option("--model", arguments.model, "none: random rounding variables");
  app.add_option("--linear", arguments.linear);
  app.add_option("--blocks", arguments.blocks, "without a model");
  app.add_option("--codes", arguments.codes);
  app.add_option("--iterations", arguments.iterations, "of FAISS");
  app.add_option("--seed", arguments.seed);
  app.add_option("--threads", arguments.threads);
  app.add_option("--bits", arguments.bits)->check(CLI::IsMember({2, 3, 4}));
  CLI11_PARSE(app, argc, argv);
  const absl::Status done = Bench(arguments);
  if (!done.ok()) std::fprintf(stderr, "%s\n", std::string(done.message()).c_str());
  return done.ok() ? 0 : 1;
}

}  // namespace
}  // namespace rondo

// What throws ends the bench.
// NOLINTNEXTLINE(bugprone-exception-escape)
int main(int argc, char** argv) { return rondo::Main(argc, argv); }
