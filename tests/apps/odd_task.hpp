#pragma once

#include "fault.hpp"
#include "small_task.hpp"

/// A task in which the backend of fixtures/faulty.cpp, ordered to get one gradient wrong, does so
/// in one kernel of one step: 320 samples in batches of 311 leave 9, of 7 units each, for every
/// second step, and of 63 numbers it gets the 42nd wrong.
class OddTask {
 public:
  OddTask() { write_text(task_.folder().path() / "odd.json", kModel); }

  const SmallTask& small() const { return task_; }
  /// "train odd.json ... --out RUN".
  Words train(const std::string& run, const std::string& backend, const Words& more = {}) const {
    Words words = {"train",      "odd.json",   "--data",   "idx:bars",  "--batch",
                   "311",        "--numerics", "exact",    "--backend", backend,
                   "--fallback", "reference",  "--epochs", "2",         "--schedule",
                   "cosine()",   "--out",      run,        "--json"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  /// Where the faulty backend can be found.
  Outcome execute(Words words) const {
    words.push_back(std::string("--plugin-path=") + FAULTY_FOLDER);
    return task_.execute(words);
  }
  std::string path(const std::string& name) const { return task_.run_path(name).string(); }

 private:
  static constexpr const char* kModel =
      R"({"soma_model": 1, "name": "odd", "input": [28, 28, 1], "loss": "softmax_cross_entropy",
 "layers": [
  {"type": "flatten"},
  {"type": "dense", "name": "hidden", "units": 7, "activation": "relu"},
  {"type": "dense", "name": "out", "units": 2}
 ]}
)";
  SmallTask task_;
};

/// What `soma verify` and `soma compare` must say about that fault; `at` is a divergence in JSON.
inline void expect_the_fault(const nlohmann::json& at) {
  ASSERT_TRUE(at.is_object()) << at;
  EXPECT_EQ(at["step"], 2);
  EXPECT_EQ(at["epoch"], 1);
  EXPECT_EQ(at["layer"], "hidden");
  EXPECT_EQ(at["phase"], "backward");
  EXPECT_EQ(at["op"], "relu/1.bwd");
  EXPECT_EQ(at["element"], 41);
  EXPECT_EQ(at["index"], (std::vector<int>{5, 6}));
  EXPECT_EQ(at["differing"], 1);
  EXPECT_EQ(at["elements"], 63);
  EXPECT_EQ(at["b"]["value"], -7.0);
  EXPECT_EQ(at["b"]["implementation"], "faulty:plain");
  EXPECT_EQ(at["b"]["canonical"], false);
  EXPECT_EQ(at["a"]["canonical"], true);
  EXPECT_EQ(at["a"]["share_of_bound"], 0.0);
  EXPECT_GT(at["ulp"], 1000000);
}
