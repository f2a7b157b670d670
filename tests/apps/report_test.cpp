// report.html of a run in a real browser, and what soma summary predicts of its memory.
#include <gtest/gtest.h>

#include <cstdlib>

#include "browser.hpp"
#include "small_task.hpp"

namespace {

// Loads, looks at every picture, and walks over what the keyboard reaches; the title tells.
constexpr const char* kVisitor = R"(<script>
let wrong='';
window.onerror=message=>{wrong+=message+' '};
window.onload=()=>{
  const pictures=[...document.querySelectorAll('svg,img,canvas')];
  document.querySelectorAll('details').forEach(d=>d.open=true);
  for(const p of pictures){
    const box=p.getBoundingClientRect();
    const natural=p.tagName==='svg'||p.tagName==='SVG'?[p.viewBox.baseVal.width,p.viewBox.baseVal.height]
                                  :[p.naturalWidth||p.width,p.naturalHeight||p.height];
    if(!(box.width>0&&box.height>0&&natural[0]>0&&natural[1]>0))wrong+='empty picture ';
    else if(Math.abs(box.width/box.height/(natural[0]/natural[1])-1)>0.02)wrong+='distorted picture ';
    if(p.innerHTML.includes('NaN')||p.innerHTML.includes('inf'))wrong+='no number in a picture ';
  }
  for(const s of document.querySelectorAll('section[tabindex],summary')){
    s.focus();
    if(document.activeElement!==s)wrong+='no focus ';
  }
  if(document.documentElement.scrollWidth>window.innerWidth)wrong+='wider than the window ';
  document.title='pictures '+pictures.length+' headings '+
      [...document.querySelectorAll('h2,figcaption')].map(h=>h.firstChild.textContent.trim()).join(',')+' wrong: '+wrong+'.';
};
</script>)";

/// What the visitor's title says of a report, in a window of that width.
std::string visit(const std::filesystem::path& report, const TemporaryFolder& folder, int width) {
  const std::string page = read_text(report);
  EXPECT_EQ(page.find("http"), std::string::npos) << "needs nothing from elsewhere";
  const PageVisit visit = visit_page(page, kVisitor, folder, width);
  EXPECT_EQ(visit.exit_code, 0) << visit.log;
  EXPECT_EQ(visit.log.find("CONSOLE"), std::string::npos) << visit.log;
  return visit.title;
}

TEST(ReportPage, LoadsWithoutErrorsAndWithWholePictures) {
  if (!has_program("chromium")) {
    GTEST_SKIP() << "chromium is not installed: the report was not opened in a browser";
  }
  const SmallTask task;
  ASSERT_EQ(task.execute(task.train("run", {"--epochs", "3"})).exit_code, 0);
  const auto report = task.run_path("run") / "report.html";
  const std::string expected =
      "headings Loss,Accuracy,Learning rate,Confusion,Classes,Layers,Kernels,Configuration wrong: "
      ".";
  for (const int width : {1400, 500}) {
    const std::string title = visit(report, task.folder(), width);
    EXPECT_TRUE(title.starts_with("pictures ") && !title.starts_with("pictures 0")) << title;
    EXPECT_TRUE(title.ends_with(expected)) << title;
  }
  // Numbers instead of classes.
  write_text(task.folder().path() / "t.csv", [] {
    std::string csv = "x,y\n";
    for (int i = 0; i < 60; ++i) {
      csv += std::to_string(i * 37 % 60) + "." + std::to_string(i % 7) + "," +
             std::to_string(i * 1.5) + "\n";
    }
    return csv;
  }());
  ASSERT_EQ(
      task.execute({"train", "tabular", "--data", "t.csv", "--epochs", "2", "--out", "numbers"})
          .exit_code,
      0);
  const std::string title = visit(task.run_path("numbers") / "report.html", task.folder(), 1400);
  EXPECT_TRUE(title.ends_with("headings Loss,Learning rate,Layers,Kernels,Configuration wrong: ."))
      << title;
}

TEST(Health, HasARowForEachLayerNearTheEndOfAnEpoch) {
  const SmallTask task;
  ASSERT_EQ(task.execute(task.train("run", {"--steps", "30"})).exit_code, 0);
  ASSERT_EQ(task.execute(task.resume("run", {"--steps", "40"})).exit_code, 0);
  std::istringstream in(read_text(task.run_path("run") / "health.csv"));
  std::string line;
  std::getline(in, line);
  EXPECT_EQ(
      line,
      "epoch,step,layer,weight_mean,weight_deviation,gradient_mean,gradient_deviation,"
      "activation_mean,activation_deviation,zeros,dead,update_ratio,output_gradient,saturated,"
      "alarms");
  std::vector<std::string> found;
  while (std::getline(in, line)) {
    std::vector<std::string> cells;
    std::istringstream row(line + ",");
    for (std::string cell; std::getline(row, cell, ',');) cells.push_back(cell);
    ASSERT_EQ(cells.size(), 15u) << line;
    found.push_back(cells[1] + " " + cells[2]);
    if (cells[2] == "max_pool2d_2") continue;
    const double update = std::stod(cells[11]), gradient = std::stod(cells[6]);
    EXPECT_GT(update, 1e-5) << line;
    EXPECT_LT(update, 1) << line;
    EXPECT_GT(gradient, 0) << line;
    EXPECT_GE(std::stod(cells[9]), std::stod(cells[10])) << "dead units are zeros, too: " << line;
  }
  EXPECT_EQ(found, (Words{"20 conv2d_1", "20 max_pool2d_2", "20 dense_3", "20 dense_4",  //
                          "30 conv2d_1", "30 max_pool2d_2", "30 dense_3", "30 dense_4",  //
                          "40 conv2d_1", "40 max_pool2d_2", "40 dense_3", "40 dense_4"}));
}

TEST(Health, LookingAtStepsChangesNoBit) {
  const SmallTask task;
  // One of these ends where the probe looks, the other goes on unwatched in the same step.
  const Words exact = {"--numerics", "exact", "--backend", "reference"};
  const auto hash = [&](const std::string& name, Words words) {
    words.insert(words.end(), exact.begin(), exact.end());
    const Outcome outcome = task.execute(task.train(name, words));
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return outcome.json().value("weights_sha256", "");
  };
  hash("half", {"--steps", "10"});
  const Outcome resumed = task.execute(task.resume("half", {"--steps", "20"}));
  EXPECT_EQ(resumed.json().value("weights_sha256", ""), hash("whole", {"--steps", "20"}));
}

TEST(Summary, PredictsThePeakOfTraining) {
  const TemporaryFolder folder;
  const Outcome summary =
      soma_command({"summary", "lenet5", "--data", "glyphs", "--json"}, folder.path());
  ASSERT_EQ(summary.exit_code, 0) << summary.err;
  const nlohmann::json memory = summary.json().at("memory");
  const double predicted = memory.at("process").at("predicted_peak");
  EXPECT_EQ(memory.at("batch"), 64);
  EXPECT_EQ(memory.at("training").at("parameters"), 4 * 1663370);
  EXPECT_EQ(memory.at("training").at("gradients"), 4 * 1663370);
  EXPECT_EQ(memory.at("training").at("optimizer"), 4 * 1663370);  // of momentum
  const Outcome trained = soma_command(
      {"train", "lenet5", "--data", "glyphs", "--steps", "2", "--json"}, folder.path());
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  const double peak = trained.json().at("peak_memory_bytes");
  EXPECT_LE(peak, 1.2 * predicted);
  EXPECT_GE(peak, predicted / 1.2);
}

}  // namespace
