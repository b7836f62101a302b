#include "server/core/job_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "common/base/ids.h"

namespace rondo {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
namespace fs = std::filesystem;

class JobFolderTest : public testing::Test {
 protected:
  JobFolderTest() : root_(testing::TempDir() + "/job-" + RandomHexId()), folder_(root_) {}
  void TearDown() override { fs::remove_all(root_); }

  void Write(const std::string& path, const std::string& contents) {
    fs::create_directories(fs::path(root_ + "/" + path).parent_path());
    std::ofstream(root_ + "/" + path) << contents;
  }
  // Every file, "path=contents", sorted.
  std::vector<std::string> Files() {
    std::vector<std::string> files;
    if (!fs::exists(root_)) return files;
    for (const auto& entry : fs::recursive_directory_iterator(root_)) {
      if (!entry.is_regular_file()) continue;
      std::string contents;
      std::ifstream(entry.path()) >> contents;
      files.push_back(fs::relative(entry.path(), root_).string() + "=" + contents);
    }
    std::sort(files.begin(), files.end());
    return files;
  }

  const std::string root_;
  const JobFolder folder_;
};

TEST_F(JobFolderTest, AGenerationGetsTheLatestCheckpointAndNothingElse) {
  Write("g1/checkpoint/a", "old");
  Write("g2/checkpoint/a", "new");
  Write("g2/dense/model", "half");
  Write("dense/model", "of a publication that a crash ended");
  ASSERT_TRUE(folder_.Prepare(3).ok());
  EXPECT_THAT(Files(), ElementsAre("g3/checkpoint/a=new"));
}

TEST_F(JobFolderTest, ACheckpointIsMeasuredWhereItIsNow) {
  Write("g1/checkpoint/a", "12345");
  Write("g1/checkpoint/b", "678");
  EXPECT_EQ(folder_.CheckpointBytes(2), 0);
  ASSERT_TRUE(folder_.Prepare(2).ok());
  EXPECT_EQ(folder_.CheckpointBytes(2), 8);
}

TEST_F(JobFolderTest, PrepareCanBeDoneAgainAfterACrash) {
  Write("g2/checkpoint/a", "kept");  // moved, and then the process ended
  Write("g2/dense/model", "x");
  Write("g1/dense/model", "x");
  ASSERT_TRUE(folder_.Prepare(2).ok());
  EXPECT_THAT(Files(), ElementsAre("g2/checkpoint/a=kept"));
}

TEST_F(JobFolderTest, TheCheckpointOfAnOlderReleaseIsTakenUp) {
  Write("checkpoint/a", "old");
  ASSERT_TRUE(folder_.Prepare(2).ok());
  EXPECT_THAT(Files(), ElementsAre("g2/checkpoint/a=old"));
}

TEST_F(JobFolderTest, PublishesWhatAGenerationMade) {
  Write("g2/dense/model", "d");
  Write("g2/checkpoint/a", "c");
  ASSERT_TRUE(folder_.Publish(2, {{ExportFormat::kDense, "model", 1, ""}}).ok());
  folder_.RemoveGenerations();
  EXPECT_THAT(Files(), ElementsAre("dense/model=d"));
  EXPECT_EQ(folder_.Publish(2, {{ExportFormat::kDense, "model", 1, ""}}).code(),
            absl::StatusCode::kInternal);
}

TEST_F(JobFolderTest, AWaitingJobKeepsItsCheckpointOnly) {
  Write("g1/checkpoint/a", "c");
  Write("g1/dense/model", "x");
  Write("dense/model", "x");
  folder_.RemoveAllButCheckpoint();
  EXPECT_THAT(Files(), ElementsAre("g1/checkpoint/a=c"));
  folder_.RemoveAll();
  EXPECT_THAT(Files(), IsEmpty());
  Write("g1/dense/model", "x");
  folder_.RemoveAllButCheckpoint();
  EXPECT_FALSE(fs::exists(root_));
}

}  // namespace
}  // namespace rondo
