#include "worker/algo/clustering.h"

#include <dlfcn.h>

#include <chrono>
#include <fstream>
#include <limits>
#include <set>
#include <string>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "worker/algo/rounding_start.h"

namespace rondo {
namespace {

using ::testing::HasSubstr;

constexpr Clustering kKinds[] = {Clustering::kL2, Clustering::kLinf, Clustering::kSignPreserving};

// Variables of weights whose fractional parts are uniform.
at::Tensor RandomBlocks(int64_t count, int64_t dim, uint64_t seed) {
  at::manual_seed(seed);
  return InverseRectifiedSigmoid(at::rand({count, dim}));
}

Clusters Cluster(const at::Tensor& blocks, const ClusteringOptions& options) {
  auto clusters = ClusterBlocks(blocks, options);
  EXPECT_TRUE(clusters.ok()) << clusters.status();
  return *std::move(clusters);
}

at::Tensor Centres(const Clusters& clusters) {
  return clusters.centres.index_select(0, clusters.codes);
}

// Plain Lloyd from random blocks: the distortion, or the mean of the largest element's error.
struct Plain {
  at::Tensor centres;
  double distortion = 0;
};

Plain PlainLloyd(const at::Tensor& x, int64_t codes, int64_t iterations) {
  Plain result = {x.index_select(0, at::randperm(x.size(0)).narrow(0, 0, codes)), 0};
  for (int64_t i = 0; i < iterations; ++i) {
    const at::Tensor nearest = at::cdist(x, result.centres).argmin(1);
    const at::Tensor sum = at::zeros_like(result.centres).index_add_(0, nearest, x);
    const at::Tensor count = at::bincount(nearest, {}, codes).unsqueeze(1);
    result.centres = at::where(count.gt(0), sum / count.clamp_min(1), result.centres);
  }
  const at::Tensor nearest = at::cdist(x, result.centres).argmin(1);
  const at::Tensor error = x - result.centres.index_select(0, nearest);
  result.distortion = error.square().mean().item<double>();
  return result;
}

TEST(ClusteringTest, L2IsAsGoodAsPlainLloyd) {
  const at::Tensor blocks = RandomBlocks(4000, 8, 1);
  const Clusters clusters = Cluster(blocks, {Clustering::kL2, 64, 25, 0.0, 1});
  const double want = PlainLloyd(blocks, 64, 25).distortion;
  EXPECT_NEAR(clusters.distortion, want, 0.02 * want);
  EXPECT_EQ(clusters.iterations, 25);
  EXPECT_NEAR(clusters.distortion, (blocks - Centres(clusters)).square().mean().item<double>(),
              1e-5 * want);
}

TEST(ClusteringTest, CodesAreOfTheNearestCentres) {
  const at::Tensor blocks = RandomBlocks(1000, 8, 2);
  for (const Clustering kind : {Clustering::kL2, Clustering::kLinf}) {
    const Clusters clusters = Cluster(blocks, {kind, 32, 5, 1e-3, 2});
    const double norm = kind == Clustering::kL2 ? 2 : std::numeric_limits<double>::infinity();
    const at::Tensor all = at::cdist(blocks, clusters.centres, norm);
    const at::Tensor mine = all.gather(1, clusters.codes.to(at::kLong).unsqueeze(1)).squeeze(1);
    EXPECT_TRUE(at::allclose(mine, std::get<0>(all.min(1)), 1e-4, 1e-5));
  }
}

TEST(ClusteringTest, LinfHasASmallerWorstCase) {
  const at::Tensor blocks = RandomBlocks(4000, 8, 3);
  const auto worst = [&](Clustering kind) {
    const Clusters clusters = Cluster(blocks, {kind, 64, 25, 1e-3, 3});
    return (blocks - Centres(clusters)).abs().max().item<float>();
  };
  EXPECT_LT(worst(Clustering::kLinf), 0.85f * worst(Clustering::kL2));
}

TEST(ClusteringTest, SignPreservingFlipsNoDecision) {
  at::Tensor blocks = RandomBlocks(20000, 8, 4);
  // Zeros of both signs round up; negatives too small for a product do not.
  blocks.narrow(0, 0, 50).zero_();
  blocks.narrow(0, 50, 50).copy_(-at::zeros({50, 8}));
  blocks.narrow(0, 100, 50).fill_(-std::numeric_limits<float>::denorm_min());
  const Clusters clusters = Cluster(blocks, {Clustering::kSignPreserving, 1024, 25, 1e-3, 4});
  EXPECT_EQ(clusters.flipped, 0.0);
  EXPECT_TRUE(at::equal(Centres(clusters).ge(0), blocks.ge(0)));
  EXPECT_EQ(clusters.centres.size(0), 1024);
  const Clusters l2 = Cluster(blocks, {Clustering::kL2, 1024, 25, 1e-3, 4});
  EXPECT_GT(l2.flipped, 0.05);
  EXPECT_NEAR(l2.flipped, Centres(l2).ge(0).ne(blocks.ge(0)).to(at::kDouble).mean().item<double>(),
              1e-9);
  EXPECT_LT(clusters.distortion, 1.5 * l2.distortion);
}

TEST(ClusteringTest, PatternsShareTheRowsByTheirBlocks) {
  // 900 blocks of pattern 3, 99 of pattern 0 and one of pattern 1.
  at::Tensor blocks = RandomBlocks(1000, 2, 5).abs() + 0.01;
  blocks.narrow(0, 0, 99).neg_();
  blocks[99][1].neg_();
  const Clusters clusters = Cluster(blocks, {Clustering::kSignPreserving, 51, 25, 1e-3, 5});
  const at::Tensor up = clusters.centres.ge(0).to(at::kLong);
  const at::Tensor pattern = up.select(1, 0) + 2 * up.select(1, 1);
  EXPECT_TRUE(at::equal(at::bincount(pattern, {}, 4), at::tensor({6, 1, 0, 44}, at::kLong)));
  EXPECT_EQ(clusters.flipped, 0.0);
}

TEST(ClusteringTest, AsManyCodesAsBlocksLoseNothing) {
  const at::Tensor blocks = RandomBlocks(40, 8, 6);
  for (const Clustering kind : kKinds) {
    const Clusters clusters = Cluster(blocks, {kind, 40, 25, 1e-3, 6});
    EXPECT_TRUE(at::equal(Centres(clusters), blocks));
    EXPECT_EQ(clusters.distortion, 0.0);
  }
}

TEST(ClusteringTest, OneCodeIsTheMiddle) {
  const at::Tensor blocks = RandomBlocks(40, 8, 7);
  const at::Tensor mean = Cluster(blocks, {Clustering::kL2, 1, 25, 1e-3, 7}).centres;
  EXPECT_TRUE(at::allclose(mean, blocks.mean(0, true), 1e-5, 1e-6));
  const at::Tensor middle = Cluster(blocks, {Clustering::kLinf, 1, 25, 1e-3, 7}).centres;
  EXPECT_TRUE(at::allclose(middle, (blocks.amin({0}, true) + blocks.amax({0}, true)) / 2));
}

TEST(ClusteringTest, EqualBlocksMayHaveMoreCodesThanValues) {
  const at::Tensor blocks = RandomBlocks(4, 8, 8).repeat({100, 1});
  for (const Clustering kind : kKinds) {
    const Clusters clusters = Cluster(blocks, {kind, 64, 25, 1e-3, 8});
    EXPECT_EQ(clusters.centres.size(0), 64);
    EXPECT_LT(clusters.distortion, 1e-5);
  }
}

TEST(ClusteringTest, MoreThan256BlocksACodeAreSampled) {
  const at::Tensor blocks = RandomBlocks(6000, 4, 9);
  for (const Clustering kind : kKinds) {
    const Clusters clusters = Cluster(blocks, {kind, 16, 25, 1e-3, 9});
    EXPECT_EQ(clusters.codes.size(0), 6000);
    EXPECT_LT(clusters.distortion, 1.6 * PlainLloyd(blocks, 16, 25).distortion);
  }
}

TEST(ClusteringTest, ToleranceStopsEarlyAtLittleCost) {
  const at::Tensor blocks = RandomBlocks(4000, 8, 10);
  for (const Clustering kind : kKinds) {
    const Clusters full = Cluster(blocks, {kind, 512, 100, 0.0, 10});
    const Clusters early = Cluster(blocks, {kind, 512, 100, 1e-2, 10});
    EXPECT_LT(early.iterations, full.iterations);
    EXPECT_LT(early.distortion, 1.05 * full.distortion);
    EXPECT_EQ(Cluster(blocks, {kind, 512, 3, 0.0, 10}).iterations, 3);
  }
}

TEST(ClusteringTest, DependsOnTheSeedAndNotOnThreads) {
  const at::Tensor blocks = RandomBlocks(20000, 8, 11);
  for (const Clustering kind : kKinds) {
    const ClusteringOptions options = {kind, 512, 8, 1e-3, 11};
    at::set_num_threads(2);
    const Clusters two = Cluster(blocks, options);
    at::set_num_threads(1);
    const Clusters one = Cluster(blocks, options);
    EXPECT_TRUE(at::equal(one.centres, two.centres));
    EXPECT_TRUE(at::equal(one.codes, two.codes));
    EXPECT_EQ(one.distortion, two.distortion);
    EXPECT_EQ(one.iterations, two.iterations);
    EXPECT_FALSE(at::equal(Cluster(blocks, {kind, 512, 8, 1e-3, 12}).centres, one.centres));
  }
}

TEST(ClusteringTest, BadArgumentsAreRefused) {
  at::Tensor blocks = RandomBlocks(300, 8, 12);
  const auto message = [](const at::Tensor& b, const ClusteringOptions& options) {
    const absl::Status status = ClusterBlocks(b, options).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    return std::string(status.message());
  };
  EXPECT_THAT(message(blocks, {Clustering::kL2, 301}), HasSubstr("from 1 to 300 are possible"));
  EXPECT_THAT(message(blocks, {Clustering::kL2, 0}), HasSubstr("codebook of 0 rows"));
  EXPECT_THAT(message(blocks, {Clustering::kSignPreserving, 16}),
              HasSubstr("a codebook of 16 rows cannot keep the "));
  EXPECT_THAT(message(at::zeros({300, 17}), {Clustering::kL2, 16}), HasSubstr("1 to 16 columns"));
  EXPECT_THAT(message(blocks.to(at::kHalf), {Clustering::kL2, 16}), HasSubstr("float32"));
  blocks[7][3] = std::numeric_limits<float>::quiet_NaN();
  for (const Clustering kind : kKinds) {
    EXPECT_THAT(message(blocks, {kind, 300}), HasSubstr("NaN or Inf"));
  }
}

TEST(ClusteringTest, CodebookRowsAreLoweredToTheirShare) {
  CodebookSettings settings;  // 4096 codes of 8, at most an eighth
  EXPECT_EQ(CodebookRows(settings, int64_t{4096} * 4096), 4096);
  EXPECT_EQ(CodebookRows(settings, int64_t{4096} * 64), 4096);
  EXPECT_EQ(CodebookRows(settings, int64_t{4096} * 64 - 1), 4095);
  EXPECT_EQ(CodebookRows(settings, int64_t{192} * 576), 1728);
  EXPECT_EQ(CodebookRows(settings, int64_t{64} * 128), 256);  // a row for each pattern
  EXPECT_EQ(CodebookRows(settings, 8), 1);
  settings.clustering = Clustering::kL2;
  EXPECT_EQ(CodebookRows(settings, int64_t{64} * 128), 128);
}

TEST(ClusteringTest, OneOpenMpRuntimeAndTorchsBlas) {
  std::set<std::string> runtimes;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    const size_t path = line.find('/');
    if (path != line.npos && line.find("omp", line.rfind('/')) != line.npos) {
      runtimes.insert(line.substr(path));
    }
  }
  EXPECT_EQ(runtimes.size(), 1u) << ::testing::PrintToString(runtimes);
  Dl_info blas = {};
  ASSERT_NE(dladdr(dlsym(RTLD_DEFAULT, "sgemm_"), &blas), 0);
  EXPECT_THAT(blas.dli_fname, HasSubstr("libtorch_cpu"));
}

// A 576 x 576 linear of a small model, with all its rows.
TEST(ClusteringTest, PrintsItsTime) {
  const at::Tensor blocks = RandomBlocks(41472, 8, 13);
  for (const Clustering kind : kKinds) {
    const auto begin = std::chrono::steady_clock::now();
    const Clusters clusters = Cluster(blocks, {kind, 4096, 10, 0.0, 13});
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    std::printf("kind %d: 41472 blocks of 8, 4096 codes, %ld iterations: %.3f s, distortion %.4f\n",
                static_cast<int>(kind), clusters.iterations, taken.count(), clusters.distortion);
  }
}

}  // namespace
}  // namespace rondo
