#include "worker/comm/communicator.h"

namespace rondo {
namespace {

class SingleRankCommunicator final : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  absl::StatusOr<std::unique_ptr<Pending>> Send(const at::Tensor&, int to) override {
    return NoPeer(to);
  }
  absl::StatusOr<std::unique_ptr<Pending>> Receive(const at::Tensor&, int from) override {
    return NoPeer(from);
  }
  absl::Status Broadcast(const at::Tensor&, int) override { return absl::OkStatus(); }
  absl::Status Barrier() override { return absl::OkStatus(); }

 private:
  static absl::Status NoPeer(int rank) {
    return absl::InternalError(absl::StrCat("rank ", rank, " is not in this gang of one"));
  }
};

}  // namespace

std::unique_ptr<Communicator> SingleRank() { return std::make_unique<SingleRankCommunicator>(); }

}  // namespace rondo
