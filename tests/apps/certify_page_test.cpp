// The files that soma certify writes: the page in a real browser, XML for build servers, and a
// signature.
#include <gtest/gtest.h>

#include <cstdlib>

#include "browser.hpp"

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

/// A certificate with cells that passed, failed and were declined, in all its forms.
class CertificateFiles : public testing::Test {
 protected:
  CertificateFiles() {
    setenv("SOMA_TEST_FAULT", "wrong_gradient", 1);
    const Outcome outcome = soma_command(
        {"certify", FAULTY_BACKEND, "--numerics", "exact", "--html", "page.html", "--junit",
         "junit.xml", "--certificate", "certificate.json", "--level", "C0,C1,C2,C4,C6"},
        folder_.path());
    unsetenv("SOMA_TEST_FAULT");
    EXPECT_EQ(outcome.exit_code, 1) << outcome.err;
    certificate_ = json::parse(read_text(folder_ / "certificate.json"), nullptr, false);
  }

  TemporaryFolder folder_;
  json certificate_;
};

// Opens every cell and compares what the dialog shows with the data; the title tells.
constexpr const char* kVisitor = R"(<script>
let wrong='',opened=0;
window.onerror=message=>{wrong+=message+' '};
const cells=document.querySelectorAll('.cell');
cells.forEach(cell=>{
  cell.focus();
  if(document.activeElement!==cell)wrong+='no focus ';
  cell.click();
  const shown=dialog.querySelectorAll('.cases>li').length,expected=data.cells[Number(cell.dataset.cell)];
  const commands=[...dialog.querySelectorAll('details pre')];
  if(!dialog.open)wrong+='closed ';
  if(shown!==expected.cases.length)wrong+='cases '+shown+' of '+expected.cases.length+' ';
  if(commands.some(c=>!c.textContent.startsWith('soma certify ')))wrong+='command ';
  if(cell.classList.contains('fail')&&!dialog.querySelector('.cases pre').textContent.includes('element 41'))wrong+='reason ';
  dialog.querySelector('.close').click();
  if(dialog.open)wrong+='stays ';
  ++opened});
filter.value='add/';filter.dispatchEvent(new Event('input'));
const shown=()=>[...document.querySelectorAll('tbody tr')].filter(r=>!r.hidden).length;
const left=shown();
filter.value='';filter.dispatchEvent(new Event('input'));
const only=document.getElementById('failed');
only.click();
const bad=new Set([...document.querySelectorAll('.cell.fail')].map(c=>c.closest('tr'))).size;
if(shown()!==bad||bad===0)wrong+='failed '+shown()+' of '+bad+' ';
only.click();
// Arrow keys reach every cell of a row, and others rows.
const press=key=>document.activeElement.dispatchEvent(new KeyboardEvent('keydown',{key,bubbles:true}));
const inRow=[...cells[0].closest('tr').querySelectorAll('.cell')];
inRow[0].focus();
for(const cell of inRow){if(document.activeElement!==cell)wrong+='arrow right ';press('ArrowRight')}
press('ArrowDown');
if(document.activeElement.closest('tr')===cells[0].closest('tr'))wrong+='arrow down ';
document.title='opened '+opened+' filtered '+left+' wrong: '+wrong+'.';
</script>)";

TEST_F(CertificateFiles, EveryCellOfThePageOpensItsCasesInABrowser) {
  if (!has_program("chromium")) {
    GTEST_SKIP() << "chromium is not installed: the page was not opened in a browser";
  }
  const std::string page = read_text(folder_ / "page.html");
  EXPECT_EQ(page.find("http"), std::string::npos) << "needs nothing from elsewhere";
  const PageVisit visit = visit_page(page, kVisitor, folder_);
  ASSERT_EQ(visit.exit_code, 0) << visit.log;
  EXPECT_EQ(visit.title,
            "opened " + std::to_string(certificate_["results"].size()) + " filtered 1 wrong: .");
  EXPECT_EQ(visit.log.find("CONSOLE"), std::string::npos) << visit.log;
}

TEST_F(CertificateFiles, XmlCountsWhatTheCertificateCounts) {
  const std::string xml = read_text(folder_ / "junit.xml");
  const auto count = [&](const std::string& part) {
    std::size_t times = 0;
    for (std::size_t at = xml.find(part); at != std::string::npos; at = xml.find(part, at + 1)) {
      ++times;
    }
    return times;
  };
  std::size_t cases = 0, failures = 0;
  for (const json& cell : certificate_["results"]) {
    cases += cell["cases"].get<std::size_t>();
    failures += cell["failures"].size();
  }
  EXPECT_EQ(count("<testcase "), cases);
  EXPECT_EQ(count("<failure "), failures);
  EXPECT_GT(failures, 0u);
  EXPECT_EQ(count("</testsuite>"), certificate_["results"].size());
}

TEST_F(CertificateFiles, ASignatureHoldsForTheCertificateAndNothingElse) {
  if (!has_program("ssh-keygen")) GTEST_SKIP() << "ssh-keygen is not installed: nothing was signed";
  const std::string key = folder_ / "key";
  ASSERT_EQ(run_shell("ssh-keygen -q -t ed25519 -N '' -f '" + key + "'"), 0);
  const Outcome outcome = soma_command(
      {"certify", "reference", "--level", "C0", "--certificate", "signed.json", "--sign", key},
      folder_.path());
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  write_text(folder_.path() / "allowed", "someone " + read_text(key + ".pub"));
  const std::string verify = "ssh-keygen -Y verify -f '" + (folder_ / "allowed") +
                             "' -I someone -n soma-certificate -s '" +
                             (folder_ / "signed.json.sig") + "' >/dev/null 2>&1 <'";
  EXPECT_EQ(run_shell(verify + (folder_ / "signed.json") + "'"), 0);
  EXPECT_NE(run_shell(verify + (folder_ / "certificate.json") + "'"), 0);
}

TEST(CertificateUsage, ASignatureNeedsACertificateAndAKey) {
  const TemporaryFolder folder;
  EXPECT_EQ(soma_command({"certify", "reference", "--sign", "key"}, folder.path()).exit_code, 2);
}

}  // namespace
