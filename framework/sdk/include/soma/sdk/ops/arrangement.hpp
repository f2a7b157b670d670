#pragma once

#include <array>
#include <charconv>
#include <span>
#include <vector>

#include "soma/sdk/op.hpp"

namespace soma::ops {

/// The whole numbers of a list like "0,2,1" or "1:2,0:0", in order. Throws ShapeError for anything
/// but decimal numbers, each but the last followed by ',' or ':'.
inline std::vector<std::int64_t> parse_numbers(const char* where, std::string_view text) {
  std::vector<std::int64_t> numbers;
  const char *at = text.data(), *end = at + text.size();
  while (at != end) {
    std::int64_t number = 0;
    const auto [next, error] = std::from_chars(at, end, number);
    const bool last = next == end;
    if (error != std::errc() || (!last && *next != ',' && *next != ':') ||
        (!last && next + 1 == end)) {
      throw ShapeError(std::string(where) + ": expected whole numbers separated by commas, got \"" +
                       std::string(text) + "\"");
    }
    numbers.push_back(number);
    at = last ? end : next + 1;
  }
  return numbers;
}

/// Op family concat/1: the inputs one after the other along an axis; at most 32 of them, equal in
/// all other extents. The gradients are slices.
/// Attribute: axis, counted from the front, default 0.
struct Concat {
  static constexpr const char* kForward = "concat/1.fwd";
  static constexpr std::size_t kMostInputs = 32;

  int axis = 0;

  static Concat from(const Attributes& a) { return {static_cast<int>(a.integer("axis", 0))}; }
  Op forward(std::span<const Shape> inputs, Purpose purpose) const {
    if (inputs.empty() || inputs.size() > kMostInputs) {
      throw ShapeError("concat: expected 1 to 32 inputs, got " + std::to_string(inputs.size()));
    }
    Shape output = inputs[0];
    if (axis < 0 || axis >= output.rank()) {
      throw ShapeError("concat: axis: expected one of " + output.str() + ", got " +
                       std::to_string(axis));
    }
    Op op{kForward, {}, {}, {}, purpose};
    std::int64_t extent = 0;
    for (const Shape& input : inputs) {
      Shape like = input;
      if (like.rank() == output.rank()) like.set(axis, output[axis]);
      if (like != output) {
        throw ShapeError("concat: expected " + output.str() + " but for axis " +
                         std::to_string(axis) + ", got " + input.str());
      }
      extent += input[axis];
      op.inputs.push_back({DType::f32, input});
    }
    output.set(axis, extent);
    op.outputs = {{DType::f32, output}};
    op.attributes.set_unless("axis", axis, 0);
    return op;
  }
};

/// Op family slice/1: the elements [begin, end) of an axis.
///
///   fwd  (x) -> y
///   bwd  (grad_y) -> grad_x: grad_y in its place, +0 around it
///
/// Attributes: axis (default 0), begin, end.
struct Slice {
  static constexpr const char* kForward = "slice/1.fwd";
  static constexpr const char* kBackward = "slice/1.bwd";

  int axis = 0;
  std::int64_t begin = 0, end = 0;  // 0 <= begin <= end <= extent

  static Slice from(const Attributes& a) {
    return {static_cast<int>(a.integer("axis", 0)), a.integer("begin", 0), a.integer("end", 0)};
  }
  Shape output_shape(const Shape& x) const {
    if (axis < 0 || axis >= x.rank() || begin < 0 || begin > end || end > x[axis]) {
      throw ShapeError("slice: [" + std::to_string(begin) + "," + std::to_string(end) +
                       ") of axis " + std::to_string(axis) + " is not part of " + x.str());
    }
    Shape y = x;
    y.set(axis, end - begin);
    return y;
  }
  Op forward(const Shape& x, Purpose purpose) const {
    return {kForward, {{DType::f32, x}}, {{DType::f32, output_shape(x)}}, attributes(), purpose};
  }
  Op backward(const Shape& x) const {
    return {kBackward,
            {{DType::f32, output_shape(x)}},
            {{DType::f32, x}},
            attributes(),
            Purpose::train};
  }

 private:
  Attributes attributes() const {
    Attributes a;
    a.set_unless("axis", axis, 0);
    a.set("begin", begin);
    a.set("end", end);
    return a;
  }
};

/// Op family permute/1: axis i of y is axis order[i] of x. The gradient is the permutation back.
/// Attribute: order, as text "0,2,1,3".
struct Permute {
  static constexpr const char* kForward = "permute/1.fwd";

