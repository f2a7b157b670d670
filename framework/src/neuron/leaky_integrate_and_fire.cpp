#include "soma/neuron/leaky_integrate_and_fire.hpp"

#include <cmath>
#include <string>

#include "soma/error.hpp"

namespace soma {
namespace {

constexpr double kMsPerSecond = 1000;

void require(bool holds, const char* name, const char* expected, double got) {
  if (holds) return;
  throw ShapeError(std::string("leaky integrate-and-fire neuron: ") + name + ": expected " +
                   expected + ", got " + std::to_string(got));
}

}  // namespace

LeakyIntegrateAndFire::LeakyIntegrateAndFire(const Parameters& p)
    : p_(p), decay_(std::exp(-p.step_ms / p.tau_ms)), refractory_steps_(0), potential_(p.rest_mv) {
  require(p.step_ms > 0, "step_ms", "a positive time", p.step_ms);
  require(p.tau_ms > 0, "tau_ms", "a positive time", p.tau_ms);
  require(p.resistance_mohm > 0, "resistance_mohm", "a positive resistance", p.resistance_mohm);
  require(p.threshold_mv > p.rest_mv && p.threshold_mv > p.reset_mv, "threshold_mv",
          "more than rest and reset", p.threshold_mv);
  require(p.refractory_ms >= 0, "refractory_ms", "a time of 0 or more", p.refractory_ms);
  refractory_steps_ = std::llround(p.refractory_ms / p.step_ms);
}

void LeakyIntegrateAndFire::reset() noexcept {
  potential_ = p_.rest_mv;
  waiting_ = 0;
}

bool LeakyIntegrateAndFire::step(double current_na) {
  if (waiting_ > 0) {
    --waiting_;
    return false;
  }
  const double limit = p_.rest_mv + p_.resistance_mohm * current_na;
  potential_ = limit + (potential_ - limit) * decay_;
  if (potential_ < p_.threshold_mv) return false;
  potential_ = p_.reset_mv;
  waiting_ = refractory_steps_;
  return true;
}

double LeakyIntegrateAndFire::analytic_rate_hz(double current_na) const {
  const double limit = p_.rest_mv + p_.resistance_mohm * current_na;
  if (limit <= p_.threshold_mv) return 0;
  const double charging = p_.tau_ms * std::log((limit - p_.reset_mv) / (limit - p_.threshold_mv));
  return kMsPerSecond / (p_.refractory_ms + charging);
}

double LeakyIntegrateAndFire::rate_hz(double current_na, double duration_ms) const {
  LeakyIntegrateAndFire neuron(p_);
  const auto steps = static_cast<std::int64_t>(duration_ms / p_.step_ms);
  std::int64_t spikes = 0, first = 0, last = 0;
  for (std::int64_t i = 0; i < steps; ++i) {
    if (!neuron.step(current_na)) continue;
    if (spikes++ == 0) first = i;
    last = i;
  }
  if (spikes < 2) return 0;
  return static_cast<double>(spikes - 1) * kMsPerSecond /
         (static_cast<double>(last - first) * p_.step_ms);
}

}  // namespace soma
