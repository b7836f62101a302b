#include "common/domain/s3_uri.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_split.h"

namespace rondo {
namespace {

constexpr char kScheme[] = "s3://";
constexpr size_t kSchemeSize = sizeof(kScheme) - 1;

bool IsLowerOrDigit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool IsBucket(const std::string& name) {
  return name.size() >= 3 && name.size() <= 63 && IsLowerOrDigit(name.front()) &&
         IsLowerOrDigit(name.back()) && std::all_of(name.begin(), name.end(), [](char c) {
           return IsLowerOrDigit(c) || c == '.' || c == '-';
         });
}

bool IsKey(const std::string& key) {
  if (key.empty()) return true;
  const std::vector<std::string> segments = absl::StrSplit(key, '/');
  return std::none_of(segments.begin(), segments.end(), [](const std::string& segment) {
    return segment.empty() || segment == "." || segment == ".." ||
           std::any_of(segment.begin(), segment.end(), [](char c) { return c >= 0 && c < ' '; });
  });
}

}  // namespace

std::string S3Uri::name() const {
  return absl::StrCat(kScheme, bucket, key.empty() ? "" : "/", key);
}

bool IsS3Uri(const std::string& path) { return path.starts_with(kScheme); }

absl::StatusOr<S3Uri> ParseS3Uri(const std::string& what, const std::string& uri) {
  S3Uri parsed;
  if (IsS3Uri(uri)) {
    const size_t slash = std::min(uri.find('/', kSchemeSize), uri.size());
    parsed.bucket = uri.substr(kSchemeSize, slash - kSchemeSize);
    if (slash < uri.size()) parsed.key = uri.substr(slash + 1);
    if (parsed.key.size() > 1 && parsed.key.ends_with('/')) parsed.key.pop_back();
  }
  if (IsBucket(parsed.bucket) && IsKey(parsed.key)) return parsed;
  return absl::InvalidArgumentError(
      absl::StrCat(what, " is \"", uri,
                   "\"; it must be s3://BUCKET/KEY, a bucket of 3 to 63 of a-z 0-9 . - and a key "
                   "without empty segments, . and .."));
}

}  // namespace rondo
