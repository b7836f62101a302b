// Compares checkpoints byte by byte.
#pragma once

#include <algorithm>
#include <string>

#include <gtest/gtest.h>

#include "common/format/checkpoint.h"

namespace rondo {

inline void ExpectSameTensors(const std::string& a_dir, const std::string& b_dir) {
  auto a = Checkpoint::Open(a_dir);
  auto b = Checkpoint::Open(b_dir);
  ASSERT_TRUE(a.ok()) << a.status();
  ASSERT_TRUE(b.ok()) << b.status();
  ASSERT_EQ(a->names(), b->names());
  for (const std::string& name : a->names()) {
    const auto left = a->Find(name);
    const auto right = b->Find(name);
    ASSERT_EQ(left->info.shape, right->info.shape) << name;
    EXPECT_TRUE(std::ranges::equal(left->data, right->data)) << name;
  }
}

}  // namespace rondo
