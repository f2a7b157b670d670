#include "case_list.hpp"
#include "soma/sdk/ops/conv2d.hpp"

namespace soma::conformance {
namespace {

struct ConvolutionCase {
  const char* name;
  Shape input, weight;  // [N,H,W,C], [K,R,S,C/groups]
  ops::Window2d window = {};
  std::int64_t groups = 1;
  ops::Epilogue epilogue = {};
  bool accumulate = false;
};

const ops::Epilogue kBias{.bias = true};
const ops::Epilogue kBiasRelu{.bias = true, .activation = "relu"};
const ops::Epilogue kResidual{.residual = true};

constexpr ops::Window2d strided(std::int64_t stride) {
  return {.stride_h = stride, .stride_w = stride};
}
constexpr ops::Window2d padded(std::int64_t pad, std::int64_t stride = 1) {
  return {.stride_h = stride,
          .stride_w = stride,
          .pad_top = pad,
          .pad_bottom = pad,
          .pad_left = pad,
          .pad_right = pad};
}

// To add a case, add a line.
const ConvolutionCase kConvolutionCases[] = {
    {"one_pixel", {1, 1, 1, 1}, {1, 1, 1, 1}},
    {"one_pixel_channels", {2, 1, 1, 17}, {9, 1, 1, 17}, {}, 1, kBias},
    {"three_by_three", {2, 7, 5, 3}, {4, 3, 3, 3}},
    {"same_padding", {2, 7, 9, 8}, {16, 3, 3, 8}, padded(1), 1, kBiasRelu},
    {"odd_image_stride_2", {2, 7, 5, 3}, {4, 3, 3, 3}, strided(2), 1, kBias},
    {"stride_3_leaves_a_rest", {1, 11, 13, 2}, {3, 3, 2, 2}, strided(3)},
    {"stride_beyond_kernel", {2, 10, 9, 4}, {8, 2, 2, 4}, strided(3), 1, kBias},
    {"uneven_strides",
     {1, 9, 10, 5},
     {7, 3, 3, 5},
     {.stride_h = 2, .stride_w = 3, .pad_top = 1, .pad_left = 2}},
    {"asymmetric_padding",
     {2, 6, 7, 3},
     {5, 3, 4, 3},
     {.pad_top = 2, .pad_bottom = 1, .pad_left = 0, .pad_right = 3},
     1,
     {.bias = true, .residual = true}},
    {"pad_top_left_only", {1, 5, 5, 9}, {15, 3, 3, 9}, {.pad_top = 2, .pad_left = 2}},
    {"pad_bottom_right_only", {1, 5, 5, 9}, {15, 3, 3, 9}, {.pad_bottom = 2, .pad_right = 2}},
    {"windows_of_padding_alone",
     {1, 3, 3, 2},
     {4, 2, 2, 2},
     {.pad_top = 3, .pad_bottom = 3, .pad_left = 3, .pad_right = 3},
     1,
     kBias},
    {"dilation_2", {2, 9, 9, 4}, {6, 3, 3, 4}, {.dilation_h = 2, .dilation_w = 2}},
    {"dilation_3_padded",
     {1, 8, 9, 3},
     {8, 3, 2, 3},
     {.pad_top = 3,
      .pad_bottom = 3,
      .pad_left = 1,
      .pad_right = 2,
      .dilation_h = 3,
      .dilation_w = 3},
     1,
     kBias},
    {"dilation_and_stride",
     {2, 12, 11, 5},
     {9, 3, 3, 5},
     {.stride_h = 2, .stride_w = 2, .pad_top = 1, .pad_left = 1, .dilation_h = 2, .dilation_w = 1},
     1,
     {},
     true},
    {"two_groups", {2, 6, 6, 8}, {10, 3, 3, 4}, padded(1), 2, kBiasRelu},
    {"three_groups_stride_2", {1, 7, 7, 9}, {6, 3, 3, 3}, strided(2), 3},
    {"depthwise", {2, 8, 7, 16}, {16, 3, 3, 1}, padded(1), 16, kBias},
    {"depthwise_multiplier_3",
     {1, 6, 5, 7},
     {21, 3, 3, 1},
     {.stride_h = 2, .stride_w = 2, .pad_top = 1, .pad_left = 1},
     7,
     {},
     true},
    {"depthwise_one_channel_group",
     {1, 5, 5, 3},
     {3, 2, 2, 1},
     {},
     3,
     {.bias = true, .activation = "sigmoid"}},
    // 1x1 with stride 2, every small channel count: a heap corruption in oneDNN#6035.
    {"one_by_one_stride_2_c1", {2, 5, 7, 1}, {4, 1, 1, 1}, strided(2)},
    {"one_by_one_stride_2_c2", {2, 5, 7, 2}, {8, 1, 1, 2}, strided(2)},
    {"one_by_one_stride_2_c3", {2, 5, 7, 3}, {16, 1, 1, 3}, strided(2), 1, kBias},
    {"one_by_one_stride_2_c4", {2, 8, 8, 4}, {16, 1, 1, 4}, strided(2)},
    {"one_by_one_stride_2_c5", {2, 5, 7, 5}, {9, 1, 1, 5}, strided(2)},
    {"one_by_one_stride_2_c6", {2, 5, 7, 6}, {8, 1, 1, 6}, strided(2)},
    {"one_by_one_stride_2_c7", {2, 5, 7, 7}, {15, 1, 1, 7}, strided(2)},
    {"one_by_one_stride_2_c8", {2, 6, 7, 8}, {16, 1, 1, 8}, strided(2), 1, kBias, true},
    {"one_by_one_stride_2_c9", {2, 5, 7, 9}, {7, 1, 1, 9}, strided(2)},
    {"one_by_one_wide",
     {2, 8, 8, 64},
     {65, 1, 1, 64},
     {},
     1,
     {.bias = true, .residual = true, .activation = "relu"}},
    {"kernel_fills_the_input", {3, 5, 4, 6}, {8, 5, 4, 6}, {}, 1, kBias},
    {"kernel_fills_the_padded_input", {2, 3, 3, 2}, {4, 5, 5, 2}, padded(1)},
    {"row_kernel",
     {2, 4, 17, 3},
     {5, 1, 7, 3},
     {.pad_left = 3, .pad_right = 3},
     1,
     {.bias = true, .activation = "tanh"}},
    {"column_kernel", {2, 17, 4, 3}, {5, 7, 1, 3}, {.pad_top = 3, .pad_bottom = 3}},
    {"one_row", {1, 1, 33, 4}, {8, 1, 3, 4}, {.pad_left = 1, .pad_right = 1}},
    // Blocks of 512 terms that end inside a tap, on its edge, and skipped taps that move them.
    {"block_ends_inside_a_tap", {1, 5, 5, 65}, {17, 3, 3, 65}, padded(1), 1, kBias},
    {"block_ends_on_a_tap", {1, 4, 4, 128}, {33, 3, 3, 128}, padded(1)},
    {"one_tap_beyond_a_block", {1, 3, 3, 57}, {8, 3, 3, 57}, padded(2)},
    {"tap_of_many_blocks", {1, 2, 3, 1025}, {3, 2, 2, 1025}, {.pad_top = 1, .pad_left = 1}},
    {"many_output_channels", {1, 3, 3, 4}, {1000, 2, 2, 4}, {.pad_bottom = 1}, 1, kBias},
    {"channels_15_to_17", {2, 6, 6, 15}, {17, 3, 3, 15}, padded(1), 1, kBiasRelu, true},
    {"channels_31_to_33",
     {2, 5, 6, 31},
     {33, 3, 3, 31},
     {.stride_h = 2, .stride_w = 1, .pad_top = 1, .pad_left = 1},
     1,
     kResidual},
    {"batch_17", {17, 6, 5, 3}, {8, 3, 3, 3}, padded(1), 1, kBias},
    {"seven_by_seven_stride_2", {1, 20, 21, 3}, {16, 7, 7, 3}, padded(3, 2), 1, kBiasRelu},
    // Zero sizes: no images, no input channels, no output channels.
    {"no_images", {0, 5, 5, 3}, {4, 3, 3, 3}, {}, 1, kBias},
    {"no_images_added", {0, 5, 5, 3}, {4, 3, 3, 3}, {}, 1, kBias, true},
    {"no_input_channels", {2, 5, 5, 0}, {4, 3, 3, 0}, {}, 1, kBias},
    {"no_output_channels", {2, 5, 5, 3}, {0, 3, 3, 3}},
    // Networks.
    {"lenet_conv1", {4, 28, 28, 1}, {32, 5, 5, 1}, padded(2), 1, kBiasRelu},
    {"lenet_conv2", {4, 14, 14, 32}, {64, 5, 5, 32}, padded(2), 1, kBiasRelu},
    {"resnet_block",
     {2, 16, 16, 32},
     {32, 3, 3, 32},
     padded(1),
     1,
     {.residual = true, .activation = "relu"}},
    {"resnet_shrink", {2, 16, 16, 16}, {32, 3, 3, 16}, padded(1, 2), 1, {}, true},
};

}  // namespace

void add_conv2d_cases(std::vector<Case>& to) {
  for (const ConvolutionCase& c : kConvolutionCases) {
    const ops::Conv2d convolution{c.window, c.groups, c.epilogue, c.accumulate};
    const auto& e = c.epilogue;
    // Only relu may be fused into a training op; see Epilogue.
    const bool train = e.activation.empty() || e.activation == "relu";
    const std::string name = std::string("_") + c.name;
    to.push_back({"conv2d", "fwd" + name + epilogue_suffix(e.bias, e.residual, e.activation),
                  convolution.forward(c.input, c.weight, train ? Purpose::train : Purpose::infer),
                  e.activation == "relu" ? Spread::offset : Spread::unit});
    to.push_back({"conv2d", "bwd_data" + name, convolution.backward_data(c.input, c.weight)});
    to.push_back(
        {"conv2d",
         "bwd_weights" + name + epilogue_suffix(e.bias, false, "") + (c.accumulate ? "_added" : ""),
         convolution.backward_weights(c.input, c.weight)});
  }
}

}  // namespace soma::conformance
