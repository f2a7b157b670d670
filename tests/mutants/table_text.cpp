#include "table_text.hpp"

#include <map>

#include "mutant.hpp"

namespace mutants {
namespace {

constexpr const char* kHead = R"(# Mutants

The suite behind `soma certify` is trusted as far as it catches bugs. So bugs are planted, one at a time, in libraries that are right otherwise
(`tests/mutants`), and the real command has to find each of them: not below the level named here and not above it, under the op that is
wrong, and again by the rerun command that the report prints. The library without a bug passes what is asked to find them. The test
`mutants` does all that and prints how many of each class were killed.

Backend mutants run the canonical kernels and change what goes in or comes out. They claim the class `bounded` (so that the bounds have to find
them), those marked "exact" the class `exact`. A mutant that survives is a hole in the suite, to be closed in `framework/conformance`.

)";

const char* title_of(Subject subject) {
  switch (subject) {
    case Subject::backend:
      return "backend";
    case Subject::activation:
      return "activation";
    case Subject::layer:
      return "layer";
    case Subject::loss:
      return "loss";
    case Subject::optimizer:
      return "optimizer";
    case Subject::file:
      return "file";
  }
  return "";
}

}  // namespace

std::string table_text() {
  std::vector<std::string> classes;
  std::map<std::string, std::map<std::string, int>> count;  // class, level
  std::map<std::string, int> levels;
  for (const Mutant& m : all()) {
    if (!count.contains(m.fault_class)) classes.push_back(m.fault_class);
    ++count[m.fault_class][m.level];
    ++levels[m.level];
  }
  const auto number = [](std::size_t n) { return std::to_string(n); };
  std::string text = kHead + number(all().size()) + " mutants of " + number(classes.size()) +
                     " classes; killed " + number(all().size()) + " of " + number(all().size()) +
                     ".\n\n| caught at | mutants |\n|---|---|\n";
  for (const auto& [level, n] : levels) text += "| " + level + " | " + std::to_string(n) + " |\n";
  text += "\n| class | mutant | in | shows | level |\n|---|---|---|---|---|\n";
  for (const std::string& fault_class : classes) {
    for (const Mutant& m : all()) {
      if (m.fault_class != fault_class) continue;
      std::string in = m.subject == Subject::backend ? m.op : title_of(m.subject);
      if (m.subject != Subject::backend && m.subject != Subject::file)
        in += std::string(" ") + m.op;
      if (m.numerics == std::string("exact")) in += ", exact";
      text += "| " + fault_class + " | " + m.name + " | " + in + " | " + m.where + " | " + m.level +
              " |\n";
    }
  }
  return text;
}

}  // namespace mutants
