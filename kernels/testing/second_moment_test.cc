// X^T X of every host backend against sums in double precision.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <new>

#include "kernels/testing/cases.h"
#include "kernels/testing/guarded.h"

namespace rondo::kernels {
namespace {

using testing::Guarded;
using testing::SecondMomentCase;

constexpr float kStart = 0.25f;

// Scratch of exactly the documented size.
class Scratch {
 public:
  explicit Scratch(int64_t words) : words_(words) {
    data_ = static_cast<uint32_t*>(::operator new((words + 1) * 4, std::align_val_t(64)));
    data_[words] = 0x5a5a5a5a;
  }
  ~Scratch() { ::operator delete(data_, std::align_val_t(64)); }
  uint32_t* data() const { return data_; }
  bool Intact() const { return data_[words_] == 0x5a5a5a5a; }

 private:
  const int64_t words_;
  uint32_t* data_;
};

std::vector<float> RunSecondMoment(const HostBackend& backend, const SecondMomentCase& c,
                                   int64_t parts) {
  const std::vector<uint16_t> x = testing::Bf16Activations(c.tokens, c.in);
  Guarded<float> h(c.in, c.in);
  for (int64_t i = 0; i < c.in; ++i) {
    for (int64_t j = 0; j < c.in; ++j) h.matrix().data[i * h.matrix().stride + j] = kStart;
  }
  const Scratch scratch(SecondMomentScratch(c.tokens, c.in));
  const SecondMoment args = {{x.data(), c.tokens, c.in, c.in}, h.matrix(), scratch.data()};
  const int64_t panels = SecondMomentPanels(c.in);
  for (int64_t part = 0; part < parts; ++part) {
    backend.pack_second_moment(args, part * panels / parts, (part + 1) * panels / parts);
  }
  for (int64_t part = 0; part < parts; ++part) {
    const PanelRange range = SecondMomentShare(panels, part, parts);
    backend.accumulate_second_moment(args, range.begin, range.end);
  }
  EXPECT_TRUE(h.Intact() && scratch.Intact()) << c.name;
  return h.values();
}

class SecondMomentTest : public ::testing::TestWithParam<const HostBackend*> {};

TEST_P(SecondMomentTest, LowerTriangleAgreesWithDoubles) {
  for (const SecondMomentCase& c : testing::SecondMomentCases()) {
    const std::vector<float> h = RunSecondMoment(*GetParam(), c, 1);
    const std::vector<uint16_t> x = testing::Bf16Activations(c.tokens, c.in);
    const auto value = [&](int64_t t, int64_t i) {
      return static_cast<double>(std::bit_cast<float>(uint32_t{x[t * c.in + i]} << 16));
    };
    for (int64_t i = 0; i < c.in; ++i) {
      for (int64_t j = 0; j < c.in; ++j) {
        double sum = kStart, size = kStart;
        for (int64_t t = 0; t < c.tokens && j <= i; ++t) {
          sum += value(t, i) * value(t, j);
          size += std::fabs(value(t, i) * value(t, j));
        }
        // Each token rounds the sum once, by at most half a unit of either sign: four deviations.
        const double bound = 0x1p-24 * size * (2.0 + 4.0 * std::sqrt(double(c.tokens)));
        EXPECT_NEAR(h[i * c.in + j], sum, bound) << c.name << " " << i << "," << j;
      }
    }
  }
}

TEST_P(SecondMomentTest, SplitDoesNotMatter) {
  for (const SecondMomentCase& c : testing::SecondMomentCases()) {
    const std::vector<float> whole = RunSecondMoment(*GetParam(), c, 1);
    EXPECT_TRUE(testing::SameBits(RunSecondMoment(*GetParam(), c, 3), whole)) << c.name;
  }
}

INSTANTIATE_TEST_SUITE_P(Backends, SecondMomentTest,
                         ::testing::ValuesIn(HostBackends().begin(), HostBackends().end()),
                         [](const auto& info) { return std::string(info.param->name); });

TEST(SecondMomentShareTest, SharesCoverAllPanelsAtEqualCost) {
  for (int64_t panels : {1, 12, 230}) {
    for (int64_t parts : {1, 2, 7}) {
      int64_t next = 0;
      for (int64_t part = 0; part < parts; ++part) {
        const PanelRange range = SecondMomentShare(panels, part, parts);
        EXPECT_EQ(range.begin, next);
        next = range.end;
        double cost = 0;
        for (int64_t p = range.begin; p < range.end; ++p) cost += static_cast<double>(p + 1);
        const double total = static_cast<double>(panels * (panels + 1)) / 2.0;
        EXPECT_NEAR(cost, total / static_cast<double>(parts), static_cast<double>(panels + 1));
      }
      EXPECT_EQ(next, panels);
    }
  }
}

TEST(SecondMomentSupportTest, CpuRunsItWhereSupported) {
  EXPECT_EQ(Cpu().accumulate_second_moment != Reference().accumulate_second_moment,
            SupportsSecondMomentBf16());
}

}  // namespace
}  // namespace rondo::kernels
