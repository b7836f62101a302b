// Named places in the code at which a test ends the process, to see that what was acknowledged is
// there afterwards. Compiled in by the CMake option RONDO_FAILPOINTS only; otherwise nothing.
//
// Environment, read at the first hit:
//   RONDO_FAILPOINT      "NAME" or "NAME:N": the N-th time (1 by default) that NAME is reached, the
//                        process ends as by kill -9
//   RONDO_FAILPOINT_LOG  a file; the name of every failpoint that is reached is appended, a line
//   each
#pragma once

#include <array>
#include <string_view>

namespace rondo {

// Every failpoint: a durable step's both sides. A crash test goes through this list, so that a
// failpoint which is never reached is seen.
inline constexpr std::array<std::string_view, 20> kFailpoints = {
    "store.migrate.before",    // a file of an older schema is about to be changed
    "store.migrate.after",     //
    "store.create.before",     // nothing of a new job is written
    "store.create.written",    // in the transaction, not committed
    "store.create.after",      // committed, not acknowledged
    "store.append.before",     // nothing of some events is written
    "store.append.written",    // in the transaction, not committed
    "store.append.after",      // committed, not applied to memory, nobody was told
    "job.cancel.recorded",     // CANCELLED is in the store, the ranks were not told
    "gang.folder.before",      // the generation's folder is not made
    "gang.folder.after",       // made, with the former generation's checkpoint
    "gang.recorded",           // reserved in the store, no agent was told
    "gang.started",            // all agents were told
    "publish.before",          // all ranks succeeded, artifacts are in the generation's folder
    "publish.after",           // artifacts are in the job's folder, not SUCCEEDED yet
    "job.succeeded.recorded",  // SUCCEEDED is in the store, leftovers are not removed
    "job.failed.recorded",     // likewise FAILED
    "recover.before",          // a new process has read the store
    "recover.recorded",        // jobs that ran are RECOVERING, leftovers are not removed
    "recover.after",           //
};

consteval std::string_view FailpointName(std::string_view name) {
  for (const std::string_view known : kFailpoints) {
    if (known == name) return name;
  }
  throw "add the failpoint to kFailpoints";  // only ever seen by the compiler
}

void ReachFailpoint(std::string_view name);

}  // namespace rondo

#ifdef RONDO_FAILPOINTS
#define RONDO_FAILPOINT(name) ::rondo::ReachFailpoint(::rondo::FailpointName(name))
#else
#define RONDO_FAILPOINT(name) static_cast<void>(0)
#endif
