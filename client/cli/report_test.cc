// The report of a job on made-up events.
#include "client/cli/report.h"

#include <cctype>
#include <limits>

#include "client/cli/html.h"
#include "client/cli/line_chart.h"
#include "client/cli/report_settings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rondo {
namespace {

using ::testing::DoubleEq;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pointwise;

// The first fault of a document as XML: a tag that is not closed by its own, a bare & or <. Empty:
// none.
class XmlCheck {
 public:
  explicit XmlCheck(const std::string& text) : text_(text) {}

  std::string Fault() {
    while (at_ < text_.size()) {
      const std::string fault = text_[at_] == '<' ? Tag() : Character();
      if (!fault.empty()) return absl::StrCat(fault, " at ", text_.substr(at_, 40));
    }
    return open_.empty() ? "" : absl::StrCat("<", open_.back(), "> is not closed");
  }

 private:
  std::string Character() {
    if (text_[at_] != '&') return ++at_, "";
    for (const std::string entity : {"&amp;", "&lt;", "&gt;", "&quot;"}) {
      if (text_.compare(at_, entity.size(), entity) == 0) return at_ += entity.size(), "";
    }
    return "a bare &";
  }

  std::string Tag() {
    const size_t end = EndOfTag();
    if (end == std::string::npos) return "a tag without end";
    const std::string inside = text_.substr(at_ + 1, end - at_ - 1);
    const size_t name_end = inside.find_first_of(" \n/", 1);
    const std::string name = inside.substr(0, name_end);
    if (inside[0] == '/') {
      if (open_.empty() || inside.substr(1) != open_.back()) return "a stray end";
      open_.pop_back();
    } else if (inside[0] != '!' && inside.back() != '/') {
      if (std::isalpha(static_cast<unsigned char>(inside[0])) == 0) return "a bare <";
      open_.push_back(name);
    }
    at_ = end + 1;
    return "";
  }

  // Of the tag at at_; > in quotes does not count, < in them is wrong.
  size_t EndOfTag() const {
    bool quoted = false;
    for (size_t i = at_ + 1; i < text_.size(); ++i) {
      if (text_[i] == '"') quoted = !quoted;
      if (text_[i] == '<') return std::string::npos;
      if (text_[i] == '>' && !quoted) return i;
    }
    return std::string::npos;
  }

  const std::string text_;
  size_t at_ = 0;
  std::vector<std::string> open_;
};

std::string FaultOf(const std::string& html) { return XmlCheck(html).Fault(); }

TEST(XmlCheckTest, FindsFaults) {
  EXPECT_EQ(FaultOf("<a b=\"x > y\"><c/>t &amp; u</a>"), "");
  for (const std::string bad : {"<a>", "<a></b>", "a & b", "a < b", "</a>", "<a b=\"<\"/>"}) {
    EXPECT_NE(FaultOf(bad), "") << bad;
  }
}

TEST(HtmlTest, EscapesWhatWouldBeMarkup) {
  EXPECT_EQ(EscapeHtml("<a href=\"x\">&\x01 b\n"), "&lt;a href=&quot;x&quot;&gt;&amp; b\n");
  EXPECT_EQ(HtmlTable({{"n", "x"}, {"<b>", "-"}, {"7", "12 %"}}),
            "<table><thead><tr><th>n</th><th>x</th></tr>\n</thead><tbody>\n"
            "<tr><td>&lt;b&gt;</td><td class=\"number\">-</td></tr>\n"
            "<tr><td>7</td><td class=\"number\">12 %</td></tr>\n</tbody></table>\n");
}

TEST(LineChartTest, TicksAreRound) {
  EXPECT_THAT(AxisTicks(0, 10, 5), Pointwise(DoubleEq(), {0.0, 2.0, 4.0, 6.0, 8.0, 10.0}));
  EXPECT_THAT(AxisTicks(0.3, 1.1, 4), Pointwise(DoubleEq(), {0.2, 0.4, 0.6, 0.8, 1.0, 1.2}));
  EXPECT_GE(AxisTicks(5, 5, 5).size(), 2u);
  EXPECT_LE(AxisTicks(1e12, 1e12 + 1e-6, 5).size(), 20u);
}

TEST(LineChartTest, GapsSplitALine) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::string html =
      ChartHtml({"a < b", "step", {{"s", {{0, 0}, {1, 10}, {2, nan}, {3, 5}, {4, 5}}}}});
  EXPECT_EQ(FaultOf(html), "");
  EXPECT_THAT(html, HasSubstr("a &lt; b"));
  EXPECT_THAT(html, HasSubstr("points=\"64.0,216.0 225.0,10.0\""));
  EXPECT_THAT(html, HasSubstr("points=\"547.0,113.0 708.0,113.0\""));
  EXPECT_THAT(html, Not(HasSubstr("nan")));
  EXPECT_EQ(ChartHtml({"empty", "step", {{"s", {{0, nan}}}}}), "");
}

TEST(LineChartTest, OnePointIsDrawnToo) {
  const std::string html = ChartHtml({"t", "x", {{"s", {{3, 0}}}}});
  EXPECT_EQ(FaultOf(html), "");
  EXPECT_THAT(html, HasSubstr("<circle cx=\"64.0\" cy=\"216.0\""));
  EXPECT_THAT(html, HasSubstr(">4</text>"));  // the next whole number
  EXPECT_THAT(html, Not(HasSubstr("nan")));
  EXPECT_THAT(html, Not(HasSubstr("inf")));
}

