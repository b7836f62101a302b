#include "common/format/checkpoint.h"
#include "tests/fuzz/target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const rondo::FuzzDir dir;
  const auto config = rondo::ReadModelConfig(dir.Write("config.json", rondo::AsText(data, size)));
  if (config.ok()) (void)rondo::LayoutOf(*config).ok();
  return 0;
}
