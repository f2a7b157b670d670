// Plants every bug of the table in turn and lets the real command find it: at the level that the
// table says, under the op that is wrong, and again by the command that the report prints.
#include <gtest/gtest.h>

#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <sstream>

#include "command.hpp"
#include "damaged_file.hpp"
#include "mutant.hpp"
#include "table_text.hpp"

namespace {

using mutants::Mutant;
using mutants::Subject;
using nlohmann::json;

/// One failure of a certificate.
struct Failure {
  std::string level, op, name, message, rerun;
};

std::vector<Failure> failures_of(const json& certificate) {
  std::vector<Failure> list;
  if (!certificate.is_object()) return list;
  for (const json& cell : certificate["results"]) {
    for (const json& f : cell["failures"]) {
      list.push_back({cell["level"], cell["op"], f["case"], f["message"], f["rerun"]});
    }
  }
  return list;
}

/// `soma certify` with a bug planted. Verdicts on the file are not kept from one run to the next.
Outcome certify(const std::string& mutant, const Words& words) {
  const TemporaryFolder folder;
  setenv("SOMA_MUTANT", mutant.c_str(), 1);
  setenv("XDG_CACHE_HOME", folder.path().c_str(), 1);
  Words all{"certify"};
  all.insert(all.end(), words.begin(), words.end());
  all.push_back("--json");
  const Outcome outcome = Command(all, folder.path()).wait(600);
  unsetenv("SOMA_MUTANT");
  return outcome;
}

/// The words of a printed command behind "soma certify".
Words words_of(const std::string& command) {
  std::istringstream text(command);
  Words words;
  for (std::string word; text >> word;) words.push_back(word);
  if (words.size() < 4 || words[0] != "soma" || words[1] != "certify") {
    ADD_FAILURE() << "no command of certify: " << command;
    return {};
  }
  words.erase(words.begin(), words.begin() + 2);
  return words;
}

/// What is asked of a library to find a bug: everything of an op at the level that has to find it.
struct Question {
  std::string numerics, levels, op, seconds = "60";

  Words words(const std::string& file) const {
    Words list{file, "--numerics", numerics, "--level", levels, "--timeout", seconds};
    if (!op.empty()) list.insert(list.end(), {"--op", op});
    return list;
  }
  auto operator<=>(const Question&) const = default;
};

/// How long a case may take: not long for what never comes back.
std::string seconds_for(const Mutant& m) {
  return std::string(m.name).find("hangs") == std::string::npos ? "60" : "3";
}

Question question_about(const Mutant& m) {
  return {m.numerics, m.level, m.subject == Subject::file ? "" : m.op, seconds_for(m)};
}

/// The levels of `all`, in a list, that lie below one.
std::string levels_below(const std::string& level, std::initializer_list<const char*> all) {
  std::string list;
  for (const char* below : all) {
    if (below < level) list += (list.empty() ? "" : ",") + std::string(below);
  }
  return list;
}

/// Killed and all, by class, for the last line.
class KillRate : public testing::Environment {
 public:
  static void count(const Mutant& m, bool killed) {
    auto& [dead, all] = classes()[m.fault_class];
    dead += killed ? 1 : 0;
    ++all;
  }
  void TearDown() override {
    int dead = 0, all = 0;
    for (const auto& [name, rate] : classes()) {
      std::cout << "mutants: " << name << ": killed " << rate.first << " of " << rate.second
                << "\n";
      dead += rate.first;
      all += rate.second;
    }
    if (all > 0) std::cout << "mutants: killed " << dead << " of " << all << std::endl;
  }

 private:
  static std::map<std::string, std::pair<int, int>>& classes() {
    static std::map<std::string, std::pair<int, int>> list;
    return list;
  }
};

std::string library_of(const Mutant& m) {
  switch (m.subject) {
    case Subject::activation:
      return MUTANT_ACTIVATION;
    case Subject::layer:
      return MUTANT_LAYER;
    case Subject::loss:
      return MUTANT_LOSS;
    case Subject::optimizer:
      return MUTANT_OPTIMIZER;
    case Subject::backend:
    case Subject::file:
      break;
  }
  return MUTANT_BACKEND;
}

class EveryMutant : public testing::TestWithParam<Mutant> {
 protected:
  static bool is_caught(const Mutant& m) {
    const TemporaryFolder folder;
    std::string file = library_of(m);
    if (m.subject == Subject::file) {
      file = folder / "libsoma_damaged.so";
      mutants::write_damaged(m.name, library_of(m), file);
    }
    const Outcome outcome = certify(m.name, question_about(m).words(file));
    const std::vector<Failure> found = failures_of(outcome.json());
    EXPECT_EQ(outcome.exit_code, 1) << outcome.out << outcome.err;
    if (found.empty()) return false;
    for (const Failure& f : found) {
      EXPECT_EQ(f.level + " " + f.op, std::string(m.level) + " " + m.op)
          << f.name << ": " << f.message;
    }
    if (m.subject == Subject::file) return true;
    expect_repeats(m, found[0]);
    expect_passes_below(m, found[0], file);
    return true;
  }

