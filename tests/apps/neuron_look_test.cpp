// soma inspect --neuron, --sample and --gallery: images, tables and text, on the command line and
// as pages in a browser.
#include <gtest/gtest.h>

#include "browser.hpp"
#include "small_task.hpp"

namespace {

using nlohmann::json;

// Every picture decoded and of a size, every drawing of a size, every link with a target, nothing
// wider than the window.
constexpr const char* kVisitor = R"(<script>
let wrong='';
window.onerror=message=>{wrong+=message+' '};
const pictures=[...document.images],drawings=[...document.querySelectorAll('svg')];
pictures.forEach(p=>{if(!p.complete||p.naturalWidth<1||p.width<8||!p.alt)wrong+='picture '});
document.querySelectorAll('.frame i').forEach(i=>{const b=i.getBoundingClientRect(),f=i.parentElement.getBoundingClientRect();
if(b.width<3||b.left<f.left-3||b.right>f.right+3||b.top<f.top-3||b.bottom>f.bottom+3)wrong+='outline '});
drawings.forEach(d=>{const b=d.getBoundingClientRect();if(b.width<50||b.height<20)wrong+='size '});
document.querySelectorAll('nav a').forEach(a=>{if(!document.getElementById(a.getAttribute('href').slice(1)))wrong+='link '});
if(document.documentElement.scrollWidth>window.innerWidth)wrong+='wide ';
document.title='pictures '+pictures.length+' drawings '+(drawings.length>0)+' wrong: '+wrong+'.';
</script>)";

void expect_page(const std::string& file, int pictures) {
  if (!has_program("chromium")) return;
  const TemporaryFolder folder;
  const std::string page = read_text(file);
  for (const char* outside : {"http://", "https://", "<link", "@import", "src=\"file"}) {
    EXPECT_EQ(page.find(outside), std::string::npos) << outside;
  }
  const PageVisit visit = visit_page(page, kVisitor, folder, 800);
  ASSERT_EQ(visit.exit_code, 0) << visit.log;
  EXPECT_EQ(visit.title, "pictures " + std::to_string(pictures) + " drawings true wrong: .");
  EXPECT_EQ(visit.log.find("CONSOLE"), std::string::npos) << visit.log;
}

