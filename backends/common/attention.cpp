#include "soma/sdk/ops/attention.hpp"

#include <cmath>

#include "banded_product.hpp"
#include "copy.hpp"
#include "kernel_base.hpp"
#include "lanes.hpp"
#include "reductions.hpp"
#include "schedule.hpp"
#include "softmax.hpp"

namespace soma::common {
namespace {

// Letters as in the header; i runs over queries, j over keys. The work is cut into pieces of some
// rows of one head, queries or keys; no sum is ever cut.

using Layout = ops::Attention::Layout;

/// Scores of a piece that fit behind the left operand in a thread's scratch.
constexpr std::int64_t kScoreScratch = kRowScratch - BandedProduct::kLeftScratch;

class AttentionKernel : public CanonicalKernel {
 protected:
  AttentionKernel(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel), l_(ops::Attention::layout(op)) {}

  struct Head {
    std::int64_t b, h;
    std::int64_t index;            // b * heads + h
    const std::int32_t* key_mask;  // of the batch item; null for none
  };

  /// Runs body(head, begin, end) over all rows of all heads, at most `most` rows at a time.
  template <class Body>
  void for_each_piece(const sdk::Exec& exec, std::int64_t rows, std::int64_t most,
                      Body&& body) const {
    const std::int64_t heads = l_.batch * l_.heads;
    if (heads == 0 || rows == 0) return;
    // Each piece packs its right operands anew, which takes many rows to pay.
    constexpr std::int64_t kFewRows = 16;
    const std::int64_t wanted = ceil_div(exec.threads() * std::int64_t{2}, heads);
    const std::int64_t pieces =
        std::max(ceil_div(rows, most), std::min(wanted, ceil_div(rows, kFewRows)));
    const double work = static_cast<double>(ceil_div(rows, pieces)) *
                        static_cast<double>(l_.queries + l_.keys - rows) *
                        static_cast<double>(l_.key_width + l_.value_width + 16);
    const auto grain = static_cast<std::int64_t>(1 + kSmall / (1 + work));
    parallel().run(exec.threads(), heads * pieces, grain,
                   [&](std::int64_t first, std::int64_t last) {
                     for (std::int64_t n = first; n < last; ++n) {
                       const std::int64_t index = n / pieces, piece = n % pieces;
                       Head head{index / l_.heads, index % l_.heads, index, nullptr};
                       if (l_.key_mask >= 0) {
                         head.key_mask = exec.input<std::int32_t>(l_.key_mask) + head.b * l_.keys;
                       }
                       body(head, cut(rows, pieces, piece), cut(rows, pieces, piece + 1));
                     }
                   });
  }

  /// left [Tq,width] * transpose(right) [width,Tk], for the pairs that a mask may leave visible.
  BandedProduct pairs(const float* left, std::int64_t left_stride, const float* right,
                      std::int64_t right_stride, std::int64_t width, float* out) const {
    return {.cols = l_.keys,
            .terms = width,
            .left = left,
            .left_stride = left_stride,
            .left_along = Along::terms,
            .right = right,
            .right_stride = right_stride,
            .right_along = Along::terms,
            .band = band(Band::Of::columns),
            .out = out,
            .out_stride = l_.keys};
  }
  /// weights [Tq,Tk] * right [Tk,width] over the visible keys.
  BandedProduct over_keys(const float* weights, const float* right, const Layout::Place& place,
                          std::int64_t width, const Head& head, float* out,
                          const Layout::Place& out_place) const {
    return {.cols = width,
            .terms = l_.keys,
            .left = weights,
            .left_stride = l_.keys,
            .left_along = Along::terms,
            .right = right + place.at(head.b, head.h, width),
            .right_stride = place.stride,
            .right_along = Along::outer,
            .band = band(Band::Of::terms),
            .term_mask = head.key_mask,
            .out = out + out_place.at(head.b, head.h, width),
            .out_stride = out_place.stride};
  }
  Band band(Band::Of of) const {
    if (!l_.causal) return {};
    return {of, l_.keys - l_.queries + 1};
  }

  Layout l_;
};

class AttentionForward final : public AttentionKernel {
 public:
  AttentionForward(const Op& op, const Parallel& parallel) : AttentionKernel(op, parallel) {
    const std::int64_t rows = l_.batch * l_.heads * l_.queries;
    if (l_.probabilities < 0 && l_.keys > kScoreScratch) {
      info_.workspace_bytes = static_cast<std::size_t>(rows * l_.keys) * sizeof(float);
    }
  }

