#include "server/rpc/artifact_service.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "common/io/beneath.h"
#include "common/io/posix.h"
#include "proto/convert/spec.h"
#include "proto/convert/values.h"
#include "proto/rpc/status.h"

namespace rondo {
namespace {

constexpr int64_t kChunk = 1 << 20;

// Exactly `bytes` from `offset`.
absl::StatusOr<std::string> ReadChunk(int fd, int64_t offset, int64_t bytes,
                                      const std::string& path) {
  std::string chunk(bytes, '\0');
  int64_t done = 0;
  while (done < bytes) {
    const ssize_t got = pread(fd, chunk.data() + done, bytes - done, offset + done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus("read", path, errno);
    if (got == 0) return absl::DataLossError(absl::StrCat(path, " is shorter than published"));
    done += got;
  }
  return chunk;
}

// A rank wrote the folder: a name in it that leads elsewhere, or to no file, is not served.
absl::StatusOr<FileDescriptor> OpenPublished(const ArtifactFile& file) {
  ASSIGN_OR_RETURN(const FileDescriptor root, OpenFd(file.root, O_PATH | O_DIRECTORY));
  // O_NONBLOCK: opening a pipe would wait for its writer.
  ASSIGN_OR_RETURN(FileDescriptor fd, OpenBeneath(root.get(), file.path, O_RDONLY | O_NONBLOCK,
                                                  Symlinks::kRefused, file.path));
  struct stat status = {};
  if (fstat(fd.get(), &status) != 0) return ErrnoStatus("stat", file.path, errno);
  if (S_ISREG(status.st_mode)) return fd;
  return absl::DataLossError(absl::StrCat(file.path, " is not a file any more"));
}

absl::Status Send(const ArtifactFile& file, int64_t offset,
                  grpc::ServerWriter<v1::DownloadArtifactResponse>* writer) {
  if (offset < 0 || offset > file.info.bytes) {
    return absl::OutOfRangeError(absl::StrCat("offset is ", offset, "; ", file.info.name, " has ",
                                              file.info.bytes, " bytes"));
  }
  ASSIGN_OR_RETURN(const FileDescriptor fd, OpenPublished(file));
  v1::DownloadArtifactResponse response;
  *response.mutable_info() = ToProto(file.info);
  do {
    const int64_t bytes = std::min(kChunk, file.info.bytes - offset);
    ASSIGN_OR_RETURN(*response.mutable_data(), ReadChunk(fd.get(), offset, bytes, file.path));
    if (!writer->Write(response)) return absl::CancelledError("the client went away");
    offset += bytes;
    response.clear_info();
  } while (offset < file.info.bytes);
  return absl::OkStatus();
}

}  // namespace

grpc::Status ArtifactServiceHandler::ListArtifacts(grpc::ServerContext* context,
                                                   const v1::ListArtifactsRequest* request,
                                                   v1::ListArtifactsResponse* response) {
  const absl::StatusOr<Principal> caller =
      gate_->Admit(*context, "rondo.v1.ArtifactService/ListArtifacts");
  if (!caller.ok()) return ToGrpc(caller.status());
  const absl::StatusOr<std::vector<ArtifactInfo>> artifacts =
      coordinator_->Artifacts(JobId(request->job_id()));
  if (!artifacts.ok()) return ToGrpc(artifacts.status());
  for (const ArtifactInfo& artifact : *artifacts) *response->add_artifacts() = ToProto(artifact);
  return grpc::Status::OK;
}

grpc::Status ArtifactServiceHandler::DownloadArtifact(
    grpc::ServerContext* context, const v1::DownloadArtifactRequest* request,
    grpc::ServerWriter<v1::DownloadArtifactResponse>* writer) {
  const absl::StatusOr<Principal> caller =
      gate_->Admit(*context, "rondo.v1.ArtifactService/DownloadArtifact");
  if (!caller.ok()) return ToGrpc(caller.status());
  const absl::StatusOr<ExportFormat> format = FromProto(request->format());
  if (!format.ok()) return ToGrpc(format.status());
  const absl::StatusOr<ArtifactFile> file =
      coordinator_->Artifact(JobId(request->job_id()), *format, request->name());
  if (!file.ok()) return ToGrpc(file.status());
  return ToGrpc(Send(*file, request->offset(), writer));
}

}  // namespace rondo
