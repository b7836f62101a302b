// HTML that is well-formed XML too. Pure functions.
#pragma once

#include <string>
#include <vector>

namespace rondo {

// For text and for attributes in double quotes. Control characters that XML forbids are left out.
std::string EscapeHtml(const std::string& text);

// The first row is the head. Cells are text, not HTML; columns of numbers are aligned to the right.
std::string HtmlTable(const std::vector<std::vector<std::string>>& rows);

std::string HtmlSection(const std::string& title, const std::string& html);
// Closed until somebody opens it.
std::string HtmlDetails(const std::string& title, const std::string& html);

// A whole document; nothing is loaded from elsewhere, no scripts.
std::string HtmlPage(const std::string& title, const std::string& body);

}  // namespace rondo
