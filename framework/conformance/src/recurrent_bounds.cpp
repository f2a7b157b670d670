#include "recurrent_bounds.hpp"

#include <functional>

#include "running_error.hpp"
#include "soma/sdk/ops/recurrent.hpp"

namespace soma::conformance {
namespace {

using Numbers = std::vector<Number>;

const Number kOne{1, 0, false};

/// A recurrent op unrolled. Letters as in soma/sdk/ops/recurrent.hpp.
class Unrolled {
 public:
  Unrolled(const Op& op, const Operands& operands, int sequence, std::int64_t gates)
      : gates_(gates), reverse_(op.attributes.flag("reverse")) {
    const Shape& h =
        op.direction() == "fwd" ? op.out(0) : op.in(static_cast<std::size_t>(sequence));
    n_ = h[0], t_ = h[1], h_ = h[2];
    for (const Array& a : operands.inputs) {
      Numbers& numbers = in_.emplace_back();
      for (const double v : doubles(a)) numbers.push_back({v, 0, false});
    }
    for (const TensorInfo& out : op.outputs) {
      out_.emplace_back(static_cast<std::size_t>(out.shape.elements()));
    }
  }

  const std::vector<Numbers>& run(const Op& op) {
    const std::string_view family = op.family();
    const bool relu = op.attributes.text("activation", "") == "relu";
    if (op.direction() == "fwd") {
      in_order([&](std::int64_t s, std::int64_t n, std::int64_t j) {
        if (family == "rnn/1") rnn_forward(s, n, j, relu);
        if (family == "lstm/1") lstm_forward(s, n, j);
        if (family == "gru/1") gru_forward(s, n, j);
      });
    } else if (family == "rnn/1") {
      rnn_backward(relu);
    } else if (family == "lstm/1") {
      lstm_backward();
    } else {
      gru_backward();
    }
    return out_;
  }

 private:
  static Number& at(Numbers& numbers, std::int64_t i) {
    return numbers[static_cast<std::size_t>(i)];
  }
  const Number& in(int operand, std::int64_t i) const {
    return in_[static_cast<std::size_t>(operand)][static_cast<std::size_t>(i)];
  }
  Number& out(int operand, std::int64_t i) {
    return at(out_[static_cast<std::size_t>(operand)], i);
  }
  bool saved() const { return out_.size() > 1; }

  std::int64_t row(std::int64_t s, std::int64_t n) const {
    return n * t_ + (reverse_ ? t_ - 1 - s : s);
  }
  void in_order(const std::function<void(std::int64_t, std::int64_t, std::int64_t)>& body) const {
    for (std::int64_t s = 0; s < t_; ++s) {
      for (std::int64_t n = 0; n < n_; ++n) {
        for (std::int64_t j = 0; j < h_; ++j) body(s, n, j);
      }
    }
  }
  /// State k of sequence n before step s, from its initial values and those of all steps.
  const Number& before(const Numbers& initial, const Numbers& states, std::int64_t s,
                       std::int64_t n, std::int64_t k) const {
    return s == 0 ? initial[static_cast<std::size_t>(n * h_ + k)]
                  : states[static_cast<std::size_t>(row(s - 1, n) * h_ + k)];
  }

  // Forward: operands are xw, u, bias, ..., h.
  Number product(std::int64_t s, std::int64_t n, std::int64_t g, int h0) const {
    return contraction(
        h_, [&](std::int64_t k) -> const Number& { return in(1, g * h_ + k); },
        [&](std::int64_t k) -> const Number& {
          return before(in_[static_cast<std::size_t>(h0)], out_[0], s, n, k);
        });
  }
  Number input(std::int64_t s, std::int64_t n, std::int64_t g) const {
    return in(0, row(s, n) * gates_ * h_ + g);
  }
  Number gate(std::int64_t s, std::int64_t n, std::int64_t g, int h0) const {
    return (input(s, n, g) + product(s, n, g, h0)) + in(2, g);
  }

  void rnn_forward(std::int64_t s, std::int64_t n, std::int64_t j, bool rectified) {
    const Number a = gate(s, n, j, 3);
    out(0, row(s, n) * h_ + j) = rectified ? relu(a) : tanh(a);
  }

