#include "client/cli/output_folder.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rondo {
namespace {

namespace fs = std::filesystem;

class OutputFolderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/out-XXXXXX";
    root_ = mkdtemp(pattern.data());
    out_ = root_ / "a" / "out";
  }
  void TearDown() override { fs::remove_all(root_); }
  std::string FormatFolder(const WorkFolder& work, const std::string& name) {
    const fs::path folder = fs::path(work.path()) / "artifacts" / name;
    fs::create_directories(folder);
    std::ofstream(folder / "config.json") << name;
    return folder;
  }
  fs::path root_, out_;
};

TEST_F(OutputFolderTest, OneFormatBecomesTheFolder) {
  {
    auto work = WorkFolder::Beside(out_);
    ASSERT_TRUE(work.ok()) << work.status();
    EXPECT_EQ(fs::path((*work)->path()).parent_path(), out_.parent_path());
    ASSERT_TRUE((*work)->Publish({{"dense", FormatFolder(**work, "dense")}}, out_).ok());
  }
  EXPECT_TRUE(fs::exists(out_ / "config.json"));
  EXPECT_EQ(std::distance(fs::directory_iterator(out_.parent_path()), {}), 1);  // no work folder
}

TEST_F(OutputFolderTest, SeveralFormatsBecomeSubfoldersOfAnEmptyFolder) {
  fs::create_directories(out_);
  auto work = WorkFolder::Beside(out_);
  ASSERT_TRUE(work.ok());
  ASSERT_TRUE((*work)
                  ->Publish({{"dense", FormatFolder(**work, "dense")},
                             {"compressed-tensors", FormatFolder(**work, "compressed-tensors")}},
                            out_)
                  .ok());
  EXPECT_TRUE(fs::exists(out_ / "dense" / "config.json"));
  EXPECT_TRUE(fs::exists(out_ / "compressed-tensors" / "config.json"));
}

TEST_F(OutputFolderTest, WhatIsThereStays) {
  EXPECT_TRUE(CheckOutputFolder(out_).ok());
  fs::create_directories(out_);
  EXPECT_TRUE(CheckOutputFolder(out_).ok());
  std::ofstream(out_ / "precious") << "x";
  const absl::Status refused = CheckOutputFolder(out_);
  EXPECT_EQ(refused, absl::FailedPreconditionError(
                         "--out " + out_.string() +
                         " exists and is not empty; choose another folder or remove it"));
  auto work = WorkFolder::Beside(out_);
  ASSERT_TRUE(work.ok());
  EXPECT_EQ((*work)->Publish({{"dense", FormatFolder(**work, "dense")}}, out_), refused);
  EXPECT_EQ(CheckOutputFolder(out_ / "precious").code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace rondo
