// An S3 service of the tests: objects in memory, served on a port of its own, and the faults that a
// test asks for. It looks at no signature; tests/e2e/s3_sources.py runs against one that does.
#pragma once

#include <httplib.h>

#include <cstdint>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "common/base/mutex.h"
#include "common/s3/s3_options.h"

namespace rondo {

class FakeS3 {
 public:
  FakeS3();
  ~FakeS3();

  S3Options options() const;  // of a client that may do everything, and repeats without a pause

  void MakeBucket(const std::string& bucket);
  // `path` is "bucket/key". In one piece, or in parts of so many bytes.
  void Put(const std::string& path, const std::string& contents, int64_t part_bytes = 0);
  // Every file of a folder, below a prefix "bucket/key".
  void PutFolder(const std::string& path, const std::string& folder);
  // A header that comes with the object from now on.
  void SetHeader(const std::string& path, const std::string& name, const std::string& value);
  // What is served differs in one byte from what was put, in its checksums not.
  void Damage(const std::string& path);
  // The list says so, whatever the object's size is.
  void ClaimBytes(const std::string& path, int64_t bytes);

  // The next bodies of objects break off after so many bytes.
  void CutAfter(int64_t bytes, int times);
  // The next bodies of objects stop after so many bytes until Release().
  void HoldAfter(int64_t bytes);
  void WaitUntilHeld();
  // The same, and until the one file <folder>/*/<name> has so many bytes.
  void WaitUntilHeld(const std::string& folder, const std::string& name, int64_t bytes);
  void Release();
  // The next requests fail. PermanentRedirect is to region eu-west-1.
  void FailNext(int times, int status, const std::string& code);
  void SetPageSize(size_t keys);

  // "GET /bucket/key?query bytes=0-9", in order; those that came since the last call.
  std::vector<std::string> TakeRequests();

 private:
  struct Object {
    std::string contents;
    std::string etag;
    int64_t part_bytes = 0;
    int64_t claimed_bytes = -1;
    std::map<std::string, std::string> headers;
  };
  void Answer(const httplib::Request& request, httplib::Response* response);
  void AnswerList(const httplib::Request& request, const std::string& bucket,
                  httplib::Response* response) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void AnswerObject(const httplib::Request& request, const Object& object,
                    httplib::Response* response) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Writes some of an object; false: the connection ends here.
  bool Serve(const std::string& contents, size_t offset, size_t length, httplib::DataSink* sink);

  httplib::Server server_;
  int port_ = 0;
  std::thread thread_;

  Mutex mu_;
  CondVar changed_;
  std::map<std::string, std::map<std::string, Object>> buckets_ ABSL_GUARDED_BY(mu_);
  std::vector<std::string> requests_ ABSL_GUARDED_BY(mu_);
  size_t page_size_ ABSL_GUARDED_BY(mu_) = 1000;
  int64_t cut_after_ ABSL_GUARDED_BY(mu_) = 0;
  int cuts_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t hold_after_ ABSL_GUARDED_BY(mu_) = -1;  // -1: nothing is held
  bool held_ ABSL_GUARDED_BY(mu_) = false;
  int failures_ ABSL_GUARDED_BY(mu_) = 0;
  int failure_status_ ABSL_GUARDED_BY(mu_) = 0;
  std::string failure_code_ ABSL_GUARDED_BY(mu_);
};

}  // namespace rondo
