#include "common/s3/s3_answers.h"

#include <cctype>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_replace.h"

namespace rondo {
namespace {

constexpr size_t kLongestCode = 64;

// What stands between <name> and </name>, the first at or after `*at`, which moves behind it. None
// of the elements that are asked for has attributes, or another of its name inside.
std::optional<std::string_view> NextElement(std::string_view xml, const std::string& name,
                                            size_t* at) {
  const std::string open = "<" + name + ">";
  const std::string close = "</" + name + ">";
  const size_t start = xml.find(open, *at);
  if (start == std::string_view::npos) return std::nullopt;
  const size_t end = xml.find(close, start);
  if (end == std::string_view::npos) return std::nullopt;
  *at = end + close.size();
  return xml.substr(start + open.size(), end - start - open.size());
}

std::string TextOf(std::string_view xml, const std::string& name) {
  size_t at = 0;
  const auto element = NextElement(xml, name, &at);
  if (!element) return "";
  return absl::StrReplaceAll(std::string(*element), {{"&quot;", "\""},
                                                     {"&#34;", "\""},
                                                     {"&apos;", "'"},
                                                     {"&lt;", "<"},
                                                     {"&gt;", ">"},
                                                     {"&amp;", "&"}});
}

int DigitOf(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = absl::ascii_tolower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// Nothing for a '%' that is not followed by two digits. A plus is a space: so are forms encoded.
std::optional<std::string> UriDecode(const std::string& text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = DigitOf(text[i + 1]);
      const int low = DigitOf(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      decoded += static_cast<char>(16 * high + low);
      i += 2;
    } else {
      decoded += text[i] == '+' ? ' ' : text[i];
    }
  }
  return decoded;
}

absl::StatusOr<ListedObject> ParseObject(std::string_view xml) {
  ListedObject object;
  const std::string encoded = TextOf(xml, "Key");
  const std::optional<std::string> key = UriDecode(encoded);
  if (!key || key->empty()) {
    return absl::InvalidArgumentError(absl::StrCat("key \"", encoded, "\" is not URL-encoded"));
  }
  object.key = *key;
  const std::string size = TextOf(xml, "Size");
  if (!absl::SimpleAtoi(size, &object.bytes) || object.bytes < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("the size of ", object.key, " is \"", size, "\""));
  }
  object.etag = absl::StrReplaceAll(TextOf(xml, "ETag"), {{"\"", ""}});
  if (!object.etag.empty()) return object;
  return absl::InvalidArgumentError(absl::StrCat(object.key, " has no ETag"));
}

}  // namespace

absl::StatusOr<ListPage> ParseListPage(std::string_view xml) {
  if (xml.find("<ListBucketResult") == std::string_view::npos) {
    return absl::InvalidArgumentError("the answer holds no ListBucketResult");
  }
  ListPage page;
  size_t at = 0;
  while (const auto contents = NextElement(xml, "Contents", &at)) {
    ASSIGN_OR_RETURN(ListedObject object, ParseObject(*contents));
    page.objects.push_back(std::move(object));
  }
  if (TextOf(xml, "IsTruncated") != "true") return page;
  page.next = TextOf(xml, "NextContinuationToken");
  if (!page.next.empty()) return page;
  return absl::InvalidArgumentError("a page that is not the last names no next one");
}

std::string ErrorCode(std::string_view xml) {
  std::string code = TextOf(xml, "Code");
  if (code.size() > kLongestCode) code.clear();
  for (const char c : code) {
    if (!absl::ascii_isalnum(c)) return "";
  }
  return code;
}

}  // namespace rondo
