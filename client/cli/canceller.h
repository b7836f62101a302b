// Turns SIGINT, SIGTERM or an accident into the cancellation of the job that runs.
#pragma once

#include <signal.h>

#include <string>
#include <thread>

#include "client/lib/client.h"
#include "common/base/mutex.h"
#include "common/base/status.h"

namespace rondo {

// Thread-safe. Make it before any other thread: it blocks the signals in the thread that makes it,
// and threads inherit that.
class Canceller {
 public:
  Canceller();
  ~Canceller();
  Canceller(const Canceller&) = delete;
  Canceller& operator=(const Canceller&) = delete;

  // The job to cancel, at once if that was asked for already. The client must outlive Forget().
  void Watch(RondoClient* client, const JobId& id);
  void Forget();

  // For `reason`: CANCELLED after a signal. The first one stays.
  void Cancel(const absl::Status& reason);
  // OK while nobody asked.
  absl::Status reason();

 private:
  void CancelJob() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  sigset_t signals_;
  sigset_t previous_;
  std::thread waiter_;
  Mutex mu_;
  bool closing_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status reason_ ABSL_GUARDED_BY(mu_);
  RondoClient* client_ ABSL_GUARDED_BY(mu_) = nullptr;
  JobId job_ ABSL_GUARDED_BY(mu_);
};

}  // namespace rondo
