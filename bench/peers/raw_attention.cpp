#include "peer_shim.hpp"
#include "raw.hpp"
#include "soma/sdk/ops/attention.hpp"

namespace soma::bench {
namespace {

/// One product of batches of matrices; the result is shared with what follows.
dnnl::memory product(RawCall& call, const dnnl::memory::desc& left, const dnnl::memory::desc& right,
                     const dnnl::memory::desc& result, float scale, RawCall::Memories operands) {
  dnnl::post_ops after;
  if (scale != 1) onednn::append_eltwise(after, dnnl::algorithm::eltwise_linear, scale, 0);
  const auto d = onednn::describe_matmul(left, right, nullptr, result, onednn::attributes(after));
  const auto memories = call.add<dnnl::matmul>(
      d, {{DNNL_ARG_SRC, left}, {DNNL_ARG_WEIGHTS, right}, {DNNL_ARG_DST, result}},
      std::move(operands));
  return memories.at(DNNL_ARG_DST);
}

}  // namespace

/// matmul, softmax, matmul, and backwards four products around softmax's backward: every head a
/// matrix of its own, as oneDNN likes it. Nothing is masked.
std::optional<Measured> raw_attention(const Case& c, double seconds) {
  const Op& op = c.ops.front();
  if (op.family() != "attention/1") return std::nullopt;
  const auto l = ops::Attention::layout(op);
  const std::int64_t heads = l.batch * l.heads;
  const auto matrix = [&](std::int64_t rows, std::int64_t columns, Tag tag) {
    return layout({heads, rows, columns}, tag);
  };
  // X^T of a matrix stored as [rows, columns].
  const auto turned = [&](std::int64_t rows, std::int64_t columns) {
    return matrix(columns, rows, Tag::acb);
  };
  const auto q = matrix(l.queries, l.key_width, Tag::abc);
  const auto k = matrix(l.keys, l.key_width, Tag::abc);
  const auto v = matrix(l.keys, l.value_width, Tag::abc);
  const auto y = matrix(l.queries, l.value_width, Tag::abc);
  const auto p = matrix(l.queries, l.keys, Tag::abc);
  constexpr auto kWhat = dnnl::algorithm::softmax_accurate;
  const auto softmax = describe_softmax(kWhat, p, 2);

  RawCall call;
  if (op.direction() == "fwd") {
    const auto score = product(call, q, turned(l.keys, l.key_width), p, l.scale, {});
    const auto memories = call.add<SoftmaxForward>(softmax, {{DNNL_ARG_SRC, p}, {DNNL_ARG_DST, p}},
                                                   {{DNNL_ARG_SRC, score}});
    product(call, p, v, y, 1, {{DNNL_ARG_SRC, memories.at(DNNL_ARG_DST)}});
    return call.measure(seconds);
  }
  const auto probabilities = RawCall::memory(p), grad_y = RawCall::memory(y);
  product(call, turned(l.queries, l.keys), y, v, 1,
          {{DNNL_ARG_SRC, probabilities}, {DNNL_ARG_WEIGHTS, grad_y}});
  const auto dp = product(call, y, turned(l.keys, l.value_width), p, 1, {{DNNL_ARG_SRC, grad_y}});
  const auto b = describe_softmax_backward(softmax, kWhat, p, 2);
  const auto memories = call.add<SoftmaxBackward>(
      b, {{DNNL_ARG_DST, p}, {DNNL_ARG_DIFF_DST, p}, {DNNL_ARG_DIFF_SRC, p}},
      {{DNNL_ARG_DST, probabilities}, {DNNL_ARG_DIFF_DST, dp}});
  const auto ds = memories.at(DNNL_ARG_DIFF_SRC);
  product(call, p, k, q, l.scale, {{DNNL_ARG_SRC, ds}});
  product(call, turned(l.queries, l.keys), q, k, l.scale, {{DNNL_ARG_SRC, ds}});
  return call.measure(seconds);
}

}  // namespace soma::bench
