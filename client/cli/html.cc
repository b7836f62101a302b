#include "client/cli/html.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace rondo {
namespace {

// Both colour schemes; charts take their colours from here (line_chart.cc).
constexpr char kStyle[] = R"(
:root { color-scheme: light dark; --text: #1c2430; --muted: #5c6675; --line: #d5dae1;
  --c0: #1f6fd1; --c1: #c2570c; --c2: #178a50; --c3: #8b3fc7; --c4: #b8901a; --c5: #c22f5c;
  --c6: #0f8a95; --c7: #6b7280; }
@media (prefers-color-scheme: dark) { :root { --text: #e5e9f0; --muted: #9aa5b5; --line: #3a4250;
  --c0: #6ea8ff; --c1: #ff9d5c; --c2: #5fd39a; --c3: #c79bff; --c4: #e6c65a; --c5: #ff7fa6;
  --c6: #5fd0da; --c7: #a3acb9; } body { background: #161a21; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); max-width: 60rem;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.15rem; margin-top: 2rem; }
p.sub { color: var(--muted); margin-top: 0.2rem; }
p.warning { border-left: 4px solid var(--c1); padding-left: 0.7rem; }
table { border-collapse: collapse; font-size: 0.92em; }
th, td { padding: 0.2rem 0.9rem 0.2rem 0; text-align: left; border-bottom: 1px solid var(--line);
  overflow-wrap: anywhere; }
th { color: var(--muted); font-weight: 500; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
details { margin-top: 0.8rem; overflow-x: auto; } summary { cursor: pointer; }
figure { margin: 1rem 0; } figcaption { font-weight: 500; }
svg { width: 100%; height: auto; } svg text { font-size: 11px; fill: var(--muted); }
svg .grid { stroke: var(--line); stroke-width: 1; }
svg polyline { fill: none; stroke-width: 1.6; stroke-linejoin: round; }
)";

// "-", "12", "1.5 %", "3.2 MB"
bool LooksLikeNumber(const std::string& cell) {
  constexpr size_t kLongestUnit = 3;  // with its blank
  const size_t end = std::min(cell.find(' '), cell.size());
  double value = 0;
  return cell == "-" ||
         (cell.size() - end <= kLongestUnit && absl::SimpleAtod(cell.substr(0, end), &value));
}

std::vector<bool> NumberColumns(const std::vector<std::vector<std::string>>& rows) {
  std::vector<bool> numbers(rows.front().size(), rows.size() > 1);
  for (size_t i = 1; i < rows.size(); ++i) {
    for (size_t j = 0; j < rows[i].size(); ++j) {
      if (!LooksLikeNumber(rows[i][j])) numbers[j] = false;
    }
  }
  return numbers;
}

}  // namespace

std::string EscapeHtml(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&': escaped += "&amp;"; break;
      case '<': escaped += "&lt;"; break;
      case '>': escaped += "&gt;"; break;
      case '"': escaped += "&quot;"; break;
      default:
        if (static_cast<unsigned char>(c) >= 0x20 || c == '\n' || c == '\t') escaped += c;
    }
  }
  return escaped;
}

std::string HtmlTable(const std::vector<std::vector<std::string>>& rows) {
  if (rows.empty()) return "";
  const std::vector<bool> numbers = NumberColumns(rows);
  std::string html = "<table><thead><tr>";
  for (const std::string& cell : rows.front()) {
    absl::StrAppend(&html, "<th>", EscapeHtml(cell), "</th>");
  }
  html += "</tr>\n</thead><tbody>\n";
  for (size_t i = 1; i < rows.size(); ++i) {
    html += "<tr>";
    for (size_t j = 0; j < rows[i].size(); ++j) {
      absl::StrAppend(&html, numbers[j] ? "<td class=\"number\">" : "<td>", EscapeHtml(rows[i][j]),
                      "</td>");
    }
    html += "</tr>\n";
  }
  return absl::StrCat(html, "</tbody></table>\n");
}

std::string HtmlSection(const std::string& title, const std::string& html) {
  return absl::StrCat("<section><h2>", EscapeHtml(title), "</h2>\n", html, "</section>\n");
}

std::string HtmlDetails(const std::string& title, const std::string& html) {
  return absl::StrCat("<details><summary>", EscapeHtml(title), "</summary>\n", html,
                      "</details>\n");
}

std::string HtmlPage(const std::string& title, const std::string& body) {
  return absl::StrCat(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>",
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>",
      EscapeHtml(title), "</title>\n<style>", kStyle, "</style></head>\n<body>\n", body,
      "</body></html>\n");
}

}  // namespace rondo
