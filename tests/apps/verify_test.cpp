// certificate.json, and soma verify as a child process.
#include <gtest/gtest.h>

#include <fstream>

#include "odd_task.hpp"

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const Words kExact = {"--numerics", "exact", "--backend", "reference"};

Words with(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

json certificate_of(const SmallTask& task, const std::string& run) {
  return json::parse(read_text(task.run_path(run) / "certificate.json"), nullptr, false);
}

std::string backends() {
  std::string list;
  for (const std::string& name : built_backends()) list += (list.empty() ? "" : ",") + name;
  return list;
}

void expect_refusal(const Outcome& outcome, const std::string& part) {
  EXPECT_EQ(outcome.exit_code, 1) << outcome.out;
  EXPECT_EQ(outcome.out, "");
  EXPECT_NE(outcome.err.find(part), std::string::npos) << outcome.err;
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
}

TEST(Certificate, HoldsWhatDecidesARunAndItsWeightsAfterEachEpoch) {
  const SmallTask task;
  const Outcome outcome = task.execute(task.train("run", with(kExact, {"--epochs", "2"})));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const json certificate = certificate_of(task, "run");
  ASSERT_TRUE(certificate.is_object());
  EXPECT_EQ(certificate["soma_certificate"], 1);
  EXPECT_EQ(certificate["data"], "idx:bars");
  EXPECT_EQ(certificate["seed"], 1);
  for (const char* hash : {"train_sha256", "test_sha256", "architecture_sha256", "config_sha256",
                           "certificate_sha256"}) {
    EXPECT_EQ(certificate[hash].get<std::string>().size(), 64u) << hash;
  }
  const json config = json::parse(read_text(task.run_path("run") / "config.json"));
  EXPECT_EQ(certificate["config"], config);
  EXPECT_EQ(certificate["train_sha256"], config["train_sha256"]);

  ASSERT_EQ(certificate["epochs"].size(), 2u);
  EXPECT_EQ(certificate["epochs"][0]["epoch"], 1);
  EXPECT_EQ(certificate["epochs"][0]["step"], 20);
  EXPECT_EQ(certificate["epochs"][1]["weights_sha256"], outcome.json()["weights_sha256"]);
  EXPECT_EQ(certificate["epochs"][1]["loss"], outcome.json()["train_loss"]);
  EXPECT_NE(certificate["start"]["weights_sha256"], certificate["epochs"][0]["weights_sha256"]);

  ASSERT_EQ(certificate["sessions"].size(), 1u);
  const json& session = certificate["sessions"][0];
  EXPECT_EQ(session["from_step"], 0);
  EXPECT_EQ(session["backend"], "reference");
  EXPECT_EQ(session["numerics"], "exact");
  EXPECT_EQ(session["class"], "exact");
  EXPECT_FALSE(session["cpu"].get<std::string>().empty());
  EXPECT_NE(session["host_build"].get<std::string>().find(SOMA_VERSION), std::string::npos);
  ASSERT_EQ(session["plugins"].size(), 1u);
  const json certified =
      soma_command({"certify", "reference", "--level", "C0", "--json"}, task.folder().path())
          .json();
  EXPECT_EQ(session["plugins"][0]["sha256"], certified["plugin_sha256"]);
  EXPECT_EQ(session["plugins"][0]["path"], certified["plugin"]);
}

TEST(Certificate, NamesThePluginsThatTheModelUses) {
  const SmallTask task;
  std::string model = read_text(task.folder().path() / "small.json");
  model.replace(model.find("tanh"), 4, "snake");
  write_text(task.folder().path() / "small.json", model);
  ASSERT_EQ(task.execute(task.train("run", with(kExact, {"--steps", "2"}))).exit_code, 0);
  const json plugins = certificate_of(task, "run")["sessions"][0]["plugins"];
  std::vector<std::string> names;
  for (const json& plugin : plugins) {
    names.push_back(plugin["kind"].get<std::string>() + " " + plugin["name"].get<std::string>());
  }
  EXPECT_EQ(std::count(names.begin(), names.end(), "activation snake"), 1) << plugins;
  EXPECT_EQ(names.size(), 2u) << plugins;
}

TEST(Certificate, GoesOnWhereARunIsResumed) {
  const SmallTask task;
  ASSERT_EQ(task.execute(task.train("whole", with(kExact, {"--steps", "50"}))).exit_code, 0);
  ASSERT_EQ(task.execute(task.train("parts", with(kExact, {"--steps", "13"}))).exit_code, 0);
  EXPECT_EQ(certificate_of(task, "parts")["epochs"][0]["step"], 13);
  const std::string& other = built_backends().back();
  for (const char* steps : {"33", "40", "50"}) {
    const Words words =
        task.resume("parts", {"--steps", steps, "--backend", other, "--threads", "3"});
    ASSERT_EQ(task.execute(words).exit_code, 0) << command_line(words);
  }
  const json parts = certificate_of(task, "parts"), whole = certificate_of(task, "whole");
  EXPECT_EQ(parts["epochs"], whole["epochs"]);
  EXPECT_EQ(parts["start"], whole["start"]);
  EXPECT_EQ(parts["config_sha256"], whole["config_sha256"]);
  ASSERT_EQ(parts["sessions"].size(), 4u);
  EXPECT_EQ(parts["sessions"][3]["from_step"], 40);
  EXPECT_EQ(parts["sessions"][3]["backend"], other);
  EXPECT_EQ(parts["sessions"][3]["threads"], 3);

  const Outcome verified =
      task.execute({"verify", "parts", "--backends", "reference", "--threads", "2", "--json"});
  EXPECT_EQ(verified.exit_code, 0) << verified.out << verified.err;
  EXPECT_EQ(verified.json()["runs"][0]["epochs"], whole["epochs"]);
}

TEST(Verify, RecomputesTheSameWeightsOnEveryBackendAndThreadCount) {
  const SmallTask task;
  const Outcome trained = task.execute(task.train(
      "run", with(kExact, {"--epochs", "2", "--schedule", "plateau(patience=0)", "--l2", "1e-3"})));
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  const Words words = {
      "verify", "run/certificate.json", "--backends", backends(), "--threads", "1,2,4", "--json"};
  const Outcome outcome = task.execute(words);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.out << outcome.err;
  const json result = outcome.json();
  ASSERT_TRUE(result.is_object()) << outcome.out;
  EXPECT_EQ(result["passed"], true);
  EXPECT_TRUE(result["divergence"].is_null());
  ASSERT_EQ(result["runs"].size(), 3 * built_backends().size());
  for (const json& run : result["runs"]) {
    EXPECT_EQ(run["verdict"], "same");
    ASSERT_EQ(run["epochs"].size(), 2u);
    EXPECT_EQ(run["epochs"][1]["weights_sha256"], trained.json()["weights_sha256"]) << run;
  }
  const Outcome text = task.execute({"verify", "run", "--backends", "reference", "--epochs", "1"});
  EXPECT_EQ(text.exit_code, 0);
  EXPECT_NE(text.out.find("verified: the same weights everywhere"), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("1 epoch, 20 steps"), std::string::npos) << text.out;
}

TEST(Verify, NamesTheOneElementThatABackendGetsWrong) {
  const OddTask task;
  ASSERT_EQ(task.execute(task.train("run", "reference")).exit_code, 0);
  const Words words = {"verify",    "run", "--backends", "reference,faulty",
                       "--threads", "1",   "--json"};
  EXPECT_EQ(task.execute(words).exit_code, 0) << "without the fault";
  const Fault planted("wrong_gradient");
  const Outcome outcome = task.execute(words);
  EXPECT_EQ(outcome.exit_code, 1) << outcome.err;
  const json result = outcome.json();
  ASSERT_TRUE(result.is_object()) << outcome.out << outcome.err;
  EXPECT_EQ(result["runs"][0]["verdict"], "same");
  EXPECT_EQ(result["runs"][1]["verdict"], "DIFFERS at epoch 1");
  expect_the_fault(result["divergence"]["divergence"]);
}

TEST(Verify, FindsThatTheCertificateItselfWasWrong) {
  const OddTask task;
  {
    const Fault planted("wrong_gradient");
    ASSERT_EQ(task.execute(task.train("run", "faulty")).exit_code, 0);
  }
  // Nobody computes so today, not even the backend of the run.
  const Outcome outcome =
      task.execute({"verify", "run", "--backends", "reference", "--threads", "1"});
  EXPECT_EQ(outcome.exit_code, 1) << outcome.err;
  EXPECT_NE(outcome.out.find("DIFFERS at epoch 1"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("this time both computed the same"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("NOT verified"), std::string::npos) << outcome.out;
}

TEST(Verify, RefusesWhatItCannotJudge) {
  const SmallTask task;
  ASSERT_EQ(task.execute(task.train("run", with(kExact, {"--steps", "3"}))).exit_code, 0);
  const fs::path file = task.run_path("run") / "certificate.json";
  const std::string text = read_text(file);

  std::string damaged = text;
  damaged[damaged.find("\"loss\"") + 10] ^= 1;
  write_text(file, damaged);
  expect_refusal(task.execute({"verify", "run"}),
                 "certificate.json: not the certificate of a run: ");
  write_text(file, text.substr(0, text.size() / 2));
  expect_refusal(task.execute({"verify", "run"}), "not a JSON object");
  write_text(file, text);
  expect_refusal(task.execute({"verify", "no_such_run"}), "cannot open no_such_run");

  const fs::path labels = task.folder().path() / "bars" / "train-labels-idx1-ubyte";
  std::string bytes = read_text(labels);
  bytes.back() ^= 1;
  write_text(labels, bytes);
  expect_refusal(task.execute({"verify", "run"}), "the training data of 'idx:bars' are not those");

  EXPECT_EQ(task.execute({"verify"}).exit_code, 2);
  EXPECT_EQ(task.execute({"verify", "run", "--threads", "0"}).exit_code, 2);
  EXPECT_EQ(task.execute({"verify", "run", "--backends", "tbb@2"}).exit_code, 2);
}

TEST(Verify, RefusesRunsWithoutAPromiseOfBits) {
  if (built_backends().back() != "onednn") GTEST_SKIP() << "needs a backend of the class bounded";
  const SmallTask task;
  ASSERT_EQ(task.execute(task.train("run", {"--backend", "onednn", "--steps", "2"})).exit_code, 0);
  expect_refusal(task.execute({"verify", "run"}), "whose kernels promise bounds and not bits");
}

TEST(Verify, SaysWhichBackendIsMissing) {
  const SmallTask task;
  ASSERT_EQ(task.execute(task.train("run", with(kExact, {"--steps", "2"}))).exit_code, 0);
  const Outcome outcome = task.execute({"verify", "run", "--backends", "reference,nobody"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_NE(outcome.out.find("backend 'nobody' not found"), std::string::npos) << outcome.out;
}

}  // namespace
