// The store behind a Rendezvous; internal to worker/comm.
#pragma once

#include <string>
#include <utility>

#include "worker/comm/backend.h"
#include "worker/comm/communicator.h"

namespace rondo {

class StoreRendezvous final : public Rendezvous {
 public:
  StoreRendezvous(StorePtr store, std::string address)
      : store_(std::move(store)), address_(std::move(address)) {}
  const std::string& address() const override { return address_; }
  const StorePtr& store() const { return store_; }

 private:
  StorePtr store_;
  std::string address_;
};

}  // namespace rondo
