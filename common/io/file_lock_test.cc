#include "common/io/file_lock.h"

#include <gtest/gtest.h>

#include "common/base/ids.h"
#include "common/io/file.h"

namespace rondo {
namespace {

class FileLockTest : public testing::Test {
 protected:
  void TearDown() override { EXPECT_TRUE(RemoveFile(path_).ok()); }
  bool Free(FileLock kind) { return TryLockFile(path_, kind)->get() >= 0; }

  const std::string path_ = testing::TempDir() + "/lock-" + RandomHexId();
};

TEST_F(FileLockTest, OneAloneOrManyShareIt) {
  {
    const FileDescriptor alone = *TryLockFile(path_, FileLock::kExclusive);
    EXPECT_FALSE(Free(FileLock::kShared));
    EXPECT_FALSE(Free(FileLock::kExclusive));
    EXPECT_TRUE(ShareLock(alone, path_).ok());
    EXPECT_TRUE(Free(FileLock::kShared));
    EXPECT_FALSE(Free(FileLock::kExclusive));
  }
  EXPECT_TRUE(Free(FileLock::kExclusive));
}

TEST_F(FileLockTest, WaitingEndsWhenAsked) {
  const FileDescriptor held = *TryLockFile(path_, FileLock::kShared);
  int asked = 0;
  const auto waited = LockFile(path_, FileLock::kExclusive, [&] { return ++asked == 2; });
  EXPECT_TRUE(absl::IsCancelled(waited.status())) << waited.status();
}

}  // namespace
}  // namespace rondo
