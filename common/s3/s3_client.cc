#include "common/s3/s3_client.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "common/s3/s3_answers.h"

namespace rondo {
namespace {

constexpr int kMostPages = 100;  // of a list; a page has up to 1000 objects
constexpr absl::Duration kStopCheck = absl::Milliseconds(100);

std::string HeaderOf(const S3Response& response, const std::string& name) {
  const auto it = response.headers.find(name);
  return it == response.headers.end() ? "" : it->second;
}

S3Request RequestFor(const S3Object& object) {
  S3Request request{.bucket = object.uri.bucket, .key = object.uri.key};
  request.headers.push_back(absl::StrCat("if-match: \"", object.etag, "\""));
  return request;
}

// Of a part, or of the whole object; -1: the answer does not say.
int64_t LengthOf(const S3Response& response) {
  int64_t bytes = -1;
  return absl::SimpleAtoi(HeaderOf(response, "content-length"), &bytes) ? bytes : -1;
}

bool IsMd5(const std::string& text) {
  return text.size() == 32 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

absl::Status Denied(const S3Uri& uri, const std::string& reason) {
  return absl::PermissionDeniedError(
      absl::StrCat("the coordinator's credentials do not open ", uri.name(), ": ", reason));
}

}  // namespace

absl::Status S3Client::Pause(int attempt) {
  absl::Duration left = connection_.options().pause * (1 << attempt);
  for (; left > absl::ZeroDuration(); left -= kStopCheck) {
    if (connection_.stopped()) return absl::CancelledError("the download was stopped");
    absl::SleepFor(std::min(left, kStopCheck));
  }
  return absl::OkStatus();
}

absl::Status S3Client::Refusal(const S3Uri& uri, const S3Response& response) {
  const std::string code = ErrorCode(response.body);
  const std::string region = HeaderOf(response, "x-amz-bucket-region");
  if (code == "NoSuchBucket") {
    return absl::NotFoundError(absl::StrCat("bucket ", uri.bucket, " of ", uri.name(),
                                            " does not exist at ", connection_.options().endpoint));
  }
  if (response.status == 404) {
    return absl::NotFoundError(absl::StrCat(uri.name(), " does not exist"));
  }
  if (response.status == 412) {
    return absl::FailedPreconditionError(
        absl::StrCat(uri.name(), " was replaced while it was read; submit the job again"));
  }
  if (!region.empty() && region != connection_.options().region) {
    return absl::FailedPreconditionError(absl::StrCat(
        "bucket ", uri.bucket, " of ", uri.name(), " is in region ", region,
        "; set AWS_REGION of the coordinator, which is ", connection_.options().region));
  }
  if (response.status == 401 || response.status == 403 || code == "ExpiredToken" ||
      code == "InvalidToken") {
    return Denied(uri, code.empty() ? absl::StrCat("status ", response.status) : code);
  }
  const std::string message =
      absl::StrCat(connection_.options().endpoint, " answered ", response.status,
                   code.empty() ? "" : " ", code, " for ", uri.name());
  const bool passing = response.status >= 500 || response.status == 429 || code == "RequestTimeout";
  return passing ? absl::UnavailableError(message) : absl::FailedPreconditionError(message);
}

absl::StatusOr<S3Response> S3Client::AskOnce(const S3Uri& uri, const S3Request& request) {
  absl::StatusOr<S3Response> response = connection_.Send(request);
  if (!response.ok()) return Annotate(response.status(), uri.name());
  if (response->status == 200 || response->status == 206) return response;
  return Refusal(uri, *response);
}

absl::StatusOr<S3Response> S3Client::Ask(const S3Uri& uri, const S3Request& request) {
  for (int attempt = 0;; ++attempt) {
    absl::StatusOr<S3Response> response = AskOnce(uri, request);
    if (!absl::IsUnavailable(response.status()) || attempt + 1 == connection_.options().tries)
      return response;
    RETURN_IF_ERROR(Pause(attempt));
  }
}

absl::StatusOr<std::vector<S3Object>> S3Client::List(const S3Uri& folder) {
  const std::string prefix = folder.key.empty() ? "" : folder.key + "/";
  std::vector<S3Object> objects;
  std::string token;
  for (int pages = 0; pages == 0 || !token.empty(); ++pages) {
    if (pages == kMostPages) {
      return absl::InvalidArgumentError(absl::StrCat("there is more right below ", folder.name(),
                                                     "/ than a model; name the model's folder"));
    }
    S3Request request{.bucket = folder.bucket};
    if (!token.empty()) request.query.emplace_back("continuation-token", token);
    request.query.insert(
        request.query.end(),
        {{"delimiter", "/"}, {"encoding-type", "url"}, {"list-type", "2"}, {"prefix", prefix}});
    ASSIGN_OR_RETURN(const S3Response response, Ask(folder, request));
    const absl::StatusOr<ListPage> page = ParseListPage(response.body);
    if (!page.ok()) return Annotate(page.status(), "the list of " + folder.name());
    for (const ListedObject& listed : page->objects) {
      if (!listed.key.starts_with(prefix)) {
        return absl::InvalidArgumentError(
            absl::StrCat("the list of ", folder.name(), " holds ", listed.key));
      }
      if (listed.key == prefix) continue;  // what consoles make to show a folder
      objects.push_back({{folder.bucket, listed.key}, listed.bytes, listed.etag});
    }
    token = page->next;
  }
  if (objects.empty()) {
    return absl::NotFoundError(absl::StrCat("there is nothing below ", folder.name(), "/"));
  }
  return objects;
}

absl::StatusOr<S3Object> S3Client::Find(const S3Uri& uri) {
  S3Request request{.head = true, .bucket = uri.bucket, .key = uri.key};
  absl::StatusOr<S3Response> response = Ask(uri, request);
  if (!response.ok()) {
    // The answer to HEAD has no body that would say why; that to GET has.
    request.head = false;
    request.range = ByteRange{0, 1};
    response = Ask(uri, request);
    RETURN_IF_ERROR(response.status());
    return absl::FailedPreconditionError(
        absl::StrCat(connection_.options().endpoint, " answers GET but not HEAD for ", uri.name()));
  }
  const int64_t bytes = LengthOf(*response);
  const std::string etag = absl::StrReplaceAll(HeaderOf(*response, "etag"), {{"\"", ""}});
  if (bytes >= 0 && !etag.empty()) return S3Object{uri, bytes, etag};
  return absl::FailedPreconditionError(
      absl::StrCat("the answer to HEAD of ", uri.name(), " has no length or no ETag"));
}

absl::StatusOr<S3Checksums> S3Client::Checksums(const S3Object& object) {
  S3Request request = RequestFor(object);
  request.head = true;
  request.headers.emplace_back("x-amz-checksum-mode: ENABLED");
  ASSIGN_OR_RETURN(const S3Response whole, Ask(object.uri, request));
  S3Checksums checksums;
  // One with a number behind it is of the parts' checksums.
  const std::string sha256 = HeaderOf(whole, "x-amz-checksum-sha256");
  if (sha256.find('-') == std::string::npos) checksums.sha256 = sha256;
  // With keys of its own the service's ETag is not an MD5, though it looks like one.
  if (HeaderOf(whole, "x-amz-server-side-encryption").starts_with("aws:")) return checksums;
  const size_t dash = object.etag.find('-');
  if (!IsMd5(object.etag.substr(0, dash))) return checksums;
  if (dash == std::string::npos) {
    checksums.etag = object.etag;
    return checksums;
  }
  // The size of a part is not in the ETag: it is that of the first.
  int64_t parts = 0;
  request.query = {{"partNumber", "1"}};
  request.headers.clear();  // some services have an ETag of its own for a part
  ASSIGN_OR_RETURN(const S3Response first, Ask(object.uri, request));
  const int64_t bytes = LengthOf(first);
  const bool even = absl::SimpleAtoi(object.etag.substr(dash + 1), &parts) && bytes > 0 &&
                    (object.bytes + bytes - 1) / bytes == parts;
  if (!even) return checksums;
  checksums.etag = object.etag;
  checksums.part_bytes = bytes;
  return checksums;
}

absl::StatusOr<std::string> S3Client::ReadStart(const S3Object& object, int64_t bytes) {
  bytes = std::min(bytes, object.bytes);
  if (bytes == 0) return std::string();
  std::string start;
  S3Request request = RequestFor(object);
  request.range = ByteRange{0, bytes};
  request.sink = [&](std::string_view more) {
    start.append(more);
    return absl::OkStatus();
  };
  for (int attempt = 0;; ++attempt) {
    start.clear();
    const absl::Status status = AskOnce(object.uri, request).status();
    if (status.ok()) return start;
    if (!absl::IsUnavailable(status) || attempt + 1 == connection_.options().tries) return status;
    RETURN_IF_ERROR(Pause(attempt));
  }
}

absl::Status S3Client::ReadFrom(const S3Object& object, int64_t offset, const ByteSink& sink) {
  S3Request request = RequestFor(object);
  request.sink = [&](std::string_view bytes) {
    offset += static_cast<int64_t>(bytes.size());
    return sink(bytes);
  };
  for (int attempt = 0; offset < object.bytes; ++attempt) {
    const int64_t start = offset;
    request.range = ByteRange{offset, object.bytes - offset};
    absl::Status status = AskOnce(object.uri, request).status();
    if (status.ok() && offset == start) {
      status = absl::UnavailableError(absl::StrCat("the answer for ", object.name(), " is empty"));
    }
    if (status.ok()) continue;
    if (!absl::IsUnavailable(status)) return status;
    if (offset > start) attempt = 0;
    if (attempt + 1 >= connection_.options().tries) return status;
    RETURN_IF_ERROR(Pause(attempt));
  }
  return absl::OkStatus();
}

}  // namespace rondo
