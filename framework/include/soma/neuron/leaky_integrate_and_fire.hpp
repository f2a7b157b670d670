#pragma once

#include <cstdint>

#include "soma/api.hpp"

namespace soma {

/// A neuron that works in time: its membrane potential V integrates the input current I and leaks,
///
///   tau dV/dt = rest - V + resistance * I
///
/// and when V reaches the threshold it fires a spike, V goes to `reset` and stays there for the
/// refractory time. Sources: Lapicque, Journal de Physiologie et de Pathologie Generale 9 (1907);
/// Gerstner, Kistler, Naud & Paninski, Neuronal Dynamics (2014), sections 1.3 and 1.4.
class SOMA_API LeakyIntegrateAndFire {
 public:
  struct Parameters {
    double step_ms = 0.1;         ///< > 0
    double tau_ms = 20;           ///< time constant of the membrane, > 0
    double resistance_mohm = 10;  ///< > 0; times a current in nA it is a voltage in mV
    double rest_mv = -70;
    double threshold_mv = -50;  ///< above rest and reset
    double reset_mv = -70;
    double refractory_ms = 2;  ///< >= 0; rounded to whole steps
  };

  LeakyIntegrateAndFire() : LeakyIntegrateAndFire(Parameters{}) {}
  /// Throws ShapeError that names the parameter which is out of its range.
  explicit LeakyIntegrateAndFire(const Parameters& parameters);

  const Parameters& parameters() const noexcept { return p_; }
  double potential_mv() const noexcept { return potential_; }

  /// Time goes on by one step, during which the current is constant: V follows the exact solution.
  /// True if the neuron fires at the end of it.
  bool step(double current_na);
  /// Back to rest, not refractory.
  void reset() noexcept;

  /// Spikes per second for a constant current: 0 if the membrane never gets to the threshold, else
  ///   1 / (refractory + tau log((v - reset) / (v - threshold))),  v = rest + resistance * current
  double analytic_rate_hz(double current_na) const;
  /// The same, measured: a neuron of these parameters runs for `duration_ms` from rest; the rate
  /// follows from the first and the last spike. 0 with fewer than two. A period is that of the
  /// formula rounded up to whole steps.
  double rate_hz(double current_na, double duration_ms) const;

 private:
  Parameters p_;
  double decay_;  // of V towards its limit, per step
  std::int64_t refractory_steps_;
  double potential_;
  std::int64_t waiting_ = 0;  // refractory steps still to come
};

}  // namespace soma
