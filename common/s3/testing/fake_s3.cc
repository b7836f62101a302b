#include "common/s3/testing/fake_s3.h"

#include <algorithm>
#include <filesystem>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/io/file.h"
#include "common/s3/md5.h"
#include "common/s3/s3_connection.h"

namespace rondo {
namespace {

std::string Md5Of(std::string_view bytes) {
  Md5 md5;
  md5.Update(std::as_bytes(std::span(bytes)));
  return md5.Finish();
}

std::string EtagOf(const std::string& contents, int64_t part_bytes) {
  if (part_bytes == 0) return absl::BytesToHexString(Md5Of(contents));
  std::string digests;
  for (size_t at = 0; at < contents.size(); at += static_cast<size_t>(part_bytes)) {
    digests += Md5Of(std::string_view(contents).substr(at, static_cast<size_t>(part_bytes)));
  }
  return absl::StrCat(absl::BytesToHexString(Md5Of(digests)), "-", digests.size() / 16);
}

void Fail(int status, const std::string& code, httplib::Response* response) {
  const std::string xml = absl::StrCat("<?xml version=\"1.0\"?><Error><Code>", code,
                                       "</Code><Message>so it is</Message></Error>");
  response->status = status;
  // Of a body that is not in chunks httplib would send the range that was asked for.
  response->set_chunked_content_provider("application/xml", [xml](size_t, httplib::DataSink& sink) {
    sink.write(xml.data(), xml.size());
    sink.done();
    return true;
  });
}

std::pair<std::string, std::string> Split(const std::string& path) {
  const size_t slash = std::min(path.find('/'), path.size());
  return {path.substr(0, slash), slash < path.size() ? path.substr(slash + 1) : ""};
}

}  // namespace

FakeS3::FakeS3() {
  server_.Get("/.*", [this](const httplib::Request& request, httplib::Response& response) {
    Answer(request, &response);
  });
  port_ = server_.bind_to_any_port("127.0.0.1");
  thread_ = std::thread([this] { server_.listen_after_bind(); });
  while (!server_.is_running()) std::this_thread::yield();
}

FakeS3::~FakeS3() {
  Release();
  server_.stop();
  thread_.join();
}

S3Options FakeS3::options() const {
  S3Options options;
  options.endpoint = absl::StrCat("http://127.0.0.1:", port_);
  options.region = "us-east-1";
  options.access_key = "key";
  options.secret_key = "secret";
  options.pause = absl::Microseconds(1);
  return options;
}

void FakeS3::MakeBucket(const std::string& bucket) {
  MutexLock lock(&mu_);
  buckets_[bucket];
}

void FakeS3::Put(const std::string& path, const std::string& contents, int64_t part_bytes) {
  const auto [bucket, key] = Split(path);
  MutexLock lock(&mu_);
  buckets_[bucket][key] = {contents, EtagOf(contents, part_bytes), part_bytes, -1, {}};
}

void FakeS3::PutFolder(const std::string& path, const std::string& folder) {
  const std::vector<std::string> names = *ListFiles(folder);
  for (const std::string& name : names) {
    Put(JoinPath(path, name), *ReadFile(JoinPath(folder, name)));
  }
}

void FakeS3::SetHeader(const std::string& path, const std::string& name, const std::string& value) {
  const auto [bucket, key] = Split(path);
  MutexLock lock(&mu_);
  buckets_[bucket][key].headers[name] = value;
}

void FakeS3::Damage(const std::string& path) {
  const auto [bucket, key] = Split(path);
  MutexLock lock(&mu_);
  std::string& contents = buckets_[bucket][key].contents;
  contents[contents.size() / 2] ^= 1;
}

void FakeS3::ClaimBytes(const std::string& path, int64_t bytes) {
  const auto [bucket, key] = Split(path);
  MutexLock lock(&mu_);
  buckets_[bucket][key].claimed_bytes = bytes;
}

void FakeS3::CutAfter(int64_t bytes, int times) {
  MutexLock lock(&mu_);
  cut_after_ = bytes;
  cuts_ = times;
}

void FakeS3::HoldAfter(int64_t bytes) {
  MutexLock lock(&mu_);
  hold_after_ = bytes;
}

void FakeS3::WaitUntilHeld() {
  MutexLock lock(&mu_);
  while (!held_) changed_.Wait(&mu_);
}

void FakeS3::WaitUntilHeld(const std::string& folder, const std::string& name, int64_t bytes) {
  WaitUntilHeld();
  for (int64_t here = 0; here < bytes; std::this_thread::yield()) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      here = std::max(here, FileSize(JoinPath(entry.path().string(), name)).value_or(0));
    }
  }
}

void FakeS3::Release() {
  MutexLock lock(&mu_);
  hold_after_ = -1;
  held_ = false;
  changed_.SignalAll();
}

