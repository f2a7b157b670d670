#include "raw.hpp"

namespace soma::bench {
namespace {

Measured time_product(const dnnl::memory::desc& left, const dnnl::memory::desc& right,
                      const dnnl::memory::desc& product, double seconds,
                      const dnnl::memory::desc* plain_right = nullptr) {
  const auto d = onednn::describe_matmul(left, right, nullptr, product, onednn::attributes());
  RawCall call;
  if (plain_right != nullptr && *plain_right != d.weights_desc()) {
    const dnnl::reorder::primitive_desc reorder(onednn::engine(), *plain_right, onednn::engine(),
                                                d.weights_desc(), onednn::attributes());
    call.add<dnnl::reorder>(reorder,
                            {{DNNL_ARG_FROM, *plain_right}, {DNNL_ARG_TO, d.weights_desc()}});
  }
  call.add<dnnl::matmul>(d, {{DNNL_ARG_SRC, d.src_desc()},
                             {DNNL_ARG_WEIGHTS, d.weights_desc()},
                             {DNNL_ARG_DST, d.dst_desc()}});
  return call.measure(seconds);
}

/// Linear layers as plain matrix products; weights in whatever layout the library likes.
Measured time_linear(const Op& op, double seconds) {
  const Shape& a = op.in(0);
  const Shape& b = op.in(1);
  const Shape& c = op.out(0);
  if (op.direction() == "fwd") {
    return time_product(layout({a[0], a[1]}, Tag::ab), layout({a[1], b[0]}, Tag::any),
                        layout({c[0], c[1]}, Tag::ab), seconds);
  }
  if (op.direction() == "bwd_data") {
    return time_product(layout({a[0], a[1]}, Tag::ab), layout({b[0], b[1]}, Tag::any),
                        layout({c[0], c[1]}, Tag::ab), seconds);
  }
  return time_product(layout({b[1], b[0]}, Tag::ba), layout({a[0], a[1]}, Tag::ab),
                      layout({c[0], c[1]}, Tag::ab), seconds);
}

}  // namespace

std::optional<Measured> raw_product(const Case& c, double seconds) {
  const Op& op = c.ops.front();
  if (c.ops.size() > 1) return std::nullopt;
  if (op.family() == "linear/1") return time_linear(op, seconds);
  if (op.id != "matmul/1.fwd" || !op.attributes.entries().empty() || op.in(0)[0] != 1)
    return std::nullopt;
  // Plain operands, or the right one brought to the library's own layout, whichever is faster:
  // neither is a weight that could have been packed before.
  const Shape& a = op.in(0);
  const Shape& b = op.in(1);
  const auto left = layout({a[1], a[2]}, Tag::ab), product = layout({a[1], b[2]}, Tag::ab);
  const auto right = layout({b[1], b[2]}, Tag::ab);
  return faster(time_product(left, right, product, seconds),
                time_product(left, layout({b[1], b[2]}, Tag::any), product, seconds, &right));
}

}  // namespace soma::bench
