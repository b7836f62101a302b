#include "common/format/checkpoint.h"
#include "tests/fuzz/target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const rondo::FuzzDir dir;
  const auto config = rondo::ReadModelConfig(dir.Write("config.json", rondo::AsText(data, size)));
  if (!config.ok()) return 0;
  const auto layout = rondo::LayoutOf(*config);
  rondo::Require(layout.ok() && layout->LinearWeightsPerLayer() * config->num_layers > 0,
                 "a model that is accepted can be counted");
  return 0;
}
