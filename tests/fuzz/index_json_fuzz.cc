#include "common/format/checkpoint.h"
#include "tests/fuzz/target.h"

// The shard "s" that the index may name holds the tensor "t".
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const rondo::FuzzDir dir;
  constexpr std::string_view kShard(
      "\x36\0\0\0\0\0\0\0{\"t\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}} x", 63);
  static const std::string path = dir.Write("s", kShard);
  dir.Write("model.safetensors.index.json", rondo::AsText(data, size));
  (void)rondo::Checkpoint::Open(path).ok();
  return 0;
}
