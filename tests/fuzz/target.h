// A fuzz target: what libFuzzer calls with made-up input, and replay_main.cc with the corpus. It
// must neither crash nor hang, whatever the input; what the reader answers does not matter.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace rondo {

inline std::string_view AsText(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// Ends the process, which is how a target reports what it has found.
inline void Require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

// A folder of this process that goes with it, for readers of files.
class FuzzDir {
 public:
  FuzzDir()
      : path_(std::filesystem::temp_directory_path() / ("rondo_fuzz_" + std::to_string(getpid()))) {
    std::filesystem::create_directories(path_);
  }
  ~FuzzDir() { std::filesystem::remove_all(path_); }
  FuzzDir(const FuzzDir&) = delete;
  FuzzDir& operator=(const FuzzDir&) = delete;

  std::string path() const { return path_.string(); }
  std::string Write(const std::string& name, std::string_view contents) const {
    std::ofstream(path_ / name, std::ios::binary) << contents;
    return path_.string();
  }

 private:
  const std::filesystem::path path_;
};

}  // namespace rondo
