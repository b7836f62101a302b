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
}

}  // namespace
}  // namespace rondo::kernels
