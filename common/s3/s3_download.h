// An object as a file: fetched into <path>.partial, from where an earlier attempt stopped, checked,
// and only then renamed. What has the name `path` is whole.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "common/base/status.h"
#include "common/s3/s3_client.h"

namespace rondo {

// `on_bytes` is told the bytes of the object that are here, again and again. One caller at a time
// for a path. DATA_LOSS: what came is not what the service's checksum says, twice where the first
// time was a resumption; nothing is kept of it.
absl::Status DownloadObject(S3Client* client, const S3Object& object, const std::string& path,
                            const std::function<void(int64_t bytes)>& on_bytes);

// DATA_LOSS when the file is not what the checksums say; `name` is for the message.
absl::Status CheckContents(const std::string& path, const S3Checksums& checksums,
                           const std::string& name);

}  // namespace rondo
