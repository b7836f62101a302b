#include "tests/fuzz/target.h"
#include "worker/text/sentence_piece.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  (void)rondo::ReadSentencePiece(rondo::AsText(data, size), nlohmann::json::object()).ok();
  return 0;
}
