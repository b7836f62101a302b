#include "common/domain/s3_uri.h"

#include <gtest/gtest.h>

namespace rondo {
namespace {

TEST(S3Uri, HasABucketAndAKey) {
  const auto uri = ParseS3Uri("model.path", "s3://models.example-1/llama 7b/v=2/");
  ASSERT_TRUE(uri.ok()) << uri.status();
  EXPECT_EQ(uri->bucket, "models.example-1");
  EXPECT_EQ(uri->key, "llama 7b/v=2");
  EXPECT_EQ(uri->name(), "s3://models.example-1/llama 7b/v=2");
  for (const std::string whole : {"s3://models", "s3://models/"}) {
    EXPECT_EQ(ParseS3Uri("model.path", whole)->key, "");
    EXPECT_EQ(ParseS3Uri("model.path", whole)->name(), "s3://models");
  }
}

TEST(S3Uri, WhatIsNoneIsRefused) {
  for (const std::string uri :
       {"s3://", "s3:///llama", "s3://ab/c", "s3://Models/c", "s3://-models/c", "s3://a_b_c/d",
        "s3://models/a//b", "s3://models//", "s3://models/../x", "s3://models/a/.",
        "s3://models/\n", "/models/llama", "S3://models/llama"}) {
    EXPECT_EQ(ParseS3Uri("model.path", uri).status(),
              absl::InvalidArgumentError(
                  "model.path is \"" + uri +
                  "\"; it must be s3://BUCKET/KEY, a bucket of 3 to 63 of a-z 0-9 . - and a key "
                  "without empty segments, . and .."));
  }
  EXPECT_TRUE(IsS3Uri("s3://models"));
  EXPECT_FALSE(IsS3Uri("models/s3://"));
}

}  // namespace
}  // namespace rondo
