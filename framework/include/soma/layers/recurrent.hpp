#pragma once

#include "soma/layer.hpp"

namespace soma {

// Letters: N batch, T steps, I inputs, H units, D directions (2 if bidirectional). Each takes x
// [N,T,I] and gives the states of its last layer: all of them, [N,T,D*H], or only the last,
// [N,D*H]. The second direction reads from the end, so its last state is that at t = 0; it comes
// second. Layer l reads what layer l - 1 gives, in training through a dropout of rate `dropout`.
//
// States start from zeros; or from further inputs h0 [N,H] (and c0 [N,H] for Lstm), for a single
// layer in one direction.
//
// Parameters of layer l: "l0.w" [G*H,I], "l0.u" [G*H,H], "l0.bias" [G*H], gate by gate, and those
// of the second direction, "l0_reverse.w", ...; w and u start as xavier_uniform with the fans of
// one gate, biases at zero but for the forget gate. Formulas, the order of gates and sources:
// soma/sdk/ops/recurrent.hpp.

/// Elman's network: h = act(W x + U h + bias), act "tanh" or "relu".
struct SOMA_API Rnn {
  static constexpr std::string_view kType = "rnn";
  std::int64_t units = 0;
  std::int64_t layers = 1;
  bool bidirectional = false;
  bool return_sequences = true;
  double dropout = 0;
  std::string activation = "tanh";

  Value build(GraphBuilder& graph, std::span<const Value> inputs) const;
  Attributes attributes() const;
  static Rnn from(const Attributes& a);
};

/// Long short-term memory, gates i, f, g, o. The bias of the forget gate starts at `forget_bias`:
/// Jozefowicz et al., "An empirical exploration of recurrent network architectures", ICML 2015.
struct SOMA_API Lstm {
  static constexpr std::string_view kType = "lstm";
  std::int64_t units = 0;
  std::int64_t layers = 1;
  bool bidirectional = false;
  bool return_sequences = true;
  double dropout = 0;
  double forget_bias = 1;

  Value build(GraphBuilder& graph, std::span<const Value> inputs) const;
  Attributes attributes() const;
  static Lstm from(const Attributes& a);
};

/// Gated recurrent unit that resets after the product, gates r, z, n. A further parameter
/// "l0.bias_u" [H] is what the reset gate scales together with U h.
struct SOMA_API Gru {
  static constexpr std::string_view kType = "gru";
  std::int64_t units = 0;
  std::int64_t layers = 1;
  bool bidirectional = false;
  bool return_sequences = true;
  double dropout = 0;

  Value build(GraphBuilder& graph, std::span<const Value> inputs) const;
  Attributes attributes() const;
  static Gru from(const Attributes& a);
};

}  // namespace soma