  void lstm_forward(std::int64_t s, std::int64_t n, std::int64_t j) {
    if (all_c_.empty()) all_c_.resize(static_cast<std::size_t>(n_ * t_ * h_));
    const Number i = sigmoid(gate(s, n, j, 3)), f = sigmoid(gate(s, n, h_ + j, 3));
    const Number g = tanh(gate(s, n, 2 * h_ + j, 3)), o = sigmoid(gate(s, n, 3 * h_ + j, 3));
    const Number c = fma(f, before(in_[4], all_c_, s, n, j), i * g);
    const std::int64_t r = row(s, n);
    at(all_c_, r * h_ + j) = c;
    out(0, r * h_ + j) = o * tanh(c);
    if (!saved()) return;
    out(1, r * h_ + j) = c;
    for (std::int64_t q = 0; const Number& value : {i, f, g, o}) {
      out(2, (4 * r + q++) * h_ + j) = value;
    }
  }

  void gru_forward(std::int64_t s, std::int64_t n, std::int64_t j) {
    const Number r = sigmoid(gate(s, n, j, 4)), z = sigmoid(gate(s, n, h_ + j, 4));
    const Number q = product(s, n, 2 * h_ + j, 4) + in(3, j);
    const Number m = tanh(fma(r, q, input(s, n, 2 * h_ + j) + in(2, 2 * h_ + j)));
    const std::int64_t at_row = row(s, n);
    out(0, at_row * h_ + j) = fma(z, before(in_[4], out_[0], s, n, j), (kOne - z) * m);
    if (!saved()) return;
    for (std::int64_t k = 0; const Number& value : {r, z, m, q}) {
      out(1, (4 * at_row + k++) * h_ + j) = value;
    }
  }

  // Backward: operands are u, h0, ...; results grad_xw, grad_u, grad_bias, ....

  /// What step s, or the state before step 0 for s = -1, gets from the step after it.
  Number from_after(const Numbers& du, std::int64_t s, std::int64_t n, std::int64_t k) const {
    if (s == t_ - 1) return {};
    const std::int64_t start = row(s + 1, n) * gates_ * h_;
    return contraction(
        gates_ * h_,
        [&](std::int64_t j) -> const Number& { return du[static_cast<std::size_t>(start + j)]; },
        [&](std::int64_t j) -> const Number& { return in(0, j * h_ + k); });
  }
  void backward_order(
      const std::function<void(std::int64_t, std::int64_t, std::int64_t)>& body) const {
    for (std::int64_t s = t_ - 1; s >= 0; --s) {
      for (std::int64_t n = 0; n < n_; ++n) {
        for (std::int64_t j = 0; j < h_; ++j) body(s, n, j);
      }
    }
  }
  /// Sums over all rows of du: of the states before, and alone.
  void weight_gradients(const Numbers& du, const Numbers& h) {
    const std::int64_t width = gates_ * h_;
    std::vector<const Number*> states;  // by row, then unit
    states.resize(static_cast<std::size_t>(n_ * t_ * h_));
    in_order([&](std::int64_t s, std::int64_t n, std::int64_t j) {
      states[static_cast<std::size_t>(row(s, n) * h_ + j)] = &before(in_[1], h, s, n, j);
    });
    for (std::int64_t g = 0; g < width; ++g) {
      const auto of_row = [&](std::int64_t r) -> const Number& {
        return du[static_cast<std::size_t>(r * width + g)];
      };
      for (std::int64_t k = 0; k < h_; ++k) {
        out(1, g * h_ + k) = contraction(n_ * t_, of_row, [&](std::int64_t r) -> const Number& {
          return *states[static_cast<std::size_t>(r * h_ + k)];
        });
      }
    }
  }
  Number column(const Numbers& du, std::int64_t g) const {
    return contraction(
        n_ * t_,
        [&](std::int64_t r) -> const Number& {
          return du[static_cast<std::size_t>(r * gates_ * h_ + g)];
        },
        [&](std::int64_t) -> const Number& { return kOne; });
  }
  void bias_gradients() {
    for (std::int64_t g = 0; g < gates_ * h_; ++g) out(2, g) = column(out_[0], g);
  }

  void rnn_backward(bool rectified) {
    backward_order([&](std::int64_t s, std::int64_t n, std::int64_t j) {
      const std::int64_t i = row(s, n) * h_ + j;
      const Number &y = in(2, i), dh = in(3, i) + from_after(out_[0], s, n, j);
      out(0, i) = !rectified ? fma(-y, y, kOne) * dh : y.value > 0 ? dh : Number{};
    });
    weight_gradients(out_[0], in_[2]);
    bias_gradients();
    for (std::int64_t i = 0; i < n_ * h_; ++i) {
      out(3, i) = from_after(out_[0], -1, i / h_, i % h_);
    }
  }

