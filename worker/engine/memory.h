// Memory of this process. Thread-safe.
//
// Its heap is jemalloc's: matrices of some MiB come and go all the time, which glibc's heap answers
// with a page fault for every 4 KiB, or, told to keep what is freed, with half as much again in
// holes (docs/results.md, "Memory").
#pragma once

#include <cstdint>

#include <c10/core/Device.h>

namespace rondo {

// Gives what is free in the heap back to the system: the next phase needs blocks of other sizes.
void GiveBackFreedMemory();

// The most so far, in bytes: resident memory of the process where `device` is the CPU, else what
// torch holds on the device.
int64_t PeakMemory(c10::Device device);

}  // namespace rondo
