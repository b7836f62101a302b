#include <chrono>
#include <utility>
#include <vector>

#include <ATen/ops/ones.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>

#include "worker/comm/backend.h"
#include "worker/comm/communicator.h"
#include "worker/comm/rendezvous.h"
#include "worker/model/catch_torch.h"

namespace rondo {
namespace {

// Everything that goes wrong between ranks is a peer or the network, which a new gang may mend.
absl::Status PeerError(const absl::Status& status) {
  return status.ok() ? status : absl::UnavailableError(std::string(status.message()));
}

class C10dPending final : public Pending {
 public:
  C10dPending(c10::intrusive_ptr<c10d::Work> work, at::Tensor tensor, std::string what)
      : work_(std::move(work)), tensor_(std::move(tensor)), what_(std::move(what)) {}

  absl::Status Wait() override {
    return PeerError(CatchTorch(what_, [&] {
      work_->wait();
      return absl::OkStatus();
    }));
  }

 private:
  c10::intrusive_ptr<c10d::Work> work_;
  at::Tensor tensor_;  // alive until the message is through
  std::string what_;
};

class C10dCommunicator final : public Communicator {
 public:
  C10dCommunicator(std::unique_ptr<Rendezvous> rendezvous, BackendPtr backend,
                   const GroupOptions& options)
      : rendezvous_(std::move(rendezvous)), backend_(std::move(backend)), options_(options) {}

  int rank() const override { return options_.rank; }
  int size() const override { return options_.size; }

  absl::StatusOr<std::unique_ptr<Pending>> Send(const at::Tensor& tensor, int to) override {
    bytes_sent_ += static_cast<int64_t>(tensor.nbytes());
    return Start(absl::StrCat("send to rank ", to), tensor,
                 [&](std::vector<at::Tensor>& list) { return backend_->send(list, to, 0); });
  }

  absl::StatusOr<std::unique_ptr<Pending>> Receive(const at::Tensor& into, int from) override {
    return Start(absl::StrCat("receive from rank ", from), into,
                 [&](std::vector<at::Tensor>& list) { return backend_->recv(list, from, 0); });
  }

  absl::Status Broadcast(const at::Tensor& tensor, int root) override {
    auto pending = Start(absl::StrCat("broadcast from rank ", root), tensor,
                         [&](std::vector<at::Tensor>& list) {
                           c10d::BroadcastOptions options;
                           options.rootRank = root;
                           return backend_->broadcast(list, options);
                         });
    if (!pending.ok()) return pending.status();
    return (*pending)->Wait();
  }

  // An all-reduce whose result is read, which both backends complete for every rank.
  absl::Status Barrier() override {
    const at::Tensor token = at::ones({1}, at::TensorOptions().device(options_.device));
    auto pending = Start("barrier", token,
                         [&](std::vector<at::Tensor>& list) { return backend_->allreduce(list); });
    if (!pending.ok()) return pending.status();
    RETURN_IF_ERROR((*pending)->Wait());
    return PeerError(CatchTorch("barrier", [&] {
      return token.item<float>() == static_cast<float>(size())
                 ? absl::OkStatus()
                 : absl::InternalError("ranks disagree about the size of the gang");
    }));
  }

 private:
  template <typename F>
  absl::StatusOr<std::unique_ptr<Pending>> Start(const std::string& what, const at::Tensor& tensor,
                                                 F&& start) {
    auto pending = CatchTorch(what, [&]() -> absl::StatusOr<std::unique_ptr<Pending>> {
      std::vector<at::Tensor> list = {tensor};
      return std::make_unique<C10dPending>(start(list), tensor, what);
    });
    if (!pending.ok()) return PeerError(pending.status());
    return pending;
  }

  std::unique_ptr<Rendezvous> rendezvous_;
  BackendPtr backend_;
  GroupOptions options_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Communicator>> JoinGroup(std::unique_ptr<Rendezvous> rendezvous,
                                                        const GroupOptions& options) {
  using Result = absl::StatusOr<std::unique_ptr<Communicator>>;
  const StorePtr store = static_cast<StoreRendezvous&>(*rendezvous).store();
  const std::string what = absl::StrCat("joining the gang as rank ", options.rank);
  return CatchTorch(what, [&]() -> Result {
    auto scoped = c10::make_intrusive<c10d::PrefixStore>(options.generation, store);
    ASSIGN_OR_RETURN(BackendPtr backend, options.device.is_cuda()
                                             ? MakeNcclBackend(scoped, options)
                                             : MakeGlooBackend(scoped, options));
    return std::make_unique<C10dCommunicator>(std::move(rendezvous), std::move(backend), options);
  });
}

}  // namespace rondo
