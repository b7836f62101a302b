#include "common/s3/s3_answers.h"

#include <gtest/gtest.h>

#include "common/s3/s3_connection.h"

namespace rondo {
namespace {

// As moto 5.2 writes it, with a second page.
constexpr char kPage[] =
    R"(<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>true</IsTruncated>
<NextContinuationToken>a&amp;b=</NextContinuationToken>
<Contents><Key>a%20b/c%2Bd+%C3%A9.txt</Key><LastModified>2026-11-22T16:46:01.000Z</LastModified>
<ETag>"5eb63bbbe01eeed093cb22bb8f5acdc3"</ETag><Size>11</Size><StorageClass>STANDARD</StorageClass>
</Contents><Contents><Key>z</Key><ETag>&quot;9ec96beff5e410b7df378a6a8216e6db-3&quot;</ETag>
<Size>9223372036854775807</Size></Contents>
<Name>models</Name><Prefix>a%20b/</Prefix><CommonPrefixes><Prefix>a%20b/d/</Prefix></CommonPrefixes>
</ListBucketResult>)";

TEST(S3Answers, AListHasKeysSizesAndTags) {
  const auto page = ParseListPage(kPage);
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->objects.size(), 2u);
  EXPECT_EQ(page->objects[0].key, "a b/c+d \xC3\xA9.txt");
  EXPECT_EQ(page->objects[0].bytes, 11);
  EXPECT_EQ(page->objects[0].etag, "5eb63bbbe01eeed093cb22bb8f5acdc3");
  EXPECT_EQ(page->objects[1].bytes, INT64_MAX);
  EXPECT_EQ(page->objects[1].etag, "9ec96beff5e410b7df378a6a8216e6db-3");
  EXPECT_EQ(page->next, "a&b=");
  EXPECT_TRUE(ParseListPage("<ListBucketResult></ListBucketResult>")->objects.empty());
}

std::string Listing(const std::string& contents) {
  return "<ListBucketResult>" + contents + "</ListBucketResult>";
}

TEST(S3Answers, WhatCannotBeUsedIsRefused) {
  const auto refusal = [](const std::string& xml) {
    return std::string(ParseListPage(xml).status().message());
  };
  EXPECT_EQ(refusal("<html>sign in</html>"), "the answer holds no ListBucketResult");
  EXPECT_EQ(refusal(Listing("<Contents><Key>a%2</Key></Contents>")),
            "key \"a%2\" is not URL-encoded");
  EXPECT_EQ(refusal(Listing("<Contents><Key>a</Key><Size>-1</Size></Contents>")),
            "the size of a is \"-1\"");
  EXPECT_EQ(refusal(Listing("<Contents><Key>a</Key><Size>99999999999999999999</Size></Contents>")),
            "the size of a is \"99999999999999999999\"");
  EXPECT_EQ(refusal(Listing("<Contents><Key>a</Key><Size>1</Size></Contents>")), "a has no ETag");
  EXPECT_EQ(refusal(Listing("<IsTruncated>true</IsTruncated>")),
            "a page that is not the last names no next one");
}

TEST(S3Answers, AnErrorHasACode) {
  EXPECT_EQ(ErrorCode("<Error><Code>NoSuchKey</Code><Message>no</Message></Error>"), "NoSuchKey");
  EXPECT_EQ(ErrorCode("<html>502</html>"), "");
  EXPECT_EQ(ErrorCode("<Error><Code>a\nb</Code></Error>"), "");
  EXPECT_EQ(ErrorCode("<Code>" + std::string(65, 'a') + "</Code>"), "");
}

TEST(S3Answers, KeysAreEncodedAsSignaturesNeedThem) {
  EXPECT_EQ(UriEncode("a b/c+d=\xC3\xA9~._-", true), "a%20b/c%2Bd%3D%C3%A9~._-");
  EXPECT_EQ(UriEncode("a/b", false), "a%2Fb");
}

}  // namespace
}  // namespace rondo
