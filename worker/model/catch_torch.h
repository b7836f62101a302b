// Torch reports errors by throwing; nothing may leave a module that way. CatchTorch runs a function
// that returns Status or StatusOr<T> and turns an exception into a Status of its own:
// RESOURCE_EXHAUSTED for a device out of memory, INTERNAL otherwise, with the first line of what
// torch said after `what`.
#pragma once

#include <exception>
#include <string>
#include <utility>

#include <c10/util/Exception.h>

#include "common/base/status.h"

namespace rondo {

template <typename F>
auto CatchTorch(const std::string& what, F&& f) -> decltype(f()) {
  try {
    return std::forward<F>(f)();
  } catch (const c10::OutOfMemoryError& e) {
    return absl::ResourceExhaustedError(absl::StrCat(what, ": ", e.what_without_backtrace()));
  } catch (const c10::Error& e) {
    return absl::InternalError(absl::StrCat(what, ": ", e.what_without_backtrace()));
  } catch (const std::exception& e) {
    return absl::InternalError(absl::StrCat(what, ": ", e.what()));
  }
}

}  // namespace rondo
