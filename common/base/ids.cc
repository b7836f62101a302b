#include "common/base/ids.h"

#include <random>

#include "absl/strings/str_format.h"

namespace rondo {

std::string RandomHexId() {
  std::random_device device;
  return absl::StrFormat("%08x%08x%08x%08x", device(), device(), device(), device());
}

}  // namespace rondo