TEST(LookAtANeuron, OfImagesSaysWhatItSeesAndLikes) {
  const SmallTask task;
  const auto folder = task.folder().path();
  ASSERT_EQ(task.execute(task.train("run", {"--epochs", "2"})).exit_code, 0);
  const Outcome outcome = task.execute({"inspect", "run", "--neuron", "conv2d_1:3", "--examples",
                                        "5", "--html", "neuron.html", "--json"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const json j = outcome.json();
  ASSERT_FALSE(j.is_discarded());
  EXPECT_EQ(j["neuron"]["units"], 5);
  EXPECT_EQ(j["neuron"]["positions"], json({12, 12}));
  // The middle is (6,6), at stride 2 without padding: rows 12 to 16.
  EXPECT_EQ(j["receptive_field"]["theoretical"]["begin"], json({12, 12, 0}));
  EXPECT_EQ(j["receptive_field"]["theoretical"]["end"], json({17, 17, 1}));
  EXPECT_EQ(j["receptive_field"]["measured"], j["receptive_field"]["theoretical"]);
  ASSERT_EQ(j["top"].size(), 5u);
  for (std::size_t i = 1; i < 5; ++i) {
    EXPECT_GE(j["top"][i - 1]["activation"], j["top"][i]["activation"]);
  }
  const json& first = j["top"][0];
  const int position = first["position"];
  EXPECT_EQ(first["receptive_field"]["begin"], json({position / 12 * 2, position % 12 * 2, 0}));
  EXPECT_EQ(j["incoming"][0]["shape"], json({5, 5, 1}));
  EXPECT_EQ(j["outgoing"][0]["layer"], "dense_3");
  EXPECT_EQ(j["attribution"]["weights"].size(), 25u);
  EXPECT_GT(j["attribution"]["agreement"], 0.5);
  EXPECT_GT(j["maximised"]["after"], j["maximised"]["before"]);
  EXPECT_EQ(j["maximised"]["input"].size(), 784u);
  EXPECT_EQ(j["selectivity"]["means"].size(), 2u);
  EXPECT_EQ(j["moves"].back()["layer"], "dense_4");
  // Five samples with their patches, the field, its measurement, the maximised input with its
  // patch, weights in and out.
  expect_page(folder / "neuron.html", 16);

  const Outcome text = task.execute({"inspect", "run", "--neuron", "dense_4:1"});
  ASSERT_EQ(text.exit_code, 0) << text.err;
  for (const char* word : {"dense_4:1 of small", "weighs", "prefers", "maximised", "listens to"}) {
    EXPECT_NE(text.out.find(word), std::string::npos) << word << " in\n" << text.out;
  }

  ASSERT_EQ(task.execute({"inspect", "run", "--sample", "7", "--html", "maps.html"}).exit_code, 0);
  expect_page(folder / "maps.html", 5);  // the input and four layers
  ASSERT_EQ(task.execute({"inspect", "run", "--gallery", "--maximise-steps", "30", "--html",
                          "gallery.html"})
                .exit_code,
            0);
  // Five filters, ten of 17 units, two outputs: of each the maximised input and three samples.
  if (!has_program("chromium")) GTEST_SKIP() << "chromium is not installed: no page was opened";
  const PageVisit visit =
      visit_page(read_text(folder / "gallery.html"), kVisitor, TemporaryFolder(), 800);
  EXPECT_EQ(visit.title, "pictures 68 drawings false wrong: .") << visit.log;
}

TEST(LookAtANeuron, OfATableNamesItsColumns) {
  const TemporaryFolder folder;
  ASSERT_EQ(soma_command({"train", "tabular", "--data", "iris", "--epochs", "20", "--out", "run"},
                         folder.path())
                .exit_code,
            0);
  const Outcome outcome = soma_command(
      {"inspect", "run", "--neuron", "fc3:2", "--html", "neuron.html", "--json"}, folder.path());
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const json j = outcome.json();
  EXPECT_EQ(j["selectivity"]["preferred"], "virginica");
  EXPECT_GT(j["maximised"]["probability"], 0.99);
  EXPECT_NE(read_text(folder / "neuron.html").find("petal"), std::string::npos);
  expect_page(folder / "neuron.html", 1);  // the weights; else tables and bars
}

TEST(LookAtANeuron, OfTextShowsTheWindow) {
  const TemporaryFolder folder;
  std::string text;
  for (int i = 0; i < 400; ++i) text += "the cat sat on the mat. ";
  write_text(folder / "cats.txt", text);
  ASSERT_EQ(soma_command({"train", "char-lstm", "--data", "text:cats.txt?context=16&stride=16",
                          "--steps", "10", "--out", "run"},
                         folder.path())
                .exit_code,
            0);
  const Outcome outcome = soma_command(
      {"inspect", "run", "--neuron", "lstm:5", "--html", "neuron.html", "--json"}, folder.path());
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const json j = outcome.json();
  EXPECT_EQ(j["receptive_field"]["theoretical"]["end"], json({9}));  // nothing after its step
  EXPECT_TRUE(j["maximised"].is_null());
  EXPECT_EQ(j["incoming"].size(), 8u);
  EXPECT_NE(read_text(folder / "neuron.html").find("class=\"window\""), std::string::npos);
}

TEST(LookAtANeuronErrors, NameWhatThereIs) {
  const SmallTask task;
  ASSERT_EQ(task.execute(task.train("run", {"--steps", "1"})).exit_code, 0);
  const auto fails = [&](const Words& words, int code, const char* sentence) {
    const Outcome outcome = task.execute(words);
    EXPECT_EQ(outcome.exit_code, code) << command_line(words);
    EXPECT_NE(outcome.err.find(sentence), std::string::npos) << outcome.err;
  };
  fails({"inspect", "run", "--neuron", "dense_4"}, 2, "expected LAYER:INDEX as in conv2:7");
  fails({"inspect", "run", "--neuron", "dense_9:1"}, 1, "it has conv2d_1, max_pool2d_2");
  fails({"inspect", "run", "--neuron", "dense_4:2"}, 1, "the neurons 0 to 1, there is no 2");
  fails({"inspect", "run", "--sample", "100"}, 1, "the test samples 0 to 99");
  fails({"inspect", "run", "--sample", "1", "--gallery"}, 2, "one of");
}

}  // namespace
