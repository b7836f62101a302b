#include "common/s3/s3_connection.h"

#include <curl/curl.h>

#include <array>

#include "absl/strings/ascii.h"

namespace rondo {
namespace {

constexpr long kConnectSeconds = 10;
constexpr size_t kLargestBody = 16 << 20;  // of an answer that goes to no sink
// SHA-256 of the empty body of every request here. libcurl signs it, but would not send it.
constexpr char kEmptyBody[] =
    "x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr int64_t kOk = 200;
constexpr int64_t kPartialContent = 206;

struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using HeaderList = std::unique_ptr<curl_slist, FreeList>;

// What the callbacks of one transfer share.
struct Transfer {
  CURL* curl = nullptr;
  const S3Request* request = nullptr;
  const StopRequested* stop = nullptr;
  S3Response response;
  int64_t taken = 0;     // bytes by the sink
  absl::Status refusal;  // why a callback ended the transfer
};

int64_t StatusOf(CURL* curl) {
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  return status;
}

// An answer to a range that is not that range would end up at the wrong place of a file.
absl::Status CheckRange(const Transfer& transfer, int64_t more) {
  if (!transfer.request->range) return absl::OkStatus();
  const ByteRange& range = *transfer.request->range;
  const std::string wanted =
      absl::StrCat("bytes ", range.offset, "-", range.offset + range.bytes - 1, "/");
  const auto it = transfer.response.headers.find("content-range");
  const std::string given = it == transfer.response.headers.end() ? "" : it->second;
  if (given.starts_with(wanted) && transfer.taken + more <= range.bytes) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("the service was asked for \"", wanted, "\" and answers with \"", given, "\""));
}

absl::Status Take(Transfer* transfer, std::string_view bytes) {
  const int64_t status = StatusOf(transfer->curl);
  if (transfer->request->sink && (status == kOk || status == kPartialContent)) {
    RETURN_IF_ERROR(CheckRange(*transfer, static_cast<int64_t>(bytes.size())));
    transfer->taken += static_cast<int64_t>(bytes.size());
    return transfer->request->sink(bytes);
  }
  std::string& body = transfer->response.body;
  if (body.size() + bytes.size() > kLargestBody) {
    return absl::FailedPreconditionError(
        absl::StrCat("the service's answer is longer than ", kLargestBody, " bytes"));
  }
  body.append(bytes);
  return absl::OkStatus();
}

// libcurl's callbacks. Less than `count`, or not 0, ends the transfer.
size_t OnBody(char* data, size_t, size_t count, void* user) {
  auto* transfer = static_cast<Transfer*>(user);
  transfer->refusal = Take(transfer, std::string_view(data, count));
  return transfer->refusal.ok() ? count : 0;
}

size_t OnHeader(char* data, size_t, size_t count, void* user) {
  const std::string line(data, count);
  const size_t colon = line.find(':');
  if (colon != std::string::npos) {
    const std::string name = absl::AsciiStrToLower(line.substr(0, colon));
    static_cast<Transfer*>(user)->response.headers[name] =
        std::string(absl::StripAsciiWhitespace(line.substr(colon + 1)));
  }
  return count;
}

int OnProgress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  const StopRequested& stop = *static_cast<Transfer*>(user)->stop;
  return stop && stop() ? 1 : 0;
}

std::string UrlOf(const S3Options& options, const S3Request& request) {
  std::string url = absl::StrCat(options.endpoint, "/", request.bucket);
  if (!request.key.empty()) absl::StrAppend(&url, "/", UriEncode(request.key, true));
  char separator = '?';
  for (const auto& [name, value] : request.query) {
    url += separator;
    absl::StrAppend(&url, UriEncode(name, false), "=", UriEncode(value, false));
    separator = '&';
  }
  return url;
}

HeaderList HeadersOf(const S3Options& options, const S3Request& request) {
  std::vector<std::string> headers = request.headers;
  headers.emplace_back(kEmptyBody);
  if (!options.session_token.empty()) {
    headers.push_back(absl::StrCat("x-amz-security-token: ", options.session_token));
  }
  if (request.range) {
    const ByteRange& range = *request.range;
    headers.push_back(
        absl::StrCat("range: bytes=", range.offset, "-", range.offset + range.bytes - 1));
  }
  curl_slist* list = nullptr;
  for (const std::string& header : headers) list = curl_slist_append(list, header.c_str());
  return HeaderList(list);
}

void Configure(CURL* curl, const S3Options& options, const S3Request& request,
               const HeaderList& headers, Transfer* transfer) {
  curl_easy_reset(curl);  // the connection stays
  curl_easy_setopt(curl, CURLOPT_URL, UrlOf(options, request).c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_NOBODY, request.head ? 1L : 0L);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl, CURLOPT_AWS_SIGV4,
                   absl::StrCat("aws:amz:", options.region, ":s3").c_str());
  curl_easy_setopt(curl, CURLOPT_USERNAME, options.access_key.c_str());
  curl_easy_setopt(curl, CURLOPT_PASSWORD, options.secret_key.c_str());
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME,
                   static_cast<long>(absl::ToInt64Seconds(options.silence)));
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, OnBody);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, OnHeader);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, transfer);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, OnProgress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, transfer);
}

}  // namespace

std::string UriEncode(std::string_view text, bool keep_slashes) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    if (absl::ascii_isalnum(c) || c == '-' || c == '.' || c == '_' || c == '~' ||
        (c == '/' && keep_slashes)) {
      encoded += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      encoded += '%';
      encoded += kDigits[byte >> 4];
      encoded += kDigits[byte & 15];
    }
  }
  return encoded;
}

struct S3Connection::Handle {
  struct Free {
    void operator()(CURL* curl) const { curl_easy_cleanup(curl); }
  };
  std::unique_ptr<CURL, Free> curl{curl_easy_init()};
};

S3Connection::S3Connection(S3Options options, StopRequested stop)
    : options_(std::move(options)), stop_(std::move(stop)), handle_(std::make_unique<Handle>()) {}

S3Connection::~S3Connection() = default;

absl::StatusOr<S3Response> S3Connection::Send(const S3Request& request) {
  RETURN_IF_ERROR(CheckS3Options(options_));
  CURL* curl = handle_->curl.get();
  if (curl == nullptr) return absl::InternalError("libcurl could not be set up");
  Transfer transfer{.curl = curl, .request = &request, .stop = &stop_};
  const HeaderList headers = HeadersOf(options_, request);
  Configure(curl, options_, request, headers, &transfer);
  std::array<char, CURL_ERROR_SIZE> reason{};
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason.data());
  const CURLcode code = curl_easy_perform(curl);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, nullptr);
  RETURN_IF_ERROR(transfer.refusal);
  if (code == CURLE_ABORTED_BY_CALLBACK) return absl::CancelledError("the download was stopped");
  if (code != CURLE_OK) {
    return absl::UnavailableError(absl::StrCat(
        options_.endpoint, ": ", reason[0] == '\0' ? curl_easy_strerror(code) : reason.data()));
  }
  transfer.response.status = StatusOf(curl);
  return std::move(transfer.response);
}

}  // namespace rondo
