// Windows over images: convolutions, pools, enlarging.
#include <algorithm>
#include <cmath>
#include <utility>

#include "mutant.hpp"
#include "soma/sdk/ops/pool2d.hpp"
#include "soma/sdk/ops/window.hpp"

namespace mutants {
namespace {

using soma::ops::Pool2d;

/// Calls visit(output element, input elements of its window in (r,s) order) over all windows, whose
/// image is `image` and whose results are `grid`; taps in the padding are left out.
template <class Visit>
void for_each_window(const Op& op, const soma::Shape& image, const soma::Shape& grid, Visit visit) {
  const Pool2d pool = Pool2d::from(op.attributes);
  std::vector<std::int64_t> taps;
  for (std::int64_t e = 0; e < grid.elements(); ++e) {
    const std::int64_t c = e % grid[3], q = e / grid[3] % grid[2],
                       p = e / grid[3] / grid[2] % grid[1];
    const std::int64_t n = e / grid[3] / grid[2] / grid[1];
    taps.clear();
    for (std::int64_t r = 0; r < pool.kernel_h; ++r) {
      for (std::int64_t s = 0; s < pool.kernel_w; ++s) {
        const std::int64_t h = p * pool.window.stride_h - pool.window.pad_top + r;
        const std::int64_t w = q * pool.window.stride_w - pool.window.pad_left + s;
        if (h < 0 || h >= image[1] || w < 0 || w >= image[2]) continue;
        taps.push_back(((n * image[1] + h) * image[2] + w) * image[3] + c);
      }
    }
    visit(e, taps);
  }
}

void pad_with_zero(const Call& call) {
  const Floats x = call.input();
  const Pool2d pool = Pool2d::from(call.op.attributes);
  call.right();
  for_each_window(call.op, call.op.in(0), call.op.out(0), [&](std::int64_t e, const auto& taps) {
    if (static_cast<std::int64_t>(taps.size()) == pool.kernel_h * pool.kernel_w) return;
    call.out()[e] = std::max(call.out()[e], 0.0f);
  });
}

void last_of_ties(const Call& call) {
  call.right();
  const std::int64_t pixels = call.op.in(0)[1] * call.op.in(0)[2], channels = call.op.in(0)[3];
  for_each_window(call.op, call.op.in(0), call.op.out(0), [&](std::int64_t e, const auto& taps) {
    for (const std::int64_t tap : taps) {
      if (call.in()[tap] != call.out()[e]) continue;
      call.out<std::int32_t>(1)[e] = static_cast<std::int32_t>(tap / channels % pixels);
    }
  });
}

void argmax_within_window(const Call& call) {
  call.right();
  const std::int64_t pixels = call.op.in(0)[1] * call.op.in(0)[2], channels = call.op.in(0)[3];
  for_each_window(call.op, call.op.in(0), call.op.out(0), [&](std::int64_t e, const auto& taps) {
    std::int32_t* at = call.out<std::int32_t>(1) + e;
    for (std::size_t t = 0; t < taps.size(); ++t) {
      if (taps[t] / channels % pixels == *at) {
        *at = static_cast<std::int32_t>(t);
        return;
      }
    }
  });
}

void assign_overlaps(const Call& call) {
  const auto& image = call.op.out(0);
  const auto& grid = call.op.in(0);
  std::ranges::fill(call.outputs(), 0.0f);
  for (std::int64_t e = 0; e < grid.elements(); ++e) {
    const std::int64_t n = e / grid[3] / grid[2] / grid[1], c = e % grid[3];
    const std::int64_t pixel = n * image[1] * image[2] + call.in<std::int32_t>(1)[e];
    call.out()[pixel * image[3] + c] = call.in()[e];
  }
}

Op shifted(const Op& op) {
  const std::int64_t pad = op.attributes.integer("pad_left", 0);
  return with(op, "pad_left", pad + 1);
}

const Mutant kMutants[] = {
    {.name = "conv_pads_swapped",
     .fault_class = "wrong window",
     .op = "conv2d/1.fwd",
     .where = "pad_top and pad_left differ",
     .level = "C3",
     .as = [](const Op& op) { return exchanged(op, "pad_top", "pad_left", 0); }},
    {.name = "conv_strides_swapped",
     .fault_class = "wrong window",
     .op = "conv2d/1.bwd_weights",
     .where = "stride_h and stride_w differ",
     .level = "C4",
     .as = [](const Op& op) { return exchanged(op, "stride_h", "stride_w", 1); }},
    {.name = "conv_dilation_lost",
     .fault_class = "wrong window",
     .op = "conv2d/1.bwd_data",
     .where = "dilation 3 across",
     .level = "C4",
     .at = [](const Op& op) { return op.attributes.integer("dilation_w", 1) == 3; },
     .as = [](const Op& op) { return with(op, "dilation_w", std::int64_t{1}); }},
    {.name = "conv_pad_one_more",
     .fault_class = "wrong window",
     .op = "conv2d/1.bwd_weights",
     .where = "padding and stride 2 across",
     .level = "C4",
     .at =
         [](const Op& op) {
           return op.attributes.integer("pad_left", 0) == 3 &&
                  op.attributes.integer("stride_w", 1) == 2;
         },
     .as = shifted},
    {.name = "max_pool_pads_with_zero",
     .fault_class = "wrong window",
     .op = "max_pool2d/1.fwd",
     .where = "windows that reach into the padding",
     .level = "C3",
     .run = pad_with_zero},
    {.name = "avg_pool_counts_padding",
     .fault_class = "wrong window",
     .op = "avg_pool2d/1.fwd",
     .where = "stride 3 across, padding excluded",
     .level = "C3",
     .at =
         [](const Op& op) {
           return op.attributes.integer("stride_w", 1) == 3 && !op.attributes.flag("include_pad");
         },
     .as = [](const Op& op) { return with(op, "include_pad", std::int64_t{1}); }},

    {.name = "max_pool_last_of_ties",
     .fault_class = "wrong route of a gradient",
     .op = "max_pool2d/1.fwd",
     .where = "equal elements in a window",
     .level = "C3",
     .at = [](const Op& op) { return op.outputs.size() > 1; },
     .run = last_of_ties},
    {.name = "max_pool_overlaps_assigned",
     .fault_class = "wrong route of a gradient",
     .op = "max_pool2d/1.bwd",
     .where = "windows that overlap",
     .level = "C4",
     .run = assign_overlaps},
    {.name = "avg_pool_border",
     .fault_class = "wrong route of a gradient",
     .op = "avg_pool2d/1.bwd",
     .where = "windows at the border, padding excluded",
     .level = "C4",
     .as = [](const Op& op) { return with(op, "include_pad", std::int64_t{1}); }},

    {.name = "argmax_within_window",
     .fault_class = "saved state in another layout",
     .op = "max_pool2d/1.fwd",
     .where = "training",
     .level = "C3",
     .at = [](const Op& op) { return op.outputs.size() > 1; },
     .run = argmax_within_window},
    {.name = "upsample_nearest",
     .fault_class = "wrong interpolation",
     .op = "upsample2d/1.bwd",
     .where = "bilinear, 5 times as high",
     .level = "C4",
     .at = [](const Op& op) { return op.attributes.integer("scale_h", 1) == 5; },
     .as = [](const Op& op) { return without(op, "bilinear"); }},
};

}  // namespace

std::span<const Mutant> window_mutants() { return kMutants; }

}  // namespace mutants
