#include "proto/convert/spec.h"

#include <utility>

#include "proto/convert/enums.h"
#include "proto/convert/method.h"

namespace rondo {
namespace {

template <typename T>
T OrDefault(T value, T default_value) {
  return value == T{} ? default_value : value;
}

EvaluationSpec EvaluationFromProto(const v1::EvaluationSpec& proto) {
  EvaluationSpec evaluation;
  for (const v1::EvaluationSet& set : proto.sets()) {
    evaluation.sets.push_back({set.name(), set.path()});
  }
  evaluation.seq_len = OrDefault(proto.seq_len(), evaluation.seq_len);
  evaluation.windows = proto.windows();
  evaluation.original = !proto.skip_original();
  return evaluation;
}

v1::EvaluationSpec EvaluationToProto(const EvaluationSpec& evaluation) {
  v1::EvaluationSpec proto;
  for (const EvaluationSet& set : evaluation.sets) {
    v1::EvaluationSet* added = proto.add_sets();
    added->set_name(set.name);
    added->set_path(set.path);
  }
  proto.set_seq_len(evaluation.seq_len);
  proto.set_windows(evaluation.windows);
  proto.set_skip_original(!evaluation.original);
  return proto;
}

v1::LayerOverride OverrideToProto(const LayerOverride& change) {
  v1::LayerOverride proto;
  proto.set_pattern(change.pattern);
  proto.set_skip(change.skip);
  if (change.bits) proto.set_bits(*change.bits);
  if (change.group_size) proto.set_group_size(*change.group_size);
  if (change.method) proto.set_method(EnumToProto<v1::LayerMethod>(*change.method));
  return proto;
}

absl::StatusOr<LayerOverride> OverrideFromProto(const v1::LayerOverride& proto) {
  LayerOverride change;
  change.pattern = proto.pattern();
  change.skip = proto.skip();
  if (proto.has_bits()) change.bits = proto.bits();
  if (proto.has_group_size()) change.group_size = proto.group_size();
  if (proto.method() != v1::LAYER_METHOD_UNSPECIFIED) {
    ASSIGN_OR_RETURN(change.method,
                     EnumFromProto("override.method", proto.method(), LayerMethod::kGptq));
  }
  return change;
}

}  // namespace

v1::DType ToProto(DType dtype) {
  switch (dtype) {
    case DType::kAuto: return v1::DTYPE_UNSPECIFIED;
    case DType::kFloat32: return v1::DTYPE_FLOAT32;
    case DType::kBFloat16: return v1::DTYPE_BFLOAT16;
    case DType::kFloat16: return v1::DTYPE_FLOAT16;
  }
  return v1::DTYPE_UNSPECIFIED;
}

absl::StatusOr<DType> FromProto(v1::DType dtype) {
  switch (dtype) {
    case v1::DTYPE_UNSPECIFIED: return DType::kAuto;
    case v1::DTYPE_FLOAT32: return DType::kFloat32;
    case v1::DTYPE_BFLOAT16: return DType::kBFloat16;
    case v1::DTYPE_FLOAT16: return DType::kFloat16;
    default: return UnknownEnum("dtype", dtype);
  }
}

v1::ExportFormat ToProto(ExportFormat format) {
  return format == ExportFormat::kDense ? v1::EXPORT_FORMAT_DENSE
                                        : v1::EXPORT_FORMAT_COMPRESSED_TENSORS;
}

absl::StatusOr<ExportFormat> FromProto(v1::ExportFormat format) {
  switch (format) {
    case v1::EXPORT_FORMAT_DENSE: return ExportFormat::kDense;
    case v1::EXPORT_FORMAT_COMPRESSED_TENSORS: return ExportFormat::kCompressedTensors;
    case v1::EXPORT_FORMAT_UNSPECIFIED:
      return absl::InvalidArgumentError(
          "export format is not set; set EXPORT_FORMAT_DENSE or EXPORT_FORMAT_COMPRESSED_TENSORS");
    default: return UnknownEnum("export format", format);
  }
}

v1::JobSpec ToProto(const JobSpec& spec) {
  v1::JobSpec proto;
  proto.set_model_path(spec.model.path);
  proto.mutable_calibration()->set_path(spec.calibration.path);
  proto.mutable_calibration()->set_samples(spec.calibration.samples);
  proto.mutable_calibration()->set_seq_len(spec.calibration.seq_len);
  proto.mutable_calibration()->set_seed(spec.calibration.seed);
  proto.mutable_grid()->set_bits(spec.grid.bits);
  proto.mutable_grid()->set_group_size(spec.grid.group_size);
  proto.mutable_grid()->set_asymmetric(!spec.grid.symmetric);
  MethodToProto(spec.method, &proto);
  for (const LayerOverride& change : spec.overrides) {
    *proto.add_overrides() = OverrideToProto(change);
  }
  proto.set_dtype(ToProto(spec.compute.dtype));
  proto.set_threads_per_rank(spec.compute.threads_per_rank);
  proto.set_micro_batch(spec.compute.micro_batch);
  proto.set_workers(spec.workers);
  proto.set_priority(spec.priority);
  *proto.mutable_evaluation() = EvaluationToProto(spec.evaluation);
  for (const ExportFormat format : spec.exports) proto.add_exports(ToProto(format));
  return proto;
}

absl::StatusOr<JobSpec> FromProto(const v1::JobSpec& proto) {
  JobSpec spec;
  spec.model.path = proto.model_path();
  CalibrationSpec& calibration = spec.calibration;
  calibration.path = proto.calibration().path();
  calibration.samples = OrDefault(proto.calibration().samples(), calibration.samples);
  calibration.seq_len = OrDefault(proto.calibration().seq_len(), calibration.seq_len);
  calibration.seed = proto.calibration().seed();
  spec.grid.bits = OrDefault(proto.grid().bits(), spec.grid.bits);
  spec.grid.group_size = OrDefault(proto.grid().group_size(), spec.grid.group_size);
  spec.grid.symmetric = !proto.grid().asymmetric();
  ASSIGN_OR_RETURN(spec.method, MethodFromProto(proto));
  for (const v1::LayerOverride& change : proto.overrides()) {
    ASSIGN_OR_RETURN(LayerOverride known, OverrideFromProto(change));
    spec.overrides.push_back(std::move(known));
  }
  ASSIGN_OR_RETURN(spec.compute.dtype, FromProto(proto.dtype()));
  spec.compute.threads_per_rank =
      OrDefault(proto.threads_per_rank(), spec.compute.threads_per_rank);
  spec.compute.micro_batch = OrDefault(proto.micro_batch(), spec.compute.micro_batch);
  spec.workers = proto.workers();
  spec.priority = proto.priority();
  spec.evaluation = EvaluationFromProto(proto.evaluation());
  const bool default_export =
      proto.exports().empty() && !std::holds_alternative<EvaluateOnly>(spec.method);
  if (!default_export) spec.exports.clear();
  for (const int format : proto.exports()) {
    ASSIGN_OR_RETURN(ExportFormat known, FromProto(static_cast<v1::ExportFormat>(format)));
    spec.exports.push_back(known);
  }
  return spec;
}

}  // namespace rondo
