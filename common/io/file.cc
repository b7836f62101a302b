#include "common/io/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "common/io/posix.h"

namespace rondo {
namespace {

absl::StatusOr<struct stat> Stat(const std::string& path) {
  struct stat info = {};
  if (stat(path.c_str(), &info) != 0) return ErrnoStatus("stat", path, errno);
  return info;
}

bool IsNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

absl::Status WriteAtomically(const std::string& path, std::span<const std::byte> contents) {
  const std::string partial = PartialPath(path);
  ASSIGN_OR_RETURN(const FileDescriptor fd, OpenFd(partial, O_WRONLY | O_CREAT | O_EXCL));
  absl::Status status = WriteFullyAt(fd.get(), 0, contents, path);
  if (status.ok()) status = PublishFile(fd.get(), partial, path);
  if (!status.ok()) unlink(partial.c_str());
  return status;
}

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& path, int64_t max_bytes) {
  ASSIGN_OR_RETURN(const int64_t size, FileSize(path));
  if (size > max_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " has ", size, " bytes; at most ", max_bytes, " are read"));
  }
  ASSIGN_OR_RETURN(const FileDescriptor fd, OpenFd(path, O_RDONLY));
  std::string contents(size, '\0');
  size_t done = 0;
  while (done < contents.size()) {
    const ssize_t got = read(fd.get(), contents.data() + done, contents.size() - done);
    if (got < 0) {
      if (errno == EINTR) continue;
      return ErrnoStatus("read", path, errno);
    }
    if (got == 0) break;
    done += got;
  }
  contents.resize(done);
  return contents;
}

absl::Status WriteFileAtomically(const std::string& path, const std::string& contents) {
  return WriteAtomically(path, std::as_bytes(std::span(contents.data(), contents.size())));
}

absl::Status CopyFileAtomically(const std::string& from, const std::string& to) {
  ASSIGN_OR_RETURN(const auto source, MappedFile::Open(from));
  return WriteAtomically(to, source->bytes());
}

absl::Status RemoveFile(const std::string& path) {
  if (unlink(path.c_str()) != 0 && errno != ENOENT) return ErrnoStatus("remove", path, errno);
  return absl::OkStatus();
}

absl::Status SyncDir(const std::string& dir) {
  ASSIGN_OR_RETURN(const FileDescriptor fd, OpenFd(dir, O_RDONLY | O_DIRECTORY));
  if (fsync(fd.get()) != 0) return ErrnoStatus("fsync", dir, errno);
  return absl::OkStatus();
}

absl::StatusOr<int64_t> FileSize(const std::string& path) {
  ASSIGN_OR_RETURN(const struct stat info, Stat(path));
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is not a regular file"));
  }
  return info.st_size;
}

bool FileExists(const std::string& path) {
  const auto info = Stat(path);
  return info.ok() && S_ISREG(info->st_mode);
}

bool IsDirectory(const std::string& path) {
  const auto info = Stat(path);
  return info.ok() && S_ISDIR(info->st_mode);
}

absl::StatusOr<std::vector<std::string>> ListFiles(const std::string& dir) {
  std::error_code error;
  std::vector<std::string> names;
  std::filesystem::directory_iterator it(dir, error);
  for (; !error && it != std::filesystem::directory_iterator(); it.increment(error)) {
    std::error_code dangling;  // a symbolic link that leads nowhere is no file
    if (it->is_regular_file(dangling)) names.push_back(it->path().filename().string());
  }
  if (error) return ErrnoStatus("list", dir, error.value());
  std::sort(names.begin(), names.end());
  return names;
}

absl::Status MakeDirs(const std::string& dir) {
  std::error_code error;
  std::filesystem::create_directories(dir, error);
  if (error) return ErrnoStatus("make folder", dir, error.value());
  if (!IsDirectory(dir)) {
    return absl::InternalError(absl::StrCat("make folder ", dir, ": the path is not a folder"));
  }
  return absl::OkStatus();
}

std::string JoinPath(const std::string& dir, const std::string& name) {
  if (dir.empty()) return name;
  return dir.back() == '/' ? absl::StrCat(dir, name) : absl::StrCat(dir, "/", name);
}

absl::Status ValidateFileName(const std::string& what, const std::string& name) {
  if (name.empty() || name.size() > 255 || name == "." || name == ".." ||
      !std::all_of(name.begin(), name.end(), IsNameCharacter)) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " \"", name,
                     "\" is not a file name; 1 to 255 of the characters A-Z a-z 0-9 . _ - are "
                     "accepted, but not \".\" or \"..\""));
  }
  return absl::OkStatus();
}

}  // namespace rondo
