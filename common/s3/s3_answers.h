// What the service's XML says. Pure functions of text that comes from outside: bounded, and strict
// about what is used.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/status.h"

namespace rondo {

struct ListedObject {
  std::string key;
  int64_t bytes = 0;
  std::string etag;  // without its quotes
};

struct ListPage {
  std::vector<ListedObject> objects;
  std::string next;  // the token of the next page; empty: this was the last
};

// The answer to ListObjectsV2 with encoding-type=url. INVALID_ARGUMENT: it is none.
absl::StatusOr<ListPage> ParseListPage(std::string_view xml);

// "NoSuchKey": the <Code> of an <Error>; empty: there is none.
std::string ErrorCode(std::string_view xml);

}  // namespace rondo
