#include "worker/engine/flop.h"

#include <set>

#include "worker/model/decoder.h"

namespace rondo {
namespace {

// Calls f(in) once for every distinct input of a decoder layer.
template <typename F>
void ForEachInput(const ModelLayout& layout, F f) {
  std::set<int> seen;
  for (const LinearLayout& linear : layout.linears) {
    if (seen.insert(linear.input).second) f(static_cast<double>(linear.in));
  }
}

}  // namespace

double ForwardFlop(const ModelLayout& layout, int64_t tokens, int64_t layers) {
  return 2.0 * static_cast<double>(tokens) * static_cast<double>(layers) *
         static_cast<double>(layout.LinearWeightsPerLayer());
}

double SequentialForwardFlop(const ModelLayout& layout, int64_t tokens, int64_t layers) {
  int64_t weights = layout.LinearWeightsPerLayer();
  for (const LinearLayout& linear : layout.linears) {
    const bool leads = linear.input == InputsOf(BlockOf(linear.input)).front();
    if (leads) weights += linear.out * linear.in;
  }
  return 2.0 * static_cast<double>(tokens) * static_cast<double>(layers) *
         static_cast<double>(weights);
}

double HessianFlop(const ModelLayout& layout, int64_t tokens, int64_t layers) {
  double flop = 0;
  ForEachInput(layout, [&](double in) { flop += static_cast<double>(tokens) * in * (in + 1); });
  return flop * static_cast<double>(layers);
}

double SolveFlop(const ModelLayout& layout, int64_t layers) {
  double flop = 0;
  ForEachInput(layout, [&](double in) { flop += in * in * in / 3; });
  for (const LinearLayout& linear : layout.linears) {
    flop += static_cast<double>(linear.out) * static_cast<double>(linear.in) *
            static_cast<double>(linear.in);
  }
  return flop * static_cast<double>(layers);
}

double HeadFlop(const ModelConfig& config, int64_t tokens) {
  return 2.0 * static_cast<double>(tokens) * static_cast<double>(config.hidden_size) *
         static_cast<double>(config.vocab_size);
}

}  // namespace rondo
