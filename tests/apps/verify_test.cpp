// certificate.json, and soma verify as a child process.
#include <gtest/gtest.h>
#include <openssl/sha.h>

#include <fstream>

#include "mutation.hpp"
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

std::string sha256_of(const std::string& text) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  std::string hex;
  for (const unsigned char byte : digest) {
    constexpr const char* kDigits = "0123456789abcdef";
    hex += {kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return hex;
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

/// A change to a certificate by somebody who then makes its last hash fit again.
struct Forgery {
  const char* name;
  std::string patch;    ///< RFC 6902
  const char* refusal;  ///< part of the sentence; of the verdict if training tells
  bool trains = false;
};
void PrintTo(const Forgery& forgery, std::ostream* out) { *out << forgery.name; }

class Forged : public testing::TestWithParam<Forgery> {};

TEST_P(Forged, CertificatesNeverPass) {
  static const SmallTask task;
  static const std::string good = [] {
    EXPECT_EQ(task.execute(task.train("run", with(kExact, {"--steps", "3"}))).exit_code, 0);
    return read_text(task.run_path("run") / "certificate.json");
  }();
  const Words words = {"verify", "run/certificate.json", "--backends", "reference", "--threads",
                       "1"};
  const Forgery& forgery = GetParam();
  auto fields =
      nlohmann::ordered_json::parse(good).patch(nlohmann::ordered_json::parse(forgery.patch));
  ASSERT_NE(fields, nlohmann::ordered_json::parse(good));
  if (fields.contains("certificate_sha256")) {
    fields.erase("certificate_sha256");
    fields["certificate_sha256"] = sha256_of(fields.dump());
  }
  write_text(task.run_path("run") / "certificate.json", fields.dump(1) + "\n");
  const Outcome outcome = task.execute(words);
  if (!forgery.trains) return expect_refusal(outcome, forgery.refusal);
  EXPECT_EQ(outcome.exit_code, 1) << outcome.err;
  EXPECT_NE(outcome.out.find(forgery.refusal), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("NOT verified"), std::string::npos) << outcome.out;
}

const std::string kOther = R"("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")";
std::string replaced(const std::string& place, const std::string& value) {
  return R"([{"op": "replace", "path": ")" + place + R"(", "value": )" + value + "}]";
}
std::string removed(const std::string& place) {
  return R"([{"op": "remove", "path": ")" + place + R"("}])";
}

INSTANTIATE_TEST_SUITE_P(
    All, Forged,
    testing::Values(
        Forgery{"version", replaced("/soma_certificate", "2"), "expected \"soma_certificate\": 1"},
        Forgery{"no_hash", removed("/certificate_sha256"), "it was changed or damaged"},
        Forgery{"model", replaced("/model", R"("other")"), "/model is not that of config"},
        Forgery{"data", replaced("/data", "5"), "/data: expected a text, found number"},
        Forgery{"train_data", replaced("/train_sha256", kOther),
                "/train_sha256 is not that of config"},
        Forgery{"test_data", replaced("/test_sha256", kOther),
                "/test_sha256 is not that of config"},
        Forgery{"architecture", replaced("/config/architecture/layers/0/filters", "6"),
                "/architecture_sha256 is not that of"},
        Forgery{"batch", replaced("/config/batch", "17"), "/config_sha256 is not that of config"},
        Forgery{"half_a_batch", replaced("/config/batch", "16.5"), "a number of the wrong kind"},
        Forgery{"batch_as_text", replaced("/config/batch", R"("16")"),
                "\"batch\" is missing or of the wrong type"},
        Forgery{"accumulate", replaced("/config/habits/accumulate", "1.5"),
                "a number of the wrong kind"},
        Forgery{"seed", replaced("/seed", "2"), "/seed is not that of config"},
        Forgery{"seed_as_text", replaced("/seed", R"("1")"),
                "/seed: expected a whole number, found string"},
        Forgery{"no_seed", removed("/seed"), "expected /seed, a whole number, found none"},
        Forgery{"no_config", removed("/config"), "expected /config, an object, found none"},
        Forgery{"no_start", replaced("/start", "{}"),
                "expected /start/weights_sha256, a text, found none"},
        Forgery{"start_is_a_number", replaced("/start/weights_sha256", "7"),
                "/start/weights_sha256: expected a text"},
        Forgery{"short_hash", replaced("/epochs/0/weights_sha256", R"("abc")"),
                "/epochs/0/weights_sha256: expected a SHA-256"},
        Forgery{"other_start", replaced("/start/weights_sha256", kOther),
                "DIFFERS before the first step", true},
        Forgery{"other_weights", replaced("/epochs/0/weights_sha256", kOther), "DIFFERS at epoch 1",
                true},
        Forgery{"other_loss", replaced("/epochs/0/loss", "0.25"), "DIFFERS at epoch 1", true},
        Forgery{"no_loss", replaced("/epochs/0/loss", "null"), "DIFFERS at epoch 1", true},
        Forgery{"loss_as_text", replaced("/epochs/0/loss", R"("low")"),
                "/epochs/0/loss: expected a number or null, found string"},
        Forgery{"step_0", replaced("/epochs/0/step", "0"),
                "/epochs/0/step: expected more than before it"},
        Forgery{"negative_step", replaced("/epochs/0/step", "-3"),
                "/epochs/0/step: expected a count"},
        Forgery{"half_a_step", replaced("/epochs/0/step", "2.5"),
                "/epochs/0/step: expected a count"},
        Forgery{"no_epochs", replaced("/epochs", "[]"), "has not finished an epoch yet"},
        Forgery{"epochs_object", replaced("/epochs", "{}"),
                "/epochs: expected a list, found object"},
        Forgery{"no_sessions", replaced("/sessions", "[]"), "it has no session"},
        Forgery{"sessions_null", replaced("/sessions", "null"),
                "/sessions: expected a list, found null"},
        Forgery{"session_is_a_number", replaced("/sessions/0", "1"),
                "expected /sessions/0/from_step"},
        Forgery{"begins_late", replaced("/sessions/0/from_step", "1"), "begins at step 1"},
        Forgery{"bounded", replaced("/sessions/0/class", R"("bounded")"),
                "promise bounds and not bits"},
        Forgery{"class", replaced("/sessions/0/class", R"("sound")"),
                "/sessions/0/class: expected exact or bounded"},
        Forgery{"numerics", replaced("/sessions/0/numerics", R"("vague")"), "numerics"},
        Forgery{"many_threads", replaced("/sessions/0/threads", "18446744073709551615"),
                "/sessions/0/threads: expected at most"},
        Forgery{"plugin_hash", replaced("/sessions/0/plugins/0/sha256", "true"),
                "/sessions/0/plugins/0/sha256: expected a text"},
        Forgery{"no_plugins", removed("/sessions/0/plugins"),
                "expected /sessions/0/plugins, a list, found none"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(Verify, TakesNoDamagedFile) {
  const SmallTask task;
  ASSERT_EQ(task.execute(task.train("run", with(kExact, {"--steps", "3"}))).exit_code, 0);
  const fs::path file = task.run_path("run") / "certificate.json";
  const std::string good = read_text(file);
  const auto fields = json::parse(good);
  int damaged = 0;
  const auto check = [&](const std::string& text) {
    if (json::parse(text, nullptr, false) == fields) return;  // only its spaces are others
    ++damaged;
    write_text(file, text);
    expect_refusal(task.execute({"verify", "run"}),
                   "certificate.json: not the certificate of a run: ");
  };
  for (std::size_t part = 0; part < 16; ++part) check(good.substr(0, good.size() * part / 16));
  for (std::uint32_t i = 0; i < 60; ++i) check(mutated(good, i));
  EXPECT_GT(damaged, 50);
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
