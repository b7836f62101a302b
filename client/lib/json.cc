#include "client/lib/json.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include "proto/convert/agent.h"
#include "proto/convert/job.h"
#include "rondo/v1/service.pb.h"

namespace rondo {
namespace {

std::string Json(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(message, &json, options);
  // Fails only for a time outside of the years 1 to 9999.
  return status.ok() ? json : "{}";
}

}  // namespace

std::string JobJson(const Job& job) { return Json(ToProto(job)); }
std::string EventJson(const JobEvent& event) { return Json(ToProto(event)); }
std::string PlanJson(const Plan& plan) { return Json(ToProto(plan)); }

std::string JobsJson(const JobPage& page) {
  v1::ListJobsResponse response;
  for (const Job& job : page.jobs) *response.add_jobs() = ToProto(job);
  response.set_next_page_token(page.next_page_token);
  return Json(response);
}

std::string WorkersJson(const std::vector<WorkerInfo>& workers) {
  v1::ListWorkersResponse response;
  for (const WorkerInfo& worker : workers) *response.add_workers() = ToProto(worker);
  return Json(response);
}

std::string ArtifactsJson(const std::vector<ArtifactInfo>& artifacts) {
  v1::ListArtifactsResponse response;
  for (const ArtifactInfo& artifact : artifacts) *response.add_artifacts() = ToProto(artifact);
  return Json(response);
}

std::string FieldJson(const std::string& name, const std::string& value) {
  google::protobuf::Struct object;
  (*object.mutable_fields())[name].set_string_value(value);
  return Json(object);
}

}  // namespace rondo
