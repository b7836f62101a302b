#include "kernels/reference/rounding_step.h"

#include "kernels/reference/float_ops.h"
#include "kernels/reference/reference.h"

namespace rondo::kernels::reference {

void FindRoundingGradient(const RoundingGradient& args) {
  for (int64_t begin = 0; begin < args.count; begin += kRoundingChunk) {
    float sums[kErrorSums] = {};
    for (int64_t i = begin; i < args.count && i < begin + kRoundingChunk; ++i) {
      float value;
      args.gradient[i] =
          GradientOfAlpha<FloatOps>(args.alpha[i], args.uses[i], args.sum[i], args, &value);
      sums[i % kErrorSums] += value;
    }
    for (int width = kErrorSums / 2; width > 0; width /= 2) {
      for (int l = 0; l < width; ++l) sums[l] += sums[l + width];
    }
    args.regulariser[begin / kRoundingChunk] = sums[0];
  }
}

void RunAdam(const Adam& args) {
  for (int64_t i = 0; i < args.count; ++i) {
    args.value[i] = AdamValue<FloatOps>(args.value[i], args.gradient[i], args, args.mean + i,
                                        args.variance + i);
  }
}

}  // namespace rondo::kernels::reference
