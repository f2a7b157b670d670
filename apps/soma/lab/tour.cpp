#include "tour.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <istream>
#include <ostream>

#include "plot.hpp"
#include "soma/neuron.hpp"

namespace lab {
namespace {

// The worker's habits: heavy crates speak for sending, fragile ones against it, urgent ones most.
constexpr std::array<float, 3> kHabits{1.0f, -2.0f, 3.0f};
constexpr float kReluctance = -0.5f;

// How strongly each spoon changes the taste (salty, sharp, sour), and the taste that guests want.
constexpr std::array<std::array<float, 3>, 3> kEffects{
    {{1.0f, 0.1f, 0.0f}, {0.1f, 0.8f, 0.1f}, {0.0f, 0.2f, 0.9f}}};
constexpr std::array<float, 3> kWanted{1.5f, 0.6f, 0.9f};

std::string bar(double value, double most) {
  const auto length = static_cast<std::size_t>(std::lround(30 * std::min(1.0, value / most)));
  return std::string(length, '#') + std::string(30 - length, '.');
}

class Teller {
 public:
  Teller(std::istream& in, std::ostream& out, bool waits) : in_(in), out_(out), waits_(waits) {}
  std::ostream& say() { return out_; }
  void scene_ends() {
    out_ << "\n";
    if (!waits_) return;
    out_ << "[Enter]" << std::flush;
    std::string line;
    std::getline(in_, line);
    out_ << "\n";
  }

 private:
  std::istream& in_;
  std::ostream& out_;
  bool waits_;
};

void tell_worker(Teller& teller) {
  teller.say() << "THE FACTORY WORKER\n\nA worker stands at a belt. Of each crate he sees three "
                  "things: is it heavy, fragile, urgent?\n"
                  "He has habits, his weights: heavy "
               << kHabits[0] << ", fragile " << kHabits[1] << ", urgent " << kHabits[2]
               << ". And a mood of his own, the bias: " << kReluctance
               << ".\nHe adds up what speaks for sending the crate, and sends it if the sum is "
                  "above zero. That is a neuron.\n";
  teller.scene_ends();
  const WorkerStory story = work_shift();
  teller.say() << "heavy fragile urgent    sum   sends it?\n";
  for (const auto& day : story.day) {
    char line[80];
    std::snprintf(line, sizeof line, "  %d      %d       %d    %6.1f   %s\n",
                  static_cast<int>(day.heavy), static_cast<int>(day.fragile),
                  static_cast<int>(day.urgent), day.sum, day.fires ? "yes" : "no");
    teller.say() << line;
  }
  teller.say() << "\nA positive weight pushes him to act, a negative one holds him back, and the "
                  "bias decides when nothing is to be seen.\n";
  teller.scene_ends();
}

void tell_cook(Teller& teller) {
  teller.say() << "THE COOK\n\nA cook makes soup with salt, pepper and lemon, tastes it, and "
                  "compares it with what the guests want.\n"
                  "Each spoon is changed by how much it was to blame for the difference: that is "
                  "learning by gradients.\n";
  teller.scene_ends();
  const CookStory story = cook_soup();
  teller.say() << "soup   salt  pepper  lemon    error of the taste\n";
  for (std::size_t i = 0; i < story.errors.size(); i += i < 8 ? 1 : 8) {
    char line[120];
    std::snprintf(line, sizeof line, "%4zu  %5.2f   %5.2f  %5.2f    %8.5f %s\n", i + 1,
                  story.amounts[i][0], story.amounts[i][1], story.amounts[i][2], story.errors[i],
                  bar(story.errors[i], story.errors[0]).c_str());
    teller.say() << line;
  }
  teller.say() << "\nNobody told the cook the recipe. The error alone, sent back to each spoon, "
                  "was enough.\n";
}

}  // namespace

WorkerStory work_shift(bool without_bias) {
  const soma::Neuron worker({kHabits.begin(), kHabits.end()}, without_bias ? 0.0f : kReluctance,
                            "step");
  WorkerStory story;
  for (int bits = 0; bits < 8; ++bits, ++story.days) {
    WorkerStory::Day day{static_cast<float>(bits & 1), static_cast<float>(bits >> 1 & 1),
                         static_cast<float>(bits >> 2 & 1)};
    const std::array<float, 3> seen{day.heavy, day.fragile, day.urgent};
    day.sum = worker.pre_activation(seen);
    day.fires = worker.forward(seen) > 0;
    // The story's rule in words: urgent crates go, heavy ones go unless they are fragile. A crate
    // that is heavy, fragile and urgent goes; one that is nothing stays.
    day.should = day.urgent > 0 || (day.heavy > 0 && day.fragile == 0);
    story.right += day.fires == day.should &&
                   std::abs(day.sum - (kHabits[0] * day.heavy + kHabits[1] * day.fragile +
                                       kHabits[2] * day.urgent + kReluctance)) < 1e-6;
    story.day.push_back(day);
  }
  return story;
}

CookStory cook_soup(bool never_corrects) {
  // Three linear neurons, one for each taste, share the spoons; the spoons are what is learned.
  CookStory story;
  std::array<float, 3> spoons{0.2f, 1.5f, 0.1f};
  constexpr float kRate = 0.3f;
  for (int soup = 0; soup < 60; ++soup, ++story.soups) {
    std::array<float, 3> blame{};
    double error = 0;
    for (std::size_t taste = 0; taste < 3; ++taste) {
      const soma::Neuron tongue({kEffects[taste].begin(), kEffects[taste].end()}, 0);
      const float difference = tongue.forward(spoons) - kWanted[taste];
      error += difference * difference / 3;
      const std::array<float, 1> slope{2 * difference / 3};
      soma::NeuronGradients gradients;
      tongue.backward(spoons, slope, gradients);
      for (std::size_t s = 0; s < 3; ++s) blame[s] += gradients.inputs[s];
    }
    story.errors.push_back(error);
    story.amounts.emplace_back(spoons.begin(), spoons.end());
    for (std::size_t s = 0; s < 3 && !never_corrects; ++s) spoons[s] -= kRate * blame[s];
  }
  story.error_first = story.errors.front();
  story.error_last = story.errors.back();
  return story;
}

void tell_tour(std::istream& in, std::ostream& out, bool waits) {
  Teller teller(in, out, waits);
  tell_worker(teller);
  tell_cook(teller);
  out << "\nMore, measured: soma lab --list\n";
}

}  // namespace lab
