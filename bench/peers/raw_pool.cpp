#include "peer_shim.hpp"
#include "raw.hpp"
#include "soma/sdk/ops/pool2d.hpp"

namespace soma::bench {

std::optional<Measured> raw_pool(const Case& c, double seconds) {
  const Op& op = c.ops.front();
  const bool max = op.family() == "max_pool2d/1";
  if (!max && op.family() != "avg_pool2d/1") return std::nullopt;
  const auto pool = ops::Pool2d::from(op.attributes);
  const bool forward = op.direction() == "fwd";
  const auto nhwc = [](const Shape& s) { return layout({s[0], s[3], s[1], s[2]}, Tag::nhwc); };
  const PoolWindow window{.what = max                ? dnnl::algorithm::pooling_max
                                  : pool.include_pad ? dnnl::algorithm::pooling_avg_include_padding
                                                     : dnnl::algorithm::pooling_avg_exclude_padding,
                          .source = nhwc(forward ? op.in(0) : op.out(0)),
                          .destination = nhwc(forward ? op.out(0) : op.in(0)),
                          .strides = {pool.window.stride_h, pool.window.stride_w},
                          .kernel = {pool.kernel_h, pool.kernel_w},
                          .padding_low = {pool.window.pad_top, pool.window.pad_left},
                          .padding_high = {pool.window.pad_bottom, pool.window.pad_right}};
  const auto f = describe_pool(window);
  RawCall first;
  std::vector<std::pair<int, dnnl::memory::desc>> arguments{{DNNL_ARG_SRC, f.src_desc()},
                                                            {DNNL_ARG_DST, f.dst_desc()}};
  if (max) arguments.emplace_back(DNNL_ARG_WORKSPACE, f.workspace_desc());
  const auto memories = first.add<dnnl::pooling_forward>(f, arguments);
  if (forward) return first.measure(seconds);
  // The backward of a maximum reads where it was, from the forward's workspace.
  first.run();
  RawCall::Memories shared;
  if (max) shared.emplace(DNNL_ARG_WORKSPACE, memories.at(DNNL_ARG_WORKSPACE));
  const auto b = describe_pool_backward(f, window);
  RawCall second;
  second.add<dnnl::pooling_backward>(
      b, {{DNNL_ARG_DIFF_DST, b.diff_dst_desc()}, {DNNL_ARG_DIFF_SRC, b.diff_src_desc()}}, shared);
  return second.measure(seconds);
}

}  // namespace soma::bench
