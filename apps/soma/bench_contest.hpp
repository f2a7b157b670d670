#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "backend_run.hpp"
#include "cases.hpp"

/// One contestant of a contest, and what it said in each round. Contestants are called
///   NAME        a backend with fast numerics       NAME-exact, NAME-bf16  the same with others
///   raw         oneDNN called directly             pytorch     PyTorch as Debian packages it
///   pytorch-tuned  the same with channels-last memory and a fused optimizer (models only)
///   onnxruntime    ONNX Runtime on what PyTorch exports (prediction by models only)
struct Contestant {
  std::string name;
  std::vector<std::optional<soma::bench::Timing>> rounds;
  std::string implementation, exactness, fingerprint;  ///< of its last round
  std::string reason;                                  ///< why a round is missing
  std::optional<soma::bench::Breakdown> breakdown;     ///< of its last round, of a model

  bool ran() const;
  std::vector<double> medians() const;  ///< of the rounds that ran
  double p99_ms() const;                ///< the median over the rounds, once one ran
};

/// A case, or a model in one mode, and who takes part in which order.
struct Contest {
  std::string name;                            ///< of the case or the model
  std::string group;                           ///< op family, or "model"
  const soma::bench::Case* op_case = nullptr;  ///< null for a model
  soma::bench::Mode mode = soma::bench::Mode::train;
  std::int64_t batch = 0;  ///< of a model
  int threads = 1;
  std::vector<Contestant> contestants;

  const Contestant* find(const std::string& contestant) const;
};

/// Least, median and most of a few figures.
struct Spread {
  double median = 0, least = 0, most = 0;
};
Spread spread(std::vector<double> figures);  ///< of one figure at least
/// a's time over b's, round by round; nothing unless both ran in one round at least.
std::optional<Spread> ratio(const Contestant* a, const Contestant* b);

struct BenchOptions {
  int rounds = 3;
  double seconds = 0.25;
};

/// A backend's name and its numerics, of a contestant that is one.
std::pair<std::string, soma::Numerics> backend_of(const std::string& contestant);

/// Runs every contestant of every contest `rounds` times, in turn, each in a process of its own,
/// and adds what they say to their rounds. `show` is told what is about to run. False if a signal
/// ended a child: the rest was not run.
bool run_contests(std::span<Contest> contests, int rounds, double seconds,
                  const std::function<void(int round, const Contest& contest,
                                           const std::string& contestant)>& show);

/// What the child processes of run_contest() are: takes the arguments behind the command's name,
/// the first of which is "--child".
int run_bench_child(std::span<const std::string> args);

/// Empty if the peer can run; else what it lacks.
std::string missing_peer(const std::string& contestant);
/// Which of the programs that are no backends this contestant is.
bool is_peer(const std::string& contestant);
