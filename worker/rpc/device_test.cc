#include "worker/rpc/device.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rondo {
namespace {

TEST(Device, DescribesTheCpu) {
  WorkerInfo worker;
  ASSERT_TRUE(DescribeDevice("cpu", 0, &worker).ok());
  EXPECT_EQ(worker.device, "cpu");
  EXPECT_GT(worker.memory_bytes, int64_t{1} << 26);
  EXPECT_GE(worker.cpus, 1);
  EXPECT_GT(worker.rank_bytes, 0);
}

TEST(Device, BFloat16IsFastWhereItsProductsAre) {
  const auto cpu = [](const std::string& vendor, const std::string& flags) {
    return absl::StrCat("processor\t: 0\nvendor_id\t: ", vendor, "\nflags\t\t: fpu avx512f", flags,
                        "\nbugs\t\t: spectre_v1\n");
  };
  EXPECT_TRUE(HasFastBf16(cpu("GenuineIntel", " avx512_bf16 amx_bf16 amx_tile")));
  EXPECT_TRUE(HasFastBf16(cpu("AuthenticAMD", " avx512_bf16")));
  EXPECT_FALSE(HasFastBf16(cpu("GenuineIntel", " avx512_bf16")));  // AMX may be masked
  EXPECT_FALSE(HasFastBf16(cpu("AuthenticAMD", "")));
  EXPECT_FALSE(HasFastBf16(""));
}

TEST(Device, RefusesWhatItDoesNotKnow) {
  WorkerInfo worker;
  for (const char* device : {"gpu", "cuda:", "cuda:x", "cuda:-1", ""}) {
    EXPECT_EQ(DescribeDevice(device, 0, &worker),
              absl::InvalidArgumentError(
                  absl::StrCat("--device is \"", device, "\"; use auto, cpu or cuda:N")));
  }
}

TEST(Device, LoopbackCoordinatorMeansLoopbackRanks) {
  EXPECT_EQ(DefaultAdvertiseHost("127.0.0.1:50051"), "127.0.0.1");
  EXPECT_EQ(DefaultAdvertiseHost("localhost:50051"), "127.0.0.1");
  EXPECT_NE(DefaultAdvertiseHost("coordinator.example:50051"), "127.0.0.1");
}

TEST(Device, WorkerIdsDiffer) { EXPECT_NE(DefaultWorkerId(), DefaultWorkerId()); }

}  // namespace
}  // namespace rondo
