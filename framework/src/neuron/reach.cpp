#include "neuron/reach.hpp"

#include <algorithm>

#include "soma/sdk/ops/activation.hpp"
#include "soma/sdk/ops/arrangement.hpp"
#include "soma/sdk/ops/attention.hpp"
#include "soma/sdk/ops/axis_reduction.hpp"
#include "soma/sdk/ops/batch_norm.hpp"
#include "soma/sdk/ops/broadcast.hpp"
#include "soma/sdk/ops/conv2d.hpp"
#include "soma/sdk/ops/group_norm.hpp"
#include "soma/sdk/ops/matmul.hpp"
#include "soma/sdk/ops/pool2d.hpp"
#include "soma/sdk/ops/upsample2d.hpp"

namespace soma {
namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// The taps of a window along one axis: input index of output p and tap r, or -1 outside.
struct Axis {
  std::int64_t extent, stride, pad, dilation, taps;
  std::int64_t input(std::int64_t p, std::int64_t r) const {
    const std::int64_t i = p * stride - pad + r * dilation;
    return i >= 0 && i < extent ? i : -1;
  }
};
Axis rows(const ops::Window2d& w, const Shape& image, std::int64_t taps) {
  return {image[1], w.stride_h, w.pad_top, w.dilation_h, taps};
}
Axis columns(const ops::Window2d& w, const Shape& image, std::int64_t taps) {
  return {image[2], w.stride_w, w.pad_left, w.dilation_w, taps};
}

/// Calls visit(element of the image, element of the output), both without their channel, for each
/// pair that a window joins.
template <class Visit>
void each_tap(const Axis& h, const Axis& w, const Shape& output, Visit&& visit) {
  for (std::int64_t n = 0; n < output[0]; ++n) {
    for (std::int64_t p = 0; p < output[1]; ++p) {
      for (std::int64_t q = 0; q < output[2]; ++q) {
        for (std::int64_t r = 0; r < h.taps; ++r) {
          for (std::int64_t s = 0; s < w.taps; ++s) {
            const std::int64_t y = h.input(p, r), x = w.input(q, s);
            if (y < 0 || x < 0) continue;
            visit((n * h.extent + y) * w.extent + x, (n * output[1] + p) * output[2] + q);
          }
        }
      }
    }
  }
}

/// One step back over a node: from the set of its output to those of its inputs.
class Step {
 public:
  Step(const Graph& graph, const Graph::Node& node, std::vector<ElementSet>& sets)
      : graph_(graph), node_(node), sets_(sets), out_(sets[at(node.outputs[0])]) {}

  void run();

 private:
  const Shape& shape(std::size_t i) const { return node_.op.in(i); }
  const Shape& output() const { return node_.op.out(0); }
  bool given(std::size_t i) const {
    const auto source = graph_.values[at(node_.inputs[i])].source;
    return source == Graph::Source::node || source == Graph::Source::input;
  }
  ElementSet& in(std::size_t i) {
    ElementSet& set = sets_[at(node_.inputs[i])];
    if (set.empty()) set.assign(at(shape(i).elements()), 0);
    return set;
  }
  bool any(std::int64_t begin, std::int64_t count) const {
    return std::any_of(out_.begin() + begin, out_.begin() + begin + count,
                       [](std::uint8_t e) { return e != 0; });
  }
  static void fill(ElementSet& set, std::int64_t begin, std::int64_t count) {
    std::fill_n(set.begin() + begin, count, std::uint8_t{1});
  }

  /// Element i of the output comes from element i of the input.
  void same(std::size_t i) {
    if (!given(i)) return;
    ElementSet& set = in(i);
    for (std::size_t e = 0; e < out_.size(); ++e) set[e] |= out_[e];
  }
  /// A row of `out` elements comes from a row of `width` elements.
  void whole_rows(std::int64_t width, std::int64_t out) {
    ElementSet& set = in(0);
    for (std::int64_t r = 0; r * out < std::ssize(out_); ++r) {
      if (any(r * out, out)) fill(set, r * width, width);
    }
  }
  void everything() {
    if (!any(0, std::ssize(out_))) return;
    for (std::size_t i = 0; i < node_.inputs.size(); ++i) {
      if (given(i)) fill(in(i), 0, shape(i).elements());
    }
  }
  void convolution();
  void transposed_convolution();
  void pooling();
  void upsampling();
  void broadcast();
  void reduction();
  void group_norm();
  void concat();
  void slice();
  void permute();
  void pad();
  void matmul();
  void recurrence(std::size_t states);
  void attention();