  /// The case that is caught passes all levels below; a network's level, the op in it.
  static void expect_passes_below(const Mutant& m, const Failure& found, const std::string& file) {
    if (m.level < std::string("C3")) return;
    Words words{file, "--numerics", m.numerics, "--level"};
    if (m.within != nullptr) {
      words.insert(words.end(), {"C3,C4", "--op", m.within});
    } else {
      const bool backend = m.subject == Subject::backend;
      words.insert(words.end(), {levels_below(m.level, {"C2", "C3", "C4"}),
                                 backend ? "--case" : "--op", backend ? found.name : m.op});
    }
    const Outcome outcome = certify(m.name, words);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.out << outcome.err;
  }

  /// The command as the report prints it, word by word.
  static void expect_repeats(const Mutant& m, const Failure& found) {
    Words words = words_of(found.rerun);
    words.insert(words.end(), {"--timeout", seconds_for(m)});
    const Outcome again = certify(m.name, words);
    EXPECT_EQ(again.exit_code, 1) << found.rerun;
    const std::vector<Failure> failures = failures_of(again.json());
    ASSERT_FALSE(failures.empty()) << found.rerun << "\n" << again.out << again.err;
    for (const Failure& f : failures) {
      EXPECT_EQ(f.level + " " + f.op + " " + f.name,
                found.level + " " + found.op + " " + found.name)
          << found.rerun;
    }
  }
};

INSTANTIATE_TEST_SUITE_P(Of, EveryMutant, testing::ValuesIn(mutants::all()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_P(EveryMutant, IsCaughtAtItsLevel) {
  const Mutant& m = GetParam();
  const bool caught = is_caught(m);
  EXPECT_TRUE(caught) << m.name << " survived: " << m.op << ", " << m.where;
  KillRate::count(m, caught && !HasFailure());
}

/// What is asked to find bugs, each question once.
std::vector<Question> questions_without_a_bug() {
  std::map<std::pair<std::string, std::string>, std::set<std::string>> levels;
  for (const Mutant& m : mutants::all()) {
    if (m.subject != Subject::backend) continue;
    const Question q = question_about(m);
    levels[{q.numerics, q.op}].insert(q.levels);
  }
  std::vector<Question> list;
  for (const auto& [key, all] : levels) {
    std::string joined;
    for (const std::string& level : all) joined += (joined.empty() ? "" : ",") + level;
    list.push_back({key.first, joined, key.second});
  }
  return list;
}

void PrintTo(const Question& q, std::ostream* out) { *out << q.levels << " of " << q.op; }

class WithoutABug : public testing::TestWithParam<Question> {};
INSTANTIATE_TEST_SUITE_P(Asked, WithoutABug, testing::ValuesIn(questions_without_a_bug()),
                         [](const auto& info) {
                           std::string name = info.param.numerics + "_" + info.param.op;
                           for (char& c : name) c = std::isalnum(c) != 0 ? c : '_';
                           return name;
                         });

TEST_P(WithoutABug, TheSameLibraryPasses) {
  const Outcome outcome = certify("", GetParam().words(MUTANT_BACKEND));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.out << outcome.err;
  EXPECT_TRUE(failures_of(outcome.json()).empty());
}

/// Wrong in one element of one gradient at one odd size: that and nothing else is reported, and the
/// command in the report finds it again.
TEST(AWrongGradientAtOneOddSize, IsFoundNamedAndRepeated) {
  const char* const mutant = "gelu_gradient_one_element";
  const Outcome outcome = certify(
      mutant, {MUTANT_BACKEND, "--op", "gelu", "--level", "C2,C3,C4,C5", "--numerics", "fast"});
  EXPECT_EQ(outcome.exit_code, 1) << outcome.err;
  const std::vector<Failure> found = failures_of(outcome.json());
  ASSERT_FALSE(found.empty());
  EXPECT_EQ(found[0].level, "C4");
  for (const Failure& f : found) {
    EXPECT_EQ(f.op + " " + f.name, "gelu/1.bwd activation/gelu_bwd_63") << f.level;
    EXPECT_NE(f.message.find("element 41: expected"), std::string::npos) << f.message;
  }
  Words words = words_of(found[0].rerun);
  const Outcome again = certify(mutant, words);
  EXPECT_EQ(again.exit_code, 1) << found[0].rerun;
  const json certificate = again.json();
  ASSERT_EQ(certificate["results"].size(), 1u) << again.out << again.err;
  EXPECT_EQ(certificate["results"][0]["cases"], 1);
  EXPECT_EQ(failures_of(certificate).at(0).message, found[0].message);
}

TEST(MutantTable, IsLargeAndVaried) {
  std::map<std::string, int> classes;
  std::set<std::string> names;
  std::set<Subject> subjects;
  for (const Mutant& m : mutants::all()) {
    EXPECT_TRUE(names.insert(m.name).second) << m.name << " is there twice";
    EXPECT_LE(++classes[m.fault_class], 6) << m.fault_class;
    subjects.insert(m.subject);
  }
  EXPECT_GE(names.size(), 100u);
  EXPECT_EQ(subjects.size(), 6u) << "every kind of plugin, and damaged files";
}

TEST(MutantTable, StandsInTheDocs) {
  EXPECT_EQ(read_text(MUTANT_DOCS), mutants::table_text())
      << "remake it: mutants --write " << MUTANT_DOCS;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && std::string(argv[1]) == "--write") {
    std::ofstream(argv[2]) << mutants::table_text();
    return 0;
  }
  testing::InitGoogleTest(&argc, argv);
  testing::AddGlobalTestEnvironment(new KillRate);
  return RUN_ALL_TESTS();
}
