// Writes one safetensors file whose tensors are all known beforehand and whose data arrive in any
// order, so that a layer is on disk as soon as it is finished and the model is never held.
//
// The data go to a ".partial" file aside, whose space is taken at once; Finish() checks that every
// tensor was written once, fsyncs and renames, so a file with the final name is complete. Not
// thread-safe.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "common/format/tensor_info.h"
#include "common/io/posix.h"

namespace rondo {

class SafetensorsWriter {
 public:
  // Data lie in the order of `tensors`; readers that map a file want larger element types first.
  static absl::StatusOr<std::unique_ptr<SafetensorsWriter>> Create(
      const std::string& path, const std::vector<TensorInfo>& tensors,
      const std::map<std::string, std::string>& metadata);
  ~SafetensorsWriter();  // removes the partial file if Finish() did not succeed

  // REQUIRES: the tensor was declared, data.size() is its size, it was not written before
  // (INVALID_ARGUMENT otherwise).
  absl::Status Write(const std::string& name, std::span<const std::byte> data);
  absl::Status Finish();

  // Before the first Write(), where Verify() will be called: remembers the SHA-256 of every tensor.
  void KeepDigests() { keep_digests_ = true; }
  // After Finish(): reads the file again, from the disk where the kernel lets go of its pages.
  // INTERNAL names what is not, byte for byte, as it was written.
  absl::Status Verify() const;

 private:
  struct Slot {
    int64_t offset = 0;  // from the start of the file
    int64_t bytes = 0;
    bool written = false;
    std::string digest;  // empty: not kept
  };
  SafetensorsWriter() = default;
  std::string path_;
  std::string partial_;  // empty: none to remove
  FileDescriptor fd_;
  std::map<std::string, Slot> slots_;
  bool keep_digests_ = false;
};

}  // namespace rondo
