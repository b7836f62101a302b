#include "common/io/beneath.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "common/base/ids.h"
#include "common/io/file.h"

namespace rondo {
namespace {

class Beneath : public testing::TestWithParam<bool> {
 protected:
  Beneath() : dir_(testing::TempDir() + "/beneath-" + RandomHexId()) {
    std::filesystem::create_directories(dir_ + "/root/sub");
    EXPECT_TRUE(WriteFileAtomically(dir_ + "/secret", "s").ok());
    EXPECT_TRUE(WriteFileAtomically(dir_ + "/root/sub/file", "f").ok());
    std::filesystem::create_symlink("sub/file", dir_ + "/root/inside");
    std::filesystem::create_symlink("sub", dir_ + "/root/inside-dir");
    std::filesystem::create_symlink("../secret", dir_ + "/root/outside");
    std::filesystem::create_symlink("..", dir_ + "/root/outside-dir");
    std::filesystem::create_symlink(dir_ + "/secret", dir_ + "/root/absolute");
    root_ = *OpenFd(dir_ + "/root", O_PATH | O_DIRECTORY);
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  // With and without openat2.
  absl::StatusCode Open(const std::string& path, int flags = O_RDONLY) {
    const auto fd = GetParam() ? OpenBeneathBySegments(root_.get(), path, flags, path)
                               : OpenBeneath(root_.get(), path, flags, Symlinks::kRefused, path);
    return fd.status().code();
  }

  std::string dir_;
  FileDescriptor root_;
};

TEST_P(Beneath, OpensWhatIsInside) {
  for (const char* path : {"sub/file", "sub", ".", "./sub//file"}) {
    EXPECT_EQ(Open(path), absl::StatusCode::kOk) << path;
  }
  EXPECT_EQ(Open("sub/none"), absl::StatusCode::kNotFound);
}

TEST_P(Beneath, RefusesWhatLeadsOut) {
  for (const char* path : {"..", "../secret", "sub/../../secret", "/etc/passwd", "outside",
                           "outside-dir/secret", "absolute"}) {
    EXPECT_EQ(Open(path), absl::StatusCode::kPermissionDenied) << path;
    EXPECT_EQ(Open(path, O_PATH), absl::StatusCode::kPermissionDenied) << path;
  }
}

TEST_P(Beneath, RefusesLinksThatStayInside) {
  EXPECT_EQ(Open("inside"), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Open("inside", O_PATH), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Open("inside-dir/file"), absl::StatusCode::kPermissionDenied);
}

INSTANTIATE_TEST_SUITE_P(WithAndWithoutOpenat2, Beneath, testing::Bool());

using BeneathWithLinks = Beneath;
TEST_P(BeneathWithLinks, FollowsLinksThatStayInside) {
  const auto open = [&](const std::string& path) {
    return OpenBeneath(root_.get(), path, O_RDONLY, Symlinks::kInside, path).status().code();
  };
  EXPECT_EQ(open("inside"), absl::StatusCode::kOk);
  EXPECT_EQ(open("inside-dir/file"), absl::StatusCode::kOk);
  for (const char* path : {"outside", "outside-dir/secret", "absolute"}) {
    EXPECT_EQ(open(path), absl::StatusCode::kPermissionDenied) << path;
  }
}
INSTANTIATE_TEST_SUITE_P(Openat2, BeneathWithLinks, testing::Values(false));

}  // namespace
}  // namespace rondo