  const Graph& graph_;
  const Graph::Node& node_;
  std::vector<ElementSet>& sets_;
  const ElementSet out_;  // a copy: an op may have a value as its input twice
};

void Step::convolution() {
  const auto conv = ops::Conv2d::from(node_.op.attributes);
  const Shape &image = shape(0), &weight = shape(1);
  const std::int64_t inputs = weight[3], filters = weight[0] / conv.groups;
  ElementSet& set = in(0);
  each_tap(rows(conv.window, image, weight[1]), columns(conv.window, image, weight[2]), output(),
           [&](std::int64_t from, std::int64_t to) {
             for (std::int64_t g = 0; g < conv.groups; ++g) {
               if (!any(to * weight[0] + g * filters, filters)) continue;
               fill(set, from * image[3] + g * inputs, inputs);
             }
           });
}

/// conv2d/1.bwd_data as a forward op: the window slides over its output.
void Step::transposed_convolution() {
  const auto conv = ops::Conv2d::from(node_.op.attributes);
  const Shape &small = shape(0), &weight = shape(1), &image = output();
  const std::int64_t outputs = weight[3], channels = weight[0] / conv.groups;
  ElementSet& set = in(0);
  each_tap(rows(conv.window, image, weight[1]), columns(conv.window, image, weight[2]), small,
           [&](std::int64_t to, std::int64_t from) {
             for (std::int64_t g = 0; g < conv.groups; ++g) {
               if (!any(to * image[3] + g * outputs, outputs)) continue;
               fill(set, from * small[3] + g * channels, channels);
             }
           });
}

void Step::pooling() {
  const auto pool = ops::Pool2d::from(node_.op.attributes);
  const Shape& image = shape(0);
  ElementSet& set = in(0);
  each_tap(rows(pool.window, image, pool.kernel_h), columns(pool.window, image, pool.kernel_w),
           output(), [&](std::int64_t from, std::int64_t to) {
             for (std::int64_t c = 0; c < image[3]; ++c) {
               set[at(from * image[3] + c)] |= out_[at(to * image[3] + c)];
             }
           });
}

void Step::upsampling() {
  const auto up = ops::Upsample2d::from(node_.op.attributes);
  const Shape &image = shape(0), &large = output();
  const auto h = ops::Upsample2d::all_taps(image[1], up.scale_h, up.bilinear);
  const auto w = ops::Upsample2d::all_taps(image[2], up.scale_w, up.bilinear);
  ElementSet& set = in(0);
  for (std::int64_t e = 0; e < large.elements(); ++e) {
    if (out_[at(e)] == 0) continue;
    const std::int64_t c = e % large[3], q = e / large[3] % large[2];
    const std::int64_t p = e / large[3] / large[2] % large[1], n = e / large.elements_from(1);
    for (std::int64_t r = 0; r <= (h[at(p)].two() ? 1 : 0); ++r) {
      for (std::int64_t s = 0; s <= (w[at(q)].two() ? 1 : 0); ++s) {
        const std::int64_t y = h[at(p)].first + r, x = w[at(q)].first + s;
        set[at(((n * image[1] + y) * image[2] + x) * image[3] + c)] = 1;
      }
    }
  }
}

void Step::broadcast() {
  same(0);
  if (!given(1)) return;
  const auto view = ops::AxisView::broadcast("reach", shape(0), shape(1));
  ElementSet& set = in(1);
  for (std::int64_t e = 0; e < std::ssize(out_); ++e) {
    const std::int64_t o = e / view.inner / view.reduced, i = e % view.inner;
    set[at(o * view.inner + i)] |= out_[at(e)];
  }
}

void Step::reduction() {
  const auto view =
      ops::AxisView::around(shape(0), ops::AxisReduction::from(node_.op.attributes).axis);
  ElementSet& set = in(0);
  for (std::int64_t e = 0; e < std::ssize(set); ++e) {
    const std::int64_t o = e / view.inner / view.reduced, i = e % view.inner;
    set[at(e)] |= out_[at(o * view.inner + i)];
  }
}

void Step::group_norm() {
  const Shape& x = shape(0);
  const std::int64_t channels = x.back(), sample = x.elements_from(1);
  const std::int64_t width = channels / ops::GroupNorm::from(node_.op.attributes).groups;
  ElementSet touched(at(x.elements() / width), 0);  // by sample, position and group
  for (std::int64_t e = 0; e < std::ssize(out_); ++e) touched[at(e / width)] |= out_[at(e)];
  const std::int64_t groups = channels / width, positions = sample / channels;
  ElementSet& set = in(0);
  for (std::int64_t e = 0; e < std::ssize(set); ++e) {
    const std::int64_t n = e / sample, g = e % channels / width;
    for (std::int64_t s = 0; s < positions && set[at(e)] == 0; ++s) {
      set[at(e)] = touched[at((n * positions + s) * groups + g)];
    }
  }
}

void Step::concat() {
  const int axis = ops::Concat::from(node_.op.attributes).axis;
  const auto whole = ops::AxisView::around(output(), axis);
  std::int64_t before = 0;
  for (std::size_t i = 0; i < node_.inputs.size(); ++i) {
    const std::int64_t extent = shape(i)[axis];
    if (given(i)) {
      ElementSet& set = in(i);
      for (std::int64_t e = 0; e < std::ssize(set); ++e) {
        const std::int64_t o = e / whole.inner / extent, r = e / whole.inner % extent;
        set[at(e)] |= out_[at((o * whole.reduced + before + r) * whole.inner + e % whole.inner)];
      }
    }
    before += extent;
  }
}

void Step::slice() {
  const auto slice = ops::Slice::from(node_.op.attributes);
  const auto whole = ops::AxisView::around(shape(0), slice.axis);
  const std::int64_t extent = slice.end - slice.begin;
  ElementSet& set = in(0);
  for (std::int64_t e = 0; e < std::ssize(out_); ++e) {
    const std::int64_t o = e / whole.inner / extent, r = e / whole.inner % extent;
    set[at((o * whole.reduced + slice.begin + r) * whole.inner + e % whole.inner)] |= out_[at(e)];
  }
}

void Step::permute() {
  const auto order = ops::Permute::from(node_.op.attributes).order;
  const Shape &x = shape(0), &y = output();
  ElementSet& set = in(0);
  for (std::int64_t e = 0; e < std::ssize(out_); ++e) {
    std::int64_t rest = e, from = 0;
    for (int axis = y.rank() - 1; axis >= 0; --axis) {
      from += rest % y[axis] * x.elements_from(order[at(axis)] + 1);
      rest /= y[axis];
    }
    set[at(from)] |= out_[at(e)];
  }
}

void Step::pad() {
  const auto padding = ops::Pad::from(node_.op.attributes).padding;
  const Shape &x = shape(0), &y = output();
  ElementSet& set = in(0);
  for (std::int64_t e = 0; e < std::ssize(set); ++e) {
    std::int64_t rest = e, to = 0;
    for (int axis = x.rank() - 1; axis >= 0; --axis) {
      to += (rest % x[axis] + padding[at(axis)][0]) * y.elements_from(axis + 1);
      rest /= x[axis];
    }
    set[at(e)] |= out_[at(to)];
  }
}

void Step::matmul() {
  const auto product = ops::Matmul::from(node_.op.attributes);
  const std::int64_t m = output()[1], n = output()[2], k = shape(0)[product.transpose_a ? 1 : 2];
  for (std::int64_t e = 0; e < std::ssize(out_); ++e) {
    if (out_[at(e)] == 0) continue;
    const std::int64_t b = e / n / m, row = e / n % m, column = e % n;
    for (std::int64_t i = 0; i < k; ++i) {
      if (given(0)) in(0)[at(b * m * k + (product.transpose_a ? i * m + row : row * k + i))] = 1;
      if (given(1)) {
        in(1)[at(b * k * n + (product.transpose_b ? column * k + i : i * n + column))] = 1;
      }
    }
  }
}

/// A state depends on all steps up to its own, and on the first states, the op's last inputs.
void Step::recurrence(std::size_t states) {
  const bool reverse = node_.op.attributes.flag("reverse");
  const Shape &xw = shape(0), &h = output();
  for (std::int64_t n = 0; n < h[0]; ++n) {
    std::int64_t first = -1, last = -1;  // the steps that anybody asks for
    for (std::int64_t t = 0; t < h[1]; ++t) {
      if (!any((n * h[1] + t) * h[2], h[2])) continue;
      if (first < 0) first = t;
      last = t;
    }
    if (first < 0) continue;
    const std::int64_t begin = reverse ? first : 0, end = reverse ? h[1] : last + 1;
    fill(in(0), (n * xw[1] + begin) * xw[2], (end - begin) * xw[2]);
    for (std::size_t i = node_.inputs.size() - states; i < node_.inputs.size(); ++i) {
      if (given(i)) fill(in(i), n * h[2], h[2]);
    }
  }
}

void Step::attention() {
  const auto l = ops::Attention::layout(node_.op);
  const auto touch = [&](const ops::Attention::Layout::Place& place, std::int64_t b,
                         std::int64_t head, std::int64_t width, std::int64_t t) {
    const auto operand = static_cast<std::size_t>(place.operand);
    if (given(operand)) fill(in(operand), place.at(b, head, width) + t * place.stride, width);
  };
  for (std::int64_t b = 0; b < l.batch; ++b) {
    for (std::int64_t head = 0; head < l.heads; ++head) {
      std::int64_t seen = 0;  // keys before it are seen by some query
      for (std::int64_t i = 0; i < l.queries; ++i) {
        if (!any(l.y.at(b, head, l.value_width) + i * l.y.stride, l.value_width)) continue;
        touch(l.q, b, head, l.key_width, i);
        seen = std::max(seen, l.visible_end(i));
      }
      for (std::int64_t j = 0; j < seen; ++j) {
        touch(l.k, b, head, l.key_width, j);
        touch(l.v, b, head, l.value_width, j);
      }
      const auto mask = static_cast<std::size_t>(l.key_mask);
      if (l.key_mask >= 0 && given(mask)) fill(in(mask), b * l.keys, seen);
    }
  }
}

void Step::run() {
  const Op& op = node_.op;
  const std::string_view id = op.id, family = op.family();
  const auto is = [&](auto... names) { return ((id == names) || ...); };
  if (id == "view" || ops::is_activation_family(family) ||
      is("activation/1.fwd", "prelu/1.fwd", "scale/1.fwd", "dropout/1.fwd", "cast/1.fwd")) {
    return same(0);
  }
  if (is("add/1.fwd", "multiply/1.fwd", "subtract/1.fwd")) return same(0), same(1);
  if (is("linear/1.fwd")) return whole_rows(shape(0)[1], output()[1]);
  if (is("conv2d/1.fwd")) return convolution();
  if (is("conv2d/1.bwd_data")) return transposed_convolution();
  if (is("max_pool2d/1.fwd", "avg_pool2d/1.fwd")) return pooling();
  if (is("upsample2d/1.fwd")) return upsampling();
  if (is("batch_norm/1.fwd")) return same(0);
  if (is("group_norm/1.fwd")) return group_norm();
  if (is("softmax/1.fwd", "log_softmax/1.fwd", "layer_norm/1.fwd", "rms_norm/1.fwd")) {
    return whole_rows(shape(0).back(), output().back());
  }
  if (is("broadcast_add/1.fwd", "broadcast_multiply/1.fwd")) return broadcast();
  if (is("sum/1.fwd", "mean/1.fwd", "max/1.fwd")) return reduction();
  if (is("concat/1.fwd")) return concat();
  if (is("slice/1.fwd")) return slice();
  if (is("permute/1.fwd")) return permute();
  if (is("pad/1.fwd")) return pad();
  if (is("matmul/1.fwd")) return matmul();
  if (is("rnn/1.fwd", "gru/1.fwd")) return recurrence(1);
  if (is("lstm/1.fwd")) return recurrence(2);
  if (is("attention/1.fwd")) return attention();
  if (is("embedding/1.fwd")) {
    ElementSet& ids = in(1);
    const std::int64_t width = output().back();
    for (std::int64_t i = 0; i < std::ssize(ids); ++i) ids[at(i)] |= any(i * width, width);
    return;
  }
  everything();
}

/// Whether the node's epilogue adds a residual, and which input that is.
int residual_of(const Graph::Node& node) {
  const std::string_view family = node.op.family();
  if (family == "linear/1" || family == "conv2d/1") {
    return ops::Epilogue::from(node.op.attributes).residual_input();
  }
  if (family == "batch_norm/1") return ops::BatchNorm::from(node.op.attributes).residual_input();
  return -1;
}

}  // namespace

