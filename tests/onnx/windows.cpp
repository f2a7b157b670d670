#include "windows.hpp"

namespace soma::onnx_tests {

Sliding sliding_of(const Node& node, const Dims& kernel, const Dims& spatial) {
  const std::size_t axes = kernel.size();
  if (axes > 2) throw NotHere("three spatial axes");
  const auto strides = node.list("strides", Dims(axes, 1));
  const auto dilations = node.list("dilations", Dims(axes, 1));
  auto pads = node.list("pads", Dims(2 * axes, 0));
  const std::string automatic = node.text("auto_pad", "NOTSET");
  for (std::size_t a = 0; a < axes; ++a) {
    const std::int64_t reach = dilations[a] * (kernel[a] - 1) + 1;
    if (automatic.starts_with("SAME")) {
      const std::int64_t outputs = (spatial[a] + strides[a] - 1) / strides[a];
      const std::int64_t total =
          std::max<std::int64_t>(0, (outputs - 1) * strides[a] + reach - spatial[a]);
      const std::int64_t less = total / 2, more = total - less;
      pads[a] = automatic == "SAME_UPPER" ? less : more;
      pads[axes + a] = total - pads[a];
    }
    if (node.integer("ceil_mode", 0) != 0) {
      // A last, partial window, unless it would start in the padding behind the image.
      const std::int64_t room = spatial[a] + pads[a] + pads[axes + a] - reach;
      const std::int64_t rest = room % strides[a];
      const std::int64_t start = (room / strides[a] + 1) * strides[a];
      if (rest != 0 && start < spatial[a] + pads[a]) pads[axes + a] += strides[a] - rest;
    }
  }
  const std::size_t w = axes - 1;
  Sliding s;
  s.kernel_w = kernel[w];
  s.window.stride_w = strides[w];
  s.window.dilation_w = dilations[w];
  s.window.pad_left = pads[w];
  s.window.pad_right = pads[axes + w];
  if (axes == 2) {
    s.kernel_h = kernel[0];
    s.window.stride_h = strides[0];
    s.window.dilation_h = dilations[0];
    s.window.pad_top = pads[0];
    s.window.pad_bottom = pads[axes];
  }
  return s;
}

Tensor as_image(const Tensor& x) {
  if (x.rank() > 4) throw NotHere("three spatial axes");
  Dims dims = x.dims;
  if (dims.size() == 2) dims.push_back(1);
  if (dims.size() == 3) dims.insert(dims.begin() + 2, 1);
  return x.reshaped(dims).channels_last();
}

Tensor from_image(const Tensor& y, const Tensor& like) {
  Tensor back = y.channels_first();
  Dims dims = back.dims;
  if (like.rank() == 3) dims.erase(dims.begin() + 2);
  if (like.rank() == 2) dims.resize(2);
  return back.reshaped(dims);
}

}  // namespace soma::onnx_tests
