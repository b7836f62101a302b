// A client of a soak that waits for its answers, checks them and writes them into the ledger. For
// one thread.
#pragma once

#include <memory>
#include <string>

#include "client/lib/client.h"
#include "common/base/random.h"
#include "tests/faults/soak_clients.h"

namespace rondo {

class GoodClient {
 public:
  GoodClient(Soak* soak, uint64_t seed)
      : soak_(soak), random_(seed), client_(RondoClient::Connect(soak->cluster->address())) {}

  JobId Submit(const JobSpec& spec, const std::string& request);
  void Cancel(const JobId& id, absl::StatusCode code = absl::StatusCode::kOk);
  // Every event after number `after`, until the job has ended.
  Job Watch(const JobId& id, int64_t after = 0);
  // From the submission to the artifact; some are cancelled.
  void OneJob();
  // One call that changes nothing; some are refused.
  void ReadAround();

 private:
  void Expect(const char* method, const absl::Status& end,
              absl::StatusCode code = absl::StatusCode::kOk);
  void ListSome();
  void Fetch(const JobId& id);
  void SendATokenInPlaintext();

  Soak* const soak_;
  SplitMix64 random_;
  const std::unique_ptr<RondoClient> client_;
};

}  // namespace rondo
