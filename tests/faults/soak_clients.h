// The clients of a soak: good ones, hasty ones that do not wait for their answers, ones that are
// killed, and strangers that speak no gRPC. Each runs on a thread of its caller until it is told to
// stop, and leaves every job it knows of ended.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/faults/cluster.h"
#include "tests/faults/soak_ledger.h"

namespace rondo {

struct Soak {
  Cluster* cluster = nullptr;
  Ledger* ledger = nullptr;
  std::vector<JobSpec> specs;  // of jobs that end by themselves
  JobSpec endless;             // of one that must be cancelled
  JobId ended;                 // a job with a large artifact
  std::atomic<bool> stop = false;
  std::atomic<int64_t> killed = 0;     // clients
  std::atomic<int64_t> timed_out = 0;  // calls
  std::atomic<int64_t> strangers = 0;  // connections
};

// Submits (also the same request twice), watches, lists, cancels and downloads, and checks what it
// is told.
void RunGoodClient(Soak* soak, uint64_t seed);

// Calls with deadlines of microseconds and milliseconds over connections of their own; then submits
// once more, with patience, what it may have submitted.
void RunHastyClient(Soak* soak, uint64_t seed);

// Processes (soak_client_main.cc), most of which are killed while a watch or a download is open.
void RunProcesses(Soak* soak, uint64_t seed);

// Connections that say nothing, or half a handshake, or nonsense, to both ports.
void RunStrangers(Soak* soak, uint64_t seed);

}  // namespace rondo
