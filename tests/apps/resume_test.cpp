#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <random>
#include <thread>

#include "small_task.hpp"

namespace {

namespace fs = std::filesystem;

std::string hash_of(const Outcome& outcome) {
  const auto result = outcome.json();
  return outcome.exit_code == 0 && result.is_object()
             ? result.at("weights_sha256").get<std::string>()
             : "exit code " + std::to_string(outcome.exit_code) + ": " + outcome.err;
}

void sleep_seconds(double seconds) {
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

const Words kExact = {"--numerics", "exact", "--backend", "reference"};

Words with(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

TEST(Resume, GoesOnWithTheBitsOfAnUninterruptedRun) {
  const SmallTask task;
  const auto whole = hash_of(task.execute(task.train("whole", with(kExact, {"--steps", "50"}))));
  // 13 and 33 are within epochs, 40 is the end of one.
  std::string last;
  ASSERT_EQ(task.execute(task.train("parts", with(kExact, {"--steps", "13"}))).exit_code, 0);
  for (const char* steps : {"33", "40", "50"}) {
    const std::string backend =
        built_backends()[std::string(steps) == "33" ? 0 : built_backends().size() - 1];
    last = hash_of(task.execute(
        task.resume("parts", {"--steps", steps, "--backend", backend, "--threads", "3"})));
  }
  EXPECT_EQ(last, whole);
}

TEST(Resume, OfAFinishedRunPrintsItsResultAgain) {
  const SmallTask task;
  const Outcome first = task.execute(task.train("run", {"--epochs", "2"}));
  const std::string metrics = read_text(task.run_path("run") / "metrics.csv");
  const Outcome again = task.execute(task.resume("run", {}));
  EXPECT_EQ(hash_of(again), hash_of(first));
  EXPECT_EQ(again.json().at("train_loss"), first.json().at("train_loss"));
  EXPECT_EQ(again.json().at("test_accuracy"), first.json().at("test_accuracy"));
  EXPECT_EQ(read_text(task.run_path("run") / "metrics.csv"), metrics);
}

TEST(Resume, LeavesOneRowPerEpochInTheMetrics) {
  const SmallTask task;
  ASSERT_EQ(task.execute(task.train("run", {"--steps", "25"})).exit_code, 0);
  ASSERT_EQ(task.execute(task.resume("run", {"--epochs", "4"})).exit_code, 0);
  const std::string metrics = read_text(task.run_path("run") / "metrics.csv");
  std::istringstream in(metrics);
  std::string line;
  std::getline(in, line);
  for (int epoch = 1; epoch <= 4; ++epoch) {
    ASSERT_TRUE(std::getline(in, line)) << metrics;
    const std::string head =
        std::to_string(epoch) + "," + std::to_string(epoch * SmallTask::kStepsPerEpoch) + ",";
    EXPECT_EQ(line.find(head), 0u) << metrics;
  }
  EXPECT_FALSE(std::getline(in, line)) << metrics;
}

TEST(Resume, RefusesDataThatHaveChanged) {
  const SmallTask task;
  ASSERT_EQ(task.execute(task.train("run", {"--steps", "5"})).exit_code, 0);
  const fs::path images = task.run_path("bars") / "train-images-idx3-ubyte";
  std::string text = read_text(images);
  text.back() = static_cast<char>(text.back() ^ 1);
  write_text(images, text);
  const Outcome outcome = task.execute(task.resume("run", {"--steps", "9"}));
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_NE(outcome.err.find("SHA-256"), std::string::npos) << outcome.err;
}

TEST(Resume, TakesThePredecessorOfADamagedCheckpoint) {
  const SmallTask task;
  const auto whole = hash_of(task.execute(task.train("whole", with(kExact, {"--steps", "48"}))));
  for (const bool truncated : {false, true}) {
    const std::string run = truncated ? "truncated" : "flipped";
    ASSERT_EQ(
        task.execute(task.train(run, with(kExact, {"--steps", "28", "--checkpoint-every", "5"})))
            .exit_code,
        0);
    const fs::path checkpoint = task.run_path(run) / "checkpoint.safetensors";
    std::string bytes = read_text(checkpoint);
    if (truncated) {
      bytes.resize(bytes.size() / 2);
    } else {
      bytes[bytes.size() - 100] = static_cast<char>(bytes[bytes.size() - 100] ^ 4);
    }
    write_text(checkpoint, bytes);
    const Outcome outcome = task.execute(task.resume(run, {"--steps", "48"}));
    EXPECT_EQ(hash_of(outcome), whole);
    EXPECT_NE(outcome.err.find("predecessor"), std::string::npos) << outcome.err;
    EXPECT_NE(outcome.err.find("at step 25 "), std::string::npos) << outcome.err;
  }
}

TEST(Resume, SaysSoWhenNoCheckpointCanBeRead) {
  const SmallTask task;
  ASSERT_EQ(task.execute(task.train("run", {"--steps", "5"})).exit_code, 0);
  write_text(task.run_path("run") / "checkpoint.safetensors", "nothing");
  const Outcome outcome = task.execute(task.resume("run", {"--steps", "9"}));
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_NE(outcome.err.find("checkpoint.safetensors"), std::string::npos) << outcome.err;
}

TEST(Resume, GoesOnAfterACheckpointThatCouldNotBeWritten) {
  const SmallTask task;
  const auto whole = hash_of(task.execute(task.train("whole", with(kExact, {"--steps", "60"}))));
  ASSERT_EQ(task.execute(task.train("run", with(kExact, {"--steps", "10"}))).exit_code, 0);
  // A folder where the predecessor has to go.
  const fs::path previous = task.run_path("run") / "checkpoint.safetensors.previous";
  fs::remove(previous);
  fs::create_directory(previous);
  const Outcome stuck =
      task.execute(task.resume("run", {"--steps", "60", "--checkpoint-every", "5"}));
  EXPECT_EQ(stuck.exit_code, 1);
  const std::size_t at = stuck.err.find("soma: cannot write run/checkpoint.safetensors: ");
  ASSERT_NE(at, std::string::npos) << stuck.err;
  EXPECT_EQ(std::count(stuck.err.begin() + static_cast<std::ptrdiff_t>(at), stuck.err.end(), '\n'),
            1)
      << stuck.err;
  fs::remove(previous);
  const Outcome outcome = task.execute(task.resume("run", {"--steps", "60"}));
  EXPECT_NE(outcome.err.find("at step 10 "), std::string::npos) << outcome.err;
  EXPECT_EQ(hash_of(outcome), whole);
}

TEST(Resume, StartsFromTheBeginningWithoutACheckpoint) {
  const SmallTask task;
  const auto whole = hash_of(task.execute(task.train("run", with(kExact, {"--steps", "9"}))));
  for (const char* file : {"checkpoint.safetensors", "model.safetensors", "metrics.csv"}) {
    fs::remove(task.run_path("run") / file);
  }
  EXPECT_EQ(hash_of(task.execute(task.resume("run", {}))), whole);
}

TEST(Resume, IsRefusedWhileTheRunIsBeingTrained) {
  const SmallTask task;
  Command running(task.train("run", {"--epochs", "100000", "--checkpoint-every", "5"}),
                  task.folder().path());
  while (running.running() && !fs::exists(task.run_path("run") / "checkpoint.safetensors")) {
    sleep_seconds(0.01);
  }
  const Outcome outcome = task.execute(task.resume("run", {}));
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_NE(outcome.err.find("another process"), std::string::npos) << outcome.err;
}

class Signals : public testing::TestWithParam<int> {};

TEST_P(Signals, SaveAndStop) {
  const SmallTask task;
  Command command(task.train("run", with(kExact, {"--epochs", "100000"})), task.folder().path());
  while (command.running() && !fs::exists(task.run_path("run") / "metrics.csv")) {
    sleep_seconds(0.01);
  }
  command.signal(GetParam());
  const Outcome stopped = command.wait(60);
  ASSERT_EQ(stopped.exit_code, 130) << stopped.err;
  EXPECT_EQ(stopped.out, "");
  EXPECT_NE(stopped.err.find("soma train --resume run"), std::string::npos) << stopped.err;
  EXPECT_TRUE(fs::exists(task.run_path("run") / "report.html"));
  EXPECT_FALSE(fs::exists(task.run_path("run") / "model.safetensors"));

  const std::size_t at = stopped.err.find("stopped at step ");
  ASSERT_NE(at, std::string::npos) << stopped.err;
  const std::string steps = std::to_string(std::stoi(stopped.err.substr(at + 16)) + 10);
  EXPECT_EQ(hash_of(task.execute(task.resume("run", {"--steps", steps}))),
            hash_of(task.execute(task.train("whole", with(kExact, {"--steps", steps})))));
}

INSTANTIATE_TEST_SUITE_P(Both, Signals, testing::Values(SIGINT, SIGTERM), [](const auto& test) {
  return std::string(test.param == SIGINT ? "SIGINT" : "SIGTERM");
});

/// One model of each kind, on the images of the task.
struct Kind {
  const char* name;
  const char* layers;
};
void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }
const Kind kKinds[] = {{"conv", R"({"type": "conv2d", "filters": 4, "kernel": 5, "stride": 3},
  {"type": "batch_norm"}, {"type": "activation", "function": "relu"},
  {"type": "max_pool2d", "size": 2}, {"type": "dropout", "rate": 0.2},)"},
                       {"recurrent", R"({"type": "reshape", "shape": "28,28"},
  {"type": "lstm", "units": 6, "return_sequences": false}, {"type": "dropout", "rate": 0.2},)"},
                       {"transformer", R"({"type": "reshape", "shape": "28,28"},
  {"type": "dense", "units": 8, "last_axis": true},
  {"type": "positional_encoding", "kind": "learned"},
  {"type": "transformer_encoder_block", "heads": 2, "dropout": 0.1},
  {"type": "mean", "axis": 1},)"}};

class EveryKind : public testing::TestWithParam<Kind> {};

// Stopped by SIGKILL and by SIGINT, each time resumed on another backend and thread count, with
// everything on that has a state of its own.
TEST_P(EveryKind, GoesOnWithTheSameBits) {
  const SmallTask task;
  write_text(task.folder() / "small.json",
             R"({"soma_model": 1, "name": "kind", "input": [28, 28, 1],
 "loss": "softmax_cross_entropy", "layers": [
  )" + std::string(GetParam().layers) +
                 R"(
  {"type": "dense", "name": "out", "units": 2}]})");
  const Words habits = {"--numerics",
                        "exact",
                        "--epochs",
                        "3",
                        "--accumulate",
                        "3",
                        "--optimizer",
                        "adamw",
                        "--schedule",
                        "cosine(warmup=5)",
                        "--augment",
                        "shift=2,noise=0.05",
                        "--clip-norm",
                        "1",
                        "--average",
                        "0.9",
                        "--freeze",
                        "out.bias",
                        "--patience",
                        "9",
                        "--restore-best",
                        "--checkpoint-every",
                        "3"};
  const auto whole =
      hash_of(task.execute(task.train("whole", with(habits, {"--backend", "reference"}))));
  ASSERT_EQ(whole.size(), 64u) << whole;

  const auto& backends = built_backends();
  const auto on = [&](std::size_t i, const char* threads) -> Words {
    return {"--backend", backends[i % backends.size()], "--threads", threads};
  };
  const fs::path checkpoint = task.run_path("run") / "checkpoint.safetensors";
  const auto interrupt = [&](const Words& arguments, int signal) {
    std::error_code none;
    const auto before = fs::last_write_time(checkpoint, none);
    Command victim(arguments, task.folder().path());
    while (victim.running() &&
           (!fs::exists(checkpoint) || fs::last_write_time(checkpoint, none) == before)) {
      sleep_seconds(0.002);
    }
    victim.signal(signal);
    return victim.wait().exit_code;
  };
  EXPECT_EQ(interrupt(with(task.train("run", habits), on(1, "1")), SIGKILL), -SIGKILL);
  EXPECT_EQ(interrupt(task.resume("run", on(2, "3")), SIGINT), 130);
  EXPECT_EQ(hash_of(task.execute(task.resume("run", on(0, "2")))), whole);
}

INSTANTIATE_TEST_SUITE_P(Kinds, EveryKind, testing::ValuesIn(kKinds),
                         [](const auto& test) { return std::string(test.param.name); });

// SOMA_KILL_TESTS sets how often (default 6), SOMA_KILL_SEED when and what comes after.
TEST(Kill, AtAnyMomentLosesNothing) {
  const char* wish = std::getenv("SOMA_KILL_TESTS");
  const char* seed_wish = std::getenv("SOMA_KILL_SEED");
  const int rounds = wish != nullptr ? std::atoi(wish) : 6;
  const auto seed = seed_wish != nullptr ? static_cast<unsigned>(std::atoi(seed_wish)) : 20240u;
  std::mt19937 random(seed);
  const SmallTask task;
  const Words length = {"--numerics", "exact", "--steps", "190", "--checkpoint-every", "3"};
  const auto draw_machine = [&]() -> Words {
    const auto& backends = built_backends();
    return {"--backend", backends[random() % backends.size()], "--threads",
            std::to_string(1 + random() % 4)};
  };

  const auto start = std::chrono::steady_clock::now();
  const auto whole = hash_of(task.execute(with(task.train("whole", length), draw_machine())));
  const double duration = seconds_since(start);
  ASSERT_EQ(whole.size(), 64u) << whole;

  int resumed = 0;
  for (int round = 0; round < rounds; ++round) {
    const std::string run = "run" + std::to_string(round);
    const Words machine = draw_machine();
    const double moment = duration * static_cast<double>(random() % 1000) / 1000;
    Command victim(with(task.train(run, length), machine), task.folder().path());
    sleep_seconds(moment);
    victim.signal(SIGKILL);
    const bool killed = victim.wait().exit_code == -SIGKILL;

    const bool begun = fs::exists(task.run_path(run) / "config.json");
    const Words next = draw_machine();
    const Words arguments =
        begun ? with(task.resume(run, {}), next) : with(task.train(run, length), next);
    const Outcome outcome = task.execute(arguments);
    SCOPED_TRACE("SOMA_KILL_SEED=" + std::to_string(seed) + " round " + std::to_string(round) +
                 ": " + command_line(machine) + (killed ? " killed after " : " ended within ") +
                 std::to_string(moment) + " s, then " + command_line(arguments));
    EXPECT_EQ(hash_of(outcome), whole);
    resumed += begun && killed ? 1 : 0;
  }
  std::cout
      << rounds << " runs killed (seed " << seed << "), " << resumed
      << " of them while training; every one was finished with the uninterrupted run's hash\n";
}

}  // namespace