void FakeS3::FailNext(int times, int status, const std::string& code) {
  MutexLock lock(&mu_);
  failures_ = times;
  failure_status_ = status;
  failure_code_ = code;
}

void FakeS3::SetPageSize(size_t keys) {
  MutexLock lock(&mu_);
  page_size_ = keys;
}

std::vector<std::string> FakeS3::TakeRequests() {
  MutexLock lock(&mu_);
  return std::exchange(requests_, {});
}

void FakeS3::Answer(const httplib::Request& request, httplib::Response* response) {
  MutexLock lock(&mu_);
  const std::string range = request.get_header_value("Range");
  requests_.push_back(
      absl::StrCat(request.method, " ", request.target, range.empty() ? "" : " ", range));
  if (failures_ > 0) {
    --failures_;
    if (failure_code_ == "PermanentRedirect") {
      response->set_header("x-amz-bucket-region", "eu-west-1");
    }
    return Fail(failure_status_, failure_code_, response);
  }
  if (request.get_header_value("Authorization").find("Credential=key/") == std::string::npos) {
    return Fail(403, "InvalidAccessKeyId", response);
  }
  const auto [bucket_name, key] = Split(request.path.substr(1));
  const auto bucket = buckets_.find(bucket_name);
  if (bucket == buckets_.end()) return Fail(404, "NoSuchBucket", response);
  if (key.empty()) return AnswerList(request, bucket_name, response);
  const auto object = bucket->second.find(key);
  if (object == bucket->second.end()) return Fail(404, "NoSuchKey", response);
  const std::string match = request.get_header_value("If-Match");
  if (!match.empty() && match != absl::StrCat("\"", object->second.etag, "\"")) {
    return Fail(412, "PreconditionFailed", response);
  }
  AnswerObject(request, object->second, response);
}

void FakeS3::AnswerList(const httplib::Request& request, const std::string& bucket,
                        httplib::Response* response) {
  const std::string prefix = request.get_param_value("prefix");
  std::string after = request.get_param_value("continuation-token");
  std::string xml = "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
  size_t listed = 0;
  for (const auto& [key, object] : buckets_[bucket]) {
    if (!key.starts_with(prefix) || key <= after) continue;
    if (key.find('/', prefix.size()) != std::string::npos) continue;  // below another folder
    if (listed++ == page_size_) {
      absl::StrAppend(&xml, "<IsTruncated>true</IsTruncated><NextContinuationToken>", after,
                      "</NextContinuationToken>");
      break;
    }
    const auto size = static_cast<int64_t>(object.contents.size());
    absl::StrAppend(&xml, "<Contents><Key>", UriEncode(key, true), "</Key><Size>",
                    object.claimed_bytes < 0 ? size : object.claimed_bytes, "</Size><ETag>&quot;",
                    object.etag, "&quot;</ETag></Contents>");
    after = key;
  }
  absl::StrAppend(&xml, "</ListBucketResult>");
  response->set_content(xml, "application/xml");
}

void FakeS3::AnswerObject(const httplib::Request& request, const Object& object,
                          httplib::Response* response) {
  for (const auto& [name, value] : object.headers) response->set_header(name, value);
  response->set_header("ETag", absl::StrCat("\"", object.etag, "\""));
  std::string contents = object.contents;
  if (request.get_param_value("partNumber") == "1" && object.part_bytes > 0) {
    contents.resize(std::min(contents.size(), static_cast<size_t>(object.part_bytes)));
  }
  if (contents.empty() || request.method == "HEAD") {
    return response->set_content(contents, "binary/octet-stream");
  }
  const size_t bytes = contents.size();
  response->set_content_provider(
      bytes, "binary/octet-stream",
      [this, contents](size_t offset, size_t length, httplib::DataSink& sink) {
        return Serve(contents, offset, length, &sink);
      });
}

bool FakeS3::Serve(const std::string& contents, size_t offset, size_t length,
                   httplib::DataSink* sink) {
  bool cut = false;
  size_t first = length;  // bytes that go out at once
  {
    MutexLock lock(&mu_);
    if (cuts_ > 0) {
      --cuts_;
      cut = true;
      first = std::min(length, static_cast<size_t>(cut_after_));
    } else if (hold_after_ >= 0) {
      first = std::min(length, static_cast<size_t>(hold_after_));
    }
  }
  if (!sink->write(contents.data() + offset, first) || cut) return false;
  if (first == length) return true;
  {
    MutexLock lock(&mu_);
    held_ = true;
    changed_.SignalAll();
    while (hold_after_ >= 0) changed_.Wait(&mu_);
  }
  return sink->write(contents.data() + offset + first, length - first);
}

}  // namespace rondo
