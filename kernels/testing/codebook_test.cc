// Layers over a codebook and nearest centres: every host backend bit by bit against the reference,
// and the reference against double precision.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/testing/cases.h"
#include "kernels/testing/guarded.h"
#include "kernels/testing/typed.h"

namespace rondo::kernels {
namespace {

using testing::CodebookCase;
using testing::Guarded;
using testing::NearestCase;
using testing::SameBits;
using testing::Typed;

CodebookView RowsOf(CodebookView layer, int64_t begin, int64_t end) {
  layer.base.data += begin * layer.base.stride;
  layer.base.rows = end - begin;
  layer.codes += begin * layer.base.cols / layer.dim;
  layer.grid.scale += begin * layer.grid.groups;
  layer.grid.zero_point += begin * layer.grid.groups;
  return layer;
}

template <typename T>
std::vector<T> RunDequantize(const HostBackend& backend, const CodebookCase& c, int64_t split) {
  const testing::CodebookInput in = testing::MakeCodebookInput(c);
  const CodebookView layer = testing::ViewOf(c, in);
  Guarded<T> out(c.rows, c.cols);
  const Matrix<T> m = out.matrix();
  const auto run = Typed<T>::DequantizeCodebook(backend);
  run(RowsOf(layer, 0, split), {m.data, split, m.cols, m.stride});
  run(RowsOf(layer, split, c.rows), {m.data + split * m.stride, c.rows - split, m.cols, m.stride});
  EXPECT_TRUE(out.Intact()) << c.name;
  return out.values();
}

constexpr float kBefore = 0.25f;

template <typename T>
std::vector<float> RunGradient(const HostBackend& backend, const CodebookCase& c, int64_t split) {
  const testing::CodebookInput in = testing::MakeCodebookInput(c);
  const CodebookView layer = testing::ViewOf(c, in);
  const std::vector<T> dw = Typed<T>::FromFloats(in.dw);
  Guarded<float> sum(c.entries, c.dim, 0);
  std::fill_n(sum.matrix().data, c.entries * c.dim, kBefore);
  const auto run = Typed<T>::CodebookGradient(backend);
  run(RowsOf(layer, 0, split), {dw.data(), split, c.cols, c.cols}, sum.matrix().data);
  run(RowsOf(layer, split, c.rows), {dw.data() + split * c.cols, c.rows - split, c.cols, c.cols},
      sum.matrix().data);
  EXPECT_TRUE(sum.Intact()) << c.name;
  return sum.values();
}

struct NearestResult {
  std::vector<int32_t> index;
  std::vector<float> distance;
  bool operator==(const NearestResult& o) const {
    return index == o.index && SameBits(distance, o.distance);
  }
};

NearestResult RunNearest(NearestL2Fn* run, const NearestCase& c) {
  const testing::NearestInput in = testing::MakeNearestInput(c);
  Guarded<int32_t> index(1, c.points);
  Guarded<float> distance(1, c.points);
  Nearest args = testing::NearestOf(c, in);
  args.index = index.matrix().data;
  args.distance = distance.matrix().data;
  run(args);
  EXPECT_TRUE(index.Intact() && distance.Intact()) << c.name;
  return {index.values(), distance.values()};
}

class CodebookTest : public ::testing::TestWithParam<const HostBackend*> {};

template <typename T>
void ExpectSameSums(const HostBackend& backend) {
  for (const CodebookCase& c : testing::CodebookCases()) {
    const std::vector<T> weights = RunDequantize<T>(Reference(), c, 0);
    EXPECT_TRUE(SameBits(RunDequantize<T>(backend, c, 0), weights)) << c.name;
    EXPECT_TRUE(SameBits(RunDequantize<T>(backend, c, c.rows / 3), weights)) << c.name << " split";
    const std::vector<float> sum = RunGradient<T>(Reference(), c, 0);
    EXPECT_TRUE(SameBits(RunGradient<T>(backend, c, 0), sum)) << c.name;
    EXPECT_TRUE(SameBits(RunGradient<T>(backend, c, c.rows / 3), sum)) << c.name << " split";
  }
}

TEST_P(CodebookTest, FloatEqualsReference) { ExpectSameSums<float>(*GetParam()); }
TEST_P(CodebookTest, Bf16EqualsReference) { ExpectSameSums<uint16_t>(*GetParam()); }

TEST_P(CodebookTest, NearestEqualsReference) {
  for (const NearestCase& c : testing::NearestCases()) {
    EXPECT_TRUE(RunNearest(GetParam()->nearest_l2, c) == RunNearest(Reference().nearest_l2, c))
        << c.name;
    EXPECT_TRUE(RunNearest(GetParam()->nearest_linf, c) == RunNearest(Reference().nearest_linf, c))
        << c.name << " linf";
  }
}

INSTANTIATE_TEST_SUITE_P(Backends, CodebookTest,
                         ::testing::ValuesIn(HostBackends().begin(), HostBackends().end()),
                         [](const auto& info) { return std::string(info.param->name); });

// Of one weight, in double precision.
struct Weight {
  double value;
  int64_t entry;
  double scale;
  bool inside;
};

Weight WeightOf(const CodebookCase& c, const testing::CodebookInput& in, int64_t i) {
  const int64_t entry = in.codes[i / c.dim] * c.dim + i % c.dim;
  const int64_t g = i / c.cols * c.groups() + i % c.cols / c.group_size;
  const double position = in.base[i] - (c.bits == 8 ? 0.0 : 2.0) + in.rounding[entry];
  const double code = std::clamp(position, 0.0, double(c.maxq()));
  return {in.scale[g] * (code - in.zero_point[g]), entry, in.scale[g], code == position};
}

TEST(CodebookReferenceTest, AgreesWithDoubles) {
  for (const CodebookCase& c : testing::CodebookCases()) {
    const testing::CodebookInput in = testing::MakeCodebookInput(c);
    const std::vector<float> weights = RunDequantize<float>(Reference(), c, 0);
    const std::vector<uint16_t> rounded = RunDequantize<uint16_t>(Reference(), c, 0);
    const std::vector<float> sum = RunGradient<float>(Reference(), c, 0);
    std::vector<double> expected(sum.size(), kBefore);
    for (int64_t i = 0; i < c.rows * c.cols; ++i) {
      const Weight w = WeightOf(c, in, i);
      EXPECT_NEAR(weights[i], w.value, c.bits == 8 ? 1e-6 : 1e-7) << c.name << " " << i;
      EXPECT_NEAR(Typed<uint16_t>::ToDouble(rounded[i]), weights[i], 0x1p-8 * std::fabs(weights[i]))
          << c.name << " " << i;
      if (w.inside) expected[w.entry] += w.scale * in.dw[i];
    }
    for (size_t e = 0; e < sum.size(); ++e) EXPECT_NEAR(sum[e], expected[e], 1e-5) << c.name;
  }
}

// Least distance and its lowest index, in double precision: squared Euclidean or largest element.
NearestResult Search(const NearestCase& c, const testing::NearestInput& in, bool squared) {
  NearestResult result;
  for (int64_t i = 0; i < c.points; ++i) {
    double least = std::numeric_limits<double>::infinity();
    int32_t index = -1;
    for (int64_t k = 0; k < c.centres; ++k) {
      double distance = 0.0;
      for (int64_t d = 0; d < c.dim; ++d) {
        const double delta = double(in.points[i * c.dim + d]) - in.centres[d * in.stride + k];
        distance = squared ? distance + delta * delta : std::max(distance, std::fabs(delta));
      }
      if (distance < least) {
        least = distance;
        index = static_cast<int32_t>(k);
      }
    }
    result.index.push_back(index);
    result.distance.push_back(static_cast<float>(least));
  }
  return result;
}

// On the lattice every sum is exact, so ties are true ties.
TEST(NearestReferenceTest, FindsTheNearest) {
  for (const NearestCase& c : testing::NearestCases()) {
    const testing::NearestInput in = testing::MakeNearestInput(c);
    for (bool squared : {false, true}) {
      const NearestResult expected = Search(c, in, squared);
      const NearestResult result =
          RunNearest(squared ? Reference().nearest_l2 : Reference().nearest_linf, c);
      if (c.lattice) {
        EXPECT_EQ(result.index, expected.index) << c.name << squared;
      }
      for (int64_t i = 0; i < c.points; ++i) {
        EXPECT_NEAR(result.distance[i], expected.distance[i], 1e-5) << c.name << squared;
      }
    }
  }
}

}  // namespace
}  // namespace rondo::kernels
