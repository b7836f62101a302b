// Real files, small ones under a small quota; two folders on the same files are two processes.
#include "server/core/download_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "common/base/ids.h"
#include "common/io/file.h"

namespace rondo {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int64_t kQuota = 1000;

std::string Content(char digit) { return std::string(32, digit); }

class DownloadFolderTest : public testing::Test {
 public:
  DownloadFolderTest() { EXPECT_TRUE(MakeDirs(root_).ok()); }
  ~DownloadFolderTest() override { fs::remove_all(root_); }

 protected:
  // A folder that was used so many hours ago.
  void Put(const std::string& name, int64_t bytes, int hours) {
    const std::string folder = JoinPath(root_, name);
    ASSERT_TRUE(MakeDirs(folder).ok());
    ASSERT_TRUE(WriteFileAtomically(folder + "/data.txt", std::string(bytes, 'x')).ok());
    fs::last_write_time(folder, fs::file_time_type::clock::now() - std::chrono::hours(hours));
  }
  absl::StatusOr<DownloadRoom> MakeRoom(const std::vector<Download>& downloads) {
    return folder_.MakeRoom("s3://b/k", downloads, [] { return false; });
  }
  // First digits of what is there; "a~" is a partial one.
  std::vector<std::string> Here() {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(root_)) {
      const std::string name = entry.path().filename().string();
      if (entry.is_directory()) names.push_back(name.substr(0, 1) + (name.size() > 32 ? "~" : ""));
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  const std::string root_ = testing::TempDir() + "/downloads-" + RandomHexId();
  const DownloadFolder folder_{root_, kQuota};
};

TEST_F(DownloadFolderTest, WhatIsNotWholeGoesFirstThenWhatWasNotUsedForLongest) {
  Put(Content('a'), 300, 2);
  Put(Content('b'), 300, 3);
  Put(Content('c') + ".partial", 200, 1);
  ASSERT_TRUE(MakeRoom({{Content('d'), 200}})->wait_for.empty());
  EXPECT_THAT(Here(), ElementsAre("a", "b", "c~"));  // it fits as it is
  ASSERT_TRUE(MakeRoom({{Content('d'), 400}})->wait_for.empty());
  EXPECT_THAT(Here(), ElementsAre("a", "b"));
  ASSERT_TRUE(MakeRoom({{Content('d'), 401}})->wait_for.empty());
  EXPECT_THAT(Here(), ElementsAre("a"));
  EXPECT_FALSE(FileExists(root_ + "/" + Content('b') + ".lock"));
}

TEST_F(DownloadFolderTest, UsingItAgainMakesItYounger) {
  Put(Content('a'), 500, 2);
  Put(Content('b'), 500, 1);
  folder_.Touch(Content('a'));
  ASSERT_TRUE(MakeRoom({{Content('d'), 500}}).ok());
  EXPECT_THAT(Here(), ElementsAre("a"));
}

TEST_F(DownloadFolderTest, WhatIsHeldStays) {
  Put(Content('a'), 500, 2);
  Put(Content('b'), 500, 1);
  {
    const DownloadFolder other(root_, 0);
    const FileDescriptor held = *other.HoldWhole(Content('a'));
    ASSERT_GE(held.get(), 0);
    ASSERT_TRUE(MakeRoom({{Content('d'), 500}})->wait_for.empty());
    EXPECT_THAT(Here(), ElementsAre("a"));
    const auto room = MakeRoom({{Content('d'), 501}});
    EXPECT_EQ(room->wait_for,
              "s3://b/k has no room in " + root_ + " beside the 500 bytes that other jobs use");
    EXPECT_THAT(room->holds, IsEmpty());
  }
  ASSERT_TRUE(MakeRoom({{Content('d'), 501}})->wait_for.empty());
  EXPECT_THAT(Here(), IsEmpty());
}

TEST_F(DownloadFolderTest, WhatSomebodyIsAboutToFetchCounts) {
  const auto first = MakeRoom({{Content('a'), 600}});
  ASSERT_EQ(first->holds.size(), 1u);
  EXPECT_FALSE(MakeRoom({{Content('b'), 401}})->wait_for.empty());
  EXPECT_TRUE(MakeRoom({{Content('b'), 400}})->wait_for.empty());
  // Who wants the same waits for it, and needs no more room.
  const auto same = MakeRoom({{Content('a'), 600}, {Content('c'), 400}});
  EXPECT_EQ(same->wait_for, "");
  EXPECT_EQ(same->holds.size(), 1u);
}

TEST_F(DownloadFolderTest, WhatIsHereTakesNoMoreRoom) {
  Put(Content('a'), 500, 1);
  Put(Content('b') + ".partial", 400, 2);
  const auto room = MakeRoom({{Content('a'), 500}, {Content('b'), 500}});
  EXPECT_EQ(room->holds.size(), 2u);
  EXPECT_THAT(Here(), ElementsAre("a", "b~"));
}

TEST_F(DownloadFolderTest, WhatCannotFitIsAnErrorAndRemovesNothing) {
  Put(Content('a'), 500, 1);
  const absl::Status error = MakeRoom({{Content('b'), 900}, {Content('c'), 101}}).status();
  EXPECT_EQ(error, absl::ResourceExhaustedError(
                       "s3://b/k needs 1001 bytes; the quota of downloads is 1000 bytes "
                       "(--download-quota)"));
  EXPECT_EQ(folder_.CheckFits("s3://b/k", {{Content('b'), 1001}}), error);
  const DownloadFolder unlimited(root_, 0);
  EXPECT_THAT(std::string(unlimited.CheckFits("it", {{Content('b'), int64_t{1} << 60}}).message()),
              HasSubstr("it needs 1152921504.6 GB; " + root_ + " has room for "));
  EXPECT_THAT(Here(), ElementsAre("a"));
}

TEST_F(DownloadFolderTest, WithoutAQuotaTheDiskDecides) {
  Put(Content('a'), 5000, 1);
  const DownloadFolder unlimited(root_, 0);
  ASSERT_TRUE(unlimited.MakeRoom("it", {{Content('b'), 5000}}, [] { return false; }).ok());
  EXPECT_THAT(Here(), ElementsAre("a"));
}

TEST_F(DownloadFolderTest, ForeignFilesStay) {
  Put("somebody's", 5000, 9);
  ASSERT_TRUE(MakeRoom({{Content('b'), 1000}})->wait_for.empty());
  EXPECT_THAT(Here(), ElementsAre("s"));
}

TEST_F(DownloadFolderTest, WhoeverWaitsHoldsItOnceItIsWhole) {
  auto room = *MakeRoom({{Content('a'), 3}});
  std::thread other([&] {
    const auto hold = folder_.Hold(Content('a'), [] { return false; });
    EXPECT_TRUE(hold.ok() && hold->get() >= 0) << hold.status();
    EXPECT_TRUE(IsDirectory(folder_.Whole(Content('a'))));
  });
  Put(Content('a') + ".partial", 3, 0);
  ASSERT_TRUE(folder_.Complete(Content('a'), room.holds[Content('a')], [] { return false; }).ok());
  other.join();
  EXPECT_FALSE(MakeRoom({{Content('b'), kQuota}})->wait_for.empty());  // it is still held
}

}  // namespace
}  // namespace rondo