 private:
  void compute(const sdk::Exec& exec) const override {
    const bool in_scratch = l_.probabilities < 0 && l_.keys <= kScoreScratch;
    float* const all =
        l_.probabilities < 0 ? exec.workspace<float>() : exec.output<float>(l_.probabilities);
    std::int64_t most = 128;
    if (in_scratch) most = std::clamp<std::int64_t>(kScoreScratch / (l_.keys + 1), 1, most);
    for_each_piece(exec, l_.queries, most,
                   [&](const Head& head, std::int64_t begin, std::int64_t end) {
                     // Row i of the head's p lies at p + i * Tk, also where only a few are kept.
                     float* p = in_scratch ? scratch().a + BandedProduct::kLeftScratch
                                           : all + head.index * l_.queries * l_.keys;
                     attend(exec, head, begin, end, in_scratch ? begin : 0, p);
                   });
  }

  // Rows [begin, end) of one head; p holds its rows from `row` on.
  void attend(const sdk::Exec& exec, const Head& head, std::int64_t begin, std::int64_t end,
              std::int64_t row, float* p) const {
    const std::int64_t width = l_.key_width;
    const float* q = exec.input<float>(l_.q.operand) + l_.q.at(head.b, head.h, width);
    const float* k = exec.input<float>(l_.k.operand) + l_.k.at(head.b, head.h, width);
    // pass 1: sums of q * k
    BandedProduct scores = pairs(q + row * l_.q.stride, l_.q.stride, k, l_.k.stride, width, p);
    scores.band.shift += row;
    scores.run(begin - row, end - row);
    // pass 2: probabilities
    for (std::int64_t i = begin; i < end; ++i) {
      float* p_i = p + (i - row) * l_.keys;
      const std::int64_t seen = l_.visible_end(i);
      softmax(p_i, seen, head.key_mask);
      zero_floats(p_i + seen, l_.keys - seen);
    }
    // pass 3: y
    BandedProduct y = over_keys(p, exec.input<float>(l_.v.operand), l_.v, l_.value_width, head,
                                exec.output<float>(0), l_.y);
    y.band.shift += row;
    y.out += row * y.out_stride;
    y.run(begin - row, end - row);
  }

  // Sums to probabilities, for the keys [0, n) of one query.
  void softmax(float* p, std::int64_t n, const std::int32_t* key_mask) const {
    if (n == 0) return;
    const Lanes scale(l_.scale);
    math::transform_as<Lanes>(p, p, n, [scale](Lanes s) { return s * scale; });
    bool any = key_mask == nullptr;
    if (key_mask != nullptr) {
      for (std::int64_t j = 0; j < n; ++j) {
        any |= key_mask[j] != 0;
        p[j] = key_mask[j] != 0 ? p[j] : -HUGE_VALF;
      }
    }
    if (!any) return zero_floats(p, n);
    float sum;
    const float most = softmax_row(p, p, n, &sum);
    // exp(-inf - most) is +0 already, unless most is not finite.
    if (key_mask == nullptr || std::isfinite(most)) return;
    for (std::int64_t j = 0; j < n; ++j) {
      if (key_mask[j] == 0) p[j] = 0;
    }
  }
};

class AttentionBackward final : public AttentionKernel {
 public:
  AttentionBackward(const Op& op, const Parallel& parallel) : AttentionKernel(op, parallel) {
    const std::int64_t rows = l_.batch * l_.heads * l_.queries;
    info_.workspace_bytes = static_cast<std::size_t>(rows * l_.keys) * sizeof(float);
  }

 private:
  void compute(const sdk::Exec& exec) const override {
    constexpr std::int64_t kMost = 128;
    for_each_piece(exec, l_.queries, kMost,
                   [&](const Head& head, std::int64_t begin, std::int64_t end) {
                     differentiate_queries(exec, head, begin, end);
                   });
    for_each_piece(exec, l_.keys, kMost,
                   [&](const Head& head, std::int64_t begin, std::int64_t end) {
                     differentiate_keys(exec, head, begin, end);
                   });
  }

