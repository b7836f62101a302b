// The device's kernels against the reference, bit by bit, over the same cases as the host's. Needs
// a device: skipped without one, a failure where RONDO_REQUIRE_GPU=1.
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string_view>

#include "kernels/api/cuda.h"
#include "kernels/testing/cases.h"
#include "kernels/testing/guarded.h"
#include "kernels/testing/typed.h"

namespace rondo::kernels {
namespace {

using testing::MatrixOf;
using testing::SameBits;

// A copy on the device with a guard zone behind it.
template <typename T>
class DeviceArray {
 public:
  explicit DeviceArray(const std::vector<T>& values) : size_(values.size()) {
    EXPECT_EQ(cudaMalloc(reinterpret_cast<void**>(&data_), size_ * sizeof(T) + kGuard),
              cudaSuccess);
    EXPECT_EQ(cudaMemset(data_, kPattern, size_ * sizeof(T) + kGuard), cudaSuccess);
    EXPECT_EQ(cudaMemcpy(data_, values.data(), size_ * sizeof(T), cudaMemcpyHostToDevice),
              cudaSuccess);
  }
  ~DeviceArray() { cudaFree(data_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  T* data() const { return data_; }
  // Waits for the device.
  std::vector<T> Read() const {
    EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
    std::vector<T> values(size_);
    std::vector<unsigned char> guard(kGuard);
    EXPECT_EQ(cudaMemcpy(values.data(), data_, size_ * sizeof(T), cudaMemcpyDeviceToHost),
              cudaSuccess);
    EXPECT_EQ(cudaMemcpy(guard.data(), data_ + size_, kGuard, cudaMemcpyDeviceToHost), cudaSuccess);
    EXPECT_EQ(guard, std::vector<unsigned char>(kGuard, kPattern));
    return values;
  }

 private:
  static constexpr size_t kGuard = 256;
  static constexpr unsigned char kPattern = 0x5a;
  const size_t size_;
  T* data_ = nullptr;
};

class CudaTest : public ::testing::Test {
 protected:
  void SetUp() override {
    int count = 0;
    const cudaError_t error = cudaGetDeviceCount(&count);
    if (error == cudaSuccess && count > 0) {
      ASSERT_EQ(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), cudaSuccess);
      return;
    }
    const char* required = std::getenv("RONDO_REQUIRE_GPU");
    ASSERT_FALSE(required != nullptr && std::string_view(required) == "1")
        << "RONDO_REQUIRE_GPU=1 and no CUDA device: " << cudaGetErrorString(error);
    GTEST_SKIP() << "no CUDA device: " << cudaGetErrorString(error);
  }
  void TearDown() override {
    if (stream_ == nullptr) return;
    EXPECT_EQ(cudaStreamDestroy(stream_), cudaSuccess);
  }

  cudaStream_t stream_ = nullptr;
};

TEST_F(CudaTest, GridEqualsReference) {
  for (const testing::GridCase& c : testing::GridCases()) {
    const std::vector<float> w = testing::Weights(c.rows, c.cols);
    std::vector<float> scale(c.rows * c.groups()), zero_point(scale), values(w.size());
    std::vector<uint8_t> codes(w.size());
    const DeviceArray<float> device_w(w), device_scale(scale), device_zero(zero_point);
    const DeviceArray<float> device_values(values);
    const DeviceArray<uint8_t> device_codes(codes);

    const GridView grid = {scale.data(), zero_point.data(), c.groups(), c.group_size, c.maxq()};
    Reference().fit_grid(MatrixOf(w.data(), c.rows, c.cols), c.options(), scale.data(),
                         zero_point.data());
    Reference().quantize(MatrixOf(w.data(), c.rows, c.cols), grid,
                         MatrixOf(codes.data(), c.rows, c.cols));
    Reference().dequantize({codes.data(), c.rows, c.cols, c.cols}, grid,
                           MatrixOf(values.data(), c.rows, c.cols));

    const GridView device_grid = {device_scale.data(), device_zero.data(), c.groups(), c.group_size,
                                  c.maxq()};
    const Matrix<const float> m = {device_w.data(), c.rows, c.cols, c.cols};
    ASSERT_TRUE(
        cuda::FitGrid(m, c.options(), device_scale.data(), device_zero.data(), stream_).ok());
    ASSERT_TRUE(
        cuda::Quantize(m, device_grid, MatrixOf(device_codes.data(), c.rows, c.cols), stream_)
            .ok());
    ASSERT_TRUE(cuda::Dequantize({device_codes.data(), c.rows, c.cols, c.cols}, device_grid,
                                 MatrixOf(device_values.data(), c.rows, c.cols), stream_)
                    .ok());
    EXPECT_TRUE(SameBits(device_scale.Read(), scale)) << c.name;
    EXPECT_TRUE(SameBits(device_zero.Read(), zero_point)) << c.name;
    EXPECT_EQ(device_codes.Read(), codes) << c.name;
    EXPECT_TRUE(SameBits(device_values.Read(), values)) << c.name;
  }
}

TEST_F(CudaTest, GptqBlockEqualsReference) {
  for (const testing::BlockCase& c : testing::BlockCases()) {
    const testing::BlockInput in = testing::MakeBlockInput(c);
    std::vector<uint8_t> codes(c.rows * c.cols);
    std::vector<float> error(c.rows * c.cols);
    std::vector<double> loss(c.rows, 1.5);
    const DeviceArray<float> target(in.target), weight(in.weight), feedback(in.feedback);
    const DeviceArray<float> pivots(in.pivots), scale(in.scale), zero_point(in.zero_point);
    const DeviceArray<int32_t> group_of_column(in.group_of_column);
    const DeviceArray<uint8_t> device_codes(codes);
    const DeviceArray<float> device_error(error);
    const DeviceArray<double> device_loss(loss);

    GptqBlock block = testing::BlockOf(c, in);
    block.codes = MatrixOf(codes.data(), c.rows, c.cols);
    block.error = MatrixOf(error.data(), c.rows, c.cols);
    block.loss = loss.data();
    Reference().gptq_block(block);

    block.target.data = target.data();
    block.weight.data = weight.data();
    block.feedback.data = feedback.data();
    block.pivots = pivots.data();
    block.scale = scale.data();
    block.zero_point = zero_point.data();
    block.group_of_column = group_of_column.data();
    block.codes.data = device_codes.data();
    block.error.data = device_error.data();
    block.loss = device_loss.data();
    ASSERT_TRUE(cuda::RunGptqBlock(block, stream_).ok());
    EXPECT_EQ(device_codes.Read(), codes) << c.name;
    EXPECT_TRUE(SameBits(device_error.Read(), error)) << c.name;
    EXPECT_TRUE(SameBits(device_loss.Read(), loss)) << c.name;
  }
}

TEST_F(CudaTest, PackEqualsReference) {
  for (const testing::PackCase& c : testing::PackCases()) {
    const std::vector<uint8_t> codes = testing::Codes(c.rows, c.cols, c.bits);
    const int64_t count = PackedWords(c.cols, c.bits);
    std::vector<uint32_t> words(c.rows * count);
    const DeviceArray<uint8_t> device_codes(codes);
    const DeviceArray<uint32_t> device_words(words);
    Reference().pack_rows(MatrixOf(codes.data(), c.rows, c.cols), c.bits,
                          MatrixOf(words.data(), c.rows, count));
    ASSERT_TRUE(cuda::PackRows({device_codes.data(), c.rows, c.cols, c.cols}, c.bits,
                               MatrixOf(device_words.data(), c.rows, count), stream_)
                    .ok());
    EXPECT_EQ(device_words.Read(), words) << c.name;
  }
}

// The blocks of each code, ascending (BlocksByCode).
struct Inverse {
  Inverse(const std::vector<uint16_t>& codes, int64_t count) {
    for (int64_t k = 0; k < count; ++k) {
      for (size_t b = 0; b < codes.size(); ++b) {
        if (codes[b] == k) block.push_back(static_cast<int32_t>(b));
      }
      begin.push_back(static_cast<int32_t>(block.size()));
    }
  }
  std::vector<int32_t> block, begin = {0};
};

template <typename T>
void CodebookEqualsReference(cudaStream_t stream) {
  for (const testing::CodebookCase& c : testing::CodebookCases()) {
    const testing::CodebookInput in = testing::MakeCodebookInput(c);
    const std::vector<T> dw = testing::Typed<T>::FromFloats(in.dw);
    const Inverse inverse(in.codes, c.entries);
    std::vector<T> out(in.base.size());
    std::vector<float> sum(in.rounding.size(), 0.25f);
    const DeviceArray<uint8_t> base(in.base);
    const DeviceArray<uint16_t> codes(in.codes);
    const DeviceArray<float> rounding(in.rounding), scale(in.scale), zero_point(in.zero_point);
    const DeviceArray<int32_t> block(inverse.block), begin(inverse.begin);
    const DeviceArray<T> device_dw(dw), device_out(out);
    const DeviceArray<float> device_sum(sum);

    CodebookView layer = testing::ViewOf(c, in);
    testing::Typed<T>::DequantizeCodebook(Reference())(layer, MatrixOf(out.data(), c.rows, c.cols));
    testing::Typed<T>::CodebookGradient(Reference())(layer, MatrixOf(dw.data(), c.rows, c.cols),
                                                     sum.data());
    layer.base.data = base.data();
    layer.codes = codes.data();
    layer.rounding = rounding.data();
    layer.grid.scale = scale.data();
    layer.grid.zero_point = zero_point.data();
    ASSERT_TRUE(
        cuda::DequantizeCodebook(layer, MatrixOf(device_out.data(), c.rows, c.cols), stream).ok());
    ASSERT_TRUE(cuda::CodebookGradient<T>(layer, {block.data(), begin.data(), c.entries},
                                          {device_dw.data(), c.rows, c.cols, c.cols},
                                          device_sum.data(), stream)
                    .ok());
    EXPECT_TRUE(SameBits(device_out.Read(), out)) << c.name;
    EXPECT_TRUE(SameBits(device_sum.Read(), sum)) << c.name;
  }
}

TEST_F(CudaTest, CodebookEqualsReference) {
  CodebookEqualsReference<float>(stream_);
  CodebookEqualsReference<uint16_t>(stream_);
}

TEST_F(CudaTest, NearestEqualsReference) {
  for (const testing::NearestCase& c : testing::NearestCases()) {
    const testing::NearestInput in = testing::MakeNearestInput(c);
    std::vector<int32_t> index(c.points);
    std::vector<float> distance(c.points);
    const DeviceArray<float> points(in.points), centres(in.centres), half_norms(in.half_norms);
    const DeviceArray<int32_t> device_index(index);
    const DeviceArray<float> device_distance(distance);
    Nearest args = testing::NearestOf(c, in);
    args.index = index.data();
    args.distance = distance.data();
    Nearest device = args;
    device.points = points.data();
    device.centres = centres.data();
    device.half_norms = half_norms.data();
    device.index = device_index.data();
    device.distance = device_distance.data();
    for (bool squared : {false, true}) {
      (squared ? Reference().nearest_l2 : Reference().nearest_linf)(args);
      ASSERT_TRUE((squared ? cuda::NearestL2 : cuda::NearestLinf)(device, stream_).ok());
      EXPECT_EQ(device_index.Read(), index) << c.name << squared;
      EXPECT_TRUE(SameBits(device_distance.Read(), distance)) << c.name << squared;
    }
  }
}

template <typename T>
void DistillEqualsReference(cudaStream_t stream) {
  for (const testing::DistillCase& c : testing::DistillCases()) {
    const testing::DistillInput in = testing::MakeDistillInput(c);
    const std::vector<T> teacher = testing::Typed<T>::FromFloats(in.teacher);
    std::vector<T> student = testing::Typed<T>::FromFloats(in.student);
    std::vector<double> loss(c.rows);
    const DeviceArray<T> device_teacher(teacher), device_student(student);
    const DeviceArray<double> device_loss(loss);
    testing::Typed<T>::Distill(Reference())(MatrixOf(teacher.data(), c.rows, c.vocab),
                                            MatrixOf(student.data(), c.rows, c.vocab),
                                            c.temperature, loss.data());
    ASSERT_TRUE(cuda::Distill<T>({device_teacher.data(), c.rows, c.vocab, c.vocab},
                                 MatrixOf(device_student.data(), c.rows, c.vocab), c.temperature,
                                 device_loss.data(), stream)
                    .ok());
    EXPECT_TRUE(SameBits(device_student.Read(), student)) << c.name;
    EXPECT_TRUE(SameBits(device_loss.Read(), loss)) << c.name;
  }
}

TEST_F(CudaTest, DistillEqualsReference) {
  DistillEqualsReference<float>(stream_);
  DistillEqualsReference<uint16_t>(stream_);
}

TEST_F(CudaTest, RoundingStepEqualsReference) {
  for (const testing::RoundingStepCase& c : testing::RoundingStepCases()) {
    testing::RoundingStepInput in = testing::MakeRoundingStepInput(c);
    const DeviceArray<float> alpha(in.alpha), uses(in.uses), sum(in.sum), mean(in.mean),
        variance(in.variance);
    std::vector<float> gradient(c.count);
    std::vector<double> regulariser((c.count + kRoundingChunk - 1) / kRoundingChunk);
    const DeviceArray<float> device_gradient(gradient);
    const DeviceArray<double> device_regulariser(regulariser);
    RoundingGradient args = {in.alpha.data(), in.uses.data(),     in.sum.data(),
                             gradient.data(), regulariser.data(), c.count,
                             c.saturate,      c.weight,           c.beta};
    Reference().rounding_gradient(args);
    args.alpha = alpha.data();
    args.uses = uses.data();
    args.sum = sum.data();
    args.gradient = device_gradient.data();
    args.regulariser = device_regulariser.data();
    ASSERT_TRUE(cuda::FindRoundingGradient(args, stream_).ok());
    EXPECT_TRUE(SameBits(device_gradient.Read(), gradient)) << c.name;
    EXPECT_TRUE(SameBits(device_regulariser.Read(), regulariser)) << c.name;

    Reference().adam({in.alpha.data(), gradient.data(), in.mean.data(), in.variance.data(), c.count,
                      0.05f, 1.3f});
    ASSERT_TRUE(cuda::RunAdam({alpha.data(), device_gradient.data(), mean.data(), variance.data(),
                               c.count, 0.05f, 1.3f},
                              stream_)
                    .ok());
    EXPECT_TRUE(SameBits(alpha.Read(), in.alpha)) << c.name;
    EXPECT_TRUE(SameBits(mean.Read(), in.mean)) << c.name;
    EXPECT_TRUE(SameBits(variance.Read(), in.variance)) << c.name;
  }
}

}  // namespace
}  // namespace rondo::kernels
