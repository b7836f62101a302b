#include "tests/fuzz/target.h"
#include "worker/text/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const rondo::FuzzDir dir;
  const auto tokenizer =
      rondo::Tokenizer::Load(dir.Write("tokenizer.json", rondo::AsText(data, size)));
  if (!tokenizer.ok()) return 0;
  const auto ids = (*tokenizer)->Encode("Hello, w\xC3\xB6rld  123\n<s>", true);
  if (ids.ok()) (void)(*tokenizer)->Decode(*ids).ok();
  return 0;
}
