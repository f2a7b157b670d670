#include "soma/sdk/ops/attention.hpp"

#include <limits>

#include "contract.hpp"
#include "kernels.hpp"
#include "reductions.hpp"
#include "soma/sdk/math/functions.hpp"

namespace soma::reference {
namespace {

// Letters as in the header; i runs over queries, j over keys.

using Layout = ops::Attention::Layout;

/// out[row * out_stride + column] = sum of a(row, k) * b(k, column) over the k that visible(row, k)
/// lets take part.
template <class T, class Visible>
void contract_visible(std::int64_t rows, std::int64_t columns, std::int64_t depth, Matrix<T> a,
                      Matrix<T> b, Visible&& visible, T* out, std::int64_t out_stride) {
  for (std::int64_t row = 0; row < rows; ++row) std::fill_n(out + row * out_stride, columns, T(0));
  for_each_panel<T>(
      depth, columns, [&](std::int64_t k) { return b.data + k * b.row_step; }, b.column_step,
      [&](const Panel<T>& panel) {
        for (std::int64_t row = 0; row < rows; ++row) {
          Tile<T> tile;
          for (std::int64_t k = panel.begin; k < panel.end; ++k) {
            if (!visible(row, k)) continue;
            tile.add(panel, 0, 1, k, 1, a.data + row * a.row_step + k * a.column_step, a.row_step,
                     a.column_step);
          }
          tile.finish(panel, 1, out + row * out_stride, out_stride);
        }
      });
}

/// Which keys the queries of one batch item see.
struct Visibility {
  const Layout& layout;
  const std::int32_t* key_mask;  // of the item; null for none

  bool operator()(std::int64_t i, std::int64_t j) const {
    return j < layout.visible_end(i) && (key_mask == nullptr || key_mask[j] != 0);
  }
};

Visibility visibility(const sdk::Exec& exec, const Layout& layout, std::int64_t b) {
  if (layout.key_mask < 0) return {layout, nullptr};
  return {layout, exec.input<std::int32_t>(layout.key_mask) + b * layout.keys};
}

/// One head of q, k, v or y as a matrix [length, width], and its transpose.
template <class T>
Matrix<T> head(const T* data, const Layout::Place& place, std::int64_t b, std::int64_t h,
               std::int64_t width) {
  return {data + place.at(b, h, width), place.stride, 1};
}
template <class T>
Matrix<T> turned(Matrix<T> x) {
  return {x.data, x.column_step, x.row_step};
}

template <class T>
class AttentionForward final : public LoopKernel<T> {
 public:
  explicit AttentionForward(const Op& op) : l_(ops::Attention::layout(op)) {
    if (l_.probabilities >= 0) return;
    this->info_.workspace_bytes = sizeof(T) * static_cast<std::size_t>(l_.queries * l_.keys);
  }

 private:
  void run(const sdk::Exec& exec) const override {
    for (std::int64_t b = 0; b < l_.batch; ++b) {
      const Visibility visible = visibility(exec, l_, b);
      for (std::int64_t h = 0; h < l_.heads; ++h) {
        T* p = l_.probabilities < 0 ? exec.workspace<T>()
                                    : exec.output<T>(1) + (b * l_.heads + h) * l_.queries * l_.keys;
        contract(l_.queries, l_.keys, l_.key_width,
                 head(exec.input<T>(l_.q.operand), l_.q, b, h, l_.key_width),
                 turned(head(exec.input<T>(l_.k.operand), l_.k, b, h, l_.key_width)), p);
        for (std::int64_t i = 0; i < l_.queries; ++i) softmax(i, visible, p + i * l_.keys);
        contract_visible(l_.queries, l_.value_width, l_.keys, Matrix<T>{p, l_.keys, 1},
                         head(exec.input<T>(l_.v.operand), l_.v, b, h, l_.value_width), visible,
                         exec.output<T>(0) + l_.y.at(b, h, l_.value_width), l_.y.stride);
      }
    }
  }

