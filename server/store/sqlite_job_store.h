// JobStore in one SQLite file: write-ahead log, synchronous=FULL, locked for this process while it
// is open. Specs and events are serialized messages of proto/rondo/v1, so a newer release reads
// what an older one wrote. The schema's version is PRAGMA user_version; opening a file of an older
// schema brings it to this one's, in one transaction, after which the older release refuses it.
#pragma once

#include <memory>
#include <string>

#include "common/base/status.h"
#include "server/store/job_store.h"

namespace rondo {

// FAILED_PRECONDITION: another process has the file, or a newer release or another program wrote
// it.
absl::StatusOr<std::unique_ptr<JobStore>> OpenSqliteJobStore(const std::string& path);

}  // namespace rondo
