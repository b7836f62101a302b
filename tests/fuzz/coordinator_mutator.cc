#include <algorithm>
#include <vector>

#include "tests/fuzz/calls.h"
#include "tests/fuzz/mutate.h"
#include "tests/fuzz/target.h"

namespace rondo {
namespace {

// One call is changed, left out, made twice or made at another time.
void Mutate(std::vector<Call>* calls, std::minstd_rand* random) {
  const auto any = [&] { return calls->begin() + (*random)() % calls->size(); };
  switch ((*random)() % 8) {
    case 0: calls->erase(any()); return;
    case 1: calls->insert(any(), Call(*any())); return;
    case 2: std::iter_swap(any(), any()); return;
    default: break;
  }
  const auto call = any();
  call->message = Mutated(call->message, NewMessage(CallKindOf(call->kind)), random);
}

}  // namespace
}  // namespace rondo

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned seed) {
  std::minstd_rand random(seed);
  std::vector<rondo::Call> calls = rondo::ReadCalls(rondo::AsText(data, size));
  if (calls.empty() || random() % 16 == 0) return LLVMFuzzerMutate(data, size, max_size);
  rondo::Mutate(&calls, &random);
  return rondo::Place(rondo::WriteCalls(calls), data, max_size);
}
