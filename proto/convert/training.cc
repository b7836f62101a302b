#include "proto/convert/training.h"

namespace rondo {

v1::LayerClustered ToProto(const LayerClustered& clustered) {
  v1::LayerClustered proto;
  proto.set_layer(clustered.layer);
  proto.set_rank(clustered.rank);
  proto.set_seconds(clustered.seconds);
  for (const ClusterReport& linear : clustered.linears) {
    v1::ClusterReport* added = proto.add_linears();
    added->set_name(linear.name);
    added->set_codes(linear.codes);
    added->set_distortion(linear.distortion);
    added->set_flipped(linear.flipped);
    added->set_share(linear.share);
    added->set_iterations(linear.iterations);
  }
  return proto;
}

LayerClustered FromProto(const v1::LayerClustered& proto) {
  LayerClustered clustered{proto.layer(), proto.rank(), proto.seconds(), {}};
  for (const v1::ClusterReport& linear : proto.linears()) {
    clustered.linears.push_back({linear.name(), linear.codes(), linear.distortion(),
                                 linear.flipped(), linear.share(), linear.iterations()});
  }
  return clustered;
}

v1::TrainingStep ToProto(const TrainingStep& step) {
  v1::TrainingStep proto;
  proto.set_step(step.step);
  proto.set_steps(step.steps);
  proto.set_objective(step.objective);
  proto.set_loss(step.loss);
  proto.set_divergence(step.divergence);
  proto.set_regulariser(step.regulariser);
  proto.set_decided(step.decided);
  proto.set_learning_rate(step.learning_rate);
  proto.set_tokens_per_second(step.tokens_per_second);
  proto.set_seconds_left(step.seconds_left);
  return proto;
}

TrainingStep FromProto(const v1::TrainingStep& proto) {
  return {proto.step(),        proto.steps(),         proto.objective(),
          proto.loss(),        proto.divergence(),    proto.regulariser(),
          proto.decided(),     proto.learning_rate(), proto.tokens_per_second(),
          proto.seconds_left()};
}

v1::TrainingFinished ToProto(const TrainingFinished& finished) {
  v1::TrainingFinished proto;
  proto.set_parameters(finished.parameters);
  proto.set_weights(finished.weights);
  proto.set_undecided(finished.undecided);
  proto.set_changed(finished.changed);
  proto.set_soft_divergence(finished.soft_divergence);
  proto.set_hard_divergence(finished.hard_divergence);
  proto.set_peak_bytes(finished.peak_bytes);
  return proto;
}

TrainingFinished FromProto(const v1::TrainingFinished& proto) {
  return {proto.parameters(),      proto.weights(),         proto.undecided(), proto.changed(),
          proto.soft_divergence(), proto.hard_divergence(), proto.peak_bytes()};
}

}  // namespace rondo
