#include "worker/algo/grid.h"

#include <limits>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rondo {
namespace {

using ::testing::HasSubstr;

at::Tensor RandomWeight(int64_t out, int64_t in, uint64_t seed) {
  at::manual_seed(seed);
  return at::randn({out, in}) * 0.05;
}

GridOptions GridOf(int bits, int64_t group_size, bool symmetric) {
  GridOptions options;
  options.spec = {bits, group_size, symmetric};
  return options;
}

at::Tensor PerElement(const at::Tensor& per_group, int64_t group_size, int64_t in) {
  return per_group.repeat_interleave(group_size, 1).narrow(1, 0, in);
}

TEST(GridTest, ErrorIsAtMostHalfAStepWhereNotClamped) {
  const at::Tensor w = RandomWeight(16, 96, 1);
  for (int bits : {2, 3, 4, 8}) {
    const QuantizedLinear q = *RoundToNearest(w, GridOf(bits, 32, true));
    const at::Tensor step = PerElement(q.grid.scale, 32, 96);
    EXPECT_TRUE(((w - *Dequantize(q, at::kFloat)).abs() <= step * 0.5001).all().item<bool>());
    EXPECT_LT(q.codes.max().item<int>(), 1 << bits);
  }
}

TEST(GridTest, ValuesOfTheGridRoundToThemselves) {
  const GridOptions options = GridOf(4, 32, false);
  const QuantizedLinear once = *RoundToNearest(RandomWeight(16, 96, 2), options);
  const QuantizedLinear twice = *RoundToNearest(*Dequantize(once, at::kFloat), options);
  EXPECT_TRUE(at::allclose(*Dequantize(once, at::kFloat), *Dequantize(twice, at::kFloat), 1e-5));
}

TEST(GridTest, ScalesAreRoundedToTheirStorageDtypeBeforeCodes) {
  const at::Tensor w = RandomWeight(16, 64, 3);
  GridOptions options = GridOf(4, -1, false);
  options.scale_dtype = at::kHalf;
  const QuantizedLinear q = *RoundToNearest(w, options);
  EXPECT_TRUE(at::equal(q.grid.scale, q.grid.scale.to(at::kHalf).to(at::kFloat)));
  EXPECT_FALSE(at::equal(q.grid.scale, FitGrid(w, GridOf(4, -1, false))->scale));
  const at::Tensor want = (at::round(w / q.grid.scale) + q.grid.zero_point).clamp(0, 15);
  EXPECT_TRUE(at::equal(q.codes, want.to(at::kByte)));
}

TEST(GridTest, AScaleTooSmallForHalfStaysPositive) {
  GridOptions options = GridOf(4, -1, true);
  options.scale_dtype = at::kHalf;
  const QuantizedLinear q = *RoundToNearest(at::full({1, 4}, 1e-8), options);
  EXPECT_GT(q.grid.scale.item<float>(), 0.0f);
  EXPECT_LT(Dequantize(q, at::kFloat)->abs().max().item<float>(), 1e-7f);
}

TEST(GridTest, AScaleTooLargeForHalfIsRefused) {
  GridOptions options = GridOf(2, -1, true);
  options.scale_dtype = at::kHalf;
  const auto grid = FitGrid(at::full({1, 4}, 1e6), options);
  EXPECT_EQ(grid.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(grid.status().message()), HasSubstr("does not fit Half"));
}

TEST(GridTest, TheLastGroupMayBeShort) {
  const at::Tensor w = RandomWeight(4, 40, 4);
  const QuantizedLinear q = *RoundToNearest(w, GridOf(4, 16, false));
  EXPECT_EQ(q.grid.scale.sizes(), (std::vector<int64_t>{4, 3}));
  const QuantizedLinear tail = *RoundToNearest(w.narrow(1, 32, 8), GridOf(4, 16, false));
  EXPECT_TRUE(at::equal(q.codes.narrow(1, 32, 8), tail.codes));
}

TEST(GridTest, AZeroRowStaysZero) {
  for (bool symmetric : {false, true}) {
    const QuantizedLinear q = *RoundToNearest(at::zeros({2, 8}), GridOf(3, -1, symmetric));
    EXPECT_TRUE(at::equal(*Dequantize(q, at::kHalf), at::zeros({2, 8}, at::kHalf)));
  }
}

TEST(GridTest, SearchForTheLeastErrorDoesNotRaiseIt) {
  const at::Tensor w = RandomWeight(16, 64, 5);
  GridOptions options = GridOf(2, -1, false);
  const auto error = [&] {
    const QuantizedLinear q = *RoundToNearest(w, options);
    return (w - *Dequantize(q, at::kFloat)).abs().pow(2.4).sum(1);
  };
  const at::Tensor plain = error();
  options.mse = true;
  EXPECT_TRUE((error() <= plain * 1.0001).all().item<bool>());
  EXPECT_LT(error().sum().item<float>(), 0.9 * plain.sum().item<float>());
}

TEST(GridTest, ThreadsDoNotChangeTheResult) {
  const at::Tensor w = RandomWeight(257, 300, 6);
  at::set_num_threads(2);
  const QuantizedLinear two = *RoundToNearest(w, GridOf(3, 64, false));
  at::set_num_threads(1);
  const QuantizedLinear one = *RoundToNearest(w, GridOf(3, 64, false));
  EXPECT_TRUE(at::equal(one.codes, two.codes));
  EXPECT_TRUE(at::equal(one.grid.scale, two.grid.scale));
}

TEST(GridTest, AWeightThatIsNotContiguousIsRead) {
  const at::Tensor w = RandomWeight(24, 16, 7);
  const QuantizedLinear q = *RoundToNearest(w.t(), GridOf(4, 8, true));
  EXPECT_TRUE(at::equal(q.codes, RoundToNearest(w.t().contiguous(), GridOf(4, 8, true))->codes));
}

TEST(GridTest, NaNAndInfAreRefused) {
  for (float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    at::Tensor w = RandomWeight(4, 8, 8);
    w[2][3] = bad;
    for (const absl::Status& status : {FitGrid(w, GridOf(4, -1, true)).status(),
                                       RoundToNearest(w, GridOf(4, -1, true)).status()}) {
      EXPECT_EQ(status, absl::InvalidArgumentError("the weight holds NaN or Inf"));
    }
  }
}

}  // namespace
}  // namespace rondo
