#include "server/core/gang.h"

namespace rondo {

bool IsRetryable(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kUnknown: return true;
    default: return false;
  }
}

bool CountsAsRetry(const Gang& gang, const absl::Status& verdict) {
  // Those that a worker leaves behind lose a peer or are told to stop; anything else is their own.
  return !gang.maintenance || !(absl::IsUnavailable(verdict) || absl::IsCancelled(verdict));
}

absl::Status Verdict(const Gang& gang) {
  // CANCELLED is how a rank ends that was told to stop, UNAVAILABLE one that lost its peer.
  const auto weight = [](const absl::Status& status) {
    if (status.ok()) return 0;
    if (!IsRetryable(status)) return 4;
    if (absl::IsCancelled(status)) return 1;
    return absl::IsUnavailable(status) ? 2 : 3;
  };
  absl::Status verdict;
  for (const absl::Status& end : gang.ends) {
    if (weight(end) > weight(verdict)) verdict = end;
  }
  if (!verdict.ok() && weight(gang.stalled) > weight(verdict)) return gang.stalled;
  return verdict;
}

}  // namespace rondo
