// Against the fake service of common/s3/testing; tests/e2e/s3_sources.py runs against moto.
#include "common/s3/s3_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "common/s3/testing/fake_s3.h"

namespace rondo {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class S3ClientTest : public testing::Test {
 protected:
  std::string Address() const { return fake_.options().endpoint; }
  // The status of listing s3://models/llama with some options.
  absl::Status ListWith(const S3Options& options) {
    return S3Client(options).List({"models", "llama"}).status();
  }

  FakeS3 fake_;
  S3Client client_{fake_.options()};
};

TEST_F(S3ClientTest, ListsWhatLiesRightBelowAFolder) {
  for (const std::string key :
       {"llama/", "llama/a", "llama/b c", "llama/d", "llama/original/e", "llama-2/f", "llam"}) {
    fake_.Put("models/" + key, key + "!");
  }
  fake_.SetPageSize(2);
  const auto objects = client_.List({"models", "llama"});
  ASSERT_TRUE(objects.ok()) << objects.status();
  ASSERT_EQ(objects->size(), 3u);
  EXPECT_EQ((*objects)[1].name(), "s3://models/llama/b c");
  EXPECT_EQ((*objects)[1].bytes, 10);
  EXPECT_THAT(fake_.TakeRequests(),
              ElementsAre("GET /models?delimiter=%2F&encoding-type=url&list-type=2&prefix=llama%2F",
                          "GET /models?continuation-token=llama%2Fa&delimiter=%2F&encoding-type=url"
                          "&list-type=2&prefix=llama%2F"));
  fake_.SetPageSize(1);  // the first page holds nothing but the folder's own mark
  EXPECT_EQ(client_.List({"models", "llama"})->size(), 3u);
  EXPECT_EQ(client_.List({"models", ""})->size(), 1u);
  EXPECT_EQ(client_.List({"models", "gpt"}).status(),
            absl::NotFoundError("there is nothing below s3://models/gpt/"));
  for (int i = 0; i < 110; ++i) fake_.Put(absl::StrCat("models/many/", i), "");
  EXPECT_EQ(client_.List({"models", "many"}).status(),
            absl::InvalidArgumentError("there is more right below s3://models/many/ than a model; "
                                       "name the model's folder"));
}

TEST_F(S3ClientTest, SaysWhatIsNotThere) {
  fake_.MakeBucket("models");
  EXPECT_EQ(
      client_.List({"nowhere", "llama"}).status(),
      absl::NotFoundError("bucket nowhere of s3://nowhere/llama does not exist at " + Address()));
  EXPECT_EQ(
      client_.Find({"nowhere", "c4.txt"}).status(),
      absl::NotFoundError("bucket nowhere of s3://nowhere/c4.txt does not exist at " + Address()));
  EXPECT_EQ(client_.Find({"models", "c4.txt"}).status(),
            absl::NotFoundError("s3://models/c4.txt does not exist"));
}

TEST_F(S3ClientTest, SaysWhatIsWrongWithTheEnvironment) {
  fake_.MakeBucket("models");
  S3Options options = fake_.options();
  options.access_key = "other";
  EXPECT_EQ(ListWith(options), absl::PermissionDeniedError(
                                   "the coordinator's credentials do not open s3://models/llama: "
                                   "InvalidAccessKeyId"));
  options.secret_key = "";
  EXPECT_EQ(
      ListWith(options),
      absl::FailedPreconditionError(
          "s3://models/llama: the coordinator has no credentials for S3; set AWS_ACCESS_KEY_ID and "
          "AWS_SECRET_ACCESS_KEY in its environment (rondo-server's, or rondo's own without "
          "--server)"));
  options = fake_.options();
  options.endpoint = "127.0.0.1:9000";
  EXPECT_EQ(ListWith(options), absl::FailedPreconditionError(
                                   "s3://models/llama: AWS_ENDPOINT_URL of the coordinator is "
                                   "\"127.0.0.1:9000\"; it must begin with https:// or "
                                   "http://"));
  fake_.FailNext(1, 301, "PermanentRedirect");
  EXPECT_EQ(ListWith(fake_.options()),
            absl::FailedPreconditionError(
                "bucket models of s3://models/llama is in region eu-west-1; set AWS_REGION of the "
                "coordinator, which is us-east-1"));
  options = fake_.options();
  options.endpoint = "http://127.0.0.1:1";
  EXPECT_EQ(ListWith(options).code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(ListWith(options).message()),
              HasSubstr("s3://models/llama: http://127.0.0.1:1: Failed to connect"));
}

TEST_F(S3ClientTest, ReadsTheEnvironment) {
  for (const char* name :
       {"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3",
        "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}) {
    unsetenv(name);
  }
  EXPECT_EQ(S3OptionsFromEnvironment().endpoint, "https://s3.us-east-1.amazonaws.com");
  setenv("AWS_DEFAULT_REGION", "eu-west-1", 1);
  EXPECT_EQ(S3OptionsFromEnvironment().endpoint, "https://s3.eu-west-1.amazonaws.com");
  setenv("AWS_REGION", "eu-west-2", 1);
  setenv("AWS_ENDPOINT_URL", "http://minio:9000//", 1);
  setenv("AWS_ACCESS_KEY_ID", "key", 1);
  setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
  setenv("AWS_SESSION_TOKEN", "token", 1);
  const S3Options options = S3OptionsFromEnvironment();
  EXPECT_EQ(options.endpoint, "http://minio:9000");
  EXPECT_EQ(options.region, "eu-west-2");
  EXPECT_EQ(options.access_key + options.secret_key + options.session_token, "keysecrettoken");
}

TEST_F(S3ClientTest, WhatMayPassIsTriedFourTimes) {
  fake_.Put("models/a", "abc");
  fake_.FailNext(3, 503, "SlowDown");
  EXPECT_EQ(client_.Find({"models", "a"})->bytes, 3);
  EXPECT_EQ(fake_.TakeRequests().size(), 4u);
  fake_.FailNext(4, 503, "SlowDown");
  EXPECT_EQ(client_.List({"models", "llama"}).status(),
            absl::UnavailableError(Address() + " answered 503 SlowDown for s3://models/llama"));
  fake_.TakeRequests();
  fake_.FailNext(1, 400, "InvalidArgument");
  EXPECT_EQ(client_.List({"models", "llama"}).status(),
            absl::FailedPreconditionError(Address() +
                                          " answered 400 InvalidArgument for s3://models/llama"));
  EXPECT_EQ(fake_.TakeRequests().size(), 1u);
}

TEST_F(S3ClientTest, WhatWasReplacedIsNotRead) {
  fake_.Put("models/a", "abc");
  const S3Object object = *client_.Find({"models", "a"});
  fake_.Put("models/a", "abd");
  EXPECT_EQ(client_.ReadStart(object, 10).status(),
            absl::FailedPreconditionError(
                "s3://models/a was replaced while it was read; submit the job again"));
}

TEST_F(S3ClientTest, ReadsTheStartOfAnObject) {
  fake_.Put("models/a", "0123456789");
  fake_.Put("models/empty", "");
  const S3Object object = *client_.Find({"models", "a"});
  EXPECT_EQ(*client_.ReadStart(object, 4), "0123");
  fake_.CutAfter(2, 1);
  EXPECT_EQ(*client_.ReadStart(object, 40), "0123456789");
  EXPECT_EQ(*client_.ReadStart(*client_.Find({"models", "empty"}), 4), "");
}

TEST_F(S3ClientTest, ReadingGoesOnWhereAConnectionBreaks) {
  fake_.Put("models/a", "0123456789");
  const S3Object object = *client_.Find({"models", "a"});
  fake_.TakeRequests();
  fake_.CutAfter(3, 2);
  std::string read;
  const absl::Status status = client_.ReadFrom(object, 1, [&](std::string_view bytes) {
    read += bytes;
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(read, "123456789");
  EXPECT_THAT(
      fake_.TakeRequests(),
      ElementsAre("GET /models/a bytes=1-9", "GET /models/a bytes=4-9", "GET /models/a bytes=7-9"));
  fake_.CutAfter(0, 100);
  EXPECT_EQ(client_.ReadFrom(object, 0, [](auto) { return absl::OkStatus(); }).code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(fake_.TakeRequests().size(), 4u);
  fake_.CutAfter(0, 0);
  EXPECT_EQ(client_.ReadFrom(object, 0, [](auto) { return absl::ResourceExhaustedError("full"); }),
            absl::ResourceExhaustedError("s3://models/a: full"));
}

TEST_F(S3ClientTest, StopsWhenAskedTo) {
  fake_.Put("models/a", "0123456789");
  const S3Object object = *client_.Find({"models", "a"});
  bool stop = false;
  S3Client client(fake_.options(), [&] { return stop; });
  fake_.HoldAfter(3);
  EXPECT_EQ(client
                .ReadFrom(object, 0,
                          [&](auto) {
                            stop = true;
                            return absl::OkStatus();
                          })
                .code(),
            absl::StatusCode::kCancelled);
}

TEST_F(S3ClientTest, ChecksumsAreThoseThatMeanSomething) {
  fake_.Put("models/one", "0123456789");
  fake_.Put("models/parts", "0123456789", 4);
  const auto checksums = [&](const std::string& key) {
    return *client_.Checksums(*client_.Find({"models", key}));
  };
  EXPECT_EQ(checksums("one").etag, "781e5e245d69b566979b86e28d23f2c7");
  EXPECT_EQ(checksums("one").part_bytes, 0);
  EXPECT_EQ(checksums("parts").etag, "61e3716e3a7767581863b67c4e785584-3");
  EXPECT_EQ(checksums("parts").part_bytes, 4);
  fake_.SetHeader("models/one", "x-amz-checksum-sha256", "abc=");
  fake_.SetHeader("models/parts", "x-amz-checksum-sha256", "abc=-3");
  EXPECT_EQ(checksums("one").sha256, "abc=");
  EXPECT_EQ(checksums("parts").sha256, "");
  fake_.SetHeader("models/one", "x-amz-server-side-encryption", "aws:kms");
  EXPECT_EQ(checksums("one").etag, "");
  fake_.SetHeader("models/parts", "x-amz-server-side-encryption", "AES256");
  EXPECT_TRUE(checksums("parts").any());
}

}  // namespace
}  // namespace rondo
