// Where an S3 service is, and who we are there. Values.
#pragma once

#include <string>

#include "absl/time/time.h"
#include "common/base/status.h"

namespace rondo {

struct S3Options {
  std::string endpoint;    // "https://host:port", without a slash at its end
  std::string region;      //
  std::string access_key;  // empty: no credentials
  std::string secret_key;
  std::string session_token;                   // empty: the keys are not temporary
  absl::Duration silence = absl::Seconds(30);  // without a byte: the connection is given up
  int tries = 4;  // of a request that fails for what may pass, without a byte in between
  absl::Duration pause = absl::Seconds(1);  // before the first retry; then twice as long
};

// As other programs read it: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN,
// AWS_REGION or AWS_DEFAULT_REGION, AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL.
S3Options S3OptionsFromEnvironment();

// FAILED_PRECONDITION that says which variable is missing or cannot be.
absl::Status CheckS3Options(const S3Options& options);

}  // namespace rondo
