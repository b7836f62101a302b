#include "client/cli/report.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/format.h"
#include "client/cli/html.h"
#include "client/cli/line_chart.h"
#include "client/cli/report_settings.h"
#include "client/cli/results.h"
#include "common/io/file.h"

namespace rondo {
namespace {

using Rows = std::vector<std::vector<std::string>>;

std::string Number(double value) { return absl::StrFormat("%.4g", value); }

std::string Paragraph(const std::string& kind, const std::string& text) {
  return absl::StrCat("<p class=\"", kind, "\">", EscapeHtml(text), "</p>\n");
}

std::string Head(const Job& job) {
  std::string about =
      absl::StrCat("job ", job.id.value(), ", ", absl::AsciiStrToLower(JobStateName(job.state)));
  if (job.started != absl::InfinitePast()) {
    const absl::TimeZone utc = absl::UTCTimeZone();
    absl::StrAppend(&about, ", started ",
                    absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", job.started, utc));
  }
  std::string html = absl::StrCat(
      "<h1>", EscapeHtml(absl::StrCat(MethodName(job.spec.method), " of ", job.spec.model.path)),
      "</h1>\n", Paragraph("sub", about));
  if (!job.error.ok()) {
    absl::StrAppend(&html, Paragraph("warning", std::string(job.error.message())));
  }
  return html;
}

std::string PerplexityTable(const Job& job) {
  const auto sets = PerplexitiesOf(job);
  if (sets.empty()) return "";
  const auto cell = [](const std::optional<double>& value) {
    return value.has_value() ? absl::StrFormat("%.3f", *value) : std::string("-");
  };
  Rows rows = {{"perplexity", "original", "before training", "quantized"}};
  for (const auto& [name, values] : sets) {
    rows.push_back(
        {name, cell(values.original), cell(values.before_training), cell(values.quantized)});
  }
  return HtmlTable(rows);
}

std::string TrainingTable(const Job& job) {
  if (!job.training_result.has_value()) return "";
  const TrainingFinished& result = *job.training_result;
  return HtmlTable({{"training", ""},
                    {"trained parameters", absl::StrCat(result.parameters)},
                    {"of the weights", FormatShare(TrainedShare(result))},
                    {"decisions changed", FormatShare(result.changed)},
                    {"undecided weights", FormatShare(result.undecided)},
                    {"divergence a token, soft", Number(result.soft_divergence)},
                    {"divergence a token, hard", Number(result.hard_divergence)},
                    {"peak memory of the rank", FormatBytes(result.peak_bytes)}});
}

std::string Results(const ReportData& data) {
  std::string html = absl::StrCat(PerplexityTable(data.job), TrainingTable(data.job));
  const std::string gap = HardeningWarning(data.job);
  if (!gap.empty()) absl::StrAppend(&html, Paragraph("warning", gap));
  return html.empty() ? html : HtmlSection("Results", html);
}

ChartSeries Curve(const std::string& name, const std::vector<TrainingStep>& steps,
                  double TrainingStep::*value) {
  ChartSeries curve{name, {}};
  for (const TrainingStep& step : steps) {
    curve.points.emplace_back(static_cast<double>(step.step), step.*value);
  }
  return curve;
}

// Objectives follow one another and have losses of their own.
std::string Training(const ReportData& data) {
  std::string html;
  auto next = data.training.begin();
  while (next != data.training.end()) {
    const std::string objective = next->objective;
    const auto end = std::find_if(next, data.training.end(), [&](const TrainingStep& step) {
      return step.objective != objective;
    });
    const std::vector<TrainingStep> steps(next, end);
    next = end;
    absl::StrAppend(&html,
                    ChartHtml({absl::StrCat("Loss, ", objective),
                               "step",
                               {Curve("loss", steps, &TrainingStep::loss),
                                Curve("divergence", steps, &TrainingStep::divergence)}}),
                    ChartHtml({absl::StrCat("Decided share of the weights, ", objective),
                               "step",
                               {Curve("decided", steps, &TrainingStep::decided)}}),
                    ChartHtml({absl::StrCat("Learning rate, ", objective),
                               "step",
                               {Curve("learning rate", steps, &TrainingStep::learning_rate)}}));
  }
  return html.empty() ? html : HtmlSection("Training", html);
}

// A series for each linear layer, over the decoder layers.
template <typename Layer, typename Value>
std::string LayerChart(const std::string& title, const std::map<int64_t, Layer>& layers,
                       Value value) {
  std::map<std::string, ChartSeries> series;
  for (const auto& [number, layer] : layers) {
    for (const auto& linear : layer.linears) {
      ChartSeries& line = series[linear.name];
      line.name = linear.name.substr(linear.name.rfind('.') + 1);
      line.points.emplace_back(static_cast<double>(number), value(linear));
    }
  }
  LineChart chart{title, "decoder layer", {}};
  for (const auto& [name, line] : series) chart.series.push_back(line);
  return ChartHtml(chart);
}

std::string QuantizedTable(const ReportData& data) {
  Rows rows = {{"layer", "linear", "relative error", "damping", "dead columns"}};
  for (const auto& [number, layer] : data.quantized) {
    for (const LinearReport& linear : layer.linears) {
      rows.push_back({absl::StrCat(number), linear.name, Number(linear.relative_error),
                      Number(linear.percdamp_used), absl::StrCat(linear.dead_columns)});
    }
  }
  return HtmlDetails("All linear layers, as initialised", HtmlTable(rows));
}

std::string ClusteredTable(const ReportData& data) {
  Rows rows = {{"layer", "linear", "rows", "distortion", "flipped", "share", "iterations"}};
  for (const auto& [number, layer] : data.clustered) {
    for (const ClusterReport& linear : layer.linears) {
      rows.push_back({absl::StrCat(number), linear.name, absl::StrCat(linear.codes),
                      Number(linear.distortion), FormatShare(linear.flipped),
                      FormatShare(linear.share), absl::StrCat(linear.iterations)});
    }
  }
  return HtmlDetails("All codebooks, before training", HtmlTable(rows));
}

std::string Layers(const ReportData& data) {
  std::string html;
  if (!data.quantized.empty()) {
    absl::StrAppend(
        &html,
        LayerChart("Relative error of the layers' outputs, as initialised", data.quantized,
                   [](const LinearReport& l) { return l.relative_error; }),
        QuantizedTable(data));
  }
  if (!data.clustered.empty()) {
    absl::StrAppend(&html,
                    LayerChart("Distortion of the codebooks", data.clustered,
                               [](const ClusterReport& l) { return l.distortion; }),
                    LayerChart("Share of decisions that clustering changed", data.clustered,
                               [](const ClusterReport& l) { return l.flipped; }),
                    ClusteredTable(data));
  }
  return html.empty() ? html : HtmlSection("Layers", html);
}

std::string Times(const Job& job) {
  Rows rows = {{"phase", "time of the slowest rank"}};
  for (const auto& [phase, seconds] : SlowestPhases(job)) {
    rows.push_back({absl::AsciiStrToLower(PhaseName(phase)), FormatSeconds(seconds)});
  }
  if (job.started != absl::InfinitePast() && job.finished != absl::InfiniteFuture()) {
    rows.push_back({"in all", FormatSeconds(absl::ToDoubleSeconds(job.finished - job.started))});
  }
  return rows.size() == 1 ? "" : HtmlSection("Time", HtmlTable(rows));
}

std::string Gang(const Job& job) {
  if (!job.plan.has_value()) return "";
  const Plan& plan = *job.plan;
  Rows rows = {{"stage", "layers", "planned memory"}};
  for (size_t i = 0; i < plan.stages.size(); ++i) {
    const StagePlan& stage = plan.stages[i];
    rows.push_back({absl::StrCat(i),
                    absl::StrCat("layers ", stage.first_layer, "-", stage.end_layer - 1),
                    FormatBytes(stage.memory_bytes)});
  }
  const std::string about = absl::StrCat(
      plan.replicas, plan.replicas == 1 ? " replica" : " replicas", "; calibration in ",
      DTypeName(plan.dtype), ", training in ", DTypeName(plan.training_dtype));
  return HtmlSection("Plan", absl::StrCat(Paragraph("sub", about), HtmlTable(rows)));
}

std::string Notes(const std::vector<Note>& notes) {
  std::string html;
  for (const Note& note : notes) {
    const bool warning = note.severity == Severity::kWarning;
    absl::StrAppend(&html, Paragraph(warning ? "warning" : "note", note.message));
  }
  return html.empty() ? html : HtmlSection("Notes", html);
}

}  // namespace

std::string ReportPage(const ReportData& data) {
  const Job& job = data.job;
  const std::string title =
      absl::StrCat("rondo: ", MethodName(job.spec.method), ", job ", job.id.value());
  return HtmlPage(
      title,
      absl::StrCat(Head(job), Results(data), Training(data), Layers(data), Times(job), Gang(job),
                   HtmlSection("Settings", HtmlTable(SettingRows(job.spec))), Notes(data.notes)));
}

absl::Status CheckReportFile(const std::string& path) {
  if (IsDirectory(path)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the report ", path, " is a folder; name a file"));
  }
  const std::string folder = std::filesystem::path(path).parent_path().string();
  if (IsDirectory(folder)) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat("the folder of the report ", path, " does not exist"));
}

absl::Status WriteReport(RondoClient* client, const JobId& id, const std::string& path) {
  ASSIGN_OR_RETURN(const ReportData data, CollectReport(client, id));
  return WriteFileAtomically(path, ReportPage(data));
}

}  // namespace rondo