  void lstm_backward() {
    Numbers& carried = out_[4];
    backward_order([&](std::int64_t s, std::int64_t n, std::int64_t j) {
      const std::int64_t r = row(s, n), unit = r * h_ + j;
      const auto gate = [&](std::int64_t q) -> const Number& {
        return in(5, (4 * r + q) * h_ + j);
      };
      const Number &i = gate(0), &f = gate(1), &g = gate(2), &o = gate(3), &c = in(4, unit);
      const Number dh = in(6, unit) + from_after(out_[0], s, n, j);
      const Number dc = fma(dh * o, tanh_derivative(c), at(carried, n * h_ + j));
      at(carried, n * h_ + j) = f * dc;
      const Number& c_before = before(in_[2], in_[4], s, n, j);
      const Number da[] = {(dc * g) * (i * (kOne - i)), (dc * c_before) * (f * (kOne - f)),
                           (dc * i) * fma(-g, g, kOne), (dh * tanh(c)) * (o * (kOne - o))};
      for (std::int64_t q = 0; q < 4; ++q) out(0, (4 * r + q) * h_ + j) = da[q];
    });
    weight_gradients(out_[0], in_[3]);
    bias_gradients();
    for (std::int64_t i = 0; i < n_ * h_; ++i) {
      out(3, i) = from_after(out_[0], -1, i / h_, i % h_);
    }
  }

  void gru_backward() {
    Numbers du(out_[0].size()), direct(out_[4].size());
    backward_order([&](std::int64_t s, std::int64_t n, std::int64_t j) {
      const std::int64_t at_row = row(s, n), unit = at_row * h_ + j;
      const auto gate = [&](std::int64_t k) -> const Number& {
        return in(3, (4 * at_row + k) * h_ + j);
      };
      const Number &r = gate(0), &z = gate(1), &m = gate(2), &q = gate(3);
      const Number dh = in(4, unit) + (from_after(du, s, n, j) + at(direct, n * h_ + j));
      at(direct, n * h_ + j) = dh * z;
      const Number dn = (dh * (kOne - z)) * fma(-m, m, kOne);
      const Number dz = (dh * (before(in_[1], in_[2], s, n, j) - m)) * (z * (kOne - z));
      const Number da[] = {(dn * q) * (r * (kOne - r)), dz, dn};
      for (std::int64_t k = 0; k < 3; ++k) {
        out(0, (3 * at_row + k) * h_ + j) = da[k];
        at(du, (3 * at_row + k) * h_ + j) = k == 2 ? dn * r : da[k];
      }
    });
    weight_gradients(du, in_[2]);
    bias_gradients();
    for (std::int64_t j = 0; j < h_; ++j) out(3, j) = column(du, 2 * h_ + j);
    for (std::int64_t i = 0; i < n_ * h_; ++i) {
      out(4, i) = from_after(du, -1, i / h_, i % h_) + at(direct, i);
    }
  }

  std::int64_t n_ = 0, t_ = 0, h_ = 0, gates_;
  bool reverse_;
  std::vector<Numbers> in_, out_;
  Numbers all_c_;
};

}  // namespace

void bound_recurrent(const Oracle& /*oracle*/, const Op& op, const Operands& operands,
                     Fill /*fill*/, std::vector<Expected>& result) {
  const std::string_view family = op.family();
  const bool lstm = family == "lstm/1";
  Unrolled unrolled(op, operands, lstm ? 3 : 2, lstm ? 4 : family == "gru/1" ? 3 : 1);
  const std::vector<Numbers>& numbers = unrolled.run(op);
  for (std::size_t o = 0; o < result.size(); ++o) {
    Expected& e = result[o];
    for (std::size_t i = 0; i < e.value.size(); ++i) {
      const Number& n = numbers[o][i];
      e.limit[i] = n.error;
      if (n.loose) {  // nothing is known; see Number
        e.value[i] = 0;
        e.magnitude[i] = double{FLT_MAX};
      } else if (std::isfinite(e.value[i]) && !(std::abs(n.value - e.value[i]) <= 1e-3 * n.error)) {
        e.limit[i] = NAN;
      }
    }
  }
}

}  // namespace soma::conformance
