// S4..S6: the neuron of 1943.
#include <array>
#include <cstdint>
#include <vector>

#include "experiment.hpp"
#include "plot.hpp"
#include "soma/neuron.hpp"

namespace lab {
namespace {

Finding threshold_unit(const Setting& setting) {
  // Every unit of up to four inputs with weights -1, 0, 1 and every threshold that matters.
  std::int64_t units = 0, answers = 0, wrong = 0;
  for (int inputs = 1; inputs <= 4; ++inputs) {
    int combinations = 1;
    for (int k = 0; k < inputs; ++k) combinations *= 3;
    for (int code = 0; code < combinations; ++code) {
      std::vector<std::int8_t> weights;
      for (int k = 0, rest = code; k < inputs; ++k, rest /= 3) {
        weights.push_back(static_cast<std::int8_t>(rest % 3 - 1));
      }
      for (int threshold = -inputs; threshold <= inputs + 1; ++threshold, ++units) {
        const soma::McCullochPitts unit(weights, threshold);
        for (std::uint32_t bits = 0; bits < 1u << inputs; ++bits, ++answers) {
          std::int64_t sum = 0;
          for (int k = 0; k < inputs; ++k) {
            if (bits >> k & 1) sum += weights[static_cast<std::size_t>(k)];
          }
          const bool expected = setting.sabotage ? sum > threshold : sum >= threshold;
          wrong += unit.fires(bits) != expected;
        }
      }
    }
  }
  Finding found;
  found.holds = wrong == 0;
  found.measured =
      "All " + text_of(static_cast<double>(units)) +
      " units of up to four inputs on all their inputs: " + text_of(static_cast<double>(wrong)) +
      " of " + text_of(static_cast<double>(answers)) + " answers differ from sum >= threshold.";
  found.figures = {{"units", static_cast<double>(units)},
                   {"answers", static_cast<double>(answers)},
                   {"wrong", static_cast<double>(wrong)}};
  return found;
}

Finding any_function(const Setting& setting) {
  constexpr int kInputs = 4, kRows = 1 << kInputs;
  std::int64_t wrong = 0, single = 0;
  std::array<std::int64_t, kRows / 2 + 1> by_hidden{};
  for (std::uint32_t function = 0; function < 1u << kRows; ++function) {
    std::array<std::uint8_t, kRows> table;
    for (int row = 0; row < kRows; ++row)
      table[static_cast<std::size_t>(row)] = function >> row & 1;
    auto asked = table;
    if (setting.sabotage) asked[function % kRows] ^= 1;
    const auto network = soma::McCullochPittsNetwork::compile(asked);
    bool right = true;
    for (std::uint32_t row = 0; row < kRows; ++row)
      right &= network.fires(row) == (table[row] == 1);
    wrong += !right;
    single += network.hidden().empty();
    ++by_hidden[network.hidden().size()];
  }
  Finding found;
  found.holds = wrong == 0;
  found.measured = "All 65,536 functions of four inputs were compiled; " +
                   text_of(static_cast<double>(65536 - wrong)) +
                   " networks reproduce their truth table. " +
                   text_of(static_cast<double>(single)) +
                   " need one neuron, the others up to eight hidden ones.";
  found.figures = {{"functions", 65536.0},
                   {"wrong", static_cast<double>(wrong)},
                   {"one_neuron", static_cast<double>(single)}};
  Points bars;
  for (std::size_t hidden = 0; hidden < by_hidden.size(); ++hidden) {
    bars.emplace_back(static_cast<double>(hidden), static_cast<double>(by_hidden[hidden]));
  }
  found.picture = Plot("Hidden neurons that the compiler uses", "hidden neurons", "functions")
                      .bars("", bars)
                      .svg();
  return found;
}

// A rule by which a unit learns would be a member that takes a sample and a target.
template <class Unit>
concept Learns = requires(Unit unit, std::span<const float> x) {
  unit.learn(x, 1);
};

Finding no_single_unit(const Setting& setting) {
  // (a) Every unit of two inputs with weights -1, 0, 1.
  const std::uint32_t wanted = setting.sabotage ? 0b1000 : 0b0110;  // AND instead of XOR
  std::int64_t units = 0, computing = 0;
  for (int first = -1; first <= 1; ++first) {
    for (int second = -1; second <= 1; ++second) {
      for (int threshold = -3; threshold <= 3; ++threshold) {
        for (const auto inhibition : {soma::McCullochPitts::Inhibition::relative,
                                      soma::McCullochPitts::Inhibition::absolute}) {
          const soma::McCullochPitts unit(
              {static_cast<std::int8_t>(first), static_cast<std::int8_t>(second)}, threshold,
              inhibition);
          std::uint32_t function = 0;
          for (std::uint32_t bits = 0; bits < 4; ++bits)
            function |= static_cast<std::uint32_t>(unit.fires(bits)) << bits;
          ++units;
          computing += function == wanted;
        }
      }
    }
  }
  // (b) No real weights either. A threshold unit that computes it would satisfy, for each row x,
  // s (w . x - t) >= 0, s = +1 where it fires, and strictly where it does not. The multipliers 1
  // add the four to 0 > 0 if and only if the sums of s x and of s vanish.
  int sum_first = 0, sum_second = 0, sum_threshold = 0, strict = 0;
  for (std::uint32_t bits = 0; bits < 4; ++bits) {
    const int s = wanted >> bits & 1 ? 1 : -1;
    sum_first += s * static_cast<int>(bits & 1);
    sum_second += s * static_cast<int>(bits >> 1 & 1);
    sum_threshold -= s;
    strict += s < 0;
  }
  const bool certificate = sum_first == 0 && sum_second == 0 && sum_threshold == 0 && strict > 0;
  constexpr bool kLearns = Learns<soma::McCullochPitts>;
  static_assert(Learns<soma::Perceptron>, "the test of the rule must be able to find one");

  Finding found;
  found.holds = computing == 0 && certificate && !kLearns;
  found.measured = "None of " + text_of(static_cast<double>(units)) +
                   " units computes XOR (found: " + text_of(static_cast<double>(computing)) +
                   "). For real weights the four conditions, added up, read " + text_of(sum_first) +
                   " w1 + " + text_of(sum_second) + " w2 + " + text_of(sum_threshold) + " t > 0" +
                   (certificate ? ", which no weights fulfil. " : ". ") +
                   "The unit has no rule that changes its weights; Rosenblatt's has.";
  found.figures = {{"units", static_cast<double>(units)},
                   {"units_computing_it", static_cast<double>(computing)},
                   {"infeasible", certificate ? 1.0 : 0.0}};
  found.picture = Plot("XOR: no line parts the two kinds of corners", "input 1", "input 2")
                      .dots("0", {{0, 0}, {1, 1}})
                      .dots("1", {{1, 0}, {0, 1}})
                      .range_x(-0.5, 1.5)
                      .range_y(-0.5, 1.5)
                      .svg();
  return found;
}

constexpr Experiment kExperiments[] = {
    {"mcculloch_pitts", "S4", "The threshold unit of 1943",
     "Binary inputs, fixed weights; it fires if and only if the weighted sum reaches the "
     "threshold.",
     "Every unit of one to four inputs with weights -1, 0 and 1 and every threshold, on all its "
     "inputs. McCulloch & Pitts (1943).",
     "expects it to fire above the threshold only", threshold_unit},
    {"mcculloch_pitts_compiler", "S5", "Any Boolean function from threshold units",
     "Networks of such units compute AND, OR, NOT, hence every Boolean function.",
     "A compiler from truth tables to at most two layers of units, run on all 65,536 functions of "
     "four inputs.",
     "changes one row of each table before it is compiled", any_function},
    {"mcculloch_pitts_limits", "S6", "No learning, no XOR",
     "The unit has no learning rule, and a single one cannot compute XOR.",
     "All units by enumeration, and for real weights a certificate: multipliers that add the four "
     "conditions to a contradiction "
     "(Farkas' lemma).",
     "asks for AND instead of XOR", no_single_unit},
};

}  // namespace

std::span<const Experiment> logic_experiments() { return kExperiments; }

}  // namespace lab
