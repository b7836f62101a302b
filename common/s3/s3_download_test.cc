#include "common/s3/s3_download.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "common/base/ids.h"
#include "common/io/file.h"
#include "common/s3/testing/fake_s3.h"

namespace rondo {
namespace {

using ::testing::ElementsAre;
using ::testing::StartsWith;

class S3DownloadTest : public testing::Test {
 public:
  S3DownloadTest() : dir_(testing::TempDir() + "/download-" + RandomHexId()) {
    EXPECT_TRUE(MakeDirs(dir_).ok());
    for (int i = 0; i < 200'000; ++i) contents_ += static_cast<char>(i * 31 % 251);
  }
  ~S3DownloadTest() override { std::filesystem::remove_all(dir_); }

 protected:
  absl::Status Download() {
    const auto object = client_.Find({"models", "weights"});
    RETURN_IF_ERROR(object.status());
    fake_.TakeRequests();
    return DownloadObject(&client_, *object, path_, [&](int64_t bytes) { told_.push_back(bytes); });
  }
  std::string Contents() { return ReadFile(path_).value_or("none"); }
  bool HasPartial() { return FileExists(path_ + ".partial"); }

  const std::string dir_;
  const std::string path_ = dir_ + "/weights";
  std::string contents_;
  FakeS3 fake_;
  S3Client client_{fake_.options()};
  std::vector<int64_t> told_;
};

TEST_F(S3DownloadTest, BringsAnObjectOnce) {
  fake_.Put("models/weights", contents_);
  EXPECT_EQ(Download(), absl::OkStatus());
  EXPECT_EQ(Contents(), contents_);
  EXPECT_FALSE(HasPartial());
  EXPECT_EQ(told_.back(), 200'000);
  EXPECT_EQ(Download(), absl::OkStatus());
  EXPECT_THAT(fake_.TakeRequests(), ElementsAre());
}

TEST_F(S3DownloadTest, AnEmptyObjectIsAFile) {
  fake_.Put("models/weights", "");
  EXPECT_EQ(Download(), absl::OkStatus());
  EXPECT_EQ(Contents(), "");
}

TEST_F(S3DownloadTest, GoesOnWhereAnEarlierAttemptStopped) {
  fake_.Put("models/weights", contents_);
  fake_.CutAfter(50'000, 1);
  fake_.HoldAfter(0);
  {
    bool stop = false;
    S3Client client(fake_.options(), [&] { return stop; });
    const S3Object object = *client.Find({"models", "weights"});
    EXPECT_TRUE(absl::IsCancelled(
        DownloadObject(&client, object, path_, [&](int64_t bytes) { stop = bytes >= 50'000; })));
  }
  fake_.Release();
  EXPECT_FALSE(FileExists(path_));
  EXPECT_EQ(*FileSize(path_ + ".partial"), 50'000);
  EXPECT_EQ(Download(), absl::OkStatus());
  EXPECT_THAT(fake_.TakeRequests(),
              ElementsAre("HEAD /models/weights", "GET /models/weights bytes=50000-199999"));
  EXPECT_EQ(Contents(), contents_);
  EXPECT_FALSE(HasPartial());
}

TEST_F(S3DownloadTest, WhatAnEarlierAttemptLeftIsChecked) {
  fake_.Put("models/weights", contents_);
  ASSERT_TRUE(WriteFileAtomically(path_ + ".partial", std::string(50'000, 'x')).ok());
  EXPECT_EQ(Download(), absl::OkStatus());
  EXPECT_THAT(fake_.TakeRequests(),
              ElementsAre("HEAD /models/weights", "GET /models/weights bytes=50000-199999",
                          "GET /models/weights bytes=0-199999"));
  EXPECT_EQ(Contents(), contents_);
}

TEST_F(S3DownloadTest, WithoutAChecksumNothingOfAnEarlierAttemptIsKept) {
  fake_.Put("models/weights", contents_);
  fake_.SetHeader("models/weights", "x-amz-server-side-encryption", "aws:kms");
  ASSERT_TRUE(WriteFileAtomically(path_ + ".partial", std::string(50'000, 'x')).ok());
  EXPECT_EQ(Download(), absl::OkStatus());
  EXPECT_EQ(Contents(), contents_);
}

TEST_F(S3DownloadTest, ADamagedObjectIsRefused) {
  fake_.Put("models/weights", "0123456789");
  fake_.Damage("models/weights");
  EXPECT_EQ(
      Download(),
      absl::DataLossError(
          "s3://models/weights arrived damaged: its ETag is 198b6ea9bce26370fe606442949d74b5, "
          "the service says 781e5e245d69b566979b86e28d23f2c7"));
  EXPECT_FALSE(FileExists(path_));
  EXPECT_FALSE(HasPartial());
}

TEST_F(S3DownloadTest, PartsAndSha256AreChecked) {
  fake_.Put("models/weights", "0123456789", 4);
  EXPECT_EQ(Download(), absl::OkStatus());
  std::filesystem::remove(path_);
  fake_.Put("models/weights", "0123456789", 5);  // the last part is full
  EXPECT_EQ(Download(), absl::OkStatus());
  std::filesystem::remove(path_);
  fake_.Damage("models/weights");
  EXPECT_THAT(std::string(Download().message()),
              testing::EndsWith("-2, the service says 9a6dbec798b1bfe66cc7659d2bb41720-2"));

  fake_.Put("models/weights", "0123456789");
  fake_.SetHeader("models/weights", "x-amz-server-side-encryption", "aws:kms");
  fake_.SetHeader("models/weights", "x-amz-checksum-sha256",
                  "hNiYd/DUBB77a/kaFvAkjy/Vc+avBcGflr7bn4gveII=");
  EXPECT_EQ(Download(), absl::OkStatus());
  std::filesystem::remove(path_);
  fake_.Damage("models/weights");
  EXPECT_THAT(std::string(Download().message()),
              StartsWith("s3://models/weights arrived damaged: its SHA-256 is "));
}

TEST_F(S3DownloadTest, AnObjectThatIsReplacedMeanwhileIsRefused) {
  fake_.Put("models/weights", contents_);
  const S3Object object = *client_.Find({"models", "weights"});
  fake_.Put("models/weights", contents_ + "more");
  EXPECT_EQ(DownloadObject(&client_, object, path_, [](int64_t) {}),
            absl::FailedPreconditionError(
                "s3://models/weights was replaced while it was read; submit the job again"));
  EXPECT_FALSE(FileExists(path_));
}

}  // namespace
}  // namespace rondo