  const float* probabilities(const sdk::Exec& exec, const Head& head) const {
    return exec.input<float>(l_.probabilities) + head.index * l_.queries * l_.keys;
  }

  // ds, kept in the workspace, and grad_q of the queries [begin, end).
  void differentiate_queries(const sdk::Exec& exec, const Head& head, std::int64_t begin,
                             std::int64_t end) const {
    const std::int64_t width = l_.value_width;
    float* const ds = exec.workspace<float>() + head.index * l_.queries * l_.keys;
    const float* grad_y = exec.input<float>(l_.y.operand) + l_.y.at(head.b, head.h, width);
    const float* v = exec.input<float>(l_.v.operand) + l_.v.at(head.b, head.h, width);
    // pass 1: dp
    pairs(grad_y, l_.y.stride, v, l_.v.stride, width, ds).run(begin, end);
    // pass 2: ds
    const float* p = probabilities(exec, head);
    for (std::int64_t i = begin; i < end; ++i) {
      float* ds_i = ds + i * l_.keys;
      const std::int64_t seen = l_.visible_end(i);
      softmax_backward(p + i * l_.keys, ds_i, seen, head.key_mask);
      zero_floats(ds_i + seen, l_.keys - seen);
    }
    // pass 3: grad_q
    over_keys(ds, exec.input<float>(l_.k.operand), l_.k, l_.key_width, head,
              exec.output<float>(l_.q.operand), l_.q)
        .run(begin, end);
  }

  // dp to ds, for the keys [0, n) of one query.
  void softmax_backward(const float* p, float* ds, std::int64_t n,
                        const std::int32_t* key_mask) const {
    if (key_mask != nullptr) {
      for (std::int64_t j = 0; j < n; ++j) ds[j] = key_mask[j] != 0 ? ds[j] : 0.0f;
    }
    const Lanes dot(canonical_dot(p, ds, n)), scale(l_.scale);
    math::transform_as<Lanes>(p, ds, ds, n,
                              [dot, scale](Lanes y, Lanes dy) { return y * (dy - dot) * scale; });
    if (key_mask != nullptr) {
      for (std::int64_t j = 0; j < n; ++j) ds[j] = key_mask[j] != 0 ? ds[j] : 0.0f;
    }
  }

  // grad_k and grad_v of the keys [begin, end).
  void differentiate_keys(const sdk::Exec& exec, const Head& head, std::int64_t begin,
                          std::int64_t end) const {
    const float* ds = exec.workspace<float>() + head.index * l_.queries * l_.keys;
    over_queries(exec, head, ds, l_.q, l_.k, l_.key_width, begin, end);
    over_queries(exec, head, probabilities(exec, head), l_.y, l_.v, l_.value_width, begin, end);
  }

  // transpose(weights) [Tk,Tq] * right [Tq,width] over the queries that see a key.
  void over_queries(const sdk::Exec& exec, const Head& head, const float* weights,
                    const Layout::Place& right, const Layout::Place& out, std::int64_t width,
                    std::int64_t begin, std::int64_t end) const {
    const BandedProduct product{
        .cols = width,
        .terms = l_.queries,
        .left = weights,
        .left_stride = l_.keys,
        .left_along = Along::outer,
        .right = exec.input<float>(right.operand) + right.at(head.b, head.h, width),
        .right_stride = right.stride,
        .right_along = Along::outer,
        .band = band(Band::Of::row_terms),
        .out = exec.output<float>(out.operand) + out.at(head.b, head.h, width),
        .out_stride = out.stride};
    product.run(begin, end);
    if (head.key_mask == nullptr) return;
    for (std::int64_t j = begin; j < end; ++j) {
      if (head.key_mask[j] == 0) zero_floats(product.out + j * product.out_stride, width);
    }
  }
};

KernelPtr make_attention(const Op& op, const Parallel& parallel) {
  if (op.id == ops::Attention::kForward) return std::make_unique<AttentionForward>(op, parallel);
  return std::make_unique<AttentionBackward>(op, parallel);
}

}  // namespace

std::span<const Entry> attention_kernels() {
  static constexpr Entry kEntries[] = {
      {ops::Attention::kForward, &make_attention},
      {ops::Attention::kBackward, &make_attention},
  };
  return kEntries;
}

}  // namespace soma::common
