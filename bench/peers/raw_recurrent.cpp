#include "peer_shim.hpp"
#include "raw.hpp"

namespace soma::bench {

/// A whole LSTM layer: the product of all inputs with their weights belongs to it, so that only a
/// case of lstm/1 with its linear/1 has a peer.
std::optional<Measured> raw_recurrent(const Case& c, double seconds) {
  const Op& op = c.ops.front();
  if (op.family() != "lstm/1" || c.ops.size() < 2) return std::nullopt;
  const bool forward = op.direction() == "fwd";
  const Shape& h = forward ? op.out(0) : op.in(3);
  const Op& linear = c.ops[1];
  const std::int64_t inputs = (linear.direction() == "fwd" ? linear.in(0) : linear.out(0)).back();
  const std::int64_t batch = h[0], steps = h[1], units = h[2], gates = 4;

  const auto x = layout({steps, batch, inputs}, Tag::tnc);
  const auto y = layout({steps, batch, units}, Tag::tnc);
  const auto state = layout({1, 1, batch, units}, Tag::ldnc);
  const auto wx = layout({1, 1, inputs, gates, units}, Tag::any);
  const auto wh = layout({1, 1, units, gates, units}, Tag::any);
  const auto bias = layout({1, 1, gates, units}, Tag::ldgo);
  constexpr auto kDirection = dnnl::rnn_direction::unidirectional_left2right;
  const auto f = describe<dnnl::lstm_forward>(kForward, kDirection, x, state, state, wx, wh, bias,
                                              y, state, state);
  RawCall first;
  const auto memories =
      first.add<dnnl::lstm_forward>(f, {{DNNL_ARG_SRC_LAYER, x},
                                        {DNNL_ARG_SRC_ITER, state},
                                        {DNNL_ARG_SRC_ITER_C, state},
                                        {DNNL_ARG_WEIGHTS_LAYER, f.weights_layer_desc()},
                                        {DNNL_ARG_WEIGHTS_ITER, f.weights_iter_desc()},
                                        {DNNL_ARG_BIAS, bias},
                                        {DNNL_ARG_DST_LAYER, y},
                                        {DNNL_ARG_DST_ITER, state},
                                        {DNNL_ARG_DST_ITER_C, state},
                                        {DNNL_ARG_WORKSPACE, f.workspace_desc()}});
  if (forward) return first.measure(seconds);

  first.run();
  const auto b = describe_backward<dnnl::lstm_backward>(f, kBackward, kDirection, x, state, state,
                                                        wx, wh, bias, y, state, state, x, state,
                                                        state, wx, wh, bias, y, state, state);
  RawCall second;
  RawCall::Memories shared = memories;
  shared.erase(DNNL_ARG_SCRATCHPAD);
  // The backward wants the weights in layouts of its own.
  shared.erase(DNNL_ARG_WEIGHTS_LAYER);
  shared.erase(DNNL_ARG_WEIGHTS_ITER);
  second.add<dnnl::lstm_backward>(b,
                                  {{DNNL_ARG_WEIGHTS_LAYER, b.weights_layer_desc()},
                                   {DNNL_ARG_WEIGHTS_ITER, b.weights_iter_desc()},
                                   {DNNL_ARG_DIFF_SRC_LAYER, x},
                                   {DNNL_ARG_DIFF_SRC_ITER, state},
                                   {DNNL_ARG_DIFF_SRC_ITER_C, state},
                                   {DNNL_ARG_DIFF_WEIGHTS_LAYER, b.diff_weights_layer_desc()},
                                   {DNNL_ARG_DIFF_WEIGHTS_ITER, b.diff_weights_iter_desc()},
                                   {DNNL_ARG_DIFF_BIAS, bias},
                                   {DNNL_ARG_DIFF_DST_LAYER, y},
                                   {DNNL_ARG_DIFF_DST_ITER, state},
                                   {DNNL_ARG_DIFF_DST_ITER_C, state}},
                                  shared);
  return second.measure(seconds);
}

}  // namespace soma::bench
