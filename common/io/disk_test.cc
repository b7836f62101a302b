#include "common/io/disk.h"

#include <sys/statvfs.h>

#include <filesystem>

#include <gtest/gtest.h>

namespace rondo {
namespace {

TEST(DiskTest, FreeBytesAreThoseOfTheNearestFolderThatExists) {
  const std::string dir = testing::TempDir();
  struct statvfs disk = {};
  ASSERT_EQ(statvfs(dir.c_str(), &disk), 0);
  const auto size = static_cast<int64_t>(disk.f_blocks) * static_cast<int64_t>(disk.f_frsize);
  for (const std::string& path : {dir, dir + "/not/made/yet"}) {
    const auto free = FreeBytes(path);
    ASSERT_TRUE(free.ok()) << free.status();
    EXPECT_GT(*free, 0);
    EXPECT_LE(*free, size);
  }
  // Of another file system, which has no room at all.
  EXPECT_EQ(*FreeBytes("/proc/self"), 0);
}

TEST(DiskTest, TooLittleIsSaidInFigures) {
  EXPECT_TRUE(CheckRoom("artifacts", 7, "/data", 7).ok());
  EXPECT_EQ(CheckRoom("artifacts", int64_t{3} << 30, "/data", int64_t{1} << 29),
            absl::ResourceExhaustedError("artifacts will need about 3.0 GiB, but /data has 0.5 GiB "
                                         "free; make room or take another disk"));
}

}  // namespace
}  // namespace rondo
