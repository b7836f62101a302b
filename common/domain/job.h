// A job and the events it is a fold of. Pure values; thread-compatible.
//
//   QUEUED(1) -> PLANNING(2) -> RUNNING(3) -> SUCCEEDED(4)
//      |            |            |  ^
//      |            |            v  |
//      |            |        RECOVERING(5)     a rank or worker was lost; a new generation forms
//      +------------+------------+--+--> FAILED(6) | CANCELLED(7)
//
// CanMoveTo() is that diagram as a table. Every change is one event, appended to the store before
// anybody is told of it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "common/base/ids.h"
#include "common/base/status.h"
#include "common/domain/job_spec.h"
#include "common/domain/plan.h"

namespace rondo {

enum class JobState { kQueued, kPlanning, kRunning, kRecovering, kSucceeded, kFailed, kCancelled };
enum class Phase {
  kTeacher,
  kInitialise,
  kEvaluate,
  kExport,
  kFinetune,
  kHarden,
  kFetch,
  kPreflight
};

std::string JobStateName(JobState state);  // "QUEUED"
std::string PhaseName(Phase phase);        // "TEACHER"
bool IsFinal(JobState state);
bool CanMoveTo(JobState from, JobState to);

struct StateChanged {
  JobState state = JobState::kQueued;
  absl::Status error;  // why, for kFailed and kRecovering; OK otherwise
  std::string by;      // who asked, for kQueued and kCancelled; empty: nobody is told apart
  bool retry = false;  // of kRecovering: counts against the retries that a job has
};

struct RankPlacement {
  WorkerId worker;
  std::string host;
  std::string device;  // "cpu", "cuda:0"
};

// A generation of the gang was reserved.
struct GangFormed {
  int64_t generation = 0;
  std::vector<RankPlacement> ranks;  // by rank
};

struct PlanMade {
  Plan plan;
};

// What a job names in S3 is on disks that coordinator and workers share.
struct SourceFetched {
  std::string source;  // "s3://bucket/key" of a folder or a file
  std::string path;    // where it is now
  int64_t files = 0;
  int64_t bytes = 0;
};

// Work done so far by one rank in one phase. Not every step is reported.
struct Progress {
  Phase phase = Phase::kTeacher;
  int rank = 0;  // -1: the coordinator
  int64_t done = 0;
  int64_t total = 0;
  std::string unit;  // "layers", "micro-batches", "windows"
};

// One rank finished a phase.
struct PhaseFinished {
  Phase phase = Phase::kTeacher;
  int rank = 0;
  double seconds = 0;
  double matmul_flop = 0;  // of the matrix products the phase cannot do without; 0: not counted
  int64_t peak_bytes = 0;  // memory of the rank so far: resident, or held on its GPU
};

// Quality of one quantized linear layer on the calibration data.
struct LinearReport {
  std::string name;           // relative to the decoder layer
  double relative_error = 0;  // tr(E H E^T) / tr(W H W^T); for rtn ||E||^2 / ||W||^2
  double percdamp_used = 0;   // 0 for rtn
  int64_t dead_columns = 0;
};

struct LayerQuantized {
  int64_t layer = 0;
  int rank = 0;
  double seconds = 0;
  std::vector<LinearReport> linears;
};

// The codebook of one linear layer (or of the several that share it) before training.
struct ClusterReport {
  std::string name;        // relative to the decoder layer
  int64_t codes = 0;       // rows of the codebook
  double distortion = 0;   // mean squared distance of a rounding variable from its codebook's
  double flipped = 0;      // share of decisions that clustering changed
  double share = 0;        // variables of the codebook a weight that uses it
  int64_t iterations = 0;  // of k-means
};

struct LayerClustered {
  int64_t layer = 0;
  int rank = 0;
  double seconds = 0;
  std::vector<ClusterReport> linears;
};

// Where training stands. Not every step is reported; the last one is.
struct TrainingStep {
  int64_t step = 0;       // done so far
  int64_t steps = 0;      // in all
  std::string objective;  // "block", "e2e"
  double loss = 0;        // mean a token of the steps since the former report
  double divergence = 0;  // its part that is not the regulariser
  double regulariser = 0;
  double decided = 0;  // share of weights whose h(alpha) is within 0.05 of 0 or 1
  double learning_rate = 0;
  double tokens_per_second = 0;
  double seconds_left = 0;
};

// Learned decisions became integer weights.
struct TrainingFinished {
  int64_t parameters = 0;      // trained
  int64_t weights = 0;         // whose decisions they hold
  double undecided = 0;        // share of weights, as TrainingStep::decided
  double changed = 0;          // share of decisions that differ from those at the start
  double soft_divergence = 0;  // a token, of the model with soft weights on the last windows
  double hard_divergence = 0;  // the same after hardening
  int64_t peak_bytes = 0;      // resident memory of this rank
};

enum class Severity { kInfo, kWarning };

struct Note {
  Severity severity = Severity::kInfo;
  int rank = -1;  // -1: the coordinator
  std::string message;
};

struct Evaluated {
  std::string set;
  bool quantized = false;  // false: the original model
  double perplexity = 0;
  int64_t tokens = 0;            // predictions
  bool before_training = false;  // the quantized model that learned rounding starts from
};

struct ArtifactInfo {
  ExportFormat format = ExportFormat::kDense;
  std::string name;  // one path segment
  int64_t bytes = 0;
  std::string sha256;  // 64 hex digits
};

// All artifacts of the job are complete and on disk; the last event before kSucceeded.
struct ArtifactsPublished {
  std::vector<ArtifactInfo> artifacts;
};

using EventBody = std::variant<StateChanged, GangFormed, PlanMade, Progress, PhaseFinished,
                               LayerQuantized, Note, Evaluated, ArtifactsPublished, LayerClustered,
                               TrainingStep, TrainingFinished, SourceFetched>;

struct JobEvent {
  int64_t number = 0;  // 1, 2, ... within the job, without gaps; 0: not stored yet
  absl::Time time;
  int64_t generation = 0;
  EventBody body;
};

struct Job {
  JobId id;
  std::string request_id;
  std::string owner;  // who submitted it; empty: nobody is told apart
  JobSpec spec;
  absl::Time created;
  absl::Time started = absl::InfinitePast();     // InfinitePast: not yet
  absl::Time finished = absl::InfiniteFuture();  // InfiniteFuture: not yet
  JobState state = JobState::kQueued;
  absl::Status error;
  int retries = 0;  // losses that count, so far
  int64_t generation = 0;
  std::vector<RankPlacement> ranks;
  std::optional<Plan> plan;
  std::map<std::string, SourceFetched> sources;  // by source
  std::map<int, Progress> progress;              // the last one of each rank
  int64_t layers_quantized = 0;
  std::vector<PhaseFinished> phases;
  std::vector<Evaluated> evaluations;
  std::optional<TrainingStep> training;             // the last one
  std::optional<TrainingFinished> training_result;  // of the stage that holds the head
  std::vector<ArtifactInfo> artifacts;
  int64_t last_event = 0;
};

// REQUIRES: event.number == job->last_event + 1. A new generation (GangFormed) clears what the
// former one had done. Pure: the same events give the same job.
void Apply(const JobEvent& event, Job* job);

}  // namespace rondo
