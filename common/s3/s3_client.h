// Objects of an S3 service: which there are, their bytes, and by what these can be checked. Errors
// name the object and say what to do about it in one line.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "common/domain/s3_uri.h"
#include "common/s3/s3_connection.h"
#include "common/s3/s3_options.h"

namespace rondo {

// One version of an object: reads of it fail once it has been replaced.
struct S3Object {
  S3Uri uri;
  int64_t bytes = 0;
  std::string etag;  // without quotes

  std::string name() const { return uri.name(); }
};

// What the service says of an object's contents.
struct S3Checksums {
  std::string sha256;  // base64; empty: none
  std::string etag;    // MD5 of the object, or of its parts' MD5s and their number; empty: neither
  int64_t part_bytes = 0;  // of all parts but the last; 0: in one piece

  bool any() const { return !sha256.empty() || !etag.empty(); }
};

// Requests that fail for a reason that may pass are repeated (S3Options::tries). For one thread at
// a time.
class S3Client {
 public:
  explicit S3Client(const S3Options& options, StopRequested stop = {})
      : connection_(options, std::move(stop)) {}

  // The objects right below a folder, by key. NOT_FOUND: there are none.
  absl::StatusOr<std::vector<S3Object>> List(const S3Uri& folder);
  absl::StatusOr<S3Object> Find(const S3Uri& uri);
  absl::StatusOr<S3Checksums> Checksums(const S3Object& object);
  // The first `bytes`, or all when there are fewer.
  absl::StatusOr<std::string> ReadStart(const S3Object& object, int64_t bytes);
  // Hands bytes `offset` to the end to the sink, in order; goes on where a connection broke off.
  absl::Status ReadFrom(const S3Object& object, int64_t offset, const ByteSink& sink);

 private:
  // Sends until there is an answer that another try would not change; refusals as a Status.
  absl::StatusOr<S3Response> Ask(const S3Uri& uri, const S3Request& request);
  // One try.
  absl::StatusOr<S3Response> AskOnce(const S3Uri& uri, const S3Request& request);
  absl::Status Refusal(const S3Uri& uri, const S3Response& response);
  // Before try number `attempt`. CANCELLED when asked to stop.
  absl::Status Pause(int attempt);

  S3Connection connection_;
};

}  // namespace rondo
