#include "worker/comm/rendezvous.h"

#include <chrono>

#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "absl/strings/numbers.h"
#include "worker/model/catch_torch.h"

namespace rondo {
namespace {

c10d::TCPStoreOptions StoreOptions(absl::Duration timeout) {
  c10d::TCPStoreOptions options;
  options.waitWorkers = false;
  options.timeout = std::chrono::milliseconds(absl::ToInt64Milliseconds(timeout));
  return options;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Rendezvous>> Listen(const std::string& host,
                                                   absl::Duration timeout) {
  return CatchTorch("rendezvous", [&]() -> absl::StatusOr<std::unique_ptr<Rendezvous>> {
    c10d::TCPStoreOptions options = StoreOptions(timeout);
    options.isServer = true;
    options.port = 0;
    auto store = c10::make_intrusive<c10d::TCPStore>(host, options);
    std::string address = absl::StrCat(host, ":", store->getPort());
    return std::make_unique<StoreRendezvous>(std::move(store), std::move(address));
  });
}

absl::StatusOr<std::unique_ptr<Rendezvous>> Connect(const std::string& address,
                                                    absl::Duration timeout) {
  const size_t colon = address.rfind(':');
  int port = 0;
  if (colon == std::string::npos || !absl::SimpleAtoi(address.substr(colon + 1), &port) ||
      port < 1 || port > 65535) {
    return absl::InvalidArgumentError(
        absl::StrCat("rendezvous address \"", address, "\" is not host:port"));
  }
  auto connected = CatchTorch("rendezvous", [&]() -> absl::StatusOr<std::unique_ptr<Rendezvous>> {
    c10d::TCPStoreOptions options = StoreOptions(timeout);
    options.port = static_cast<uint16_t>(port);
    auto store = c10::make_intrusive<c10d::TCPStore>(address.substr(0, colon), options);
    return std::make_unique<StoreRendezvous>(std::move(store), address);
  });
  if (!connected.ok()) {
    return absl::UnavailableError(absl::StrCat("nobody answers at the gang's rendezvous ", address,
                                               ": ", std::string(connected.status().message())));
  }
  return connected;
}

}  // namespace rondo
