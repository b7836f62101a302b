#include "server/security/path_roots.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "common/base/ids.h"
#include "common/io/file.h"

namespace rondo {
namespace {

namespace fs = std::filesystem;

class PathRootsTest : public testing::Test {
 protected:
  PathRootsTest() : dir_(testing::TempDir() + "roots-" + RandomHexId()) {
    fs::create_directories(dir_ + "/models/blobs");
    fs::create_directories(dir_ + "/models/llama");
    fs::create_directories(dir_ + "/models-private/other");
    for (const char* file : {"/models/llama/config.json", "/models/blobs/1", "/models/text.txt",
                             "/models-private/other/config.json", "/secret"}) {
      EXPECT_TRUE(WriteFileAtomically(dir_ + file, "x").ok());
    }
    fs::create_symlink("../blobs/1", dir_ + "/models/llama/model.safetensors");
    spec_.model.path = dir_ + "/models/llama";
    spec_.calibration.path = dir_ + "/models/text.txt";
    roots_ = *PathRoots::Open({dir_ + "/models/"});
  }
  void TearDown() override { fs::remove_all(dir_); }

  absl::Status Refusal(const std::string& field, const std::string& path) {
    return absl::PermissionDeniedError(field + " is \"" + path + "\"; jobs may read what is in " +
                                       dir_ + "/models/, without .. or links out");
  }

  std::string dir_;
  JobSpec spec_;
  PathRoots roots_;
};

TEST_F(PathRootsTest, WhatIsBelowARootIsAllowed) {
  EXPECT_EQ(roots_.Check(spec_), absl::OkStatus());
  spec_.model.path = dir_ + "/models//llama/";
  EXPECT_EQ(roots_.Check(spec_), absl::OkStatus());
  spec_.model.path = dir_ + "/models/none";  // admission's to say
  EXPECT_EQ(roots_.Check(spec_), absl::OkStatus());
}

TEST_F(PathRootsTest, EveryPathOfAJobIsConfined) {
  for (const std::string& path :
       {dir_ + "/models-private/other", dir_ + "/models/../models-private/other",
        std::string("/etc"), std::string("models/llama"), std::string("/"), dir_}) {
    JobSpec spec = spec_;
    spec.model.path = path;
    EXPECT_EQ(roots_.Check(spec), Refusal("model.path", path));
    spec = spec_;
    spec.calibration.path = path;
    EXPECT_EQ(roots_.Check(spec), Refusal("calibration.path", path));
    spec = spec_;
    spec.evaluation.sets = {{"e", path}};
    EXPECT_EQ(roots_.Check(spec), Refusal("the path of evaluation set \"e\"", path));
    spec = spec_;
    LearnedRoundingSettings learned;
    learned.training.teacher.path = path;
    spec.method = learned;
    EXPECT_EQ(roots_.Check(spec), Refusal("training.teacher.path", path));
  }
}

TEST_F(PathRootsTest, LinksMayNotLeadOut) {
  fs::create_symlink("../secret", dir_ + "/models/link");
  spec_.calibration.path = dir_ + "/models/link";
  EXPECT_EQ(roots_.Check(spec_), Refusal("calibration.path", dir_ + "/models/link"));
  spec_.calibration.path = dir_ + "/models/text.txt";
  fs::create_symlink("../../models-private", dir_ + "/models/llama/dir");
  EXPECT_EQ(roots_.Check(spec_), Refusal("model.path", dir_ + "/models/llama/dir"));
}

TEST_F(PathRootsTest, WithoutRootsEverythingIsAllowed) {
  spec_.model.path = "tests/data/models/llama-tiny";
  spec_.calibration.path = dir_ + "/secret";
  EXPECT_EQ(PathRoots().Check(spec_), absl::OkStatus());
}

TEST_F(PathRootsTest, SeveralRootsAndTheWholeSystem) {
  spec_.model.path = dir_ + "/models-private/other";
  EXPECT_EQ(PathRoots::Open({dir_ + "/models", dir_ + "/models-private"})->Check(spec_),
            absl::OkStatus());
  EXPECT_EQ(PathRoots::Open({"/"})->Check(spec_), absl::OkStatus());
}

TEST_F(PathRootsTest, FoldersOfS3AreRootsToo) {
  spec_.model.path = "s3://models/llama";
  EXPECT_EQ(roots_.Check(spec_), Refusal("model.path", "s3://models/llama"));
  roots_ = *PathRoots::Open({dir_ + "/models/", "s3://models/llama", "s3://data/"});
  spec_.calibration.path = "s3://data/c4.jsonl:body";
  EXPECT_EQ(roots_.Check(spec_), absl::OkStatus());
  spec_.model.path = "s3://models/llama/7b/";
  EXPECT_EQ(roots_.Check(spec_), absl::OkStatus());
  for (const std::string path : {"s3://models/llama-2", "s3://models", "s3://data-2/llama"}) {
    spec_.model.path = path;
    EXPECT_EQ(roots_.Check(spec_),
              absl::PermissionDeniedError("model.path is \"" + path +
                                          "\"; jobs may read what is in s3://models/llama/, "
                                          "s3://data/, " +
                                          dir_ + "/models/, without .. or links out"));
  }
  spec_.model.path = "s3://models/llama/../secret";
  EXPECT_EQ(roots_.Check(spec_).code(), absl::StatusCode::kInvalidArgument);
  spec_.model.path = dir_ + "/models/llama";
  roots_ = *PathRoots::Open({"s3://data"});
  EXPECT_EQ(roots_.Check(spec_).code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(PathRootsTest, ARootMustBeAFolderThatExists) {
  EXPECT_EQ(PathRoots::Open({"models"}).status(),
            absl::InvalidArgumentError(
                "the model root \"models\" is neither an absolute path nor s3://..."));
  EXPECT_EQ(PathRoots::Open({dir_ + "/none"}).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace rondo
