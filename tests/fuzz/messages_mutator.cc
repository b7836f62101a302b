#include "tests/fuzz/mutate.h"
#include "tests/fuzz/target.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned seed) {
  std::minstd_rand random(seed);
  if (size == 0 || random() % 8 == 0) return LLVMFuzzerMutate(data, size, max_size);
  auto message = rondo::NewMessage(rondo::KindOf(data[0]));
  const std::string mutated =
      rondo::Mutated(rondo::AsText(data + 1, size - 1), std::move(message), &random);
  return 1 + rondo::Place(mutated, data + 1, max_size - 1);
}
