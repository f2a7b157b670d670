#pragma once

#include <string>

#include "soma/sdk/op.hpp"

/// Recurrent layers as one op per sequence: everything that depends on the state before it. The
/// product of all inputs with their weights, xw, is a linear/1 over [N*T, inputs] that comes first.
///
/// Letters: N sequences, T steps, H units, G gates (rnn 1, gru 3, lstm 4); g*H + j is unit j of
/// gate g. Steps are taken at t = 0, 1, ..., T-1, or with `reverse` at t = T-1, ..., 0; results
/// stay at their t. "before" is the step taken before t, or the initial state; "after" the one
/// taken after t.
///
/// Each sum runs over the recurrent weights in canonical contraction order (numerics.md, 1), k
/// ascending, backwards over all G*H rows of u. Each operation below rounds once, in the order
/// written; fma is fused. sigmoid, tanh and tanh' are the canonical functions; r (1 - r) stands
/// for sigmoid', 1 - y y = fma(-y, y, 1) for tanh' at the output y.
///
/// All backward ops: grad_u [G*H,H] sums the rows (n, t), k = n*T + t ascending in canonical
/// contraction order, of (gradient before the gate) * (h before); bias gradients are canonical
/// column sums over the same rows. T = 0 gives gradients of +0. Nothing may be computed in place.
namespace soma::ops {

/// Op family rnn/1: h = act(a), a = (xw + sum over k of u[j,k] h_before[k]) + bias[j], with act
/// tanh or relu.
///
///   fwd  (xw [N,T,H], u [H,H], bias [H], h0 [N,H]) -> h [N,T,H]
///   bwd  (u, h0, h, grad_h [N,T,H]) -> grad_xw [N,T,H], grad_u, grad_bias, grad_h0 [N,H]
///        dh = grad_h + sum over j of u[j,k] grad_xw_after[j] (+0 after the last step)
///        grad_xw = (1 - h h) dh for tanh; dh where h > 0, else +0, for relu
///        grad_h0 = the sum before the first step
/// Source: Elman, "Finding structure in time", Cognitive Science 14 (1990).
struct Rnn {
  static constexpr const char* kForward = "rnn/1.fwd";
  static constexpr const char* kBackward = "rnn/1.bwd";

  std::string activation = "tanh";  ///< or "relu"
  bool reverse = false;

  static Rnn from(const Attributes& a) { return {a.text("activation", "tanh"), a.flag("reverse")}; }
  /// Throws ShapeError unless xw is [N,T,H].
  Op forward(const Shape& xw, Purpose purpose) const;
  Op backward(const Shape& xw) const;
};

/// Op family lstm/1: long short-term memory without peepholes. Gates i, f, g, o in this order.
///
///   fwd  (xw [N,T,4H], u [4H,H], bias [4H], h0 [N,H], c0 [N,H])
///          -> h [N,T,H] and, for training, c [N,T,H], gates [N,T,4H] after their functions
///        a = (xw + sum over k of u[j,k] h_before[k]) + bias; i, f, o = sigmoid(a), g = tanh(a)
///        c = fma(f, c_before, i g);  h = o tanh(c)
///   bwd  (u, h0, c0, h, c, gates, grad_h [N,T,H])
///          -> grad_xw [N,T,4H], grad_u, grad_bias, grad_h0 [N,H], grad_c0 [N,H]
///        dh = grad_h + sum over the rows j of u[j,k] grad_xw_after[j] (+0 after the last step)
///        dc = fma(dh o, tanh'(c), f_after dc_after) (+0 after the last step)
///        grad_xw = (dc g)(i (1 - i)), (dc c_before)(f (1 - f)), (dc i)(1 - g g),
///                  (dh tanh(c))(o (1 - o))
///        grad_h0 = the sum before the first step; grad_c0 = f dc of the first step
/// c and gates are saved for the backward: no gradient comes back through them.
/// Source: Hochreiter & Schmidhuber, Neural Computation 9 (1997); the forget gate is that of Gers
/// et al., Neural Computation 12 (2000). The order of gates is PyTorch's.
struct Lstm {
  static constexpr const char* kForward = "lstm/1.fwd";
  static constexpr const char* kBackward = "lstm/1.bwd";
  static constexpr std::int64_t kGates = 4;

  bool reverse = false;

  static Lstm from(const Attributes& a) { return {a.flag("reverse")}; }
  /// Throws ShapeError unless xw is [N,T,4H].
  Op forward(const Shape& xw, Purpose purpose) const;
  Op backward(const Shape& xw) const;
};

/// Op family gru/1: gated recurrent unit that resets after the product ("linear before reset", as
/// PyTorch and cuDNN do). Gates r, z, n in this order.
///
///   fwd  (xw [N,T,3H], u [3H,H], bias [3H], bias_u [H], h0 [N,H])
///          -> h [N,T,H] and, for training, gates [N,T,4H] = r, z, n, q
///        r, z = sigmoid((xw + sum over k of u[j,k] h_before[k]) + bias)
///        q = sum over k of u[2H+j,k] h_before[k] + bias_u;  n = tanh(fma(r, q, xw + bias))
///        h = fma(z, h_before, (1 - z) n)
///   bwd  (u, h0, h, gates, grad_h [N,T,H])
///          -> grad_xw [N,T,3H], grad_u, grad_bias, grad_bias_u [H], grad_h0 [N,H]
///        dh = grad_h + ((sum over the rows j of u[j,k] du_after[j]) + dh_after z_after), where
///        the bracket is +0 after the last step
///        dn = (dh (1 - z)) (1 - n n)
///        grad_xw = (dn q)(r (1 - r)), (dh (h_before - n))(z (1 - z)), dn
///        du = grad_xw but for gate n: dn r; grad_u and grad_bias_u are those of du
///        grad_h0 = the bracket before the first step
/// Source: Cho et al., arXiv:1406.1078, with the reset of version 1, as in the PyTorch manual. The
/// gates r and z have one bias each, the sum of PyTorch's two.
struct Gru {
  static constexpr const char* kForward = "gru/1.fwd";
  static constexpr const char* kBackward = "gru/1.bwd";
  static constexpr std::int64_t kGates = 3;
  static constexpr std::int64_t kSaved = 4;

