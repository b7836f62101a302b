#include "client/cli/progress_display.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/format.h"

namespace rondo {
namespace {

constexpr int kBarCells = 24;

std::string Bar(int64_t done, int64_t steps) {
  const int64_t total = std::max<int64_t>(steps, 1);
  const int filled = static_cast<int>(kBarCells * std::min(done, total) / total);
  return absl::StrCat("[", std::string(filled, '#'), std::string(kBarCells - filled, '.'), "]");
}

std::string Lower(const std::string& name) { return absl::AsciiStrToLower(name); }

std::string StateLine(const StateChanged& change) {
  std::string line = Lower(JobStateName(change.state));
  if (!change.error.ok()) absl::StrAppend(&line, ": ", std::string(change.error.message()));
  return line;
}

std::string NoteLine(const Note& note) {
  const char* kind = note.severity == Severity::kWarning ? "warning" : "note";
  if (note.rank < 0) return absl::StrCat(kind, ": ", note.message);
  return absl::StrCat(kind, " of rank ", note.rank, ": ", note.message);
}

std::string GangLine(const GangFormed& gang) {
  std::string line =
      absl::StrCat("on ", gang.ranks.size(), gang.ranks.size() == 1 ? " worker" : " workers");
  if (gang.generation > 1) absl::StrAppend(&line, ", generation ", gang.generation);
  return line;
}

std::string FetchedLine(const SourceFetched& fetched) {
  return absl::StrCat("fetched ", fetched.source, ": ", fetched.files,
                      fetched.files == 1 ? " file, " : " files, ", FormatBytes(fetched.bytes));
}

std::string EvaluatedLine(const Evaluated& evaluated) {
  const char* model = !evaluated.quantized        ? "original"
                      : evaluated.before_training ? "before training"
                                                  : "quantized";
  return absl::StrFormat("perplexity on %s, %s: %.3f", evaluated.set, model, evaluated.perplexity);
}

std::string TrainedLine(const TrainingFinished& finished) {
  return absl::StrFormat(
      "trained %d parameters; %.2f %% of the weights undecided; divergence %.4g soft, %.4g hard",
      finished.parameters, 100 * finished.undecided, finished.soft_divergence,
      finished.hard_divergence);
}

// "loss 1.25, decided 97.3 %, 2100 tokens/s, 1:05 left"
std::string TrainingState(const TrainingStep& step, const char* separator) {
  return absl::StrFormat("loss %.4g%sdecided %.1f %%%s%.0f tokens/s%s%s left", step.loss, separator,
                         100 * step.decided, separator, step.tokens_per_second, separator,
                         FormatSeconds(step.seconds_left));
}

}  // namespace

ProgressDisplay::ProgressDisplay(const JobId& id, int64_t after, int columns, Write write)
    : columns_(columns), write_(std::move(write)) {
  job_.id = id;
  job_.last_event = after;
}

void ProgressDisplay::Show(const JobEvent& event) {
  if (first_time_ == absl::InfinitePast()) first_time_ = event.time;
  const auto* progress = std::get_if<Progress>(&event.body);
  if (progress != nullptr) NoteProgress(*progress, event.time);
  if (const auto* note = std::get_if<Note>(&event.body)) notes_.push_back(*note);
  Apply(event, &job_);
  const std::string lasting = LastingLine(event);
  if (columns_ > 0) return Redraw(lasting, event.time);
  if (!lasting.empty()) write_(absl::StrCat(lasting, "\n"));
  std::string line;
  if (progress != nullptr && !IsTold(*progress)) line = ProgressLine(*progress, event.time);
  if (const auto* step = std::get_if<TrainingStep>(&event.body)) {
    line = TrainingProgress(*step, event.time);
  }
  if (!line.empty()) write_(absl::StrCat(line, "\n"));
}

bool ProgressDisplay::IsTold(const Progress& progress) const {
  return job_.training.has_value() && progress.phase == Phase::kFinetune &&
         progress.unit == "steps";
}

void ProgressDisplay::NoteProgress(const Progress& progress, absl::Time time) {
  const auto start = starts_.find(progress.rank);
  if (start != starts_.end() && start->second.phase == progress.phase &&
      start->second.done <= progress.done) {
    return;
  }
  starts_[progress.rank] = {progress.phase, progress.done, time};
  shown_tenths_[progress.rank] = -1;
}

std::string ProgressDisplay::LastingLine(const JobEvent& event) {
  if (const auto* change = std::get_if<StateChanged>(&event.body)) return StateLine(*change);
  if (const auto* gang = std::get_if<GangFormed>(&event.body)) return GangLine(*gang);
  if (const auto* note = std::get_if<Note>(&event.body)) return NoteLine(*note);
  if (const auto* phase = std::get_if<PhaseFinished>(&event.body)) {
    return absl::StrCat("rank ", phase->rank, ": ", Lower(PhaseName(phase->phase)), " took ",
                        FormatSeconds(phase->seconds));
  }
  if (const auto* fetched = std::get_if<SourceFetched>(&event.body)) return FetchedLine(*fetched);
  if (const auto* evaluated = std::get_if<Evaluated>(&event.body)) return EvaluatedLine(*evaluated);
  if (const auto* trained = std::get_if<TrainingFinished>(&event.body))
    return TrainedLine(*trained);
  return "";
}

std::string ProgressDisplay::ProgressLine(const Progress& progress, absl::Time now) {
  const int64_t tenths = 10 * progress.done / std::max<int64_t>(progress.total, 1);
  int64_t& shown = shown_tenths_[progress.rank];
  if (tenths == shown || now - last_progress_line_ < absl::Seconds(1)) return "";
  shown = tenths;
  last_progress_line_ = now;
  const std::string pace = Pace(progress, now);
  const std::string who = progress.rank < 0 ? "" : absl::StrCat("rank ", progress.rank, ": ");
  return absl::StrCat(who, Lower(PhaseName(progress.phase)), " ", progress.done, "/",
                      progress.total, " ", progress.unit, pace.empty() ? "" : ", ", pace);
}

std::string ProgressDisplay::TrainingProgress(const TrainingStep& step, absl::Time now) {
  const std::pair<std::string, int64_t> reached = {
      step.objective, 10 * step.step / std::max<int64_t>(step.steps, 1)};
  if (reached == shown_training_ || now - last_progress_line_ < absl::Seconds(1)) return "";
  shown_training_ = reached;
  last_progress_line_ = now;
  return absl::StrFormat("finetune %s %d/%d steps, %s", step.objective, step.step, step.steps,
                         TrainingState(step, ", "));
}

std::string ProgressDisplay::TrainingLine(const TrainingStep& step) const {
  return absl::StrFormat("  finetune %-6s %s  %d/%d steps  %s", step.objective,
                         Bar(step.step, step.steps), step.step, step.steps,
                         TrainingState(step, "  "));
}

std::string ProgressDisplay::Pace(const Progress& progress, absl::Time now) const {
  const auto start = starts_.find(progress.rank);
  if (start == starts_.end()) return "";
  const double seconds = absl::ToDoubleSeconds(now - start->second.time);
  const int64_t done = progress.done - start->second.done;
  if (done <= 0 || seconds <= 0) return "";
  const double rate = static_cast<double>(done) / seconds;
  return absl::StrFormat("%.3g/s, %s left", rate,
                         FormatSeconds(static_cast<double>(progress.total - progress.done) / rate));
}

std::string ProgressDisplay::RankLine(const Progress& progress, absl::Time now) const {
  const std::string who = progress.rank < 0 ? "" : absl::StrFormat("rank %d  ", progress.rank);
  return absl::StrFormat("  %s%-10s %s  %d/%d %s  %s", who, Lower(PhaseName(progress.phase)),
                         Bar(progress.done, progress.total), progress.done, progress.total,
                         progress.unit, Pace(progress, now));
}

std::string ProgressDisplay::HeadLine(absl::Time now) const {
  std::string line = absl::StrCat("job ", job_.id.value(), "  ", Lower(JobStateName(job_.state)),
                                  "  ", FormatSeconds(absl::ToDoubleSeconds(now - first_time_)));
  if (job_.plan.has_value() && !job_.plan->stages.empty()) {
    absl::StrAppend(&line, "  layers quantized ", job_.layers_quantized, "/",
                    job_.plan->stages.back().end_layer);
  }
  return line;
}

void ProgressDisplay::Redraw(const std::string& lasting, absl::Time now) {
  std::string text;
  if (drawn_lines_ > 0) absl::StrAppend(&text, "\x1b[", drawn_lines_, "A");
  text += "\x1b[J";  // clears from here down
  if (!lasting.empty()) absl::StrAppend(&text, lasting, "\n");
  drawn_lines_ = 0;
  if (!IsFinal(job_.state)) {
    std::vector<std::string> lines = {HeadLine(now)};
    for (const auto& [rank, progress] : job_.progress) {
      if (!IsTold(progress)) lines.push_back(RankLine(progress, now));
    }
    const bool trains = job_.training.has_value() && job_.training->step < job_.training->steps;
    if (trains) lines.push_back(TrainingLine(*job_.training));
    // A line that wraps would be two when the cursor goes up again.
    for (std::string& line : lines) {
      line.resize(std::min<size_t>(line.size(), columns_ - 1));
      absl::StrAppend(&text, line, "\n");
    }
    drawn_lines_ = static_cast<int>(lines.size());
  }
  write_(text);
}

}  // namespace rondo
