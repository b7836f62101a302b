// Grids and codes of every host backend against the float64 oracle's (tests/data/golden).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "kernels/testing/cases.h"
#include "tests/golden/npz.h"

namespace rondo::kernels {
namespace {

using ::rondo::testing::NpyArray;
using testing::MatrixOf;

constexpr int64_t kRows = 6, kCols = 48;
// The oracle follows the reference implementation, which leaves the range of a row without
// negative entries one-sided under `symmetric`; ours is symmetric always.
constexpr int64_t kNonNegativeRow = 3;

class GoldenTest : public ::testing::TestWithParam<const HostBackend*> {
 protected:
  void SetUp() override {
    arrays_ = ::rondo::testing::ReadNpz("tests/data/golden/grids_rtn.npz");
    for (double v : arrays_.at("W").values) w_.push_back(static_cast<float>(v));
  }
  Matrix<const float> w() const { return MatrixOf(w_.data(), kRows, kCols); }

  std::map<std::string, NpyArray> arrays_;
  std::vector<float> w_;
};

TEST_P(GoldenTest, Grids) {
  int compared = 0;
  for (int bits : {2, 3, 4, 8}) {
    for (int64_t group : {0, 16}) {
      for (bool symmetric : {false, true}) {
        for (bool mse : {false, true}) {
          const std::string key = "b" + std::to_string(bits) + "_sym" + std::to_string(symmetric) +
                                  "_g" + std::to_string(group) + "_mse" + std::to_string(mse);
          const NpyArray& scales = arrays_.at("scale_" + key);
          const NpyArray& zeros = arrays_.at("zero_" + key);
          const int64_t groups = scales.shape[1];
          std::vector<float> scale(kRows * groups), zero_point(kRows * groups);
          const FitOptions options = {group == 0 ? kCols : group, (1 << bits) - 1, symmetric, mse};
          GetParam()->fit_grid(w(), options, scale.data(), zero_point.data());
          for (int64_t i = 0; i < kRows * groups; ++i) {
            if (symmetric && i / groups == kNonNegativeRow) continue;
            ++compared;
            EXPECT_NEAR(scale[i], scales.values[i], 1e-5 * scales.values[i]) << key << " " << i;
            EXPECT_EQ(zero_point[i], zeros.values[i]) << key << " " << i;
          }
        }
      }
    }
  }
  EXPECT_EQ(compared, 4 * 2 * (1 + 3) * (kRows + kRows - 1));
}

TEST_P(GoldenTest, SymmetricRangeOfNonNegativeRow) {
  float scale = 0.0f, zero_point = 0.0f, most = 0.0f;
  const float* row = w_.data() + kNonNegativeRow * kCols;
  for (int64_t j = 0; j < kCols; ++j) most = std::max(most, row[j]);
  GetParam()->fit_grid(MatrixOf(row, 1, kCols), {kCols, 15, true, false}, &scale, &zero_point);
  EXPECT_FLOAT_EQ(scale, 2.0f * most / 15.0f);
  EXPECT_EQ(zero_point, 8.0f);
}

TEST_P(GoldenTest, RoundToNearest) {
  const FitOptions options = {16, 15, false, false};
  std::vector<float> scale(kRows * 3), zero_point(kRows * 3), values(kRows * kCols);
  std::vector<uint8_t> codes(kRows * kCols);
  GetParam()->fit_grid(w(), options, scale.data(), zero_point.data());
  const GridView grid = {scale.data(), zero_point.data(), 3, 16, 15};
  GetParam()->quantize(w(), grid, MatrixOf(codes.data(), kRows, kCols));
  GetParam()->dequantize({codes.data(), kRows, kCols, kCols}, grid,
                         MatrixOf(values.data(), kRows, kCols));
  const NpyArray& golden_codes = arrays_.at("rtn_codes_b4_g16");
  const NpyArray& golden_values = arrays_.at("rtn_Q_b4_g16");
  for (int64_t i = 0; i < kRows * kCols; ++i) {
    EXPECT_EQ(codes[i], golden_codes.values[i]) << i;
    EXPECT_NEAR(values[i], golden_values.values[i], 1e-5 * std::fabs(golden_values.values[i])) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Backends, GoldenTest,
                         ::testing::ValuesIn(HostBackends().begin(), HostBackends().end()),
                         [](const auto& info) { return std::string(info.param->name); });

}  // namespace
}  // namespace rondo::kernels
