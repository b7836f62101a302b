#include "worker/text/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <utility>

#include "worker/text/utf8.h"

namespace rondo {
namespace {

std::string PcreMessage(int code) {
  PCRE2_UCHAR buffer[160];
  pcre2_get_error_message(code, buffer, sizeof(buffer));
  return reinterpret_cast<const char*>(buffer);
}

// Oniguruma's \s is Unicode's White_Space; PCRE2's also holds U+180E, which left that property in
// Unicode 6.3. So \s, and \S outside a bracket class, are written out.
std::string WithUnicodeSpace(const std::string& pattern) {
  constexpr const char* kSpace = "\\x09-\\x0d\\x{85}\\p{Z}";
  std::string out;
  bool in_class = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c != '\\' || i + 1 == pattern.size()) {
      if (c == '[') in_class = true;
      if (c == ']') in_class = false;
      out.push_back(c);
      continue;
    }
    const char escaped = pattern[++i];
    if (escaped == 's') {
      out += in_class ? std::string(kSpace) : absl::StrCat("[", kSpace, "]");
    } else if (escaped == 'S' && !in_class) {
      out += absl::StrCat("[^", kSpace, "]");
    } else {
      out += {c, escaped};
    }
  }
  return out;
}

}  // namespace

struct Regex::Code {
  explicit Code(pcre2_code* owned) : compiled(owned) {}
  ~Code() { pcre2_code_free(compiled); }
  Code(const Code&) = delete;
  Code& operator=(const Code&) = delete;
  pcre2_code* compiled;
};

Regex::Regex(std::string pattern, std::shared_ptr<const Code> code)
    : pattern_(std::move(pattern)), code_(std::move(code)) {}

absl::StatusOr<Regex> Regex::CompileWith(const std::string& shown, const std::string& pattern,
                                         bool literal) {
  int error = 0;
  PCRE2_SIZE offset = 0;
  const uint32_t options = PCRE2_UTF | (literal ? PCRE2_LITERAL : PCRE2_UCP);
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                   options, &error, &offset, nullptr);
  if (code == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("pattern \"", shown, "\" does not compile: ", PcreMessage(error)));
  }
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // Without JIT the interpreter is used.
  return Regex(shown, std::make_shared<const Code>(code));
}

absl::StatusOr<Regex> Regex::Compile(const std::string& pattern) {
  return CompileWith(pattern, WithUnicodeSpace(pattern), /*literal=*/false);
}

absl::StatusOr<Regex> Regex::Literal(const std::string& text) {
  return CompileWith(text, text, /*literal=*/true);
}

absl::StatusOr<std::vector<Span>> Regex::FindAll(std::string_view text) const {
  const std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> match(
      pcre2_match_data_create_from_pattern(code_->compiled, nullptr), &pcre2_match_data_free);
  const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(match.get());
  std::vector<Span> spans;
  for (size_t at = 0; at <= text.size();) {
    const int count = pcre2_match(code_->compiled, reinterpret_cast<PCRE2_SPTR>(text.data()),
                                  text.size(), at, PCRE2_NO_UTF_CHECK, match.get(), nullptr);
    if (count == PCRE2_ERROR_NOMATCH) break;
    if (count < 0) {
      return absl::InternalError(
          absl::StrCat("pattern \"", pattern_, "\" failed at byte ", at, ": ", PcreMessage(count)));
    }
    spans.push_back({bounds[0], bounds[1]});
    at = bounds[1];
    // After an empty match the search goes on behind the next character.
    if (bounds[0] == bounds[1]) at += at < text.size() ? Utf8Length(text[at]) : 1;
  }
  return spans;
}

absl::StatusOr<std::string> Regex::ReplaceAll(std::string_view text,
                                              const std::string& replacement) const {
  ASSIGN_OR_RETURN(const std::vector<Span> spans, FindAll(text));
  std::string out;
  size_t done = 0;
  for (const Span& span : spans) {
    out.append(text.substr(done, span.begin - done)).append(replacement);
    done = span.end;
  }
  return std::move(out.append(text.substr(done)));
}

}  // namespace rondo
