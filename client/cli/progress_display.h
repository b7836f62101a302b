// Shows a job's events as they arrive: on a terminal a few lines that are redrawn, elsewhere plain
// lines, progress at most one a second. Takes its time from the events. Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "common/domain/job.h"

namespace rondo {

class ProgressDisplay {
 public:
  using Write = std::function<void(const std::string&)>;
  // `after`: the number of the last event that will not be shown. `columns`: of the terminal; 0 for
  // plain lines.
  ProgressDisplay(const JobId& id, int64_t after, int columns, Write write);

  void Show(const JobEvent& event);

  const std::vector<Note>& notes() const { return notes_; }

 private:
  // Where a rank was when its present phase was first heard of.
  struct PhaseStart {
    Phase phase = Phase::kTeacher;
    int64_t done = 0;
    absl::Time time;
  };

  void NoteProgress(const Progress& progress, absl::Time time);
  // What stays on the screen for good; empty: nothing.
  std::string LastingLine(const JobEvent& event);
  std::string ProgressLine(const Progress& progress, absl::Time now);
  // True where the line of the training, which is the same for all ranks, says more.
  bool IsTold(const Progress& progress) const;
  // Plain form; empty where it is too soon.
  std::string TrainingProgress(const TrainingStep& step, absl::Time now);
  std::string TrainingLine(const TrainingStep& step) const;
  std::string RankLine(const Progress& progress, absl::Time now) const;
  // "3.1/s, 5.0 s left"; empty while it cannot be told.
  std::string Pace(const Progress& progress, absl::Time now) const;
  std::string HeadLine(absl::Time now) const;
  void Redraw(const std::string& lasting, absl::Time now);

  const int columns_;
  const Write write_;
  Job job_;  // the fold of the events
  std::vector<Note> notes_;
  std::map<int, PhaseStart> starts_;  // by rank
  std::map<int, int64_t> shown_tenths_;
  std::pair<std::string, int64_t> shown_training_;  // objective, tenth of its steps
  absl::Time first_time_ = absl::InfinitePast();
  absl::Time last_progress_line_ = absl::InfinitePast();
  int drawn_lines_ = 0;
};

}  // namespace rondo
