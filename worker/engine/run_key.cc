#include "worker/engine/run_key.h"

#include <algorithm>
#include <span>

#include "absl/strings/str_join.h"
#include "common/format/checkpoint.h"
#include "common/io/file.h"
#include "common/io/sha256.h"

namespace rondo {
namespace {

// Of every tensor: another training has changed them, and a model of any size is looked at in
// moments.
constexpr size_t kFirstBytes = 4096;

absl::Status AddTensors(const Checkpoint& checkpoint, Sha256* digest) {
  for (const std::string& name : checkpoint.names()) {
    ASSIGN_OR_RETURN(const TensorView view, checkpoint.Find(name));
    digest->Update(absl::StrCat(name, " ", StorageTypeName(view.info.type), " [",
                                absl::StrJoin(view.info.shape, ","), "]\n"));
    digest->Update(view.data.first(std::min(kFirstBytes, view.data.size())));
    checkpoint.Drop(name);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> RunKey(const RankContext& ctx, const at::Tensor& calibration) {
  Sha256 digest;
  ASSIGN_OR_RETURN(const std::string config,
                   ReadFile(JoinPath(ctx.spec().model.path, "config.json")));
  digest.Update(absl::StrCat(config.size(), ":", config));
  RETURN_IF_ERROR(AddTensors(*ctx.checkpoint, &digest));
  const at::Tensor tokens = calibration.cpu().contiguous();
  digest.Update(absl::StrCat(absl::StrJoin(tokens.sizes(), "x"), "\n"));
  digest.Update({static_cast<const std::byte*>(tokens.const_data_ptr()), tokens.nbytes()});
  return absl::StrCat(ctx.task->job.value(), "/", digest.FinishHex());
}

}  // namespace rondo
