#include "server/security/token_bucket.h"

#include <gtest/gtest.h>

namespace rondo {
namespace {

using std::chrono::milliseconds;

TEST(TokenBucket, ABurstThenTheRate) {
  TokenBucket bucket(2, 3);
  const TokenBucket::Time start = TokenBucket::Time{} + std::chrono::hours(1);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(bucket.Take(start).count(), 0);
  EXPECT_DOUBLE_EQ(bucket.Take(start).count(), 0.5);
  EXPECT_DOUBLE_EQ(bucket.Take(start + milliseconds(250)).count(), 0.25);
  EXPECT_EQ(bucket.Take(start + milliseconds(500)).count(), 0);
  EXPECT_GT(bucket.Take(start + milliseconds(500)).count(), 0);
  // Never more than the burst, however long nothing happened.
  const TokenBucket::Time later = start + std::chrono::hours(1);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(bucket.Take(later).count(), 0);
  EXPECT_GT(bucket.Take(later).count(), 0);
}

}  // namespace
}  // namespace rondo
