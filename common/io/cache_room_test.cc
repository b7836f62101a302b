#include "common/io/cache_room.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "common/base/ids.h"
#include "common/io/file.h"

namespace rondo {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CacheRoomTest : public testing::Test {
 protected:
  CacheRoomTest() {
    EXPECT_TRUE(MakeDirs(dir_).ok());
    Put("t-a", 3);
    Put("t-b", 1);
    Put("t-c", 2);
    Put("other", 9);
  }
  void TearDown() override { fs::remove_all(dir_); }

  // 100 bytes that were used so many hours ago.
  void Put(const std::string& name, int hours) {
    ASSERT_TRUE(WriteFileAtomically(dir_ + "/" + name, std::string(100, 'x')).ok());
    fs::last_write_time(dir_ + "/" + name,
                        fs::file_time_type::clock::now() - std::chrono::hours(hours));
  }
  absl::Status MakeRoom(int64_t bytes, int64_t quota) {
    return MakeCacheRoom(dir_, "t-", bytes, quota);
  }

  const std::string dir_ = testing::TempDir() + "/cache-" + RandomHexId();
};

TEST_F(CacheRoomTest, WhatWasNotUsedForLongestGoesFirst) {
  ASSERT_TRUE(MakeRoom(100, 400).ok());
  EXPECT_THAT(*ListFiles(dir_), ElementsAre("other", "t-a", "t-b", "t-c"));
  MarkUsed(dir_ + "/t-a");
  ASSERT_TRUE(MakeRoom(101, 400).ok());
  EXPECT_THAT(*ListFiles(dir_), ElementsAre("other", "t-a", "t-b"));
  ASSERT_TRUE(MakeRoom(400, 400).ok());
  EXPECT_THAT(*ListFiles(dir_), ElementsAre("other"));
}

TEST_F(CacheRoomTest, WithoutAQuotaTheDiskDecides) {
  ASSERT_TRUE(MakeRoom(100, 0).ok());
  EXPECT_EQ(ListFiles(dir_)->size(), 4u);
  ASSERT_TRUE(MakeRoom(int64_t{1} << 60, 0).ok());
  EXPECT_THAT(*ListFiles(dir_), ElementsAre("other"));
}

TEST_F(CacheRoomTest, AFileLargerThanTheQuotaRemovesNothing) {
  const absl::Status refused = MakeRoom(401, 400);
  EXPECT_TRUE(absl::IsResourceExhausted(refused));
  EXPECT_THAT(std::string(refused.message()), HasSubstr("--cache-quota"));
  EXPECT_EQ(ListFiles(dir_)->size(), 4u);
}

TEST_F(CacheRoomTest, WhatWasNeverCompletedGoesAfterADay) {
  Put("t-d.1234.partial", 23);
  Put("t-e.1234.partial", 25);
  ASSERT_TRUE(MakeRoom(100, 0).ok());
  EXPECT_THAT(*ListFiles(dir_), ElementsAre("other", "t-a", "t-b", "t-c", "t-d.1234.partial"));
}

}  // namespace
}  // namespace rondo
