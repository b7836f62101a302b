// Grids, codes, layers over a codebook and distillation of every host backend against the float64
// oracle's (tests/data/golden).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

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
  EXPECT_EQ(compared, (kRows + kRows - 1) * 4 * 2 * (1 + 3));
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

std::vector<float> Floats(const NpyArray& array) {
  return {array.values.begin(), array.values.end()};
}

void ExpectClose(const std::vector<float>& values, const NpyArray& golden) {
  ASSERT_EQ(values.size(), golden.values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    const double expected = golden.values[i];
    EXPECT_NEAR(values[i], expected, 1e-4 * std::fabs(expected) + 1e-6) << i;
  }
}

// The layer of vqround.npz as one row: its blocks of 8 cross the rows of 21.
class CodebookGoldenTest : public ::testing::TestWithParam<const HostBackend*> {
 protected:
  static constexpr int64_t kRows = 8, kCols = 21, kDim = 8;
  static constexpr int kMaxq = 7;

  void SetUp() override {
    arrays_ = ::rondo::testing::ReadNpz("tests/data/golden/vqround.npz");
    scale_ = Floats(arrays_.at("scale"));
    zero_point_ = Floats(arrays_.at("zero"));
    for (double code : arrays_.at("codes").values) codes_.push_back(static_cast<uint16_t>(code));
    for (size_t i = 0; i < arrays_.at("base_int").values.size(); ++i) {
      const double base = arrays_.at("base_int").values[i] + zero_point_[i / kCols];
      base_.push_back(
          static_cast<uint8_t>(std::clamp(base, -2.0, kMaxq + 1.0) + BaseOffset(kMaxq)));
    }
  }
  // h of docs/algorithms.md 4.1.
  std::vector<float> SoftRounding() const {
    std::vector<float> rounding;
    for (double a : arrays_.at("codebook").values) {
      rounding.push_back(
          static_cast<float>(std::clamp(1.2 / (1.0 + std::exp(-a)) - 0.1, 0.0, 1.0)));
    }
    return rounding;
  }
  CodebookView View(const std::vector<float>& rounding) const {
    CodebookView layer;
    layer.base = MatrixOf(base_.data(), 1, kRows * kCols);
    layer.codes = codes_.data();
    layer.rounding = rounding.data();
    layer.dim = kDim;
    layer.grid = {scale_.data(), zero_point_.data(), kRows, kCols, kMaxq};
    return layer;
  }
  std::vector<float> Dequantized(const std::vector<float>& rounding) const {
    std::vector<float> out(kRows * kCols);
    GetParam()->dequantize_codebook(View(rounding), MatrixOf(out.data(), 1, kRows * kCols));
    return out;
  }

  std::map<std::string, NpyArray> arrays_;
  std::vector<float> scale_, zero_point_;
  std::vector<uint16_t> codes_;
  std::vector<uint8_t> base_;
};

TEST_P(CodebookGoldenTest, Weights) {
  ExpectClose(Dequantized(SoftRounding()), arrays_.at("Wq_soft"));
  std::vector<float> hard;
  for (double a : arrays_.at("codebook").values) hard.push_back(a >= 0.0 ? 1.0f : 0.0f);
  ExpectClose(Dequantized(hard), arrays_.at("Wq_hard"));
}

// Before the slope h' the sums are those of gW * scale where the clamp of the code lets them pass.
TEST_P(CodebookGoldenTest, Gradient) {
  const std::vector<float> rounding = SoftRounding(), dw = Floats(arrays_.at("gW"));
  std::vector<float> sum(rounding.size());
  GetParam()->codebook_gradient(View(rounding), MatrixOf(dw.data(), 1, kRows * kCols), sum.data());
  NpyArray before = arrays_.at("grad_codebook");
  before.values.assign(before.values.size(), 0.0);
  for (int64_t i = 0; i < kRows * kCols; ++i) {
    const int64_t row = i / kCols;
    const double position = arrays_.at("base_int").values[i] + arrays_.at("r_soft").values[i] +
                            arrays_.at("zero").values[row];
    if (position < 0.0 || position > kMaxq) continue;
    before.values[codes_[i / kDim] * kDim + i % kDim] +=
        arrays_.at("gW").values[i] * arrays_.at("scale").values[row];
  }
  ExpectClose(sum, before);
  std::vector<float> after;
  for (size_t e = 0; e < sum.size(); ++e) {
    const double sigmoid = 1.0 / (1.0 + std::exp(-arrays_.at("codebook").values[e]));
    const double slope = std::fabs(1.2 * sigmoid - 0.6) <= 0.5 ? 1.2 * sigmoid * (1 - sigmoid) : 0;
    after.push_back(static_cast<float>(slope * sum[e]));
  }
  ExpectClose(after, arrays_.at("grad_codebook"));
}

INSTANTIATE_TEST_SUITE_P(Backends, CodebookGoldenTest,
                         ::testing::ValuesIn(HostBackends().begin(), HostBackends().end()),
                         [](const auto& info) { return std::string(info.param->name); });

TEST_P(GoldenTest, Distillation) {
  const auto arrays = ::rondo::testing::ReadNpz("tests/data/golden/kd.npz");
  const int64_t rows = arrays.at("zt").shape[0], cols = arrays.at("zt").shape[1];
  const std::vector<float> teacher = Floats(arrays.at("zt"));
  std::vector<float> student = Floats(arrays.at("zs"));
  std::vector<double> losses(rows);
  GetParam()->distill(MatrixOf(teacher.data(), rows, cols), MatrixOf(student.data(), rows, cols),
                      static_cast<float>(arrays.at("T").values.at(0)), losses.data());
  const double loss = std::accumulate(losses.begin(), losses.end(), 0.0);
  EXPECT_NEAR(loss, arrays.at("loss_full").values.at(0), 1e-4 * loss);
  ExpectClose(student, arrays.at("grad_full"));
}

INSTANTIATE_TEST_SUITE_P(Backends, GoldenTest,
                         ::testing::ValuesIn(HostBackends().begin(), HostBackends().end()),
                         [](const auto& info) { return std::string(info.param->name); });

}  // namespace
}  // namespace rondo::kernels
