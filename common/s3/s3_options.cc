#include "common/s3/s3_options.h"

#include <cstdlib>
#include <initializer_list>

namespace rondo {
namespace {

// The first of these variables that is set to something.
std::string Variable(std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const char* value = std::getenv(name);
    if (value != nullptr && *value != '\0') return value;
  }
  return "";
}

}  // namespace

S3Options S3OptionsFromEnvironment() {
  S3Options options;
  options.region = Variable({"AWS_REGION", "AWS_DEFAULT_REGION"});
  if (options.region.empty()) options.region = "us-east-1";
  options.endpoint = Variable({"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"});
  if (options.endpoint.empty()) {
    options.endpoint = absl::StrCat("https://s3.", options.region, ".amazonaws.com");
  }
  while (options.endpoint.ends_with('/')) options.endpoint.pop_back();
  options.access_key = Variable({"AWS_ACCESS_KEY_ID"});
  options.secret_key = Variable({"AWS_SECRET_ACCESS_KEY"});
  options.session_token = Variable({"AWS_SESSION_TOKEN"});
  return options;
}

absl::Status CheckS3Options(const S3Options& options) {
  if (options.access_key.empty() || options.secret_key.empty()) {
    return absl::FailedPreconditionError(
        "the coordinator has no credentials for S3; set AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY in its environment (rondo-server's, or rondo's own without "
        "--server)");
  }
  if (options.endpoint.starts_with("https://") || options.endpoint.starts_with("http://")) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat("AWS_ENDPOINT_URL of the coordinator is \"",
                                                    options.endpoint,
                                                    "\"; it must begin with https:// or http://"));
}

}  // namespace rondo
