#include "case_list.hpp"
#include "soma/sdk/ops/pool2d.hpp"

namespace soma::conformance {
namespace {

struct PoolCase {
  const char* name;
  Shape input;
  std::int64_t kernel_h, kernel_w;
  ops::Window2d window;
};

// To add a case, add a line.
const PoolCase kPoolCases[] = {
    {"one_pixel", {1, 1, 1, 1}, 1, 1, {}},
    {"two_by_two", {2, 4, 6, 3}, 2, 2, {.stride_h = 2, .stride_w = 2}},
    {"odd_image", {2, 7, 5, 9}, 2, 2, {.stride_h = 2, .stride_w = 2}},
    {"overlap", {2, 7, 8, 5}, 3, 3, {.stride_h = 2, .stride_w = 2}},
    {"dense_overlap", {1, 6, 7, 17}, 3, 2, {}},
    {"padded",
     {2, 6, 6, 8},
     3,
     3,
     {.stride_h = 2, .stride_w = 2, .pad_top = 1, .pad_bottom = 1, .pad_left = 1, .pad_right = 1}},
    {"asymmetric_padding",
     {1, 5, 7, 4},
     3,
     4,
     {.stride_h = 2, .stride_w = 3, .pad_top = 2, .pad_bottom = 0, .pad_left = 1, .pad_right = 3}},
    {"stride_beyond_window", {2, 9, 10, 3}, 2, 2, {.stride_h = 3, .stride_w = 4}},
    {"global", {3, 7, 7, 33}, 7, 7, {}},
    {"row_window", {2, 3, 9, 2}, 1, 3, {.stride_h = 1, .stride_w = 2}},
    {"column_window", {2, 9, 3, 2}, 3, 1, {.stride_h = 2, .stride_w = 1}},
    {"one_channel", {2, 8, 8, 1}, 2, 2, {.stride_h = 2, .stride_w = 2}},
    {"channels_15", {2, 5, 5, 15}, 2, 2, {}},
    {"channels_16", {2, 5, 5, 16}, 2, 2, {}},
    {"channels_65",
     {1, 5, 5, 65},
     2,
     2,
     {.stride_h = 2, .stride_w = 2, .pad_top = 1, .pad_left = 1}},
    {"channels_1000", {1, 3, 3, 1000}, 2, 2, {}},
    {"batch_17", {17, 4, 4, 7}, 2, 2, {.stride_h = 2, .stride_w = 2}},
    {"no_images", {0, 4, 4, 3}, 2, 2, {.stride_h = 2, .stride_w = 2}},
    {"no_channels", {2, 4, 4, 0}, 2, 2, {.stride_h = 2, .stride_w = 2}},
    {"lenet_pool1", {4, 28, 28, 32}, 2, 2, {.stride_h = 2, .stride_w = 2}},
    {"lenet_pool2", {4, 14, 14, 64}, 2, 2, {.stride_h = 2, .stride_w = 2}},
};

}  // namespace

void add_pool2d_cases(std::vector<Case>& to) {
  for (const PoolCase& c : kPoolCases) {
    const std::string name = std::string("_") + c.name;
    ops::Pool2d pool{c.kernel_h, c.kernel_w, c.window, false};
    to.push_back({"pool2d", "max_fwd" + name, pool.max_forward(c.input, Purpose::train)});
    to.push_back({"pool2d", "max_infer" + name, pool.max_forward(c.input, Purpose::infer)});
    to.push_back({"pool2d", "max_bwd" + name, pool.max_backward(c.input)});
    to.push_back({"pool2d", "avg_fwd" + name, pool.avg_forward(c.input, Purpose::train)});
    to.push_back({"pool2d", "avg_bwd" + name, pool.avg_backward(c.input)});
    if (c.window.pad_top + c.window.pad_bottom + c.window.pad_left + c.window.pad_right == 0) {
      continue;
    }
    pool.include_pad = true;
    to.push_back(
        {"pool2d", "avg_fwd_pad_counts" + name, pool.avg_forward(c.input, Purpose::infer)});
    to.push_back({"pool2d", "avg_bwd_pad_counts" + name, pool.avg_backward(c.input)});
  }
}

}  // namespace soma::conformance
