#include "common/s3/s3_answers.h"
#include "tests/fuzz/target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = rondo::AsText(data, size);
  (void)rondo::ParseListPage(text).ok();
  (void)rondo::ErrorCode(text);
  return 0;
}
