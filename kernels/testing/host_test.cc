// Every host backend against the reference, bit by bit, over kernels/testing/cases.h.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "kernels/testing/cases.h"
#include "kernels/testing/guarded.h"

namespace rondo::kernels {
namespace {

using testing::BlockCase;
using testing::GridCase;
using testing::Guarded;
using testing::MatrixOf;
using testing::PackCase;
using testing::SameBits;

GridView ViewOf(const GridCase& c, const Matrix<float>& scale, const Matrix<float>& zero_point) {
  return {scale.data, zero_point.data, c.groups(), c.group_size, c.maxq()};
}

struct GridResult {
  std::vector<float> scale, zero_point, values;
  std::vector<uint8_t> codes;
  bool operator==(const GridResult& o) const {
    return SameBits(scale, o.scale) && SameBits(zero_point, o.zero_point) &&
           SameBits(values, o.values) && codes == o.codes;
  }
};

// fit, quantize, dequantize over the row ranges [0, split) and [split, rows).
GridResult RunGrid(const HostBackend& backend, const GridCase& c, int64_t split) {
  const std::vector<float> w = testing::Weights(c.rows, c.cols);
  Guarded<float> scale(c.rows, c.groups(), 0), zero_point(c.rows, c.groups(), 0);
  Guarded<uint8_t> codes(c.rows, c.cols);
  Guarded<float> values(c.rows, c.cols);
  const int64_t ranges[][2] = {{0, split}, {split, c.rows}};
  for (const auto& range : ranges) {
    const int64_t begin = range[0], rows = range[1] - begin;
    const auto rows_of = [&](auto m) {
      return decltype(m){m.data + begin * m.stride, rows, m.cols, m.stride};
    };
    const auto part_scale = rows_of(scale.matrix()), part_zero = rows_of(zero_point.matrix());
    const auto part_w = rows_of(MatrixOf(w.data(), c.rows, c.cols));
    const auto part_codes = rows_of(codes.matrix());
    backend.fit_grid(part_w, c.options(), part_scale.data, part_zero.data);
    const GridView grid = ViewOf(c, part_scale, part_zero);
    backend.quantize(part_w, grid, part_codes);
    backend.dequantize({part_codes.data, part_codes.rows, part_codes.cols, part_codes.stride}, grid,
                       rows_of(values.matrix()));
  }
  EXPECT_TRUE(scale.Intact() && zero_point.Intact() && codes.Intact() && values.Intact());
  return {scale.values(), zero_point.values(), values.values(), codes.values()};
}

struct BlockResult {
  std::vector<uint8_t> codes;
  std::vector<float> error;
  std::vector<double> loss;
  bool operator==(const BlockResult& o) const {
    return codes == o.codes && SameBits(error, o.error) && SameBits(loss, o.loss);
  }
};

BlockResult RunBlock(const HostBackend& backend, const BlockCase& c, int64_t split) {
  const testing::BlockInput input = testing::MakeBlockInput(c);
  Guarded<uint8_t> codes(c.rows, c.cols);
  Guarded<float> error(c.rows, c.cols);
  std::vector<double> loss(c.rows + 1, 1.5);
  const int64_t ranges[][2] = {{0, split}, {split, c.rows}};
  for (const auto& range : ranges) {
    const int64_t begin = range[0], rows = range[1] - begin;
    const auto rows_of = [&](auto m) {
      return decltype(m){m.data + begin * m.stride, rows, m.cols, m.stride};
    };
    GptqBlock block = testing::BlockOf(c, input);
    block.target = rows_of(block.target);
    block.weight = rows_of(block.weight);
    block.scale += begin * c.groups;
    block.zero_point += begin * c.groups;
    block.codes = rows_of(codes.matrix());
    block.error = rows_of(error.matrix());
    block.loss = loss.data() + begin;
    backend.gptq_block(block);
  }
  EXPECT_TRUE(codes.Intact() && error.Intact() && loss.back() == 1.5);
  return {codes.values(), error.values(), loss};
}

class HostTest : public ::testing::TestWithParam<const HostBackend*> {};

TEST_P(HostTest, GridEqualsReference) {
  for (const GridCase& c : testing::GridCases()) {
    const GridResult expected = RunGrid(Reference(), c, 0);
    EXPECT_TRUE(RunGrid(*GetParam(), c, 0) == expected) << c.name;
    EXPECT_TRUE(RunGrid(*GetParam(), c, c.rows / 3) == expected) << c.name << " split";
  }
}

TEST_P(HostTest, GptqBlockEqualsReference) {
  for (const BlockCase& c : testing::BlockCases()) {
    const BlockResult expected = RunBlock(Reference(), c, 0);
    EXPECT_TRUE(RunBlock(*GetParam(), c, 0) == expected) << c.name;
    EXPECT_TRUE(RunBlock(*GetParam(), c, c.rows / 3) == expected) << c.name << " split";
  }
}

TEST_P(HostTest, PackEqualsReferenceAndUnpacks) {
  for (const PackCase& c : testing::PackCases()) {
    const std::vector<uint8_t> codes = testing::Codes(c.rows, c.cols, c.bits);
    const int64_t words_per_row = PackedWords(c.cols, c.bits);
    Guarded<uint32_t> expected(c.rows, words_per_row), words(c.rows, words_per_row);
    Reference().pack_rows(MatrixOf(codes.data(), c.rows, c.cols), c.bits, expected.matrix());
    GetParam()->pack_rows(MatrixOf(codes.data(), c.rows, c.cols), c.bits, words.matrix());
    EXPECT_EQ(words.values(), expected.values()) << c.name;
    Guarded<uint8_t> unpacked(c.rows, c.cols);
    const Matrix<uint32_t> w = words.matrix();
    GetParam()->unpack_rows({w.data, w.rows, w.cols, w.stride}, c.bits, unpacked.matrix());
    EXPECT_EQ(unpacked.values(), codes) << c.name;
    EXPECT_TRUE(words.Intact() && unpacked.Intact()) << c.name;
  }
}

TEST_P(HostTest, EveryEntryIsOnTheGrid) {
  for (const GridCase& c : testing::GridCases()) {
    const GridResult result = RunGrid(*GetParam(), c, 0);
    for (float z : result.zero_point) {
      EXPECT_TRUE(z >= 0 && z <= c.maxq() && z == std::rint(z) && !std::signbit(z)) << c.name;
    }
    for (uint8_t code : result.codes) EXPECT_LE(code, c.maxq()) << c.name;
    for (float scale : result.scale) EXPECT_GT(scale, 0.0f) << c.name;
    if (c.mse) continue;
    const std::vector<float> w = testing::Weights(c.rows, c.cols);
    for (int64_t i = 0; i < c.rows * c.cols; ++i) {
      const float scale = result.scale[i / c.cols * c.groups() + i % c.cols / c.group_size];
      EXPECT_LE(std::fabs(w[i] - result.values[i]), scale * 1.0001f) << c.name << " " << i;
    }
  }
}

// The rows of the block in double precision; a row counts if none of its decisions is closer to a
// boundary than the float32 sums are inexact.
TEST_P(HostTest, GptqBlockAgreesWithDoubles) {
  int compared = 0, rows = 0;
  for (const BlockCase& c : testing::BlockCases()) {
    const testing::BlockInput in = testing::MakeBlockInput(c);
    const BlockResult result = RunBlock(*GetParam(), c, 0);
    const int maxq = (1 << c.bits) - 1;
    for (int64_t r = 0; r < c.rows; ++r, ++rows) {
      std::vector<double> t(in.target.begin() + r * c.cols, in.target.begin() + (r + 1) * c.cols);
      std::vector<uint8_t> codes;
      double margin = 1.0, loss = 1.5, size = 1.0;
      for (int64_t j = 0; j < c.cols; ++j) {
        const int64_t g = r * c.groups + in.group_of_column[j];
        const double u = t[j] / in.scale[g], frac = std::fabs(u - std::floor(u) - 0.5);
        size = std::max(size, std::fabs(u));
        margin = std::min(margin, frac);
        const double code = std::clamp(std::rint(u) + in.zero_point[g], 0.0, double(maxq));
        const double q = in.scale[g] * (code - in.zero_point[g]);
        codes.push_back(static_cast<uint8_t>(code));
        loss += in.pivots[j] * (t[j] - q) * (t[j] - q);
        for (int64_t k = j + 1; k < c.cols; ++k) {
          t[k] += (in.weight[r * c.cols + j] - q) * in.feedback[j * c.cols + k];
        }
      }
      if (margin < 1e-6 * size * std::sqrt(double(c.cols))) continue;
      ++compared;
      const auto row = result.codes.begin() + r * c.cols;
      EXPECT_EQ(std::vector<uint8_t>(row, row + c.cols), codes) << c.name << " row " << r;
      EXPECT_NEAR(result.loss[r], loss, 1e-4 * loss) << c.name << " row " << r;
    }
  }
  EXPECT_GT(compared, rows / 2);
}

INSTANTIATE_TEST_SUITE_P(Backends, HostTest,
                         ::testing::ValuesIn(HostBackends().begin(), HostBackends().end()),
                         [](const auto& info) { return std::string(info.param->name); });

}  // namespace
}  // namespace rondo::kernels
