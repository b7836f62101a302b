// Reads the decoder layers of a checkpoint one after the other as a job does: into float32, with
// the search for NaN, each dropped before the next. Prints the seconds that it took.
//
//   rondo_load_bench MODEL_DIR
#include <cstdio>

#include "common/domain/model_config.h"
#include "tests/bench/measure.h"
#include "worker/engine/memory.h"
#include "worker/model/decoder.h"
#include "worker/model/weights.h"

namespace rondo {
namespace {

absl::Status ReadLayers(const std::string& dir) {
  ASSIGN_OR_RETURN(const ModelConfig config, ReadModelConfig(dir));
  ASSIGN_OR_RETURN(const Checkpoint checkpoint, OpenCheckpoint(dir));
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    RETURN_IF_ERROR(LoadStage(checkpoint, config, {.first_layer = layer, .end_layer = layer + 1},
                              at::kFloat, at::kCPU)
                        .status());
  }
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: rondo_load_bench MODEL_DIR\n");
    return 2;
  }
  const double start = Now();
  const absl::Status status = ReadLayers(argv[1]);
  if (!status.ok()) {
    std::fprintf(stderr, "%s\n", status.ToString().c_str());
    return 1;
  }
  std::printf("%.4f\n", Now() - start);
  GiveBackFreedMemory();  // Links a rank's heap.
  return 0;
}

}  // namespace
}  // namespace rondo

int main(int argc, char** argv) { return rondo::Main(argc, argv); }
