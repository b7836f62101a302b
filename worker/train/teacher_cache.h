// The teacher's final hidden states (after the final norm) of every training window, on disk
// (docs/algorithms.md, section 9): a safetensors file named by a content key, written aside, synced
// and renamed, memory-mapped when read. With top_k the k most probable tokens and the tail's mass
// instead. Thread-compatible.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <ATen/core/Tensor.h>

#include "common/base/status.h"

namespace rondo {

// What a cache holds: hidden states [windows, seq, width] in `dtype`, or, with top_k > 0, ids
// int32, log-probabilities float32 [windows, seq, top_k] and tail mass float32 [windows, seq].
struct TeacherShape {
  int64_t windows = 0;
  int64_t seq = 0;
  int64_t width = 0;
  at::ScalarType dtype = at::kBFloat16;
  int64_t top_k = 0;
};

// Of content, never of names: the teacher's config.json, the headers of its safetensors or the
// directories of its PyTorch files, with the sizes and times of all of them, the token ids, and the
// settings of the cache. 64 hex digits.
absl::StatusOr<std::string> TeacherKey(const std::string& model_dir, const at::Tensor& tokens,
                                       const TeacherShape& shape, double temperature);

struct TopK {
  at::Tensor ids;       // [rows, k] int32, falling logits
  at::Tensor log_prob;  // [rows, k] float32, at the cache's temperature
  at::Tensor tail;      // [rows] float32: the mass of all other tokens
};

class TeacherCache {
 public:
  virtual ~TeacherCache() = default;
  virtual const TeacherShape& shape() const = 0;
  // Views of the mapping, valid as long as the cache.
  virtual at::Tensor Window(int64_t window) const = 0;  // [seq, width]; top_k == 0
  virtual TopK TopKOf(int64_t window) const = 0;        // rows = seq; top_k > 0
};

// NOT_FOUND: no such file; DATA_LOSS: cut short, corrupt, or of another key or shape. Verifies the
// SHA-256 of the data.
absl::StatusOr<std::unique_ptr<TeacherCache>> OpenTeacherCache(const std::string& dir,
                                                               const std::string& key,
                                                               const TeacherShape& shape);

// Whether there is a file, which may turn out not to be whole.
bool HasTeacherCache(const std::string& dir, const std::string& key);

class TeacherCacheWriter {
 public:
  virtual ~TeacherCacheWriter() = default;
  // hidden: [seq, width], converted to the cache's dtype.
  virtual absl::Status Put(int64_t window, const at::Tensor& hidden) = 0;
  virtual absl::Status PutTopK(int64_t window, const TopK& top_k) = 0;
  // After every window was put.
  virtual absl::Status Finish() = 0;
};

// Makes `dir`, and room in it (common/io/cache_room.h), which is taken at once. Writers of the same
// key at the same time do not disturb each other.
absl::StatusOr<std::unique_ptr<TeacherCacheWriter>> CreateTeacherCache(const std::string& dir,
                                                                       const std::string& key,
                                                                       const TeacherShape& shape,
                                                                       int64_t quota_bytes = 0);

// The k most probable tokens of softmax(logits / temperature); the tail is summed, not subtracted.
// logits: [rows, vocab].
TopK MakeTopK(const at::Tensor& logits, double temperature, int64_t k);

// sum over rows of T^2 (sum_k p (log p - log q) + tail (log tail - log q_tail)) (docs/algorithms.md
// 5.5); *gradient with respect to the student's logits, float32.
double TopKDivergence(const at::Tensor& student_logits, const TopK& teacher, double temperature,
                      at::Tensor* gradient);

}  // namespace rondo
