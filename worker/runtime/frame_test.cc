#include "worker/runtime/frame.h"

#include <sys/socket.h>

#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rondo {
namespace {

using ::testing::HasSubstr;
using ::testing::Optional;

class FrameTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto ends = MakeSocketPair();
    ASSERT_TRUE(ends.ok()) << ends.status();
    near_ = std::move(ends->first);
    far_ = std::move(ends->second);
  }
  void SendRaw(const std::string& bytes) {
    ASSERT_EQ(send(near_.get(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  }
  UniqueFd near_, far_;
};

TEST_F(FrameTest, FramesArriveInOrderAndWhole) {
  const std::string large(kMaxFrameBytes, 'x');  // more than a socket buffer holds
  std::thread sender([&] {
    EXPECT_TRUE(SendFrame(near_.get(), "first").ok());
    EXPECT_TRUE(SendFrame(near_.get(), "").ok());
    EXPECT_TRUE(SendFrame(near_.get(), large).ok());
    near_.Reset();
  });
  EXPECT_THAT(ReceiveFrame(far_.get()).value(), Optional(std::string("first")));
  EXPECT_THAT(ReceiveFrame(far_.get()).value(), Optional(std::string()));
  EXPECT_TRUE(ReceiveFrame(far_.get()).value() == large);
  EXPECT_EQ(ReceiveFrame(far_.get()).value(), std::nullopt);
  sender.join();
}

TEST_F(FrameTest, LengthIsLittleEndian) {
  ASSERT_TRUE(SendFrame(near_.get(), std::string(258, 'y')).ok());
  char prefix[4];
  ASSERT_EQ(recv(far_.get(), prefix, 4, MSG_WAITALL), 4);
  EXPECT_EQ(std::string(prefix, 4), std::string("\x02\x01\x00\x00", 4));
}

TEST_F(FrameTest, OversizedFramesAreRefusedOnBothSides) {
  EXPECT_EQ(SendFrame(near_.get(), std::string(kMaxFrameBytes + 1, 'x')).code(),
            absl::StatusCode::kInvalidArgument);
  SendRaw("\xff\xff\xff\xff");
  const absl::Status status = ReceiveFrame(far_.get()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("4294967295 bytes, at most 4194304"));
}

TEST_F(FrameTest, ATruncatedFrameIsAnError) {
  SendRaw(
      std::string("\x05\x00\x00\x00"
                  "ab",
                  6));
  near_.Reset();
  const absl::Status status = ReceiveFrame(far_.get()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("after 2 of 5 bytes"));
}

TEST_F(FrameTest, SendingToAClosedPeerIsUnavailable) {
  far_.Reset();
  EXPECT_EQ(SendFrame(near_.get(), "x").code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace rondo