std::vector<ElementSet> reaching_inputs(const Graph& graph, int value, ElementSet from) {
  std::vector<ElementSet> sets(graph.values.size());
  sets[at(value)] = std::move(from);
  for (std::size_t n = graph.nodes.size(); n-- > 0;) {
    const Graph::Node& node = graph.nodes[n];
    const ElementSet& out = sets[at(node.outputs[0])];
    if (out.empty()) continue;
    if (const int residual = residual_of(node); residual >= 0) {
      ElementSet& set = sets[at(node.inputs[static_cast<std::size_t>(residual)])];
      if (set.empty()) set.assign(out.size(), 0);
      for (std::size_t e = 0; e < out.size(); ++e) set[e] |= out[e];
    }
    Step(graph, node, sets).run();
  }
  std::vector<ElementSet> inputs;
  for (const int input : graph.inputs) {
    ElementSet& set = sets[at(input)];
    if (set.empty()) set.assign(at(graph.shape(input).elements()), 0);
    inputs.push_back(std::move(set));
  }
  return inputs;
}

void fit_box(ReceptiveField& field) {
  const auto rank = static_cast<std::size_t>(field.shape.rank());
  field.begin.assign(rank, 0);
  field.end.assign(rank, 0);
  bool first = true;
  for (std::size_t e = 0; e < field.reaches.size(); ++e) {
    if (field.reaches[e] == 0) continue;
    auto rest = static_cast<std::int64_t>(e);
    for (std::size_t axis = rank; axis-- > 0;) {
      const std::int64_t extent = field.shape[static_cast<int>(axis)], x = rest % extent;
      rest /= extent;
      field.begin[axis] = first ? x : std::min(field.begin[axis], x);
      field.end[axis] = std::max(field.end[axis], x + 1);
    }
    first = false;
  }
}

}  // namespace soma
