// What the first byte of an input chooses, in the targets that take messages and in their mutators.
#pragma once

#include <memory>

#include "rondo/v1/agent.pb.h"
#include "rondo/v1/service.pb.h"

namespace rondo {

using Message = google::protobuf::Message;

// One of messages_fuzz.cc.
enum class Kind : uint8_t {
  kSpec,
  kEvent,
  kJob,
  kPlan,
  kWorker,
  kHello,
  kTask,
  kReport,
  kArtifact,
  // No message by itself:
  kHistory,
  kErrorDetails,
  kCommandFrames,
  kReportFrames,
  kFrames,
};
inline Kind KindOf(uint8_t byte) { return static_cast<Kind>(byte % 14); }

// Null for a kind that is no message by itself.
inline std::unique_ptr<Message> NewMessage(Kind kind) {
  switch (kind) {
    case Kind::kSpec: return std::make_unique<v1::JobSpec>();
    case Kind::kEvent: return std::make_unique<v1::JobEvent>();
    case Kind::kJob: return std::make_unique<v1::Job>();
    case Kind::kPlan: return std::make_unique<v1::Plan>();
    case Kind::kWorker: return std::make_unique<v1::Worker>();
    case Kind::kHello: return std::make_unique<v1::AgentHello>();
    case Kind::kTask: return std::make_unique<v1::RankTask>();
    case Kind::kReport: return std::make_unique<v1::RankReport>();
    case Kind::kArtifact: return std::make_unique<v1::ArtifactInfo>();
    default: return nullptr;
  }
}

// One call of coordinator_fuzz.cc.
enum class CallKind : uint8_t {
  kSubmit,
  kValidate,
  kAttach,
  kReport,
  kCancel,
  kList,
  kWatch,
  // Without a message:
  kDetach,
  kPass,
};
inline CallKind CallKindOf(uint8_t byte) { return static_cast<CallKind>(byte % 9); }

// Null for a call without one.
inline std::unique_ptr<Message> NewMessage(CallKind kind) {
  switch (kind) {
    case CallKind::kSubmit: return std::make_unique<v1::SubmitJobRequest>();
    case CallKind::kValidate: return std::make_unique<v1::ValidateJobRequest>();
    case CallKind::kAttach: return std::make_unique<v1::AgentHello>();
    case CallKind::kReport: return std::make_unique<v1::AgentMessage>();
    case CallKind::kCancel: return std::make_unique<v1::CancelJobRequest>();
    case CallKind::kList: return std::make_unique<v1::ListJobsRequest>();
    case CallKind::kWatch: return std::make_unique<v1::WatchJobRequest>();
    default: return nullptr;
  }
}

}  // namespace rondo
