#include "client/cli/canceller.h"

#include <pthread.h>

namespace rondo {

Canceller::Canceller() {
  sigemptyset(&signals_);
  sigaddset(&signals_, SIGINT);
  sigaddset(&signals_, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals_, &previous_);
  waiter_ = std::thread([this] {
    while (true) {
      int signal = 0;
      sigwait(&signals_, &signal);
      {
        MutexLock lock(&mu_);
        if (closing_) return;
      }
      Cancel(absl::CancelledError("cancelled"));
    }
  });
}

Canceller::~Canceller() {
  {
    MutexLock lock(&mu_);
    closing_ = true;
  }
  // The thread takes it with sigwait.
  pthread_kill(waiter_.native_handle(), SIGTERM);  // NOLINT(bugprone-bad-signal-to-kill-thread)
  waiter_.join();
  pthread_sigmask(SIG_SETMASK, &previous_, nullptr);
}

void Canceller::Watch(RondoClient* client, const JobId& id) {
  MutexLock lock(&mu_);
  client_ = client;
  job_ = id;
  if (!reason_.ok()) CancelJob();
}

void Canceller::Forget() {
  MutexLock lock(&mu_);
  client_ = nullptr;
}

void Canceller::Cancel(const absl::Status& reason) {
  MutexLock lock(&mu_);
  if (reason_.ok()) reason_ = reason;
  CancelJob();
}

absl::Status Canceller::reason() {
  MutexLock lock(&mu_);
  return reason_;
}

void Canceller::CancelJob() {
  // A job that has ended meanwhile refuses; the watch tells how it ended.
  if (client_ != nullptr) client_->Cancel(job_).status().IgnoreError();
}

}  // namespace rondo
