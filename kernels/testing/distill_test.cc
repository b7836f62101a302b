// Distillation: every host backend bit by bit against the reference, and the reference against
// double precision.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/reference/float_ops.h"
#include "kernels/reference/log.h"
#include "kernels/testing/cases.h"
#include "kernels/testing/guarded.h"
#include "kernels/testing/typed.h"

namespace rondo::kernels {
namespace {

using testing::DistillCase;
using testing::Guarded;
using testing::SameBits;
using testing::Typed;

template <typename T>
struct DistillResult {
  std::vector<T> gradient;
  std::vector<double> loss;
  bool operator==(const DistillResult& o) const {
    return SameBits(gradient, o.gradient) && SameBits(loss, o.loss);
  }
};

template <typename T>
DistillResult<T> RunDistill(const HostBackend& backend, const DistillCase& c) {
  const testing::DistillInput in = testing::MakeDistillInput(c);
  const std::vector<T> teacher = Typed<T>::FromFloats(in.teacher);
  const std::vector<T> student = Typed<T>::FromFloats(in.student);
  Guarded<T> out(c.rows, c.vocab);
  Guarded<double> loss(1, c.rows);
  const Matrix<T> m = out.matrix();
  for (int64_t r = 0; r < c.rows; ++r) {
    std::copy_n(student.data() + r * c.vocab, c.vocab, m.data + r * m.stride);
  }
  Typed<T>::Distill(backend)({teacher.data(), c.rows, c.vocab, c.vocab}, m, c.temperature,
                             loss.matrix().data);
  EXPECT_TRUE(out.Intact() && loss.Intact()) << c.name;
  return {out.values(), loss.values()};
}

class DistillTest : public ::testing::TestWithParam<const HostBackend*> {};

TEST_P(DistillTest, EqualsReference) {
  for (const DistillCase& c : testing::DistillCases()) {
    EXPECT_TRUE(RunDistill<float>(*GetParam(), c) == RunDistill<float>(Reference(), c)) << c.name;
    EXPECT_TRUE(RunDistill<uint16_t>(*GetParam(), c) == RunDistill<uint16_t>(Reference(), c))
        << c.name << " bf16";
  }
}

TEST_P(DistillTest, WhatIsNotFiniteShows) {
  for (float bad : {std::numeric_limits<float>::quiet_NaN(), 0x1p127f * 2.0f}) {
    for (bool in_teacher : {false, true}) {
      std::vector<float> teacher(40, 1.0f), student(40, 1.0f);
      (in_teacher ? teacher : student)[33] = bad;
      double loss = 0.0;
      GetParam()->distill({teacher.data(), 1, 40, 40}, {student.data(), 1, 40, 40}, 2.0f, &loss);
      EXPECT_TRUE(std::isnan(loss)) << bad;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Backends, DistillTest,
                         ::testing::ValuesIn(HostBackends().begin(), HostBackends().end()),
                         [](const auto& info) { return std::string(info.param->name); });

// log softmax(row / temperature) in double precision.
template <typename T>
std::vector<double> LogSoftmax(const T* row, int64_t cols, double temperature) {
  std::vector<double> logs;
  logs.reserve(cols);
  for (int64_t j = 0; j < cols; ++j) logs.push_back(Typed<T>::ToDouble(row[j]) / temperature);
  const double most = *std::max_element(logs.begin(), logs.end());
  double sum = 0.0;
  for (double v : logs) sum += std::exp(v - most);
  for (double& v : logs) v -= most + std::log(sum);
  return logs;
}

template <typename T>
void ExpectNearDoubles(double relative) {
  for (const DistillCase& c : testing::DistillCases()) {
    const testing::DistillInput in = testing::MakeDistillInput(c);
    const std::vector<T> teacher = Typed<T>::FromFloats(in.teacher);
    const std::vector<T> student = Typed<T>::FromFloats(in.student);
    const DistillResult<T> result = RunDistill<T>(Reference(), c);
    const double t = c.temperature;
    for (int64_t r = 0; r < c.rows; ++r) {
      const int64_t row = r * c.vocab;
      const std::vector<double> p = LogSoftmax(teacher.data() + row, c.vocab, t);
      const std::vector<double> q = LogSoftmax(student.data() + row, c.vocab, t);
      double loss = 0.0;
      for (int64_t j = 0; j < c.vocab; ++j) {
        loss += t * t * std::exp(p[j]) * (p[j] - q[j]);
        const double gradient = t * (std::exp(q[j]) - std::exp(p[j]));
        const double bound = 4e-6 * t * (std::exp(q[j]) + std::exp(p[j]));
        EXPECT_NEAR(Typed<T>::ToDouble(result.gradient[row + j]), gradient,
                    relative * std::fabs(gradient) + bound)
            << c.name << " " << j;
      }
      EXPECT_NEAR(result.loss[r], loss, 1e-5 * loss + 2e-6) << c.name;
    }
  }
}

TEST(DistillReferenceTest, AgreesWithDoubles) {
  ExpectNearDoubles<float>(0.0);
  ExpectNearDoubles<uint16_t>(0x1p-8);
}

TEST(LogTest, AgreesWithTheLibrary) {
  using reference::FloatOps;
  testing::Random random(3);
  for (int i = 0; i < 10000; ++i) {
    const double x = std::ldexp(0.5 + static_cast<double>(random.Bits() >> 12) * 0x1p-53,
                                static_cast<int>(random.Bits() % 200) - 100);
    const double expected = std::log(x);
    EXPECT_NEAR(Log<FloatOps>(x), expected, 3e-16 * (1.0 + std::fabs(expected))) << x;
  }
  EXPECT_EQ(Log<FloatOps>(1.0), 0.0);
  for (double bad : {0.0, -1.0, std::numeric_limits<double>::infinity(),
                     std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_TRUE(std::isnan(Log<FloatOps>(bad))) << bad;
  }
}

}  // namespace
}  // namespace rondo::kernels
