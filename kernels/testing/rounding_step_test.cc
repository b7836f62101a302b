// The step of rounding variables: every host backend bit by bit against the reference, whole and
// split, and the reference against double precision.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "kernels/testing/cases.h"
#include "kernels/testing/guarded.h"

namespace rondo::kernels {
namespace {

using testing::Guarded;
using testing::RoundingStepCase;
using testing::RoundingStepInput;
using testing::SameBits;

constexpr float kRate = 0.05f, kSpread = 1.3f;

struct Result {
  std::vector<float> gradient, value, mean, variance;
  std::vector<double> regulariser;
  bool operator==(const Result& o) const {
    return SameBits(gradient, o.gradient) && SameBits(value, o.value) && SameBits(mean, o.mean) &&
           SameBits(variance, o.variance) && SameBits(regulariser, o.regulariser);
  }
};

// In calls of at most `piece` variables, a multiple of kRoundingChunk.
Result Step(const HostBackend& backend, const RoundingStepCase& c, int64_t piece) {
  const RoundingStepInput in = testing::MakeRoundingStepInput(c);
  Guarded<float> gradient(1, c.count), value(1, c.count), mean(1, c.count), variance(1, c.count);
  Guarded<double> regulariser(1, (c.count + kRoundingChunk - 1) / kRoundingChunk);
  float* const v = value.matrix().data;
  std::copy(in.alpha.begin(), in.alpha.end(), v);
  std::copy(in.mean.begin(), in.mean.end(), mean.matrix().data);
  std::copy(in.variance.begin(), in.variance.end(), variance.matrix().data);
  for (int64_t i = 0; i < c.count; i += piece) {
    const int64_t count = std::min(piece, c.count - i);
    backend.rounding_gradient(
        {v + i, in.uses.data() + i, in.sum.data() + i, gradient.matrix().data + i,
         regulariser.matrix().data + i / kRoundingChunk, count, c.saturate, c.weight, c.beta});
    backend.adam({v + i, gradient.matrix().data + i, mean.matrix().data + i,
                  variance.matrix().data + i, count, kRate, kSpread});
  }
  EXPECT_TRUE(gradient.Intact() && value.Intact() && mean.Intact() && variance.Intact() &&
              regulariser.Intact())
      << c.name;
  return {gradient.values(), value.values(), mean.values(), variance.values(),
          regulariser.values()};
}

class RoundingStepTest : public ::testing::TestWithParam<const HostBackend*> {};

TEST_P(RoundingStepTest, EqualsReference) {
  for (const RoundingStepCase& c : testing::RoundingStepCases()) {
    const Result expected = Step(Reference(), c, 1 << 20);
    EXPECT_TRUE(Step(*GetParam(), c, 1 << 20) == expected) << c.name;
    EXPECT_TRUE(Step(*GetParam(), c, kRoundingChunk) == expected) << c.name << " split";
  }
}

INSTANTIATE_TEST_SUITE_P(Backends, RoundingStepTest,
                         ::testing::ValuesIn(HostBackends().begin(), HostBackends().end()),
                         [](const auto& info) { return std::string(info.param->name); });

TEST(RoundingStepReferenceTest, AgreesWithDoubles) {
  for (const RoundingStepCase& c : testing::RoundingStepCases()) {
    const RoundingStepInput in = testing::MakeRoundingStepInput(c);
    const Result result = Step(Reference(), c, 1 << 20);
    double regulariser = 0;
    for (int64_t i = 0; i < c.count; ++i) {
      const double sigma = 1 / (1 + std::exp(-double{in.alpha[i]}));
      const double stretched = 1.2 * sigma - 0.1, h = std::clamp(stretched, 0.0, 1.0);
      const double slope = 1.2 * sigma * (1 - sigma);
      const double inside = stretched >= 0 && stretched <= 1 ? slope : 0;
      const double distance = std::fabs(2 * h - 1);
      double gradient = in.sum[i] * (c.saturate ? inside : slope);
      if (c.weight != 0) {
        regulariser += in.uses[i] * (1 - std::pow(distance, c.beta));
        gradient -= c.weight * in.uses[i] * 2 * c.beta * std::pow(distance, c.beta - 1) *
                    (h < 0.5 ? -inside : inside);
      }
      const double bound = 2e-6 * (std::fabs(in.sum[i]) + c.weight * in.uses[i] * c.beta);
      EXPECT_NEAR(result.gradient[i], gradient, bound + 1e-12) << c.name << " " << i;
      const double g = result.gradient[i];
      const double mean = 0.9 * in.mean[i] + 0.1 * g;
      const double variance = 0.99 * in.variance[i] + 0.01 * g * g;
      const double scale = kRate / (std::sqrt(variance) * kSpread + 1e-8);
      // The two parts of the mean may cancel.
      const double parts = scale * (std::fabs(in.mean[i]) + std::fabs(g));
      EXPECT_NEAR(result.value[i], in.alpha[i] - scale * mean,
                  1e-6 * (std::fabs(in.alpha[i]) + parts))
          << c.name << " " << i;
    }
    double sum = 0;
    for (double part : result.regulariser) sum += part;
    EXPECT_NEAR(sum, regulariser, 2e-6 * c.beta * (1 + regulariser)) << c.name;
  }
}

}  // namespace
}  // namespace rondo::kernels
