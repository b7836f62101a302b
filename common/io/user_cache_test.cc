#include "common/io/user_cache.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace rondo {
namespace {

TEST(UserCache, FollowsTheEnvironment) {
  setenv("HOME", "/home/alice", 1);
  setenv("XDG_CACHE_HOME", "/cache", 1);
  EXPECT_EQ(UserCacheDir("jobs"), "/cache/rondo/jobs");
  setenv("XDG_CACHE_HOME", "", 1);
  EXPECT_EQ(UserCacheDir("jobs"), "/home/alice/.cache/rondo/jobs");
  unsetenv("HOME");
  EXPECT_EQ(UserCacheDir("jobs"), "/var/tmp/.cache/rondo/jobs");
}

}  // namespace
}  // namespace rondo
