#include <map>

#include "peer_shim.hpp"
#include "raw.hpp"

namespace soma::bench {

std::optional<Measured> raw_pointwise(const Case& c, double seconds) {
  static const std::map<std::string_view, dnnl::algorithm> kFunctions = {
      {"relu/1", dnnl::algorithm::eltwise_relu},
      {"sigmoid/1", dnnl::algorithm::eltwise_logistic},
      {"tanh/1", dnnl::algorithm::eltwise_tanh},
  };
  const Op& op = c.ops.front();
  const auto found = kFunctions.find(op.family());
  if (found == kFunctions.end()) return std::nullopt;
  const dnnl::algorithm what = found->second;
  const auto x = layout({op.in(0).elements()}, Tag::a);
  const auto f = describe_eltwise(what, x);
  RawCall call;
  if (op.direction() == "fwd") {
    call.add<dnnl::eltwise_forward>(f, {{DNNL_ARG_SRC, x}, {DNNL_ARG_DST, x}});
  } else {
    const auto b = describe_eltwise_backward(f, what, x);
    call.add<dnnl::eltwise_backward>(
        b, {{DNNL_ARG_SRC, x}, {DNNL_ARG_DIFF_DST, x}, {DNNL_ARG_DIFF_SRC, x}});
  }
  return call.measure(seconds);
}

}  // namespace soma::bench