TrainingStep Step(const std::string& objective, int64_t step, double loss) {
  return {step, 20, objective, loss, loss - 0.25, 0.25, 0.9, 0.02, 100, 1};
}

ReportData Data() {
  ReportData data;
  data.job.id = JobId("j-1");
  data.job.state = JobState::kSucceeded;
  data.job.spec.model.path = "/models/<tiny> & co";
  LearnedRoundingSettings learned;
  learned.training.objective = Objective::kBlockThenEndToEnd;
  data.job.spec.method = learned;
  data.job.plan = Plan{};
  data.job.plan->stages = {{0, 2, 1000}};
  data.job.started = absl::FromUnixSeconds(0);
  data.job.finished = absl::FromUnixSeconds(90);
  const std::vector<EventBody> bodies = {
      LayerQuantized{0, 0, 1, {{"mlp.up_proj", 0.125, 0.01, 3}}},
      LayerClustered{0, 0, 1, {{"mlp.up_proj", 128, 0.0625, 0.0, 0.125, 9}}},
      Step("block", 10, 3.0),
      Step("block", 20, 2.0),
      Step("e2e", 10, 1.5),
      Note{Severity::kWarning, 0, "layer 0 was damped <more>"},
      Evaluated{"wiki", false, 28.74, 100, false},
      Evaluated{"wiki", true, 242.5, 100, true},
      Evaluated{"wiki", true, 57.4, 100, false},
      TrainingFinished{400, 200'000, 0.0125, 0.03, 1.0, 2.0, 1 << 20},
      PhaseFinished{Phase::kFinetune, 0, 30, 0}};
  for (const EventBody& body : bodies) {
    const JobEvent event{data.job.last_event + 1, absl::FromUnixSeconds(1), 1, body};
    Apply(event, &data.job);
    data.Add(event);
  }
  return data;
}

TEST(ReportTest, IsOneWellFormedPageThatLoadsNothing) {
  const std::string page = ReportPage(Data());
  EXPECT_EQ(FaultOf(page), "");
  EXPECT_EQ(page, ReportPage(Data()));
  for (const std::string foreign :
       {"<script", "<link", "<img", "src=", "href=", "@import", "url("}) {
    EXPECT_THAT(page, Not(HasSubstr(foreign)));
  }
}

TEST(ReportTest, HasAllThatWasMeasured) {
  const std::string page = ReportPage(Data());
  for (const std::string part : {"/models/&lt;tiny&gt; &amp; co",
                                 "28.740",
                                 "242.500",
                                 "57.400",
                                 "much worse",
                                 "Loss, block",
                                 "Loss, e2e",
                                 "Decided share of the weights, e2e",
                                 "Learning rate, e2e",
                                 "mlp.up_proj",
                                 "Distortion of the codebooks",
                                 "0.0625",
                                 "layer 0 was damped &lt;more&gt;",
                                 "finetune",
                                 "30.0 s",
                                 "1:30",
                                 "sign-preserving",
                                 "block+e2e",
                                 "1.25 %",
                                 "peak memory"}) {
    EXPECT_THAT(page, HasSubstr(part));
  }
}

TEST(ReportTest, AJobWithoutEventsHasAPageToo) {
  ReportData data;
  data.job.id = JobId("j");
  data.job.error = absl::InternalError("a & b");
  const std::string page = ReportPage(data);
  EXPECT_EQ(FaultOf(page), "");
  EXPECT_THAT(page, HasSubstr("a &amp; b"));
  EXPECT_THAT(page, Not(HasSubstr("<h2>Training")));
}

TEST(ReportTest, ALaterGenerationReplacesTheStepsItTookAgain) {
  ReportData data;
  int64_t number = 0;
  const auto add = [&](const TrainingStep& step) { data.Add({++number, {}, 1, step}); };
  add(Step("block", 20, 9));
  add(Step("e2e", 10, 3));
  add(Step("e2e", 20, 2));
  add(Step("e2e", 30, 1));
  add(Step("e2e", 20, 5));
  ASSERT_EQ(data.training.size(), 3u);
  EXPECT_EQ(data.training[0].loss, 9);
  EXPECT_EQ(data.training[1].loss, 3);
  EXPECT_EQ(data.training[2].loss, 5);
}

TEST(ReportTest, SettingsAreThoseThatTheJobReads) {
  JobSpec spec;
  spec.method = RtnSettings{};
  spec.model.path = "/m";
  spec.overrides = {{.pattern = "*.0.*", .skip = true}};
  EXPECT_THAT(SettingRows(spec),
              ElementsAre(ElementsAre("setting", "value"), ElementsAre("model", "/m"),
                          ElementsAre("method", "rtn"),
                          ElementsAre("grid", "4 bits, symmetric, groups of 128"),
                          ElementsAre("override", "*.0.*: skipped"),
                          ElementsAre("threads of a rank", "1")));
}

TEST(ReportTest, TheFileMustHaveAFolder) {
  EXPECT_TRUE(CheckReportFile(testing::TempDir() + "/report.html").ok());
  EXPECT_EQ(CheckReportFile("/nowhere/report.html"),
            absl::NotFoundError("the folder of the report /nowhere/report.html does not exist"));
  EXPECT_FALSE(CheckReportFile("/").ok());
}

}  // namespace
}  // namespace rondo
