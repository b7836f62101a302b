// Messages between the ranks of one gang. Implementations: over c10d (Gloo on CPU, NCCL on GPU) and
// a single rank that has no peers.
//
// Tensors must be contiguous and of the shape and dtype that the other side uses. All calls come
// from one thread; sends and receives complete in order. A peer that died or stayed silent for the
// group's timeout is UNAVAILABLE.
#pragma once

#include <memory>
#include <string>

#include <ATen/core/Tensor.h>

#include "absl/time/time.h"
#include "common/base/status.h"

namespace rondo {

// A message under way; it holds its tensor until Wait() returned or it is destroyed.
class Pending {
 public:
  virtual ~Pending() = default;
  virtual absl::Status Wait() = 0;
};

class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual absl::StatusOr<std::unique_ptr<Pending>> Send(const at::Tensor& tensor, int to) = 0;
  virtual absl::StatusOr<std::unique_ptr<Pending>> Receive(const at::Tensor& into, int from) = 0;
  // tensor: the data on `root`, overwritten elsewhere.
  virtual absl::Status Broadcast(const at::Tensor& tensor, int root) = 0;
  virtual absl::Status Barrier() = 0;
  int64_t bytes_sent() const { return bytes_sent_; }

 protected:
  int64_t bytes_sent_ = 0;
};

// size() == 1.
std::unique_ptr<Communicator> SingleRank();

// Where the ranks of a gang meet: rank 0 listens, the others connect.
class Rendezvous {
 public:
  virtual ~Rendezvous() = default;
  virtual const std::string& address() const = 0;  // host:port
};

// Rank 0: binds a free port on all interfaces, advertised as `host`.
absl::StatusOr<std::unique_ptr<Rendezvous>> Listen(const std::string& host, absl::Duration timeout);
// The others. UNAVAILABLE when nobody answers in time.
absl::StatusOr<std::unique_ptr<Rendezvous>> Connect(const std::string& address,
                                                    absl::Duration timeout);

struct GroupOptions {
  int rank = 0;
  int size = 1;
  std::string host;        // this rank's own address, for the data connections
  std::string generation;  // keeps the keys of one gang apart from those of another
  at::Device device = at::kCPU;
  absl::Duration timeout = absl::Minutes(30);  // of one message: a stage may compute that long
};

// Forms the group; every rank must call it. Takes the rendezvous, which must outlive the group.
absl::StatusOr<std::unique_ptr<Communicator>> JoinGroup(std::unique_ptr<Rendezvous> rendezvous,
                                                        const GroupOptions& options);

}  // namespace rondo
