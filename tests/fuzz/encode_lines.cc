// encode_lines MODEL_DIR: reads a JSON text a line from stdin and writes the ids of each as a line,
// for tests/e2e/tokenizer_fuzz.py.
#include <iostream>
#include <nlohmann/json.hpp>

#include "worker/text/tokenizer.h"

// A line that is not JSON is the test's mistake, and ends the program.
int main(int argc, char** argv) {  // NOLINT(bugprone-exception-escape)
  const auto tokenizer = rondo::Tokenizer::Load(argc > 1 ? argv[1] : ".");
  if (!tokenizer.ok()) {
    std::cerr << tokenizer.status() << "\n";
    return 1;
  }
  for (std::string line; std::getline(std::cin, line);) {
    const auto text = nlohmann::json::parse(line).get<std::string>();
    const auto ids = (*tokenizer)->Encode(text, /*add_special_tokens=*/true);
    const auto decoded = ids.ok() ? (*tokenizer)->Decode(*ids) : ids.status();
    if (!decoded.ok()) {
      std::cerr << line << ": " << decoded.status() << "\n";
      return 1;
    }
    std::cout << nlohmann::json{{"ids", *ids}, {"decoded", *decoded}}.dump() << "\n";
  }
  return 0;
}
