#include "kernels/reference/reference.h"

namespace rondo::kernels {

const HostBackend& Reference() {
  static constexpr HostBackend kReference = {
      "reference",           reference::FitGrid,          reference::Quantize,
      reference::Dequantize, reference::RunGptqBlock,     reference::PackRows,
      reference::UnpackRows, reference::PackSecondMoment, reference::AccumulateSecondMoment,
  };
  return kReference;
}

}  // namespace rondo::kernels