  bool reverse = false;

  static Gru from(const Attributes& a) { return {a.flag("reverse")}; }
  /// Throws ShapeError unless xw is [N,T,3H].
  Op forward(const Shape& xw, Purpose purpose) const;
  Op backward(const Shape& xw) const;
};

namespace detail {

/// The shapes of a recurrent op.
struct RecurrentShapes {
  /// Throws ShapeError unless xw is [N, T, gates * H].
  RecurrentShapes(const char* family, const Shape& xw, std::int64_t gates) : input{xw} {
    if (xw.rank() != 3 || xw[2] % gates != 0) {
      throw ShapeError(std::string(family) + ": expected xw [N,T," +
                       (gates == 1 ? "" : std::to_string(gates)) + "H], got " + xw.str());
    }
    const std::int64_t units = xw[2] / gates;
    sequence = {xw[0], xw[1], units};
    weight = {xw[2], units};
    bias = {xw[2]};
    state = {xw[0], units};
    unit = {units};
  }
  Shape input, sequence, weight, bias, state, unit;
};

inline std::vector<TensorInfo> f32(std::initializer_list<Shape> shapes) {
  std::vector<TensorInfo> list;
  for (const Shape& shape : shapes) list.push_back({DType::f32, shape});
  return list;
}

}  // namespace detail

inline Op Rnn::forward(const Shape& xw, Purpose purpose) const {
  if (activation != "tanh" && activation != "relu") {
    throw ShapeError("rnn: activation: expected tanh or relu, got '" + activation + "'");
  }
  const detail::RecurrentShapes s("rnn", xw, 1);
  Op op{kForward,
        detail::f32({s.input, s.weight, s.bias, s.state}),
        detail::f32({s.sequence}),
        {},
        purpose};
  op.attributes.set_unless("activation", activation, std::string("tanh"));
  op.attributes.set_unless("reverse", reverse, false);
  return op;
}

inline Op Rnn::backward(const Shape& xw) const {
  Op op = forward(xw, Purpose::train);
  const detail::RecurrentShapes s("rnn", xw, 1);
  op.id = kBackward;
  op.inputs = detail::f32({s.weight, s.state, s.sequence, s.sequence});
  op.outputs = detail::f32({s.input, s.weight, s.bias, s.state});
  return op;
}

inline Op Lstm::forward(const Shape& xw, Purpose purpose) const {
  const detail::RecurrentShapes s("lstm", xw, kGates);
  Op op{kForward,
        detail::f32({s.input, s.weight, s.bias, s.state, s.state}),
        detail::f32({s.sequence}),
        {},
        purpose};
  if (purpose == Purpose::train) op.outputs = detail::f32({s.sequence, s.sequence, s.input});
  op.attributes.set_unless("reverse", reverse, false);
  return op;
}

inline Op Lstm::backward(const Shape& xw) const {
  const detail::RecurrentShapes s("lstm", xw, kGates);
  Op op{kBackward,
        detail::f32({s.weight, s.state, s.state, s.sequence, s.sequence, s.input, s.sequence}),
        detail::f32({s.input, s.weight, s.bias, s.state, s.state}),
        {},
        Purpose::train};
  op.attributes.set_unless("reverse", reverse, false);
  return op;
}

inline Op Gru::forward(const Shape& xw, Purpose purpose) const {
  const detail::RecurrentShapes s("gru", xw, kGates);
  Op op{kForward,
        detail::f32({s.input, s.weight, s.bias, s.unit, s.state}),
        detail::f32({s.sequence}),
        {},
        purpose};
  if (purpose == Purpose::train) {
    op.outputs = detail::f32({s.sequence, {xw[0], xw[1], kSaved * s.unit[0]}});
  }
  op.attributes.set_unless("reverse", reverse, false);
  return op;
}

inline Op Gru::backward(const Shape& xw) const {
  const detail::RecurrentShapes s("gru", xw, kGates);
  Op op{
      kBackward,
      detail::f32({s.weight, s.state, s.sequence, {xw[0], xw[1], kSaved * s.unit[0]}, s.sequence}),
      detail::f32({s.input, s.weight, s.bias, s.unit, s.state}),
      {},
      Purpose::train};
  op.attributes.set_unless("reverse", reverse, false);
  return op;
}

}  // namespace soma::ops
