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
