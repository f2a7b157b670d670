// soma lab: every experiment decides its claim, and its verdict turns round when it is sabotaged.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "browser.hpp"

namespace {

using nlohmann::json;

const json& listed() {
  static const json list = [] {
    const TemporaryFolder folder;
    return soma_command({"lab", "--list", "--json"}, folder.path()).json();
  }();
  return list;
}

std::vector<std::string> ids() {
  std::vector<std::string> names;
  if (listed().is_discarded()) return names;
  for (const json& e : listed()["experiments"]) names.push_back(e["id"]);
  return names;
}

json measure(const std::string& id, bool sabotage) {
  const TemporaryFolder folder;
  Words words{"lab", id, "--quick", "--threads", "1", "--json"};
  if (sabotage) words.push_back("--sabotage");
  const Outcome outcome = soma_command(words, folder.path());
  EXPECT_EQ(outcome.exit_code, 0) << command_line(words) << "\n" << outcome.err;
  const json result = outcome.json();
  return result.is_discarded() ? json() : result["experiments"][0];
}

class Experiments : public testing::TestWithParam<std::string> {};

TEST_P(Experiments, TurnRoundWhenSabotaged) {
  const json real = measure(GetParam(), false), broken = measure(GetParam(), true);
  ASSERT_FALSE(real.is_null());
  ASSERT_FALSE(broken.is_null());
  EXPECT_FALSE(real["measured"].get<std::string>().empty());
  EXPECT_FALSE(real["figures"].empty());
  ASSERT_TRUE(real["holds"].is_boolean());
  EXPECT_NE(real["holds"], broken["holds"])
      << "real: " << real["measured"] << "\nsabotaged: " << broken["measured"];
}

INSTANTIATE_TEST_SUITE_P(All, Experiments, testing::ValuesIn(ids()),
                         [](const auto& info) { return info.param; });

TEST(Lab, NamesEachExperimentOnceAndLeavesNoConceptOut) {
  ASSERT_FALSE(listed().is_discarded());
  std::set<std::string> seen, concepts;
  for (const json& e : listed()["experiments"]) {
    EXPECT_TRUE(seen.insert(e["id"]).second) << e["id"] << " is there twice";
    EXPECT_FALSE(e["concepts"].empty()) << e["id"];
    for (const std::string concept_name : e["concepts"]) {
      const int number = std::atoi(concept_name.c_str() + 1);
      EXPECT_TRUE(concept_name[0] == 'S' && number >= 1 && number <= 101) << concept_name;
      concepts.insert(concept_name);
    }
  }
  EXPECT_EQ(concepts.size(), 101u);
}

TEST(Lab, RunsByConcept) {
  const TemporaryFolder folder;
  const json result = soma_command({"lab", "S4", "--quick", "--json"}, folder.path()).json();
  ASSERT_FALSE(result.is_discarded());
  EXPECT_EQ(result["experiments"][0]["id"], "mcculloch_pitts");
}

TEST(Lab, TellsOfAMisspeltNameWhatIsThere) {
  const TemporaryFolder folder;
  const Outcome outcome = soma_command({"lab", "perceptrn"}, folder.path());
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_NE(outcome.err.find("did you mean 'perceptron'"), std::string::npos) << outcome.err;
}

TEST(Lab, TellsTheTourToItsEndWithoutATerminal) {
  const TemporaryFolder folder;
  const Outcome outcome = soma_command({"lab", "tour"}, folder.path());
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("THE FACTORY WORKER"), std::string::npos);
  EXPECT_NE(outcome.out.find("THE COOK"), std::string::npos);
}

// Every drawing of the book has a size, every experiment a heading; the title tells.
constexpr const char* kVisitor = R"(<script>
let wrong='';
window.onerror=message=>{wrong+=message+' '};
const drawings=[...document.querySelectorAll('svg')],articles=[...document.querySelectorAll('article')];
drawings.forEach(d=>{const b=d.getBoundingClientRect();if(b.width<50||b.height<20)wrong+='size '});
articles.forEach(a=>{if(!a.querySelector('h3').textContent||!a.querySelector('.verdict').textContent)wrong+='empty '});
document.querySelectorAll('nav a').forEach(a=>{if(!document.getElementById(a.getAttribute('href').slice(1)))wrong+='link '});
document.title='drawings '+(drawings.length>0)+' articles '+articles.length+' wrong: '+wrong+'.';
</script>)";

TEST(Lab, BookOpensInABrowserWithEveryDrawing) {
  if (!has_program("chromium")) {
    GTEST_SKIP() << "chromium is not installed: the book was not opened in a browser";
  }
  const TemporaryFolder folder;
  ASSERT_EQ(soma_command({"lab", "S3", "S5", "S28", "S66", "--quick", "--threads", "1", "--html",
                          "book.html"},
                         folder.path())
                .exit_code,
            0);
  const PageVisit visit = visit_page(read_text(folder / "book.html"), kVisitor, folder);
  ASSERT_EQ(visit.exit_code, 0) << visit.log;
  EXPECT_EQ(visit.title, "drawings true articles 4 wrong: .");
  EXPECT_EQ(visit.log.find("CONSOLE"), std::string::npos) << visit.log;
}

/// The map from concepts to experiments, as framework/docs/lab.md has it.
std::string documentation() {
  std::string text =
      "# The neuron laboratory\n\n"
      "`soma lab NAME`, `soma lab S7` or `soma lab --all --html lab.html`: each experiment has a "
      "claim as textbooks have it, a\n"
      "measurement on real computation with Soma's own API, a verdict and a picture. `--quick` "
      "takes fewer seeds and smaller sizes.\n"
      "`--sabotage` breaks one thing in each experiment; the tests require that its verdict then "
      "turns round. A claim that a\n"
      "measurement refutes is reported as `does not hold`.\n\n"
      "| concepts | experiment | claim |\n|---|---|---|\n";
  for (const json& e : listed()["experiments"]) {
    std::string concepts;
    for (const std::string name : e["concepts"]) concepts += (concepts.empty() ? "" : " ") + name;
    text += "| " + concepts + " | `" + e["id"].get<std::string>() + "` | " +
            e["claim"].get<std::string>() + " |\n";
  }
  return text;
}

// SOMA_WRITE_DOCS=1 writes the page anew.
TEST(Lab, IsDocumented) {
  ASSERT_FALSE(listed().is_discarded());
  if (std::getenv("SOMA_WRITE_DOCS") != nullptr) write_text(LAB_PAGE, documentation());
  EXPECT_EQ(read_text(LAB_PAGE), documentation()) << "SOMA_WRITE_DOCS=1 writes it anew";
}

}  // namespace