  /// Turns the sums of query i into its probabilities.
  void softmax(std::int64_t i, const Visibility& visible, T* p) const {
    constexpr T kLowest = -std::numeric_limits<T>::infinity();
    bool any = false;
    for (std::int64_t j = 0; j < l_.keys; ++j) {
      any |= visible(i, j);
      p[j] = visible(i, j) ? p[j] * static_cast<T>(l_.scale) : kLowest;
    }
    if (!any) {
      std::fill_n(p, l_.keys, T(0));
      return;
    }
    const T max = canonical_max(p, l_.keys);
    for (std::int64_t j = 0; j < l_.keys; ++j) {
      p[j] = visible(i, j) ? math::exp(p[j] - max) : T(0);
    }
    const T sum = canonical_sum<T>(l_.keys, [&](std::int64_t j) { return p[j]; });
    for (std::int64_t j = 0; j < l_.keys; ++j) {
      if (visible(i, j)) p[j] /= sum;
    }
  }

  Layout l_;
};

template <class T>
class AttentionBackward final : public LoopKernel<T> {
 public:
  explicit AttentionBackward(const Op& op) : l_(ops::Attention::layout(op)) {
    this->info_.workspace_bytes = sizeof(T) * static_cast<std::size_t>(l_.queries * l_.keys);
  }

 private:
  void run(const sdk::Exec& exec) const override {
    const std::int64_t width = l_.key_width, value_width = l_.value_width;
    T* const ds = exec.workspace<T>();
    for (std::int64_t b = 0; b < l_.batch; ++b) {
      const Visibility visible = visibility(exec, l_, b);
      const auto seen_by = [&](std::int64_t j, std::int64_t i) { return visible(i, j); };
      for (std::int64_t h = 0; h < l_.heads; ++h) {
        const T* p = exec.input<T>(l_.probabilities) + (b * l_.heads + h) * l_.queries * l_.keys;
        const auto q = head(exec.input<T>(l_.q.operand), l_.q, b, h, width);
        const auto k = head(exec.input<T>(l_.k.operand), l_.k, b, h, width);
        const auto v = head(exec.input<T>(l_.v.operand), l_.v, b, h, value_width);
        const auto grad_y = head(exec.input<T>(l_.y.operand), l_.y, b, h, value_width);
        contract(l_.queries, l_.keys, value_width, grad_y, turned(v), ds);
        for (std::int64_t i = 0; i < l_.queries; ++i) {
          softmax_backward(i, visible, p + i * l_.keys, ds + i * l_.keys);
        }
        contract_visible(l_.queries, width, l_.keys, Matrix<T>{ds, l_.keys, 1}, k, visible,
                         exec.output<T>(l_.q.operand) + l_.q.at(b, h, width), l_.q.stride);
        contract_visible(l_.keys, width, l_.queries, Matrix<T>{ds, 1, l_.keys}, q, seen_by,
                         exec.output<T>(l_.k.operand) + l_.k.at(b, h, width), l_.k.stride);
        contract_visible(l_.keys, value_width, l_.queries, Matrix<T>{p, 1, l_.keys}, grad_y,
                         seen_by, exec.output<T>(l_.v.operand) + l_.v.at(b, h, value_width),
                         l_.v.stride);
      }
    }
  }

  /// Turns dp of query i into ds; hidden pairs are not looked at again.
  void softmax_backward(std::int64_t i, const Visibility& visible, const T* p, T* ds) const {
    const T dot = canonical_sum<T>(
        l_.keys, [&](std::int64_t j) { return visible(i, j) ? p[j] * ds[j] : T(0); });
    for (std::int64_t j = 0; j < l_.keys; ++j) {
      ds[j] = p[j] * (ds[j] - dot) * static_cast<T>(l_.scale);
    }
  }

  Layout l_;
};

}  // namespace

std::span<const Entry> attention_kernels() {
  static const Entry entries[] = {entry<AttentionForward>(ops::Attention::kForward),
                                  entry<AttentionBackward>(ops::Attention::kBackward)};
  return entries;
}

}  // namespace soma::reference
