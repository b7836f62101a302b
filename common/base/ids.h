// Strong identifiers, so that a job id is never passed where a worker id is meant.
// Values; thread-compatible.
#pragma once

#include <compare>
#include <string>
#include <utility>

namespace rondo {

template <typename Tag>
class StringId {
 public:
  StringId() = default;
  explicit StringId(std::string value) : value_(std::move(value)) {}
  const std::string& value() const { return value_; }
  bool empty() const { return value_.empty(); }
  auto operator<=>(const StringId&) const = default;

  template <typename H>
  friend H AbslHashValue(H h, const StringId& id) {
    return H::combine(std::move(h), id.value_);
  }

 private:
  std::string value_;
};

using JobId = StringId<struct JobIdTag>;
using WorkerId = StringId<struct WorkerIdTag>;

// 128 random bits as 32 hex digits, from the operating system.
std::string RandomHexId();

}  // namespace rondo
