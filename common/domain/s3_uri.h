// Names in S3, "s3://BUCKET/KEY": of an object, or of what lies below a folder. Pure functions.
#pragma once

#include <string>

#include "common/base/status.h"

namespace rondo {

struct S3Uri {
  std::string bucket;
  std::string key;  // without a slash at its ends; empty: all of the bucket

  std::string name() const;  // "s3://bucket/key"
};

bool IsS3Uri(const std::string& path);  // "s3://..."

// INVALID_ARGUMENT names `what` and the value. A slash at the end is left out. Keys whose segments
// are empty, "." or ".." are refused, so that what begins like a root lies below it.
absl::StatusOr<S3Uri> ParseS3Uri(const std::string& what, const std::string& uri);

}  // namespace rondo
