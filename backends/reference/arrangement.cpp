#include "soma/sdk/ops/arrangement.hpp"

#include <algorithm>
#include <array>

#include "kernels.hpp"
#include "soma/sdk/ops/broadcast.hpp"

namespace soma::reference {
namespace {

using Index = std::array<std::int64_t, SOMA_MAX_RANK>;

/// body(index) for every index of `shape`, the last axis fastest.
template <class Body>
void for_each_index(const Shape& shape, Body&& body) {
  Index index{};
  for (std::int64_t n = 0; n < shape.elements(); ++n) {
    body(index);
    for (int axis = shape.rank() - 1; axis >= 0; --axis) {
      auto& i = index[static_cast<std::size_t>(axis)];
      if (++i < shape[axis]) break;
      i = 0;
    }
  }
}

/// Where `index`, moved by `start`, lies in a tensor of that shape.
std::int64_t position(const Shape& shape, const Index& index, const Index& start) {
  std::int64_t at = 0;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    const auto i = static_cast<std::size_t>(axis);
    at = at * shape[axis] + index[i] + start[i];
  }
  return at;
}

template <class T>
class Concat final : public LoopKernel<T> {
 public:
  explicit Concat(const Op& op) {
    const int axis = ops::Concat::from(op.attributes).axis;
    for (const TensorInfo& input : op.inputs) {
      runs_.push_back(input.shape.elements_from(axis));
    }
    outer_ = ops::AxisView::around(op.out(0), axis).outer;
  }

 private:
  void run(const sdk::Exec& exec) const override {
    T* y = exec.output<T>(0);
    for (std::int64_t o = 0; o < outer_; ++o) {
      for (std::size_t k = 0; k < runs_.size(); ++k) {
        y = std::copy_n(exec.input<T>(static_cast<int>(k)) + o * runs_[k], runs_[k], y);
      }
    }
  }
  std::vector<std::int64_t> runs_;  // elements that are neighbours, per input
  std::int64_t outer_;
};

/// A small tensor that lies within a large one, beginning at `start`.
struct Box {
  Shape small, large;
  Index start{};

  /// Of a slice or pad from x to y.
  Box(const Op& op, const Shape& x, const Shape& y) {
    if (op.family() == "slice/1") {
      const auto slice = ops::Slice::from(op.attributes);
      small = y;
      large = x;
      start[static_cast<std::size_t>(slice.axis)] = slice.begin;
    } else {
      const auto pad = ops::Pad::from(op.attributes);
      small = x;
      large = y;
      for (std::size_t i = 0; i < pad.padding.size(); ++i) start[i] = pad.padding[i][0];
    }
  }
};

/// The small tensor taken out of the large one.
template <class T>
class Extract final : public LoopKernel<T> {
 public:
  explicit Extract(const Op& op)
      : box_(op, op.direction() == "fwd" ? op.in(0) : op.out(0),
             op.direction() == "fwd" ? op.out(0) : op.in(0)) {}

 private:
  void run(const sdk::Exec& exec) const override {
    const T* from = exec.input<T>(0);
    T* to = exec.output<T>(0);
    for_each_index(box_.small, [&](const Index& index) {
      *to++ = from[position(box_.large, index, box_.start)];
    });
  }
  Box box_;
};

/// The small tensor put into a large one of one value.
template <class T>
class Embed final : public LoopKernel<T> {
 public:
  explicit Embed(const Op& op)
      : box_(op, op.direction() == "fwd" ? op.in(0) : op.out(0),
             op.direction() == "fwd" ? op.out(0) : op.in(0)),
        value_(static_cast<T>(op.attributes.real("value", 0))) {}

 private:
  void run(const sdk::Exec& exec) const override {
    const T* from = exec.input<T>(0);
    T* to = exec.output<T>(0);
    std::fill_n(to, box_.large.elements(), value_);
    for_each_index(box_.small, [&](const Index& index) {
      to[position(box_.large, index, box_.start)] = *from++;
    });
  }
  Box box_;
  T value_;
};

template <class T>
class Permute final : public LoopKernel<T> {
 public:
  explicit Permute(const Op& op)
      : order_(ops::Permute::from(op.attributes).order), x_(op.in(0)), y_(op.out(0)) {}

 private:
  void run(const sdk::Exec& exec) const override {
    const T* x = exec.input<T>(0);
    T* y = exec.output<T>(0);
    for_each_index(y_, [&](const Index& index) {
      Index from{};
      for (std::size_t i = 0; i < order_.size(); ++i) {
        from[static_cast<std::size_t>(order_[i])] = index[i];
      }
      *y++ = x[position(x_, from, {})];
    });
  }
  std::vector<int> order_;
  Shape x_, y_;
};

}  // namespace

std::span<const Entry> arrangement_kernels() {
  static const Entry entries[] = {
      entry<Concat>(ops::Concat::kForward), entry<Extract>(ops::Slice::kForward),
      entry<Embed>(ops::Slice::kBackward),  entry<Permute>(ops::Permute::kForward),
      entry<Embed>(ops::Pad::kForward),     entry<Extract>(ops::Pad::kBackward)};
  return entries;
}

}  // namespace soma::reference
