// RMSNorm, SwiGLU and rotary positions: every host backend bit by bit against the reference, and
// the reference against double precision.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "kernels/testing/cases.h"
#include "kernels/testing/guarded.h"

namespace rondo::kernels {
namespace {

using testing::Guarded;
using testing::SameBits;

// The functions of a backend for one type.
template <typename T>
struct Functions;

template <>
struct Functions<float> {
  explicit Functions(const HostBackend& b)
      : rms_norm(b.rms_norm),
        silu_mul(b.silu_mul),
        rms_norm_backward(b.rms_norm_backward),
        silu_mul_backward(b.silu_mul_backward),
        rotate(b.rotate) {}
  RmsNormFn<float>* rms_norm;
  SiluMulFn<float>* silu_mul;
  RmsNormBackwardFn<float>* rms_norm_backward;
  SiluMulBackwardFn<float>* silu_mul_backward;
  RotateFn<float>* rotate;
  static float FromFloat(float v) { return v; }
  static double ToDouble(float v) { return v; }
  static constexpr double kUnit = 0x1p-22;  // of a result: a few roundings
};

template <>
struct Functions<uint16_t> {
  explicit Functions(const HostBackend& b)
      : rms_norm(b.rms_norm_bf16),
        silu_mul(b.silu_mul_bf16),
        rms_norm_backward(b.rms_norm_backward_bf16),
        silu_mul_backward(b.silu_mul_backward_bf16),
        rotate(b.rotate_bf16) {}
  RmsNormFn<uint16_t>* rms_norm;
  SiluMulFn<uint16_t>* silu_mul;
  RmsNormBackwardFn<uint16_t>* rms_norm_backward;
  SiluMulBackwardFn<uint16_t>* silu_mul_backward;
  RotateFn<uint16_t>* rotate;
  static uint16_t FromFloat(float v) {
    return static_cast<uint16_t>(std::bit_cast<uint32_t>(v) >> 16);
  }
  static double ToDouble(uint16_t v) { return std::bit_cast<float>(uint32_t{v} << 16); }
  static constexpr double kUnit = 0x1p-7;
};

template <typename T>
std::vector<T> Values(int64_t count, uint64_t seed, float size) {
  testing::Random random(seed);
  std::vector<T> values(count);
  for (T& v : values) v = Functions<T>::FromFloat(size * random.Normal());
  return values;
}

template <typename T>
void Fill(const Matrix<T>& m, const std::vector<T>& values) {
  for (int64_t i = 0; i < m.rows * m.cols; ++i) {
    m.data[i / m.cols * m.stride + i % m.cols] = values[i];
  }
}

template <typename T>
std::vector<T> RunRmsNorm(const HostBackend& backend, int64_t rows, int64_t cols) {
  const std::vector<T> x = Values<T>(rows * cols, 1, 3.0f), weight = Values<T>(cols, 2, 1.0f);
  Guarded<T> out(rows, cols);
  Functions<T>(backend).rms_norm({x.data(), rows, cols, cols}, weight.data(), 1e-5f, out.matrix());
  EXPECT_TRUE(out.Intact());
  return out.values();
}

template <typename T>
std::vector<T> RunSiluMul(const HostBackend& backend, int64_t rows, int64_t cols) {
  const std::vector<T> gate = Values<T>(rows * cols, 3, 20.0f),
                       up = Values<T>(rows * cols, 4, 1.0f);
  Guarded<T> out(rows, cols);
  Fill(out.matrix(), gate);
  Functions<T>(backend).silu_mul(out.matrix(), {up.data(), rows, cols, cols});
  EXPECT_TRUE(out.Intact());
  return out.values();
}

template <typename T>
std::vector<T> RunRmsNormBackward(const HostBackend& backend, int64_t rows, int64_t cols) {
  const std::vector<T> out = Values<T>(rows * cols, 8, 1.0f), x = Values<T>(rows * cols, 1, 3.0f),
                       weight = Values<T>(cols, 2, 1.0f);
  Guarded<T> in(rows, cols);
  Functions<T>(backend).rms_norm_backward({{out.data(), rows, cols, cols},
                                           {x.data(), rows, cols, cols},
                                           weight.data(),
                                           1e-5f,
                                           in.matrix()});
  EXPECT_TRUE(in.Intact());
  return in.values();
}

// The gradient of the gate, then that of the other factor.
template <typename T>
std::vector<T> RunSiluMulBackward(const HostBackend& backend, int64_t rows, int64_t cols) {
  const std::vector<T> out = Values<T>(rows * cols, 8, 1.0f),
                       gate = Values<T>(rows * cols, 3, 9.0f), up = Values<T>(rows * cols, 4, 1.0f);
  Guarded<T> gate_in(rows, cols), up_in(rows, cols);
  Functions<T>(backend).silu_mul_backward({{out.data(), rows, cols, cols},
                                           {gate.data(), rows, cols, cols},
                                           {up.data(), rows, cols, cols},
                                           gate_in.matrix(),
                                           up_in.matrix()});
  EXPECT_TRUE(gate_in.Intact() && up_in.Intact());
  std::vector<T> both = gate_in.values();
  const std::vector<T> of_up = up_in.values();
  both.insert(both.end(), of_up.begin(), of_up.end());
  return both;
}

template <typename T>
std::vector<T> RunRotate(const HostBackend& backend, int64_t rows, int64_t head_dim) {
  const int64_t cols = 3 * head_dim;
  const std::vector<T> x = Values<T>(rows * cols, 5, 1.0f);
  const std::vector<T> cos = Values<T>(rows * head_dim / 2, 6, 0.5f);
  const std::vector<T> sin = Values<T>(rows * head_dim / 2, 7, 0.5f);
  Guarded<T> out(rows, cols);
  Functions<T>(backend).rotate(
      {{x.data(), rows, cols, cols}, out.matrix(), cos.data(), sin.data(), head_dim});
  EXPECT_TRUE(out.Intact());
  return out.values();
}

constexpr int64_t kShapes[][2] = {{0, 16}, {3, 2}, {5, 16}, {4, 50}, {3, 130}};

class ElementwiseTest : public ::testing::TestWithParam<const HostBackend*> {};

template <typename T>
void ExpectSame(const HostBackend& backend) {
  for (const auto& [rows, cols] : kShapes) {
    EXPECT_TRUE(
        SameBits(RunRmsNorm<T>(backend, rows, cols), RunRmsNorm<T>(Reference(), rows, cols)))
        << cols;
    EXPECT_TRUE(
        SameBits(RunSiluMul<T>(backend, rows, cols), RunSiluMul<T>(Reference(), rows, cols)))
        << cols;
    EXPECT_TRUE(SameBits(RunRmsNormBackward<T>(backend, rows, cols),
                         RunRmsNormBackward<T>(Reference(), rows, cols)))
        << cols;
    EXPECT_TRUE(SameBits(RunSiluMulBackward<T>(backend, rows, cols),
                         RunSiluMulBackward<T>(Reference(), rows, cols)))
        << cols;
    EXPECT_TRUE(SameBits(RunRotate<T>(backend, rows, cols), RunRotate<T>(Reference(), rows, cols)))
        << cols;
  }
}

TEST_P(ElementwiseTest, FloatEqualsReference) { ExpectSame<float>(*GetParam()); }
TEST_P(ElementwiseTest, Bf16EqualsReference) { ExpectSame<uint16_t>(*GetParam()); }

TEST_P(ElementwiseTest, NanAndInfinityPass) {
  const float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> gate = {nan, inf, -200.0f, 200.0f};
  const std::vector<float> up(4, 1.0f);
  GetParam()->silu_mul({gate.data(), 1, 4, 4}, {up.data(), 1, 4, 4});
  EXPECT_TRUE(std::isnan(gate[0]));
  EXPECT_EQ(gate[1], inf);
  EXPECT_NEAR(gate[2], 0.0f, 1e-30);
  EXPECT_EQ(gate[3], 200.0f);
  std::vector<uint16_t> bits = {0x7fff, 0x7f80, 0xffff};  // NaN, infinity, NaN
  const std::vector<uint16_t> ones(3, 0x3f80);
  GetParam()->silu_mul_bf16({bits.data(), 1, 3, 3}, {ones.data(), 1, 3, 3});
  EXPECT_EQ(bits, (std::vector<uint16_t>{0x7fc0, 0x7f80, 0x7fc0}));
}

INSTANTIATE_TEST_SUITE_P(Backends, ElementwiseTest,
                         ::testing::ValuesIn(HostBackends().begin(), HostBackends().end()),
                         [](const auto& info) { return std::string(info.param->name); });

template <typename T>
void ExpectNearDoubles() {
  using Type = Functions<T>;
  for (const auto& [rows, cols] : kShapes) {
    const std::vector<T> x = Values<T>(rows * cols, 1, 3.0f), weight = Values<T>(cols, 2, 1.0f);
    const std::vector<T> normal = RunRmsNorm<T>(Reference(), rows, cols);
    const std::vector<T> gate = Values<T>(rows * cols, 3, 20.0f),
                         up = Values<T>(rows * cols, 4, 1.0f);
    const std::vector<T> silu = RunSiluMul<T>(Reference(), rows, cols);
    for (int64_t i = 0; i < rows * cols; ++i) {
      double squares = 0;
      for (int64_t j = 0; j < cols; ++j) {
        squares += std::pow(Type::ToDouble(x[i / cols * cols + j]), 2);
      }
      const double norm = Type::ToDouble(x[i]) / std::sqrt(squares / double(cols) + 1e-5) *
                          Type::ToDouble(weight[i % cols]);
      EXPECT_NEAR(Type::ToDouble(normal[i]), norm, Type::kUnit * std::fabs(norm) + 1e-30);
      const double g = Type::ToDouble(gate[i]);
      const double swiglu = g / (1.0 + std::exp(-g)) * Type::ToDouble(up[i]);
      EXPECT_NEAR(Type::ToDouble(silu[i]), swiglu, 2 * Type::kUnit * std::fabs(swiglu) + 1e-30);
    }
  }
}

TEST(ElementwiseReferenceTest, AgreesWithDoubles) {
  ExpectNearDoubles<float>();
  ExpectNearDoubles<uint16_t>();
}

TEST(ElementwiseReferenceTest, RotatesByAngle) {
  std::vector<float> x = {1, 2, 3, 4, 5, 6, 7, 8};  // two rows of one head of 4
  const std::vector<float> cos = {1.0f, 0.0f, -1.0f, 0.6f}, sin = {0.0f, 1.0f, 0.0f, 0.8f};
  Reference().rotate({{x.data(), 2, 4, 4}, {x.data(), 2, 4, 4}, cos.data(), sin.data(), 4});
  const std::vector<float> expected = {
      1, -4, 3, 2, -5, 0.6f * 6 - 0.8f * 8, -7, 0.6f * 8 + 0.8f * 6};
  for (int i = 0; i < 8; ++i) EXPECT_FLOAT_EQ(x[i], expected[i]) << i;
}

}  // namespace
}  // namespace rondo::kernels