  std::vector<int> order;

  static Permute from(const Attributes& a) {
    Permute permute;
    for (const std::int64_t axis : parse_numbers("permute: order", a.text("order", ""))) {
      permute.order.push_back(static_cast<int>(axis));
    }
    return permute;
  }
  /// Throws ShapeError unless order names each axis of x once.
  Shape output_shape(const Shape& x) const {
    unsigned seen = 0;
    Shape y;
    bool fits = static_cast<int>(order.size()) == x.rank();
    for (std::size_t i = 0; i < order.size() && fits; ++i) {
      fits = order[i] >= 0 && order[i] < x.rank() && (seen >> order[i] & 1) == 0;
      if (!fits) break;
      seen |= 1u << order[i];
      y.append(x[order[i]]);
    }
    if (!fits) {
      throw ShapeError("permute: order: expected each axis of " + x.str() + " once, got \"" +
                       text() + "\"");
    }
    return y;
  }
  Op forward(const Shape& x, Purpose purpose) const {
    Op op{kForward, {{DType::f32, x}}, {{DType::f32, output_shape(x)}}, {}, purpose};
    op.attributes.set("order", text());
    return op;
  }
  Permute inverse() const {
    Permute back{std::vector<int>(order.size())};
    for (std::size_t i = 0; i < order.size(); ++i) {
      back.order[static_cast<std::size_t>(order[i])] = static_cast<int>(i);
    }
    return back;
  }

 private:
  std::string text() const {
    std::string list;
    for (const int axis : order) list += (list.empty() ? "" : ",") + std::to_string(axis);
    return list;
  }
};

/// Op family pad/1: elements around a tensor.
///
///   fwd  (x) -> y: x with `before` and `after` elements of `value` around it, per axis
///   bwd  (grad_y) -> grad_x: the part of grad_y where x was
///
/// Attributes: padding, as text "before:after,before:after,...", one pair per axis, each >= 0;
/// value, default 0, rounded to float32 when the op is made.
struct Pad {
  static constexpr const char* kForward = "pad/1.fwd";
  static constexpr const char* kBackward = "pad/1.bwd";

  std::vector<std::array<std::int64_t, 2>> padding;  // {before, after} per axis
  double value = 0;

  static Pad from(const Attributes& a) {
    Pad pad = parse(a.text("padding", ""));
    pad.value = a.real("value", 0);
    return pad;
  }
  static Pad parse(std::string_view text) {
    const std::vector<std::int64_t> numbers = parse_numbers("pad: padding", text);
    if (numbers.size() % 2 != 0) {
      throw ShapeError("pad: padding: expected pairs before:after, got \"" + std::string(text) +
                       "\"");
    }
    Pad pad;
    for (std::size_t i = 0; i < numbers.size(); i += 2) {
      pad.padding.push_back({numbers[i], numbers[i + 1]});
    }
    return pad;
  }
  Shape output_shape(const Shape& x) const {
    bool fits = static_cast<int>(padding.size()) == x.rank();
    for (const auto& [before, after] : padding) fits = fits && before >= 0 && after >= 0;
    if (!fits) {
      throw ShapeError("pad: padding: expected a pair of 0 or more for each axis of " + x.str() +
                       ", got \"" + text() + "\"");
    }
    Shape y = x;
    for (int i = 0; i < x.rank(); ++i) {
      const auto& [before, after] = padding[static_cast<std::size_t>(i)];
      y.set(i, before + x[i] + after);
    }
    return y;
  }
  Op forward(const Shape& x, Purpose purpose) const {
    Op op{kForward, {{DType::f32, x}}, {{DType::f32, output_shape(x)}}, {}, purpose};
    op.attributes.set("padding", text());
    op.attributes.set_unless("value", static_cast<double>(static_cast<float>(value)), 0.0);
    return op;
  }
  Op backward(const Shape& x) const {
    Op op{kBackward, {{DType::f32, output_shape(x)}}, {{DType::f32, x}}, {}, Purpose::train};
    op.attributes.set("padding", text());
    return op;
  }

 private:
  std::string text() const {
    std::string list;
    for (const auto& [before, after] : padding) {
      list += (list.empty() ? "" : ",") + std::to_string(before) + ":" + std::to_string(after);
    }
    return list;
  }
};

}  // namespace soma::ops
