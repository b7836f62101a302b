// The dequantized weight, in the dtype and under the name it had.
#include <ATen/ATen.h>

#include "worker/artifact/linear_format.h"

namespace rondo {
namespace {

class DenseLinear final : public LinearFormat {
 public:
  explicit DenseLinear(StorageType type) : type_(type) {}

  std::vector<TensorInfo> Tensors(const std::string& name, int64_t out, int64_t in) const override {
    return {{name + ".weight", type_, {out, in}}};
  }

  absl::Status Write(const std::string& name, const QuantizedLinear& linear,
                     SafetensorsWriter* writer) const override {
    ASSIGN_OR_RETURN(const at::Tensor weight, Dequantize(linear, ScalarTypeOf(type_)));
    return WriteTensor(name + ".weight", weight, writer);
  }

  absl::StatusOr<bool> Holds(const Checkpoint& file, const std::string& name,
                             const QuantizedLinear& linear) const override {
    ASSIGN_OR_RETURN(const at::Tensor weight, Dequantize(linear, ScalarTypeOf(type_)));
    ASSIGN_OR_RETURN(const at::Tensor stored,
                     ReadTensor(file, name + ".weight", weight.scalar_type(), weight.sizes()));
    return at::equal(stored, weight.to(at::kCPU));
  }

 private:
  StorageType type_;
};

}  // namespace

std::unique_ptr<LinearFormat> MakeDenseLinear(StorageType type) {
  return std::make_unique<DenseLinear>(type);
}

}  // namespace rondo
