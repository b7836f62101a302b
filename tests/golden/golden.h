// Arrays of tests/data/golden as tensors.
#pragma once

#include <string>

#include <ATen/ATen.h>

#include "tests/golden/npz.h"

namespace rondo::testing {

class Golden {
 public:
  explicit Golden(const std::string& name)
      : arrays_(ReadNpz("tests/data/golden/" + name + ".npz")) {}

  // float64; at() throws for an array that is not there.
  at::Tensor Get(const std::string& name) const {
    const NpyArray& array = arrays_.at(name);
    return at::tensor(array.values, at::kDouble).view(array.shape);
  }
  at::Tensor Float(const std::string& name) const { return Get(name).to(at::kFloat); }
  double Scalar(const std::string& name) const { return arrays_.at(name).values.at(0); }

 private:
  std::map<std::string, NpyArray> arrays_;
};

inline bool Close(const at::Tensor& got, const at::Tensor& want) {
  return at::allclose(got.to(at::kDouble), want, 1e-4, 1e-9);
}

}  // namespace rondo::testing
