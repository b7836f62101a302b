// One signed request to an S3 service at a time: AWS Signature Version 4 by libcurl. Knows HTTP,
// not what the answers mean.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/status.h"
#include "common/s3/s3_options.h"

namespace rondo {

// Asked at least once a second; true ends what goes on with CANCELLED.
using StopRequested = std::function<bool()>;
using ByteSink = std::function<absl::Status(std::string_view bytes)>;

struct ByteRange {
  int64_t offset = 0;
  int64_t bytes = 0;  // > 0
};

struct S3Request {
  bool head = false;  // else GET
  std::string bucket;
  std::string key;                                         // as it is, not encoded
  std::vector<std::pair<std::string, std::string>> query;  // sorted by name; not encoded
  std::vector<std::string> headers;                        // "name: value"
  std::optional<ByteRange> range;
  ByteSink sink;  // takes the body of a success; empty: it becomes S3Response::body
};

struct S3Response {
  int64_t status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
};

// "a%20b/c%2Bd": all but A-Z a-z 0-9 - . _ ~ as %XX, in UTF-8; a slash too unless `keep_slashes`.
std::string UriEncode(std::string_view text, bool keep_slashes);

// Keeps its connection between requests. For one thread at a time.
class S3Connection {
 public:
  S3Connection(S3Options options, StopRequested stop);
  ~S3Connection();

  // UNAVAILABLE when the service cannot be reached or the answer breaks off; the sink may have
  // taken some of it then. CANCELLED when asked to stop. What the sink refuses is its status.
  absl::StatusOr<S3Response> Send(const S3Request& request);

  const S3Options& options() const { return options_; }
  bool stopped() const { return stop_ && stop_(); }

 private:
  struct Handle;
  const S3Options options_;
  const StopRequested stop_;
  const std::unique_ptr<Handle> handle_;
};

}  // namespace rondo
