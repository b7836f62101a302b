#include "common/process/process_usage.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <ctime>
#include <thread>

#include "common/base/mutex.h"

namespace rondo {
namespace {

TEST(ProcessUsage, CountsDescriptorsAndThreads) {
  std::thread([] {}).join();  // ThreadSanitizer's own thread comes with the first.
  const ProcessUsage before = *ReadProcessUsage(getpid());
  const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  Mutex mu;
  mu.Lock();
  std::thread waiting([&] { MutexLock lock(&mu); });
  const ProcessUsage more = *ReadProcessUsage(getpid());
  EXPECT_EQ(more.open_fds, before.open_fds + 1);
  EXPECT_EQ(more.threads, before.threads + 1);
  mu.Unlock();
  waiting.join();
  close(fd);
  EXPECT_EQ(ReadProcessUsage(getpid())->open_fds, before.open_fds);
}

TEST(ProcessUsage, KnowsMemoryAndWhenItStarted) {
  const ProcessUsage before = *ReadProcessUsage(getpid());
  EXPECT_LE(before.start_time_seconds, static_cast<double>(std::time(nullptr)) + 1);
  EXPECT_GT(before.start_time_seconds, static_cast<double>(std::time(nullptr)) - 3600);
  const std::string held(64 << 20, 'x');  // written, so resident
  EXPECT_GE(ReadProcessUsage(getpid())->resident_bytes - before.resident_bytes, 60 << 20);
  EXPECT_EQ(held.back(), 'x');
}

TEST(ProcessUsage, AProcessThatIsNotThereIsNotFound) {
  EXPECT_EQ(ReadProcessUsage(0x7fffffff).status(),
            absl::NotFoundError("process 2147483647 cannot be looked at in /proc/2147483647"));
}

}  // namespace
}  // namespace rondo
