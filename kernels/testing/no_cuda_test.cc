// A build without device kernels says so instead of doing nothing.
#include <gtest/gtest.h>

#include "kernels/api/cuda.h"

namespace rondo::kernels {
namespace {

TEST(NoCudaTest, AnswersUnimplemented) {
  EXPECT_FALSE(cuda::CudaKernelsBuilt());
  EXPECT_EQ(cuda::FitGrid({}, {}, nullptr, nullptr, nullptr).code(),
            absl::StatusCode::kUnimplemented);
  EXPECT_EQ(cuda::Quantize({}, {}, {}, nullptr).code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(cuda::Dequantize({}, {}, {}, nullptr).code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(cuda::RunGptqBlock({}, nullptr).code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(cuda::PackRows({}, 4, {}, nullptr).code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(cuda::DequantizeCodebook<float>({}, {}, nullptr).code(),
            absl::StatusCode::kUnimplemented);
  EXPECT_EQ(cuda::CodebookGradient<uint16_t>({}, {}, {}, nullptr, nullptr).code(),
            absl::StatusCode::kUnimplemented);
  EXPECT_EQ(cuda::NearestL2({}, nullptr).code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(cuda::NearestLinf({}, nullptr).code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(cuda::FindRoundingGradient({}, nullptr).code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(cuda::RunAdam({}, nullptr).code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(cuda::Distill<float>({}, {}, 1.0f, nullptr, nullptr).code(),
            absl::StatusCode::kUnimplemented);
}

}  // namespace
}  // namespace rondo::kernels
