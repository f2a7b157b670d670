#include <limits>
#include <map>

#include "peer_shim.hpp"
#include "raw.hpp"

namespace soma::bench {
namespace {

/// oneDNN's name for the activation of an op; 2.x ignores parameters that it has no use for.
std::optional<Eltwise> function_of(const Op& op) {
  using dnnl::algorithm;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  static const std::map<std::string_view, Eltwise> kFunctions = {
      {"relu/1", {algorithm::eltwise_relu}},
      {"leaky_relu/1", {algorithm::eltwise_relu, 0.01f}},
      {"elu/1", {algorithm::eltwise_elu, 1}},
      {"sigmoid/1", {algorithm::eltwise_logistic}},
      {"tanh/1", {algorithm::eltwise_tanh}},
      {"silu/1", {algorithm::eltwise_swish, 1}},
      {"gelu/1", {algorithm::eltwise_gelu_erf}},
      {"mish/1", {algorithm::eltwise_mish}},
      {"softplus/1", {algorithm::eltwise_soft_relu, 1}},
      {"hard_swish/1", {algorithm::eltwise_hardswish, 1.0f / 6, 0.5f}},
      {"exp/1", {algorithm::eltwise_exp}},
      {"log/1", {algorithm::eltwise_log}},
      {"abs/1", {algorithm::eltwise_abs}},
      {"sqrt/1", {algorithm::eltwise_sqrt}},
      {"square/1", {algorithm::eltwise_square}},
      {"clip/1", {algorithm::eltwise_clip}},
  };
  const auto found = kFunctions.find(op.family());
  if (found == kFunctions.end()) return std::nullopt;
  Eltwise function = found->second;
  const Attributes& a = op.attributes;
  if (a.text("approximate", "none") == "tanh") function.what = algorithm::eltwise_gelu_tanh;
  function.alpha = static_cast<float>(a.real("alpha", function.alpha));
  if (op.family() == "clip/1") {
    function.alpha = static_cast<float>(a.real("low", -kInfinity));
    function.beta = static_cast<float>(a.real("high", kInfinity));
  }
  return function;
}

}  // namespace

std::optional<Measured> raw_pointwise(const Case& c, double seconds) {
  const Op& op = c.ops.front();
  const auto function = function_of(op);
  if (!function) return std::nullopt;
  const auto x = layout({op.in(0).elements()}, Tag::a);
  const auto f = describe_eltwise(*function, x);
  RawCall call;
  if (op.direction() == "fwd") {
    call.add<dnnl::eltwise_forward>(f, {{DNNL_ARG_SRC, x}, {DNNL_ARG_DST, x}});
  } else {
    const auto b = describe_eltwise_backward(f, *function, x);
    call.add<dnnl::eltwise_backward>(
        b, {{DNNL_ARG_SRC, x}, {DNNL_ARG_DIFF_DST, x}, {DNNL_ARG_DIFF_SRC, x}});
  }
  return call.measure(seconds);
}

}  // namespace soma::bench
