// What a job has on the disk that coordinator and workers share:
//   <root>/g<generation>/   where the ranks of one generation write; no other generation is told of
//                           it, so a rank that was taken for dead cannot touch its successor's
//                           files
//   <root>/<format>/        the artifacts, once the job has succeeded
// A generation that starts gets the checkpoint of the former one, by a rename. Every step can be
// done again after a crash in the midst of it. For one owner at a time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "common/domain/job.h"

namespace rondo {

class JobFolder {
 public:
  explicit JobFolder(std::string root) : root_(std::move(root)) {}

  std::string GenerationFolder(int64_t generation) const;
  // Makes the generation's folder, with the latest checkpoint, and removes all else.
  absl::Status Prepare(int64_t generation) const;
  // Of the checkpoint that Prepare() found.
  int64_t CheckpointBytes(int64_t generation) const;
  // Moves the artifacts of a generation whose ranks have all succeeded to where clients find them.
  absl::Status Publish(int64_t generation, const std::vector<ArtifactInfo>& artifacts) const;

  // Of these three, what cannot be removed is logged and stays: nobody reads it.
  void RemoveGenerations() const;       // of a job that succeeded
  void RemoveAllButCheckpoint() const;  // of a job that waits
  void RemoveAll() const;

 private:
  void RemoveAllBut(const std::string& kept) const;

  const std::string root_;
};

}  // namespace rondo
